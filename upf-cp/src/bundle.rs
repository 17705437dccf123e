//! Bundling (TS 29.244, 6.5): session messages to the same place share a datagram.
//!
//! What one call has to say to a peer that can read it goes out together, answers and reports
//! alike. Each message keeps its number, and is kept and repeated by itself.

use std::net::SocketAddr;
use std::sync::Arc;

use pfcp::{BUNDLE_MAX, CpFunctionFeatures};
use session::Epoch;

use crate::answers::FLAG_FOLLOW_ON;
use crate::event::Output;
use crate::node::Node;

/// The S flag of a header: only messages that have a SEID are bundled.
const FLAG_SEID: u8 = 1;

/// A datagram that may take up more messages.
#[derive(Debug)]
struct Bundle {
    to: SocketAddr,
    /// The latest of those that its messages wait for; one that waits for none joins no other.
    after: Option<Epoch>,
    messages: Vec<Arc<[u8]>>,
    length: usize,
}

impl Node {
    /// Puts together what may go together.
    pub(crate) fn bundle(&self, outputs: Vec<Output>) -> Vec<Output> {
        let may_join =
            |output: &&Output| matches!(output, Output::Send { octets, .. } if is_session(octets));
        if self.config.bundle_octets == 0 || outputs.iter().filter(may_join).nth(1).is_none() {
            return outputs;
        }
        let mut bundled = Vec::with_capacity(outputs.len());
        let mut open: Vec<Bundle> = Vec::new();
        for output in outputs {
            match output {
                Output::Send { to, octets, after }
                    if is_session(&octets) && self.takes_bundles(to) =>
                {
                    self.add(&mut open, (to, octets, after), &mut bundled);
                }
                other => bundled.push(other),
            }
        }
        bundled.extend(open.into_iter().map(Bundle::close));
        bundled
    }

    fn takes_bundles(&self, to: SocketAddr) -> bool {
        let there = self.peers.at(to.ip()).iter();
        let mut peers = there.filter_map(|id| self.peers.get(*id));
        peers.any(|peer| peer.features.contains(CpFunctionFeatures::BUNDL))
    }

    fn add(
        &self,
        open: &mut Vec<Bundle>,
        (to, octets, after): (SocketAddr, Arc<[u8]>, Option<Epoch>),
        closed: &mut Vec<Output>,
    ) {
        let most = self.config.bundle_octets;
        let place = open
            .iter()
            .position(|bundle| bundle.to == to && bundle.after.is_some() == after.is_some());
        if let Some(bundle) = place.and_then(|place| open.get_mut(place))
            && bundle.length + octets.len() <= most
            && bundle.messages.len() < BUNDLE_MAX
        {
            bundle.length += octets.len();
            bundle.after = bundle.after.max(after);
            bundle.messages.push(octets);
            return;
        }
        if let Some(full) = place.map(|place| open.swap_remove(place)) {
            closed.push(full.close());
        }
        open.push(Bundle {
            to,
            after,
            length: octets.len(),
            messages: vec![octets],
        });
    }
}

impl Bundle {
    fn close(self) -> Output {
        let (to, after) = (self.to, self.after);
        let octets = match self.messages.as_slice() {
            [alone] => Arc::clone(alone),
            messages => together(messages, self.length),
        };
        Output::Send { to, octets, after }
    }
}

fn is_session(message: &[u8]) -> bool {
    message.first().is_some_and(|flags| flags & FLAG_SEID != 0)
}

/// Messages in one datagram: all but the last say that another one follows.
fn together(messages: &[Arc<[u8]>], length: usize) -> Arc<[u8]> {
    let mut octets = Vec::with_capacity(length);
    for (place, message) in messages.iter().enumerate() {
        let start = octets.len();
        octets.extend_from_slice(message);
        if place + 1 < messages.len()
            && let Some(flags) = octets.get_mut(start)
        {
            *flags |= FLAG_FOLLOW_ON;
        }
    }
    octets.into()
}
