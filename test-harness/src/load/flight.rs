//! Requests that are under way, found by sequence number.

use std::collections::VecDeque;
use std::time::Instant;

/// Sequence numbers have 24 bits.
const SEQUENCE_MASK: u32 = 0x00ff_ffff;

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) sequence: u32,
    pub(super) session: u32,
    /// The gNB's TEID in it.
    pub(super) downlink_teid: u32,
    /// From when its answer is waited for: the moment at which it was to be sent.
    pub(super) due: Instant,
    /// How often it has been sent.
    pub(super) sent: u32,
}

/// All requests under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// By the low bits of the sequence number.
    places: Vec<Option<Request>>,
    count: usize,
    last: u32,
    /// When which request is to be sent again, soonest first; those that are answered stay in it.
    again: VecDeque<(Instant, u32)>,
}

impl Flight {
    /// Room for `window` requests, and as much again for those whose answers are late. Numbers go
    /// on after `last`: one that is used again too soon makes a request a repeated one.
    pub(super) fn new(window: usize, last: u32) -> Self {
        Self {
            places: vec![None; (window * 2).next_power_of_two()],
            count: 0,
            last,
            again: VecDeque::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// The sequence number of the last request.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }

    /// The next sequence number, whose place is free.
    pub(super) fn sequence(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1) & SEQUENCE_MASK;
            let place = self.place(self.last);
            if self.last != 0 && self.places.get(place).is_some_and(Option::is_none) {
                return self.last;
            }
        }
    }

    fn place(&self, sequence: u32) -> usize {
        usize::try_from(sequence).unwrap_or_default() & (self.places.len() - 1)
    }

    /// Notes a request that was sent and is to be sent again at `again`.
    pub(super) fn insert(&mut self, request: Request, again: Instant) {
        let place = self.place(request.sequence);
        if let Some(place) = self.places.get_mut(place)
            && place.replace(request).is_none()
        {
            self.count += 1;
        }
        self.again.push_back((again, request.sequence));
    }

    /// The request of that number, which is no longer under way.
    pub(super) fn take(&mut self, sequence: u32) -> Option<Request> {
        let place = self.place(sequence);
        let place = self.places.get_mut(place)?;
        let request = place.take_if(|request| request.sequence == sequence)?;
        self.count -= 1;
        Some(request)
    }

    /// A request that has waited too long, taken out.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Request> {
        while let Some((again, sequence)) = self.again.front().copied()
            && again <= now
        {
            self.again.pop_front();
            if let Some(request) = self.take(sequence) {
                return Some(request);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(flight: &mut Flight, now: Instant) -> u32 {
        let sequence = flight.sequence();
        let request = Request {
            sequence,
            session: sequence,
            downlink_teid: 0,
            due: now,
            sent: 1,
        };
        flight.insert(request, now + Duration::from_secs(1));
        sequence
    }

    #[test]
    fn numbers_of_requests_under_way_are_not_used_again() {
        let now = crate::wire::now();
        let mut flight = Flight::new(2, 0);
        let slow = request(&mut flight, now);
        for _ in 0..20 {
            let sequence = request(&mut flight, now);
            assert_ne!(sequence % 4, slow % 4);
            assert_eq!(flight.take(sequence).map(|r| r.session), Some(sequence));
            assert!(flight.take(sequence).is_none(), "an answer counts once");
        }
        assert_eq!(flight.len(), 1);
        assert!(flight.expired(now).is_none());
        let late = flight.expired(now + Duration::from_secs(2));
        assert_eq!(late.map(|request| request.sequence), Some(slow));
        assert!(flight.expired(now + Duration::from_secs(2)).is_none());
    }
}
