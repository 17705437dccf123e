//! What workers, ports and pools count.

use std::fmt;

use api::model::{BufferPool, Port, Worker};
use upf_dp::{PortCounts, Reason};

use super::{Figure, Page, Scrape};

/// What workers count of a port.
const OF_PORTS: [Figure<PortCounts>; 9] = [
    ("upf_port_received_packets", "Frames received", |port| {
        port.received_packets
    }),
    (
        "upf_port_received_bytes",
        "Octets of the frames received",
        |port| port.received_octets,
    ),
    (
        "upf_port_sent_packets",
        "Frames that the port took to send",
        |port| port.sent_packets,
    ),
    ("upf_port_sent_bytes", "Octets of the frames sent", |port| {
        port.sent_octets
    }),
    (
        "upf_port_made_packets",
        "Packets of the UPF's own making",
        |port| port.made,
    ),
    (
        "upf_port_consumed_packets",
        "Packets for the UPF itself",
        |port| port.consumed,
    ),
    (
        "upf_port_handed_over_packets",
        "Packets given to the worker of their session",
        |port| port.handed_over,
    ),
    (
        "upf_port_taken_over_packets",
        "Packets taken from other workers",
        |port| port.taken_over,
    ),
    (
        "upf_port_turned_back_packets",
        "Packets from one UE to another that stayed inside",
        |port| port.turned_back,
    ),
];

/// What workers count of themselves.
const OF_WORKERS: [Figure<Worker>; 4] = [
    (
        "upf_worker_bursts",
        "Bursts with at least one packet",
        |worker| worker.bursts,
    ),
    (
        "upf_worker_idle_polls",
        "Polls that found nothing",
        |worker| worker.idle_polls,
    ),
    (
        "upf_worker_busy_nanoseconds",
        "Time spent on bursts",
        |worker| worker.busy_ns,
    ),
    (
        "upf_worker_hold_episodes",
        "How often a session began to hold packets",
        |worker| worker.hold_episodes,
    ),
];

/// What devices count.
const OF_DEVICES: [Figure<Port>; 4] = [
    (
        "upf_port_missed_packets",
        "Packets that the device lost: no worker took them in time",
        |port| port.missed_packets.unwrap_or(0),
    ),
    (
        "upf_port_receive_errors",
        "Packets that the device received damaged",
        |port| port.receive_errors.unwrap_or(0),
    ),
    (
        "upf_port_send_errors",
        "Packets that the device could not send",
        |port| port.send_errors.unwrap_or(0),
    ),
    (
        "upf_port_without_buffer_packets",
        "Packets that found no buffer",
        |port| port.without_buffer.unwrap_or(0),
    ),
];

/// How full a pool is.
const OF_BUFFERS: [Figure<BufferPool>; 2] = [
    ("upf_buffers", "Packet buffers in all", |pool| {
        pool.size.into()
    }),
    ("upf_buffers_in_use", "Packet buffers in use", |pool| {
        pool.in_use.into()
    }),
];

/// How a port is.
const STATE_OF_PORTS: [Figure<Port>; 1] = [(
    "upf_port_up",
    "Whether the link is up, or the device does not say",
    |port| (port.link_up != Some(false)).into(),
)];

/// How a worker is.
const STATE_OF_WORKERS: [Figure<Worker>; 1] = [(
    "upf_worker_held_packets",
    "Packets that wait for their UE or for the address of a neighbour",
    |worker| worker.held_packets,
)];

fn of_port(port: &Port) -> [(&'static str, String); 1] {
    [("port", port.name.clone())]
}

fn of_worker(worker: &Worker) -> [(&'static str, String); 1] {
    [("worker", worker.worker.to_string())]
}

impl Scrape {
    pub(super) fn ports(&self, page: &mut Page<'_>) -> fmt::Result {
        let ports = || self.ports.iter().enumerate();
        for (name, help, of) in OF_PORTS {
            let sum = |number| self.counts.of_port(number).map(of).sum();
            let series = ports().map(|(number, port)| (of_port(port), sum(number)));
            page.counter(name, help, series)?;
        }
        let drops = ports().flat_map(|(number, port)| {
            Reason::ALL.iter().map(move |reason| {
                let counts = self.counts.of_port(number);
                let sum = counts.map(|counts| counts.dropped(*reason)).sum();
                let labels = [("port", port.name.as_str()), ("reason", reason.name())];
                (labels, sum)
            })
        });
        page.counter("upf_dropped_packets", "Packets dropped, by reason", drops)?;
        page.counters(&OF_DEVICES, &self.ports, of_port)?;
        page.gauges(&STATE_OF_PORTS, &self.ports, of_port)
    }

    pub(super) fn workers(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counters(&OF_WORKERS, &self.workers, of_worker)?;
        page.gauges(&STATE_OF_WORKERS, &self.workers, of_worker)
    }

    pub(super) fn memory(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauges(&OF_BUFFERS, &self.buffers, |pool| {
            [("pool", pool.name.clone())]
        })
    }
}
