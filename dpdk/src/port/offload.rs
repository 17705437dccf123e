//! Offloads: wished for, and granted as far as the driver has them.

use dpdk_sys as sys;

macro_rules! set {
    (
        $(#[$about:meta])* $name:ident {
            $($(#[$doc:meta])* $bit:ident = $value:ident, $text:literal;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name(u64);

        impl $name {
            /// None.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $bit: Self = Self(sys::$value);)*

            /// These and those.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Those that are in both.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Whether all of `other` are among them.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits as DPDK has them.
            pub const fn bits(self) -> u64 {
                self.0
            }

            pub(super) const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut first = true;
                $(if self.0 & Self::$bit.0 != 0 {
                    if !first { f.write_str(", ")?; }
                    f.write_str($text)?;
                    first = false;
                })*
                if first { f.write_str("none") } else { Ok(()) }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

set! {
    /// What a port can do while it receives.
    RxOffloads {
        /// Take VLAN headers off; see [`crate::Mbuf::stripped_vlan`].
        VLAN_STRIP = SHIM_RXO_VLAN_STRIP, "VLAN strip";
        /// Check IPv4 header checksums; see [`crate::Mbuf::ip_checksum`].
        IPV4_CHECKSUM = SHIM_RXO_IPV4_CKSUM, "IPv4 checksum";
        /// Check UDP checksums; see [`crate::Mbuf::l4_checksum`].
        UDP_CHECKSUM = SHIM_RXO_UDP_CKSUM, "UDP checksum";
        /// Check TCP checksums; see [`crate::Mbuf::l4_checksum`].
        TCP_CHECKSUM = SHIM_RXO_TCP_CKSUM, "TCP checksum";
        /// Spread a frame over several buffers; see [`crate::Mbuf::is_contiguous`].
        SCATTER = SHIM_RXO_SCATTER, "scatter";
        /// Hand the hash up; see [`crate::Mbuf::rss_hash`].
        RSS_HASH = SHIM_RXO_RSS_HASH, "RSS hash";
    }
}

set! {
    /// What a port can do while it sends. `MBUF_FAST_FREE` is left out on purpose: it is sound only
    /// when every buffer of a queue is of one pool, which nothing here can promise.
    TxOffloads {
        /// Put VLAN headers in; see [`crate::Mbuf::request_vlan`].
        VLAN_INSERT = SHIM_TXO_VLAN_INSERT, "VLAN insert";
        /// Compute IPv4 header checksums; see [`crate::Mbuf::request_checksums`].
        IPV4_CHECKSUM = SHIM_TXO_IPV4_CKSUM, "IPv4 checksum";
        /// Compute UDP checksums; see [`crate::Mbuf::request_checksums`].
        UDP_CHECKSUM = SHIM_TXO_UDP_CKSUM, "UDP checksum";
        /// Compute TCP checksums; see [`crate::Mbuf::request_checksums`].
        TCP_CHECKSUM = SHIM_TXO_TCP_CKSUM, "TCP checksum";
        /// Send packets of several segments.
        MULTI_SEGMENT = SHIM_TXO_MULTI_SEGS, "several segments";
    }
}

set! {
    /// Which fields choose the receive queue. With several queues at least one is needed, or all
    /// packets go to the first.
    Rss {
        /// Addresses.
        IP = SHIM_RSS_IP, "IP";
        /// Addresses and ports of UDP. All of N3 between two nodes is one flow to this.
        UDP = SHIM_RSS_UDP, "UDP";
        /// Addresses and ports of TCP.
        TCP = SHIM_RSS_TCP, "TCP";
        /// The TEID and what is inside, for cards that look there.
        GTPU = SHIM_RSS_GTPU, "GTP-U";
    }
}
