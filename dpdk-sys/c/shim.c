#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "shim.h"

_Static_assert(RTE_VERSION >= RTE_VERSION_NUM(22, 11, 0, 0), "DPDK 22.11 or later is needed");

int shim_errno(void) { return rte_errno; }
uint32_t shim_lcore_id(void) { return rte_lcore_id(); }
uint32_t shim_lcore_any(void) { return LCORE_ID_ANY; }

/* ===== buffers ===== */
struct rte_mbuf *shim_alloc(struct rte_mempool *pool) { return rte_pktmbuf_alloc(pool); }

int shim_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, uint32_t count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void shim_free(struct rte_mbuf *mbuf) { rte_pktmbuf_free(mbuf); }
int shim_linearize(struct rte_mbuf *mbuf) { return rte_pktmbuf_linearize(mbuf); }

/* ===== ports ===== */
uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

int shim_port_info(uint16_t port, struct shim_port_info *out)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = rte_eth_dev_info_get(port, &info);
	if (ret != 0)
		return ret;
	ret = rte_eth_macaddr_get(port, &mac);
	if (ret != 0)
		return ret;
	memcpy(out->mac, mac.addr_bytes, sizeof(out->mac));
	if (info.driver_name != NULL)
		strncpy(out->driver, info.driver_name, sizeof(out->driver) - 1);
	out->socket = rte_eth_dev_socket_id(port);
	out->rx_queues_max = info.max_rx_queues;
	out->tx_queues_max = info.max_tx_queues;
	out->mtu_min = info.min_mtu;
	out->mtu_max = info.max_mtu;
	out->rx_len_max = info.max_rx_pktlen;
	out->rx_len_overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	if (info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu)
		out->rx_len_overhead = info.max_rx_pktlen - info.max_mtu;
	out->rx_offloads = info.rx_offload_capa;
	out->tx_offloads = info.tx_offload_capa;
	out->rss = info.flow_type_rss_offloads;
	return 0;
}

int shim_port_setup(uint16_t port, const struct shim_port_setup *setup)
{
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = setup->mtu;
	conf.rxmode.offloads = setup->rx_offloads;
	conf.txmode.offloads = setup->tx_offloads;
	if (setup->rss != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = setup->rss;
	}
	return rte_eth_dev_configure(port, setup->rx_queues, setup->tx_queues, &conf);
}

int shim_port_descriptors(uint16_t port, uint16_t *rx, uint16_t *tx)
{
	return rte_eth_dev_adjust_nb_rx_tx_desc(port, rx, tx);
}

int shim_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket,
		  struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, descriptors, socket, NULL, pool);
}

int shim_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket)
{
	return rte_eth_tx_queue_setup(port, queue, descriptors, socket, NULL);
}

int shim_port_link(uint16_t port, struct shim_link *out)
{
	struct rte_eth_link link;
	int ret;

	memset(out, 0, sizeof(*out));
	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port, &link);
	if (ret != 0)
		return ret;
	out->speed_mbps = link.link_speed;
	out->up = link.link_status;
	out->full_duplex = link.link_duplex;
	return 0;
}

int shim_port_stats(uint16_t port, struct shim_stats *out)
{
	struct rte_eth_stats stats;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = rte_eth_stats_get(port, &stats);
	if (ret != 0)
		return ret;
	out->ipackets = stats.ipackets;
	out->opackets = stats.opackets;
	out->ibytes = stats.ibytes;
	out->obytes = stats.obytes;
	out->imissed = stats.imissed;
	out->ierrors = stats.ierrors;
	out->oerrors = stats.oerrors;
	out->rx_nombuf = stats.rx_nombuf;
	return 0;
}

int shim_port_counters(uint16_t port, struct shim_counter *out, uint32_t room)
{
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;
	int count = rte_eth_xstats_get_names(port, NULL, 0);
	int i;

	if (count <= 0 || (uint32_t)count > room)
		return count;
	names = calloc(count, sizeof(*names));
	values = calloc(count, sizeof(*values));
	if (names == NULL || values == NULL) {
		count = -ENOMEM;
	} else if (rte_eth_xstats_get_names(port, names, count) != count ||
		   rte_eth_xstats_get(port, values, count) != count) {
		count = -EAGAIN;
	} else {
		for (i = 0; i < count; i++) {
			memcpy(out[i].name, names[i].name, sizeof(out[i].name));
			out[i].name[sizeof(out[i].name) - 1] = 0;
			out[i].value = values[i].value;
		}
	}
	free(names);
	free(values);
	return count;
}

int shim_port_mac(uint16_t port, uint8_t mac[6])
{
	struct rte_ether_addr addr;
	int ret = rte_eth_macaddr_get(port, &addr);

	if (ret == 0)
		memcpy(mac, addr.addr_bytes, 6);
	return ret;
}

/* ===== rest ===== */
int shim_can_pause(void)
{
	struct rte_cpu_intrinsics can;

	rte_cpu_get_intrinsics_support(&can);
	return can.power_pause;
}

void shim_pause(uint64_t until) { (void)rte_power_pause(until); }

/* ===== quiescent-state reclamation ===== */
void shim_qsbr_online(struct rte_rcu_qsbr *v, uint32_t reader)
{
	rte_rcu_qsbr_thread_online(v, reader);
}

void shim_qsbr_offline(struct rte_rcu_qsbr *v, uint32_t reader)
{
	rte_rcu_qsbr_thread_offline(v, reader);
}

void shim_qsbr_quiescent(struct rte_rcu_qsbr *v, uint32_t reader)
{
	rte_rcu_qsbr_quiescent(v, reader);
}

uint64_t shim_qsbr_start(struct rte_rcu_qsbr *v) { return rte_rcu_qsbr_start(v); }

int shim_qsbr_check(struct rte_rcu_qsbr *v, uint64_t token, uint8_t wait)
{
	return rte_rcu_qsbr_check(v, token, wait != 0);
}
