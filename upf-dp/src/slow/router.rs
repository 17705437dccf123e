//! The UPF as the router of UEs whose SMF does not tell them of one: Router Solicitations are
//! answered, and Router Advertisements sent unasked when the control side says so (RFC 4861, 6.2).

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use session::plan::{Act, Plan};
use session::tables::EntryId;

use super::{BROKEN, Outcome, TOO_MANY, nd};
use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Meta, Path, Turn};
use crate::reason::Reason;
use crate::wire;

/// The address that UEs know their router by.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// All hosts of a link, of which there is one.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of a link.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const SOLICITATION: u8 = 133;
/// A UE has a network of this length.
const PREFIX_LENGTH: u8 = 64;

/// Whether a user packet asks for a router.
pub(crate) fn is_solicitation(user: &[u8]) -> bool {
    let header: Option<[u8; 41]> = wire::array(user, 0);
    header.is_some_and(|header| {
        header[6] == wire::ICMPV6
            && header[40] == SOLICITATION
            && header.get(24..40) == Some(&ALL_ROUTERS.octets()[..])
    })
}

impl<P: Packet> Path<P> {
    /// A UE asks for its router. Where the SMF wants to answer, its rules have taken the question
    /// away before; where nobody does, it is dropped as it would have been.
    pub(super) fn router_solicitation<O: Outlet<P>>(
        &mut self,
        packet: &P,
        meta: &Meta<'_>,
        otherwise: Reason,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<Outcome> {
        let plan = meta.session?.plan();
        let Some((prefix, _)) = self.router_of(plan) else {
            return Some(Outcome::drop(otherwise));
        };
        let user = meta.user(packet.data());
        let header: [u8; 40] = wire::array(user, 0)?;
        let message = user.get(40..)?;
        let source = Ipv6Addr::from_octets(wire::array(&header, 8)?);
        let own =
            source.is_unspecified() || source.is_unicast_link_local() || prefix.contains(&source);
        let right = wire::transport_checksum(header.get(8..)?, wire::ICMPV6, message) == 0;
        if header[7] != 255 || message.len() < 8 || !own || !right {
            return Some(BROKEN);
        }
        if !self.slow.notices.take(prefix.network().into(), turn.now) {
            return Some(TOO_MANY);
        }
        let to = if source.is_unspecified() {
            ALL_NODES
        } else {
            source
        };
        // A UE without a tunnel asks again.
        let _ = self.advertise(plan, to, turn);
        Some(Outcome::Consumed)
    }

    /// Tells the UE of a session of its router, unasked.
    pub(crate) fn advertise_unasked<O: Outlet<P>>(
        &mut self,
        plan: &Plan,
        turn: &mut Turn<'_, '_, O>,
    ) {
        // One that cannot be reached now hears of it when it asks.
        let _ = self.advertise(plan, ALL_NODES, turn);
    }

    /// The network of a session whose UE is told of its router here, and what it is told.
    fn router_of(&self, plan: &Plan) -> Option<(Ipv6Net, &crate::links::Router)> {
        let prefix = plan
            .ue_prefix()
            .filter(|prefix| prefix.prefix_len() <= PREFIX_LENGTH)?;
        let router = self.links.router(plan.vrf()?, prefix)?;
        let first = Ipv6Net::new(prefix.network(), PREFIX_LENGTH).ok()?;
        Some((first, router))
    }

    fn advertise<O: Outlet<P>>(
        &mut self,
        plan: &Plan,
        to: Ipv6Addr,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<()> {
        let core = plan.entrance(EntryId(0))?;
        let mut packet = turn.out.buffer()?;
        let (prefix, router) = self.router_of(plan)?;
        if !packet.resize(40 + router.length()) {
            return None;
        }
        let ip = packet.data_mut();
        router.put(ip.get_mut(40..)?, prefix)?;
        // The rule is that for packets to the UE's own network; the address on the link is its own,
        // too.
        let ue = Ipv6Addr::from_bits(prefix.network().to_bits() | 1);
        nd::finish(ip, (ROUTER, ue), 255)?;
        let step = Self::way_to_ue(core, packet.data())?;
        let Act::Tunnel { interface, .. } = step.act else {
            return None;
        };
        let port = self.links.interface(interface)?.port;
        nd::finish(packet.data_mut(), (ROUTER, to), 255)?;
        self.send_to_ue(packet, (core, step), port, turn)
    }
}
