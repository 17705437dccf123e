//! The network between SMFs and the UPF: it loses, repeats, delays, overtakes and damages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::support::dice::Dice;

/// How bad it is, in percent, and how long a datagram takes at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub loss: u32,
    pub repeat: u32,
    pub damage: u32,
    pub delay_ms: u32,
}

impl Weather {
    pub const CALM: Self = Self {
        loss: 0,
        repeat: 0,
        damage: 0,
        delay_ms: 1,
    };

    /// No datagram takes longer than this, so that a late copy comes while answers are still held.
    pub const DELAY_MS_MAX: u32 = 3_000;

    pub fn any(dice: &mut Dice) -> Self {
        let mut percent = |most| if dice.percent(50) { 0 } else { dice.roll(most) };
        Self {
            loss: percent(30),
            repeat: percent(40),
            damage: percent(10),
            delay_ms: [1, 50, 500, Self::DELAY_MS_MAX][percent(4) as usize],
        }
    }
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub octets: Vec<u8>,
    /// Not as it was sent.
    pub damaged: bool,
}

#[derive(Debug)]
pub struct Network {
    flights: BTreeMap<(u64, u64), Flight>,
    sent: u64,
    pub weather: Weather,
}

impl Network {
    pub fn new() -> Self {
        Self {
            flights: BTreeMap::new(),
            sent: 0,
            weather: Weather::CALM,
        }
    }

    pub fn send(&mut self, now_ms: u64, dice: &mut Dice, flight: &Flight) {
        let Weather {
            loss,
            repeat,
            damage,
            delay_ms,
        } = self.weather;
        let copies = 1 + u32::from(dice.percent(repeat)) - u32::from(dice.percent(loss));
        for _ in 0..copies {
            let mut flight = flight.clone();
            if dice.percent(damage) {
                flight.damaged |= harm(dice, &mut flight.octets);
            }
            self.sent += 1;
            let at_ms = now_ms + u64::from(dice.roll(delay_ms + 1));
            self.flights.insert((at_ms, self.sent), flight);
        }
    }

    /// When the next datagram arrives.
    pub fn next_ms(&self) -> Option<u64> {
        self.flights.keys().next().map(|(at_ms, _)| *at_ms)
    }

    pub fn due(&mut self, now_ms: u64) -> Option<Flight> {
        let entry = self.flights.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }

    /// Nothing from or to that host is on its way any more.
    pub fn forget(&mut self, host: SocketAddr) {
        self.flights
            .retain(|_, flight| flight.from != host && flight.to != host);
    }
}

/// Flips bits, cuts, or adds octets; says whether anything is different.
pub fn harm(dice: &mut Dice, octets: &mut Vec<u8>) -> bool {
    let before = octets.clone();
    let length = octets.len() as u32;
    match dice.roll(5) {
        0 => octets.truncate(dice.roll(length) as usize),
        1 => octets.extend((0..=dice.roll(9)).map(|_| dice.roll(256) as u8)),
        2 => {
            // A length that lies: those of IEs are at any place, that of the message at the third.
            let at = if dice.percent(30) {
                2
            } else {
                dice.roll(length) as usize
            };
            if let Some(octet) = octets.get_mut(at) {
                *octet = octet.wrapping_add(1 + dice.roll(255) as u8);
            }
        }
        _ => {
            for _ in 0..=dice.roll(3) {
                if let Some(octet) = octets.get_mut(dice.roll(length) as usize) {
                    *octet ^= 1 << dice.roll(8);
                }
            }
        }
    }
    *octets != before
}
