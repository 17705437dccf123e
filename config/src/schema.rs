//! Every key of the configuration file, declared once.
//!
//! A line reads `key: Type = default`; the default is YAML text, `required` for none, and
//! `in a..=b` bounds a number. `, live` marks a key that can change while the UPF runs, with all that
//! is in it; `upf/src/reload.rs` brings that about. The doc comment of a key is its help
//! text, in the reference too.

mod rules;

use std::net::{IpAddr, SocketAddr};

use crate::sections::sections;
use crate::{
    Buffers, Device, FilePath, InterfaceAddress, Lcores, Mtu, Name, NetworkName, NodeId,
    PeerAddress, Prefix, Slice, SocketPath, VlanId,
};

pub use crate::words::*;
pub use rules::*;

sections! {
    /// The whole file.
    pub struct Config {
        /// Who this UPF is.
        node: Node = "{}";
        /// N4, the interface to the SMF (TS 29.244).
        pfcp: Pfcp = required;
        /// The DPDK ports that packets come in and go out by.
        ports: Vec<Port> = required;
        /// The 3GPP interfaces that live on the ports.
        interfaces: Vec<Interface> = required;
        /// The data networks behind N6, each with routes and addresses of its own (a VRF).
        networks: Vec<Network> = "[]";
        /// Ways out that SMFs may name in a Forwarding Policy. Others are refused.
        forwarding_policies: Vec<ForwardingPolicy> = "[]";
        /// Applications that are known without an SMF's PFDs. PFDs of the same application take the place of what is written here, for as long as there are any.
        applications: Vec<Application> = "[]";
        /// Rules that SMFs activate by name (Activate Predefined Rules; TS 29.244, 5.19). With any, ADPDP is announced.
        predefined: Predefined = "{}";
        /// Slices (S-NSSAIs) whose sessions have limits together.
        slices: Vec<SliceLimits> = "[]";
        /// How bit rates are enforced.
        qos: Qos = "{}";
        /// GTP-U, the tunnels of N3 and N9 (TS 29.281).
        gtpu: Gtpu = "{}";
        /// The processors that work on packets.
        workers: Workers = "{}";
        /// The memory that packets lie in.
        memory: Memory = "{}";
        /// Bounds on everything that a peer could let grow. One that is reached is answered with the cause "no resources available" and counted.
        limits: Limits = "{}";
        /// Packets that are held for idle UEs.
        buffering: Buffering = "{}";
        /// How operators look in, and change what can be changed while the UPF runs: HTTP, described at `/openapi.json`.
        api: Api = "{}";
        /// What is written about the UPF's doings.
        log: Log = "{}";
    }

    /// Who this UPF is.
    pub struct Node {
        /// Node ID on N4. Without one: `pfcp.address`.
        id: Option<NodeId> = "~";
    }

    /// N4, the interface to the SMF (TS 29.244).
    pub struct Pfcp {
        /// Address of this host on which PFCP is listened for.
        address: IpAddr = required;
        /// UDP port that is listened on.
        port: u16 = "8805" in 1..=65535;
        /// Address that is given to the SMF in F-SEIDs, where it differs from `pfcp.address` (NAT). Without one: `pfcp.address`.
        advertise: Option<IpAddr> = "~";
        /// SMFs with which the UPF itself starts the association. The others start it themselves.
        smf: Vec<PeerAddress> = "[]", live;
        /// From where SMFs may associate. What comes from elsewhere is dropped and counted. Empty: from everywhere, with a warning.
        allow: Vec<Prefix> = "[]", live;
        /// Node IDs that may associate. Empty: any.
        allow_nodes: Vec<NodeId> = "[]", live;
        /// Whether a Node ID that is associated may begin anew from another address: `never`, `when_silent` (once heartbeats to the old address are not answered), `always`. A Node ID that is the very address it comes from always may.
        moves: Moves = "when_silent", live;
        /// The pauses between attempts to associate with an SMF of `pfcp.smf`.
        associate: Associate = "{}";
        /// Seconds that an SMF is given to release its association when asked to, while what its sessions used is reported; then the sessions end. 0: they end at once.
        release_grace_s: u32 = "10" in 0..=3600, live;
        /// Octets of the longest datagram in which session messages to an SMF that can read it (BUNDL) go together. 0: each goes by itself.
        bundle_octets: u32 = "1400" in 0..=65_000, live;
        /// Tell SMFs the DSCP of the first packet that is held for a UE (Paging Policy Indication). Open5GS refuses reports with one other than 0.
        paging_policy: bool = "false", live;
        /// How often an unanswered request is sent again (clause 6.4).
        retransmission: Retransmission = "{}";
        /// Heartbeats to associated SMFs (clause 6.2.2).
        heartbeat: Heartbeat = "{}";
        /// For how many seconds a response is kept, to be sent again when its request is repeated.
        response_hold_s: u32 = "15" in 1..=3600, live;
    }

    /// How often an unanswered request is sent again.
    pub struct Retransmission {
        /// T1: milliseconds to wait for an answer.
        t1_ms: u32 = "3000" in 100..=60_000, live;
        /// N1: how often to send the request again before the peer is given up.
        n1: u32 = "3" in 0..=20, live;
    }

    /// The pauses between attempts to associate with an SMF.
    pub struct Associate {
        /// Seconds to the second attempt. The pause doubles with each that fails.
        again_s: u32 = "10" in 1..=3600, live;
        /// Seconds of the longest pause.
        again_most_s: u32 = "60" in 1..=86_400, live;
    }

    /// Heartbeats to associated SMFs.
    pub struct Heartbeat {
        /// Seconds between two heartbeat requests to a peer; 0 sends none.
        interval_s: u32 = "10" in 0..=3600, live;
        /// Seconds for which the sessions of an SMF that answers no heartbeat stay: one that comes back under another name finds its UE addresses taken until then. 0: until it is back, or `limits.peers` is reached and it has been silent for longest.
        delete_silent_after_s: u32 = "300" in 0..=2_592_000, live;
    }

    /// A DPDK port.
    pub struct Port {
        /// Name of the port in this file and in metrics.
        name: Name = required;
        /// The device: `pci:0000:03:02.0`, `env:PCIDEVICE_…[,index=N]` (a PCI address that the SR-IOV device plugin left in that variable), `af_xdp:IF`, `af_packet:IF`, `tap:NAME`, `memif:SOCKET[,id=N][,role=client|server]`, `vhost:PATH`, `pcap:RX[,TX]`, `ring:NAME` or `null:`.
        device: Device = required;
        /// Largest IP packet that fits into a frame, in octets.
        mtu: Mtu = "1500";
        /// Receive queues. More than one spreads the load where the device can (RSS).
        rx_queues: u16 = "1" in 1..=64;
        /// Descriptors of each receive queue.
        rx_descriptors: u16 = "1024" in 64..=4096;
        /// Descriptors of each transmit queue.
        tx_descriptors: u16 = "1024" in 64..=4096;
        /// Receive frames for other MAC addresses too.
        promiscuous: bool = "false";
    }

    /// A 3GPP interface on a port.
    pub struct Interface {
        /// Name of the interface in this file and in metrics.
        name: Name = required;
        /// `n3` towards gNBs, `n9` towards other UPFs, `n6` towards data networks.
        role: Role = required;
        /// Name of the port that it lives on. Several interfaces may share one.
        port: Name = required;
        /// VLAN tag of its frames, 1 to 4094. Without one: untagged.
        vlan: Option<VlanId> = "~";
        /// Addresses of the UPF on it, with prefix length. For N3 and N9 these are the tunnel endpoints.
        addresses: Vec<InterfaceAddress> = "[]";
        /// Routes beyond its own subnets. Several to one destination share its flows.
        routes: Vec<Route> = "[]";
        /// For N3 and N9: the network instances for which the SMF is given this interface. Empty: all.
        network_instances: Vec<NetworkName> = "[]";
        /// The kernel's side, for a port with a `tap:` device.
        kernel: Option<Kernel> = "~";
    }

    /// A route of an interface.
    pub struct Route {
        /// Destination; `0.0.0.0/0` and `::/0` are the default routes.
        to: Prefix = required;
        /// Next hop, in one of the interface's subnets.
        via: IpAddr = required;
    }

    /// The kernel's side of a TAP interface.
    pub struct Kernel {
        /// Addresses that the kernel's end is given at start, so that the host can route to UEs.
        addresses: Vec<InterfaceAddress> = "[]";
    }

    /// A data network.
    pub struct Network {
        /// Network instance, APN or DNN by which the SMF names it, plain or label-encoded. `*` takes every name that no other network has.
        name: NetworkName = required;
        /// Name of the N6 interface it lies behind.
        interface: Name = required;
        /// The UE addresses whose downlink belongs here. The UPF answers ARP and neighbour discovery for them on a port that asks.
        ue_pools: Vec<Prefix> = "[]";
        /// Whether SMFs may give UEs addresses that do not lie in `ue_pools`. Where they may not, such a rule is refused. Of several networks behind one interface, all have to say no.
        ue_outside_pools: bool = "true", live;
        /// The addresses that UEs are given here, when SMFs leave it to the UPF (UEIP). Without any, addresses are the SMFs' to give.
        ue_allocation: Vec<Allocation> = "[]";
        /// Largest packet towards the data network in octets. Without one: the port's.
        mtu: Option<Mtu> = "~";
        /// Rates above those that SMFs allow.
        limits: NetworkLimits = "{}";
        /// Lower the segment size that TCP connections announce (MSS) to what fits through the tunnels and this network, in both directions.
        clamp_mss: bool = "false";
        /// What becomes of packets from one UE to another, that is, to an address of `ue_pools`: `n6` sends them out on N6 like all others; `local` gives them to the other UE inside the UPF, by the rules of both sessions; `drop` drops them.
        ue_to_ue: UeToUe = "n6";
        /// Tell UEs with an IPv6 prefix of their router: for SMFs that do not do so themselves. UEs are told when they can be reached first, when they ask, and from time to time. What an SMF takes for itself by its rules it answers.
        router_advertisements: Option<RouterAdvertisements> = "~";
        /// The network carries Ethernet frames: for PDU sessions of type Ethernet, and for no others. Its interface is alone in its VLAN, or on its port without one, and has no addresses; its port receives all frames. With `ue_to_ue: local` stations behind UEs reach each other inside the UPF.
        ethernet: Option<Ethernet> = "~";
    }

    /// How an Ethernet network finds its stations. Each is where it was heard first, until it has been silent there.
    pub struct Ethernet {
        /// Seconds after which a silent station is forgotten. An Ethernet Inactivity Timer that is shorter counts for its session.
        aging_s: u32 = "300" in 1..=86_400;
        /// Seconds of silence after which a station may be heard elsewhere: behind another UE, or in the data network. Until then what claims to come from it is dropped.
        move_after_s: u32 = "5" in 0..=86_400;
        /// Stations of one session.
        stations_per_session: u32 = "16" in 1..=255;
        /// Copies of frames to all sessions (broadcasts, and what goes to nobody known) that are made per second and worker.
        copies_per_second: u32 = "100000" in 0..=10_000_000;
    }

    /// A way out that SMFs may name in a Forwarding Policy.
    pub struct ForwardingPolicy {
        /// The Forwarding Policy Identifier.
        name: Name = required;
        /// Name of the N6 interface that packets leave by, in place of their network's.
        interface: Name = required;
        /// Gateways there, for all destinations. Several share the flows. Empty: the routes of the interface.
        via: Vec<IpAddr> = "[]";
    }

    /// Router Advertisements to UEs (RFC 4861). The prefix is that of the session, and lasts as long.
    pub struct RouterAdvertisements {
        /// Seconds for which the UPF is the UE's router. 0: it is none, and just tells the prefix.
        lifetime_s: u32 = "9000" in 0..=65_535;
        /// Seconds between two that nobody asked for; 0 sends one at the start alone. Idle UEs are not woken by them.
        interval_s: u32 = "0" in 0..=86_400;
        /// Largest packet that the UE may send, in octets. Without one: the network's `mtu`.
        mtu: Option<Mtu> = "~";
        /// IPv6 addresses of name servers (RFC 8106), 8 at most.
        dns: Vec<IpAddr> = "[]";
    }

    /// Limits on the sessions of a data network. What is within the guaranteed bit rate of a QER is charged to them, and not refused.
    pub struct NetworkLimits {
        /// Uplink kbit/s of each session; 0 is no limit.
        session_uplink_kbps: u32 = "0" in 0..=1_000_000_000;
        /// Downlink kbit/s of each session; 0 is no limit.
        session_downlink_kbps: u32 = "0" in 0..=1_000_000_000;
        /// Uplink kbit/s of all sessions together; 0 is no limit.
        uplink_kbps: u32 = "0" in 0..=1_000_000_000;
        /// Downlink kbit/s of all sessions together; 0 is no limit.
        downlink_kbps: u32 = "0" in 0..=1_000_000_000;
    }

    /// Limits on the sessions of a slice, as those of a data network.
    pub struct SliceLimits {
        /// The S-NSSAI that SMFs give, SST or SST-SD, such as `1` or `1-00a1b2`. Without an SD: every one of the SST that is not listed itself.
        slice: Slice = required;
        /// Uplink kbit/s of all sessions together; 0 is no limit.
        uplink_kbps: u32 = "0" in 0..=1_000_000_000;
        /// Downlink kbit/s of all sessions together; 0 is no limit.
        downlink_kbps: u32 = "0" in 0..=1_000_000_000;
    }

    /// How bit rates are enforced.
    pub struct Qos {
        /// Milliseconds of its rate that a policer lets through at once. A TCP that loses a whole window is silent for 200 ms: with less than that it comes to half of its rate.
        burst_ms: u32 = "250" in 1..=10_000;
        /// Octets that it lets through at once at least, however slow the rate.
        burst_least_octets: u32 = "15000" in 1500..=10_000_000;
    }

    /// Addresses that UEs are given here.
    pub struct Allocation {
        /// Parts of the network's `ue_pools`. Of an IPv6 network, which is a /64 or larger, each UE has a /64 unless its SMF asks for another length.
        ranges: Vec<Prefix> = required;
        /// UE IP address Pool Identity, by which SMFs may ask for these addresses.
        identity: Option<Name> = "~";
        /// The slices whose sessions are given these addresses: `1`, or with a Slice Differentiator `1-00a1b2`. Empty: all. An address for a session of another slice is refused, if no other pool has one.
        slices: Vec<Slice> = "[]";
    }

    /// GTP-U, the tunnels of N3 and N9.
    pub struct Gtpu {
        /// UDP port of GTP-U. Peers expect 2152; change it in a laboratory only.
        port: u16 = "2152" in 1..=65535;
        /// Error Indications sent per second and worker, for packets of unknown tunnels.
        error_indication_rate_pps: u32 = "100" in 0..=1_000_000;
        /// Error Indications of peers that are acted on per second and worker, a quarter of them from one peer.
        error_indication_received_rate_pps: u32 = "2000" in 0..=1_000_000;
        /// Echo Requests answered per second and worker, a tenth of them for one peer.
        echo_rate_pps: u32 = "1000" in 0..=1_000_000;
        /// What becomes of packets that are too big for a tunnel's MTU: `inner` cuts IPv4 packets that may be fragmented and tells the senders of all others by ICMP; `outer` cuts the tunnel's packets, which the peer has to put together; `never` tells all senders.
        fragmentation: Fragmentation = "inner";
        /// Tunnels' packets that come in fragments, and are put together.
        reassembly: Reassembly = "{}";
        /// Supervision of the peers that tunnels lead to: they are sent Echo Requests, and SMFs are told in node reports of those that stop to answer and of those that answer again.
        echo: Echo = "{}";
    }

    /// Fragments of tunnels' packets.
    pub struct Reassembly {
        /// Packets of which fragments are missing, at once and per worker. A sender has a quarter of them at most.
        packets: u32 = "256" in 0..=65_536;
        /// Octets of their fragments, per worker.
        octets: u32 = "524288" in 0..=1_073_741_824;
        /// Milliseconds after which a packet whose fragments have not all come is dropped.
        timeout_ms: u32 = "2000" in 10..=60_000;
    }

    /// Supervision of GTP-U peers.
    pub struct Echo {
        /// Seconds between two Echo Requests to a peer; 0 sends none. TS 29.281 wants no less than 60.
        interval_s: u32 = "60" in 0..=86_400, live;
        /// T3: milliseconds to wait for an Echo Response.
        t3_ms: u32 = "3000" in 10..=60_000, live;
        /// N3: how often an Echo Request is sent in all, before the path counts as failed.
        n3: u32 = "3" in 1..=20, live;
    }

    /// The processors that work on packets.
    pub struct Workers {
        /// Processors of the workers: a list, or ranges such as `1-3,5`; `auto` for those that the process may use but the first, no more than the most `rx_queues` of a port.
        lcores: Lcores = "auto";
        /// What a worker does when nothing comes in. Longer sleeps spare the processor, shorter ones the first packet after a while.
        idle: Idle = "{}";
    }

    /// What workers do when nothing comes in.
    pub struct Idle {
        /// Microseconds for which a worker goes on to poll after the last packet, without a break.
        spin_us: u32 = "100" in 0..=10_000_000;
        /// Microseconds of its longest sleep between two polls then: the first is of 10, each that follows twice as long. 0: it never sleeps, and uses its processor fully.
        sleep_us: u32 = "200" in 0..=10_000;
    }

    /// The memory that packets lie in.
    pub struct Memory {
        /// `1g` or `2m` pages, `none` for ordinary memory, `auto` for the largest that are free.
        hugepages: Hugepages = "auto";
        /// Packet buffers per NUMA node: `auto` for what the descriptors of all queues, held packets and bursts of all workers want and a quarter more, at least 16384; or a number, which must be no less than what they want.
        buffers: Buffers = "auto";
    }

    /// Bounds on everything that a peer could let grow.
    pub struct Limits {
        /// PFCP sessions.
        sessions: u32 = "65536" in 1..=16_000_000;
        /// Associated SMFs.
        peers: u32 = "64" in 1..=4096;
        /// Packet detection rules of one session.
        pdrs_per_session: u32 = "100" in 1..=65_535, live;
        /// Forwarding action rules of one session.
        fars_per_session: u32 = "100" in 1..=65_535, live;
        /// Quality-of-service enforcement rules of one session.
        qers_per_session: u32 = "100" in 1..=65_535, live;
        /// Usage reporting rules of one session.
        urrs_per_session: u32 = "100" in 1..=65_535, live;
        /// Traffic endpoints of one session.
        traffic_endpoints_per_session: u32 = "16" in 0..=256, live;
        /// Framed routes of one packet detection rule or traffic endpoint.
        framed_routes_per_pdr: u32 = "16" in 0..=255, live;
        /// Applications that SMFs describe by PFDs.
        applications: u32 = "1024" in 0..=1_000_000, live;
        /// Flow descriptions of one application; a packet detection rule holds 255. Each is compared with packets, one after the other.
        flows_per_application: u32 = "64" in 1..=255, live;
        /// PFCP messages of all peers per second that there is time for. Beyond, establishments and modifications are refused by their priority, with the cause "congestion", and SMFs that can read it are told (LOAD, OVRL).
        messages_per_second: u32 = "500000" in 1..=100_000_000, live;
        /// PFCP messages handled per second and peer or SMF of `pfcp.smf`, and for all strangers together. Those above it are dropped and counted.
        messages_per_second_per_peer: u32 = "20000" in 1..=10_000_000, live;
        /// PFCP messages handled per second from one host (in IPv6: one /64) with which no association is and which `pfcp.smf` does not list. Those above it are dropped and counted.
        messages_per_second_per_stranger: u32 = "2000" in 1..=10_000_000, live;
        /// PFCP requests of the UPF that wait for an answer, per peer.
        outstanding_requests_per_peer: u32 = "4096" in 1..=1_048_576, live;
        /// Session reports that wait for their turn, per peer. Those above it are dropped and counted. What was used is never among them: it waits in its counters.
        waiting_reports_per_peer: u32 = "65536" in 0..=16_777_216, live;
        /// Answers that are kept for repeated requests, per peer. The oldest give way.
        held_answers_per_peer: u32 = "131072" in 0..=16_777_216, live;
        /// Octets of those answers, per peer.
        held_answer_octets_per_peer: u32 = "16777216" in 0..=1_073_741_824, live;
        /// ICMP errors about user packets (too big, hop limit run out) that are sent per second and worker.
        icmp_errors_per_second: u32 = "1000" in 0..=1_000_000;
        /// GTP-U peers that are supervised by Echo Requests. More than these are served all the same.
        gtpu_peers: u32 = "1024" in 0..=65_536, live;
        /// Neighbours (GTP-U peers on link, and gateways that routes do not name) to which the tunnels of one SMF may lead; all SMFs together have room for 4096. Rules that lead to more are refused.
        next_hops_per_peer: u32 = "2048" in 1..=4096, live;
        /// Requests of one SMF that concern many sessions (set-up anew, session sets, PFDs) and wait until all of them have had their turn. Beyond, they are refused with the cause "congestion".
        long_requests_per_peer: u32 = "16" in 1..=1024, live;
        /// FQ-CSIDs, group ids and SMF addresses that one request about session sets may name.
        sets_per_request: u32 = "256" in 1..=4096, live;
    }

    /// Packets that are held for idle UEs.
    pub struct Buffering {
        /// Packets held for one session, where no BAR of its SMF says how many.
        packets_per_session: u32 = "64" in 0..=65_535;
        /// Octets held for one session.
        octets_per_session: u32 = "1048576" in 0..=1_073_741_824;
        /// Packets held for the sessions of one SMF.
        packets_per_smf: u32 = "8192" in 0..=16_777_216;
        /// Octets held for the sessions of one SMF.
        octets_per_smf: u32 = "67108864" in 0..=1_073_741_824;
        /// Packets held in all. This and all bounds but those of a session are dealt out evenly among the workers.
        packets_total: u32 = "8192" in 0..=16_777_216;
        /// Octets held in all.
        octets_total: u32 = "67108864" in 0..=1_073_741_824;
        /// Percent of the packet buffers (`memory.buffers`) that held packets never exceed.
        pool_share_percent: u32 = "50" in 0..=90;
        /// Percent of the packet buffers that are kept free of held packets: when fewer are free, sessions give up what is held for them, first those that got no packet for longest. 0: never.
        pool_reserve_percent: u32 = "10" in 0..=50;
        /// What gives way at a bound: `newest`, the packet that comes; or `oldest`, that of the same session, and at the bound of all that of the session which got no packet for longest.
        when_full: WhenFull = "newest";
        /// Seconds after which a held packet is dropped.
        expiry_s: u32 = "60" in 1..=3600;
        /// Seconds for which an SMF may have packets held at most, where its answer to a report extends that (DL Buffering Duration).
        extended_most_s: u32 = "3600" in 0..=1_116_000, live;
        /// Packets of one session that it may have held then at most (DL Buffering Suggested Packet Count).
        extended_packets_per_session: u32 = "256" in 1..=65_535, live;
    }

    /// How operators look in.
    pub struct Api {
        /// Unix socket for this host, or `none`. Who may open it, its owner and group, may do everything. Where the default cannot be made, the UPF says so and runs without.
        socket: SocketPath = "/run/upf/api.sock";
        /// Address and port for HTTP. Without one: the socket alone. Other than on a loopback address, `api.tokens` and `api.tls` have to be there.
        listen: Option<SocketAddr> = "~";
        /// HTTPS in place of HTTP.
        tls: Option<Tls> = "~", live;
        /// File of the tokens that open HTTP, one in a line: `read NAME TOKEN` or `admin NAME TOKEN`, of 16 characters at least. Others of the host must not be able to read it. Without: whoever reaches a loopback address may look, and change nothing.
        tokens: Option<FilePath> = "~", live;
        /// Tokens may go over a network without TLS, because nobody else is on it.
        plaintext: bool = "false", live;
        /// Let `/metrics` be read over HTTP without a token.
        open_metrics: bool = "false", live;
        /// Who is told in full who subscribers are: `admin`, those who may change things, the Unix socket among them; `all`; or `none`. Others are told masked identities, as with `log.identities`.
        identities: ToldIdentities = "admin", live;
    }

    /// HTTPS.
    pub struct Tls {
        /// PEM file of the certificate, and of those between it and a root.
        certificate: FilePath = required;
        /// PEM file of its private key.
        key: FilePath = required;
    }

    /// What is written about the UPF's doings.
    pub struct Log {
        /// The least important messages that are written: `error`, `warn`, `info`, `debug` or `trace`.
        level: Level = "info", live;
        /// `text` for people, `json` for machines.
        format: Format = "text";
        /// Who subscribers are in lines about their sessions: `masked` tells the network of an IMSI or the realm of a NAI, and the last two digits; `full` all of it; `none` nothing. SEIDs stand there in any case, and lead to the subscriber by `upf session SEID`.
        identities: LoggedIdentities = "masked", live;
    }
}
