//! Whose addresses are whose: UEs', and the UPF's own.

use super::Check;
use crate::Problem;
use crate::schema::{Network, Role};

impl Check<'_> {
    /// What UEs are given here lies in the pools of their network, and is given once. Pools of
    /// different networks are disjoint where that matters.
    pub(super) fn allocations(&mut self, key: &str, network: &Network) {
        let allocations = network.ue_allocation.iter().enumerate();
        let ranges: Vec<_> = allocations
            .flat_map(|(index, allocation)| {
                let ranges = allocation.ranges.iter().enumerate();
                ranges.map(move |(at, &range)| {
                    (range, format!("{key}.ue_allocation.{index}.ranges.{at}"))
                })
            })
            .collect();
        for (index, (range, key)) in ranges.iter().enumerate() {
            let range = *range;
            let mut earlier = ranges.iter().take(index);
            if !network.ue_pools.iter().any(|pool| pool.includes(range)) {
                self.mistake(key, Problem::OutsidePools { range });
            } else if range.net().addr().is_ipv6() && range.net().prefix_len() > 64 {
                self.mistake(key, Problem::NoRoomForPrefix { range });
            } else if let Some((other, first)) = earlier.find(|(other, _)| other.overlaps(range)) {
                let (other, first) = (*other, first.clone());
                let problem = Problem::AllocatedTwice {
                    range,
                    other,
                    first,
                };
                self.mistake(key, problem);
            }
        }
    }

    /// Behind one N6 interface an address belongs to one network; and none is the UPF's own.
    pub(super) fn pools(&mut self) {
        let config = self.config;
        let pools: Vec<_> = config
            .networks
            .iter()
            .enumerate()
            .flat_map(|(index, network)| {
                let pools = network.ue_pools.iter().enumerate();
                pools.map(move |(at, &pool)| {
                    (network, pool, format!("networks.{index}.ue_pools.{at}"))
                })
            })
            .collect();
        for (index, (network, pool, key)) in pools.iter().enumerate() {
            let rival = pools.iter().take(index).find(|(other, earlier, _)| {
                other.interface == network.interface && earlier.overlaps(*pool)
            });
            if let Some((_, other, first)) = rival {
                let (pool, other, first) = (*pool, *other, first.clone());
                self.mistake(key, Problem::OverlappingPools { pool, other, first });
            }
        }
        // The kernel's end of a TAP does lie in the pool: it is the UEs' router.
        let n4 = [("pfcp.address".to_owned(), config.pfcp.address, None)];
        let own = config
            .interfaces
            .iter()
            .enumerate()
            .flat_map(|(index, interface)| {
                interface
                    .addresses
                    .iter()
                    .enumerate()
                    .map(move |(at, address)| {
                        let key = format!("interfaces.{index}.addresses.{at}");
                        (key, address.address(), Some(interface))
                    })
            });
        for (key, address, holder) in n4.into_iter().chain(own) {
            let pool = pools.iter().find(|(network, pool, _)| {
                // Another N6 interface is another routing world.
                let apart = holder.is_some_and(|holder| {
                    holder.role == Role::N6 && holder.name != network.interface
                });
                pool.contains(address) && !apart
            });
            if let Some((_, pool, first)) = pool {
                let (pool, first) = (*pool, first.clone());
                self.mistake(
                    &key,
                    Problem::AddressInPool {
                        address,
                        pool,
                        first,
                    },
                );
            }
        }
    }
}
