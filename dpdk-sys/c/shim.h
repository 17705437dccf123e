/* The seam between DPDK and Rust: fixed types and functions over what is inline, a macro, a
 * bit-field or different from one release of DPDK to the next (22.11 and later). */
#ifndef DPDK_SYS_SHIM_H
#define DPDK_SYS_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_version.h>

/* ===== the release these bindings were made against ===== */
static const uint32_t SHIM_VERSION_YEAR = RTE_VER_YEAR;
static const uint32_t SHIM_VERSION_MONTH = RTE_VER_MONTH;
static const uint32_t SHIM_MAX_ETHPORTS = RTE_MAX_ETHPORTS;
static const uint32_t SHIM_MAX_LCORE = RTE_MAX_LCORE;
static const uint32_t SHIM_HEADROOM = RTE_PKTMBUF_HEADROOM;
static const uint32_t SHIM_MBUF_SIZE = sizeof(struct rte_mbuf);
static const uint32_t SHIM_MEMPOOL_NAME_LEN = RTE_MEMPOOL_NAMESIZE;
static const uint32_t SHIM_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const uint32_t SHIM_RING_NAME_LEN = RTE_RING_NAMESIZE;

/* ===== where the fields of `struct rte_mbuf` lie, checked by `src/mbuf.rs` ===== */
static const size_t SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t SHIM_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt);
static const size_t SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port);
static const size_t SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const size_t SHIM_MBUF_PACKET_TYPE = offsetof(struct rte_mbuf, packet_type);
static const size_t SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t SHIM_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci);
static const size_t SHIM_MBUF_RSS = offsetof(struct rte_mbuf, hash.rss);
static const size_t SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);
static const size_t SHIM_MBUF_POOL = offsetof(struct rte_mbuf, pool);
static const size_t SHIM_MBUF_TX_OFFLOAD = offsetof(struct rte_mbuf, tx_offload);

/* ===== flags of a packet ===== */
static const uint64_t SHIM_RX_VLAN = RTE_MBUF_F_RX_VLAN;
static const uint64_t SHIM_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t SHIM_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t SHIM_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t SHIM_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t SHIM_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t SHIM_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t SHIM_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t SHIM_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t SHIM_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t SHIM_RX_L4_CKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;
static const uint64_t SHIM_TX_VLAN = RTE_MBUF_F_TX_VLAN;
static const uint64_t SHIM_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t SHIM_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t SHIM_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t SHIM_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t SHIM_TX_TCP_CKSUM = RTE_MBUF_F_TX_TCP_CKSUM;
static const uint64_t SHIM_TX_L4_MASK = RTE_MBUF_F_TX_L4_MASK;

/* ===== offloads of a port ===== */
static const uint64_t SHIM_RXO_VLAN_STRIP = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
static const uint64_t SHIM_RXO_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SHIM_RXO_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t SHIM_RXO_TCP_CKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t SHIM_RXO_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_RXO_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SHIM_TXO_VLAN_INSERT = RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
static const uint64_t SHIM_TXO_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SHIM_TXO_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t SHIM_TXO_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t SHIM_TXO_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t SHIM_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t SHIM_RSS_UDP = RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t SHIM_RSS_GTPU = RTE_ETH_RSS_GTPU;

/* Many may give, one takes. */
static const uint32_t SHIM_RING_MPSC = RING_F_SC_DEQ;

/* ===== thread-local values ===== */
int shim_errno(void);
uint32_t shim_lcore_id(void);
uint32_t shim_lcore_any(void);

/* ===== buffers ===== */
struct rte_mbuf *shim_alloc(struct rte_mempool *pool);
int shim_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, uint32_t count);
void shim_free(struct rte_mbuf *mbuf);
int shim_linearize(struct rte_mbuf *mbuf);

/* ===== ports ===== */
uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);

/* What a port is and can do. */
struct shim_port_info {
	char driver[64];
	uint8_t mac[6];
	int32_t socket;
	uint16_t rx_queues_max;
	uint16_t tx_queues_max;
	uint16_t mtu_min;
	uint16_t mtu_max;
	uint32_t rx_len_max;
	uint32_t rx_len_overhead;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss;
};
int shim_port_info(uint16_t port, struct shim_port_info *out);

/* How a port shall be set up; every bit must be one that `shim_port_info` offered. */
struct shim_port_setup {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu; /* 0: the driver's own */
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss; /* 0: no spreading */
};
int shim_port_setup(uint16_t port, const struct shim_port_setup *setup);
/* Rounds both to what the driver takes. */
int shim_port_descriptors(uint16_t port, uint16_t *rx, uint16_t *tx);
int shim_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket,
		  struct rte_mempool *pool);
int shim_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket);

struct shim_link {
	uint32_t speed_mbps; /* UINT32_MAX: unknown */
	uint8_t up;
	uint8_t full_duplex;
};
int shim_port_link(uint16_t port, struct shim_link *out);

struct shim_stats {
	uint64_t ipackets;
	uint64_t opackets;
	uint64_t ibytes;
	uint64_t obytes;
	uint64_t imissed;
	uint64_t ierrors;
	uint64_t oerrors;
	uint64_t rx_nombuf;
};
int shim_port_stats(uint16_t port, struct shim_stats *out);
/* One of a driver's own counters. */
struct shim_counter {
	char name[64];
	uint64_t value;
};
/* Fills at most `room`; returns how many there are. */
int shim_port_counters(uint16_t port, struct shim_counter *out, uint32_t room);
int shim_port_mac(uint16_t port, uint8_t mac[6]);

/* ===== rest ===== */
/* Whether the CPU can pause until a time (TPAUSE). */
int shim_can_pause(void);
void shim_pause(uint64_t until);

/* ===== quiescent-state reclamation ===== */
void shim_qsbr_online(struct rte_rcu_qsbr *v, uint32_t reader);
void shim_qsbr_offline(struct rte_rcu_qsbr *v, uint32_t reader);
void shim_qsbr_quiescent(struct rte_rcu_qsbr *v, uint32_t reader);
uint64_t shim_qsbr_start(struct rte_rcu_qsbr *v);
int shim_qsbr_check(struct rte_rcu_qsbr *v, uint64_t token, uint8_t wait);

#endif
