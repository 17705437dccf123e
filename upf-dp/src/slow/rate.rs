//! How often something may be done.

use std::net::IpAddr;

use session::meter::Now;

/// A token bucket that holds a second's worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    /// When the next token would be taken at exactly the rate.
    arrival: u64,
    /// Cycles a token.
    cost: u64,
    /// Cycles in a second.
    hz: u64,
}

impl Limiter {
    pub(crate) fn new(per_second: u32, hz: u64) -> Self {
        let cost = hz.checked_div(u64::from(per_second)).unwrap_or(u64::MAX);
        Self {
            arrival: 0,
            cost,
            hz,
        }
    }

    /// Whether one more may be done now; if so, it is counted.
    pub(crate) fn take(&mut self, now: Now) -> bool {
        let arrival = self.next(now);
        if let Some(arrival) = arrival {
            self.arrival = arrival;
        }
        arrival.is_some()
    }

    /// Whether one more may be done now.
    pub(crate) fn has_one(&self, now: Now) -> bool {
        self.next(now).is_some()
    }

    /// What `arrival` will be when one more is done now, if it may be.
    fn next(&self, now: Now) -> Option<u64> {
        let arrival = self.arrival.max(now.0).saturating_add(self.cost);
        (self.cost != u64::MAX && arrival - now.0 <= self.hz).then_some(arrival)
    }
}

/// Peers that are told apart. Two that share a place share its rate.
const PEERS: usize = 256;

/// A rate for all peers, and one for each.
#[derive(Debug)]
pub(super) struct PeerLimiter {
    all: Limiter,
    each: Box<[Limiter]>,
}

impl PeerLimiter {
    pub(super) fn new(per_second: u32, per_second_and_peer: u32, hz: u64) -> Self {
        Self {
            all: Limiter::new(per_second, hz),
            each: vec![Limiter::new(per_second_and_peer, hz); PEERS].into(),
        }
    }

    pub(super) fn take(&mut self, peer: IpAddr, now: Now) -> bool {
        let bits = match peer {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let hash = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> 120;
        let place = usize::try_from(hash).unwrap_or(0);
        // The peer's first: one that floods uses nothing up for the others.
        self.each.get_mut(place).is_some_and(|peer| peer.take(now)) && self.all.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lets_its_number_through() {
        let mut limiter = Limiter::new(100, 1_000_000);
        let burst = (0..1000).filter(|_| limiter.take(Now(5))).count();
        assert_eq!(burst, 100);
        let steady = (0..2_000_000).filter(|t| limiter.take(Now(5 + t))).count();
        assert!((198..=201).contains(&steady), "{steady}");
        assert!(!Limiter::new(0, 1_000_000).take(Now(9)));
    }

    #[test]
    fn one_peer_does_not_use_up_the_others() {
        let mut limiter = PeerLimiter::new(50, 10, 1_000_000);
        let peer = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        let first = (0..1000).filter(|_| limiter.take(peer(1), Now(0))).count();
        let second = (0..1000).filter(|_| limiter.take(peer(2), Now(0))).count();
        assert_eq!((first, second), (10, 10));
    }
}
