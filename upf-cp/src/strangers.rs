//! How much those may send whom no association is with, so that none of them keeps the others from
//! beginning one.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use foldhash::quality::SeedableRandomState;

use crate::config::Limits;
use crate::index::Secret;
use crate::transaction::Bucket;

/// How many allowances hosts are spread over: two hosts seldom share one.
const HOSTS: usize = 1_024;

/// The bits of an IPv6 address that are the network's: a host takes any of the others.
const NETWORK_BITS: u128 = u128::MAX << 64;

/// The allowances of strangers.
#[derive(Debug)]
pub(crate) struct Strangers {
    /// Of each SMF of the configuration; nobody else takes of it.
    expected: Vec<(IpAddr, Bucket)>,
    /// Of all others together.
    all: Bucket,
    /// Of each of them, by the hash of where it is.
    hosts: Vec<Bucket>,
    /// Keys the hashes: nobody finds out whom he shares an allowance with.
    hashes: SeedableRandomState,
    secret: Secret,
}

impl Strangers {
    pub(crate) fn new(smfs: &[SocketAddr], limits: &Limits, secret: Secret, now_ms: u64) -> Self {
        let bucket = |rate| Bucket::new(rate, now_ms);
        let one = bucket(limits.messages_per_second_per_stranger);
        let many = bucket(limits.messages_per_second_per_peer);
        Self {
            expected: smfs.iter().map(|smf| (smf.ip(), many)).collect(),
            all: many,
            hosts: vec![one; HOSTS],
            secret,
            hashes: secret.hashes(),
        }
    }

    /// Other SMFs are expected, or others may send more or less.
    pub(crate) fn adjust(&mut self, smfs: &[SocketAddr], limits: &Limits, now_ms: u64) {
        *self = Self::new(smfs, limits, self.secret, now_ms);
    }

    /// Whether one more message is taken from there.
    pub(crate) fn take(&mut self, from: IpAddr, now_ms: u64) -> bool {
        let mut expected = self.expected.iter_mut();
        if let Some((_, bucket)) = expected.find(|(smf, _)| *smf == from) {
            return bucket.take(now_ms);
        }
        let host = match from {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() & NETWORK_BITS,
        };
        let hash = self.hashes.hash_one(host);
        let at = usize::try_from(hash).unwrap_or_default() % HOSTS;
        let bucket = self.hosts.get_mut(at);
        bucket.is_some_and(|bucket| bucket.take(now_ms)) && self.all.take(now_ms)
    }
}
