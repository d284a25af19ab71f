//! Rules of the IPv6 addresses of network interfaces.

use std::net::Ipv6Addr;

use super::interface_address::{too_many_addresses, unassign};
use super::lookup::missing;
use super::subnet::full;
use super::{Decision, Outcome, refuse};
use crate::command::Ipv6Spec;
use crate::resource::*;
use crate::{Alias, Code, EniId, Key, Refused, Scope};

impl Ipv6Spec {
    /// How many addresses that is in a subnet.
    pub(super) fn total(&self, subnet: &Subnet) -> u64 {
        match (self.addresses.len(), self.count) {
            (0, None) => u64::from(subnet.launch.assign_ipv6),
            (named, count) => named as u64 + u64::from(count.unwrap_or_default()),
        }
    }
}

impl Decision<'_> {
    /// The IPv6 addresses of a new interface.
    pub(super) fn ipv6_addresses_for(
        &mut self,
        subnet: &Subnet,
        spec: &Ipv6Spec,
    ) -> Result<Vec<Ipv6Addr>, Refused> {
        if !spec.addresses.is_empty() && spec.count.is_some_and(|count| count > 0) {
            return refuse(
                Code::InvalidParameterCombination,
                "IPv6 addresses are named or counted, and not both.",
            );
        }
        let mut addresses = Vec::new();
        for address in &spec.addresses {
            if addresses.contains(address) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("The address {address} is given twice"),
                );
            }
            addresses.push(self.check_ipv6_address(subnet, *address)?);
        }
        for _ in addresses.len() as u64..spec.total(subnet) {
            let free = self.free_ipv6(subnet, &addresses)?;
            addresses.push(free);
        }
        if spec.primary && addresses.is_empty() {
            return Err(no_primary());
        }
        Ok(addresses)
    }

    fn free_ipv6(&mut self, subnet: &Subnet, given: &[Ipv6Addr]) -> Result<Ipv6Addr, Refused> {
        check_has_block(subnet)?;
        let chance = self.ids.next_bits();
        self.world.free_ipv6(subnet, given, chance).ok_or_else(|| full(subnet))
    }

    fn check_ipv6_address(&self, subnet: &Subnet, address: Ipv6Addr) -> Result<Ipv6Addr, Refused> {
        let block = check_has_block(subnet)?;
        if !block.cidr.contains(address) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Address {address} does not fall within the subnet's address range {}",
                    block.cidr
                ),
            );
        }
        let usable = subnet.usable_ipv6();
        if usable.is_none_or(|(first, last)| !(first..=last).contains(&address)) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Address {address} is in subnet's reserved address range"),
            );
        }
        if self.world.find(&Alias::Ipv6Address(address)).is_some() {
            return refuse(Code::AddressInUse, format_args!("Address {address} is in use."));
        }
        Ok(address)
    }

    pub(super) fn assign_ipv6(
        &mut self,
        scope: Scope,
        id: EniId,
        addresses: &[Ipv6Addr],
        count: u16,
    ) -> Outcome {
        if addresses.is_empty() == (count == 0) {
            return refuse(
                Code::InvalidParameterCombination,
                "Either addresses or a count of them must be given, and not both",
            );
        }
        let mut eni = Eni::clone(&*self.own_interface(scope, id)?);
        let subnet = self.own_subnet(scope, eni.subnet)?;
        let asked = addresses.len() + usize::from(count);
        if eni.ipv6_addresses.len() + asked > self.most_addresses(&eni) {
            return Err(too_many_addresses());
        }
        for address in addresses {
            if !eni.ipv6_addresses.contains(address) {
                eni.ipv6_addresses.push(self.check_ipv6_address(&subnet, *address)?);
            }
        }
        for _ in 0..count {
            let free = self.free_ipv6(&subnet, &eni.ipv6_addresses)?;
            eni.ipv6_addresses.push(free);
        }
        self.put(eni);
        Ok(Key::Eni(id).into())
    }

    pub(super) fn unassign_ipv6(
        &mut self,
        scope: Scope,
        id: EniId,
        addresses: &[Ipv6Addr],
    ) -> Outcome {
        if addresses.is_empty() {
            return missing("Ipv6Address");
        }
        let mut eni = Eni::clone(&*self.own_interface(scope, id)?);
        let primary = eni.ipv6_addresses.first().copied().filter(|_| eni.primary_ipv6);
        unassign(id, &mut eni.ipv6_addresses, primary, addresses)?;
        self.put(eni);
        Ok(Key::Eni(id).into())
    }
}

fn check_has_block(subnet: &Subnet) -> Result<SubnetIpv6Cidr, Refused> {
    subnet.ipv6.ok_or_else(|| {
        Refused::new(
            Code::InvalidParameterValue,
            format_args!("The subnet '{}' has no IPv6 CIDR block associated with it", subnet.id),
        )
    })
}

/// Makes the first IPv6 address of an interface its primary one, for good.
pub(super) fn set_primary_ipv6(eni: &mut Eni, on: bool) -> Result<(), Refused> {
    if on && eni.ipv6_addresses.is_empty() {
        return Err(no_primary());
    }
    if !on && eni.primary_ipv6 {
        return refuse(
            Code::OperationNotPermitted,
            format_args!("The primary IPv6 address of {} cannot be taken back.", eni.id),
        );
    }
    eni.primary_ipv6 = on;
    Ok(())
}

fn no_primary() -> Refused {
    Refused::new(
        Code::InvalidParameterCombination,
        "A primary IPv6 address can be enabled only for a network interface that has an IPv6 \
         address.",
    )
}
