//! The addresses of subnets that no interface has.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::resource::{ReservationKind, Subnet, SubnetReservation};
use crate::{Alias, Key, World};

/// A range of addresses: the first and the last one.
type Range = (u32, u32);

impl World {
    /// How many addresses of a subnet are available, as EC2 counts them: without those that
    /// interfaces have, and without what is reserved for prefixes.
    pub fn available_addresses(&self, subnet: &Subnet) -> u64 {
        self.count(subnet, |reservation| reservation.kind == ReservationKind::Prefix)
    }

    /// How many addresses of a subnet are left for interfaces that ask for none in particular.
    pub(crate) fn free_addresses(&self, subnet: &Subnet) -> u64 {
        self.count(subnet, |_| true)
    }

    /// The lowest address for an interface that asks for none in particular, beside those that were
    /// `given` to it already.
    pub(crate) fn free_address(&self, subnet: &Subnet, given: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        self.unreserved(subnet, |_| true).into_iter().find_map(|(first, last)| {
            let beside_given =
                |from: u32| (from..=last).find(|address| !given.contains(&(*address).into()));
            let mut free = beside_given(first)?;
            for used in self.addresses_between(subnet.vpc, first.into(), last.into()) {
                let used = u32::from(used);
                if used > free {
                    break;
                }
                if used == free {
                    free = beside_given(free + 1)?;
                }
            }
            Some(free.into())
        })
    }

    /// An IPv6 address for an interface that asks for none in particular, beside those that were `given`
    /// to it already: the next one that is free from a place in the subnet on, which chance picks.
    pub(crate) fn free_ipv6(
        &self,
        subnet: &Subnet,
        given: &[Ipv6Addr],
        chance: u128,
    ) -> Option<Ipv6Addr> {
        let (first, last) = subnet.usable_ipv6()?;
        let (first, last) = (first.to_bits(), last.to_bits());
        let begin = first + chance % (last - first + 1);
        let kept: Vec<_> = self
            .subnet_reservations_in(Key::Subnet(subnet.id))
            .filter_map(|reservation| reservation.cidr.v6())
            .collect();
        let next = |mut at: u128, end: u128| {
            while at <= end {
                let address = Ipv6Addr::from_bits(at);
                if let Some(block) = kept.iter().find(|block| block.contains(address)) {
                    at = block.last().to_bits().checked_add(1)?;
                } else if given.contains(&address)
                    || self.find(&Alias::Ipv6Address(address)).is_some()
                {
                    at = at.checked_add(1)?;
                } else {
                    return Some(address);
                }
            }
            None
        };
        next(begin, last).or_else(|| next(first, begin.checked_sub(1)?))
    }

    fn count(&self, subnet: &Subnet, without: impl Fn(&SubnetReservation) -> bool) -> u64 {
        let free = |(first, last): Range| {
            let used = self.addresses_between(subnet.vpc, first.into(), last.into()).count();
            (u64::from(last - first) + 1).saturating_sub(used as u64)
        };
        self.unreserved(subnet, without).into_iter().map(free).sum()
    }

    /// What a subnet has for interfaces, in order and without some of its reservations.
    fn unreserved(
        &self,
        subnet: &Subnet,
        without: impl Fn(&SubnetReservation) -> bool,
    ) -> Vec<Range> {
        let Some((first, last)) = subnet.usable() else { return Vec::new() };
        let kept = self.subnet_reservations_in(Key::Subnet(subnet.id)).filter(|it| without(it));
        let mut kept: Vec<Range> = kept
            .filter_map(|reservation| reservation.cidr.v4())
            .map(|block| (block.base().into(), block.last().into()))
            .collect();
        kept.sort_unstable();
        let (mut ranges, mut from) = (Vec::new(), u32::from(first));
        for (begin, end) in kept {
            if begin > from {
                ranges.push((from, (begin - 1).min(last.into())));
            }
            from = from.max(end.saturating_add(1));
        }
        ranges.push((from, last.into()));
        ranges.retain(|(first, last)| first <= last);
        ranges
    }
}
