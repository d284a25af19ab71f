//! Rules of the addresses of network interfaces.

use std::net::Ipv4Addr;

use super::lookup::missing;
use super::subnet::full;
use super::{Decision, Outcome, refuse};
use crate::command::AddressesSpec;
use crate::resource::*;
use crate::{Code, EniId, Key, Refused, Scope};

impl Decision<'_> {
    /// The addresses of a new interface, the primary one first.
    pub(super) fn addresses_for(
        &self,
        subnet: &Subnet,
        spec: &AddressesSpec,
    ) -> Result<Vec<Ipv4Addr>, Refused> {
        let mut addresses = Vec::new();
        let named = spec.primary.iter().chain(&spec.secondary);
        for address in named {
            self.check_address(subnet, *address)?;
            if addresses.contains(address) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("The address {address} is given twice"),
                );
            }
            addresses.push(*address);
        }
        if spec.primary.is_none() {
            let primary =
                self.world.free_address(subnet, &addresses).ok_or_else(|| full(subnet))?;
            addresses.insert(0, primary);
        }
        for _ in 0..spec.count {
            let free = self.world.free_address(subnet, &addresses).ok_or_else(|| full(subnet))?;
            addresses.push(free);
        }
        Ok(addresses)
    }

    pub(super) fn assign_addresses(
        &mut self,
        scope: Scope,
        id: EniId,
        addresses: &[Ipv4Addr],
        count: u16,
        take: bool,
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
        if eni.addresses.len() + asked > self.most_addresses(&eni) {
            return Err(too_many_addresses());
        }
        for address in addresses {
            if eni.addresses.contains(address) {
                continue;
            }
            if take {
                self.take_address(scope, &subnet, *address)?;
            } else if self.world.eni_at(subnet.vpc, *address).is_some() {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("[{address}] assigned, but move is not allowed."),
                );
            }
            self.check_address(&subnet, *address)?;
            eni.addresses.push(*address);
        }
        for _ in 0..count {
            let free =
                self.world.free_address(&subnet, &eni.addresses).ok_or_else(|| full(&subnet))?;
            eni.addresses.push(free);
        }
        self.put(eni);
        Ok(Key::Eni(id).into())
    }

    /// How many addresses of either family an interface may have: as many as the type of its instance
    /// says. What nothing uses is bound by no type yet.
    pub(super) fn most_addresses(&self, eni: &Eni) -> usize {
        if eni.attachment.is_none() {
            return usize::from(u8::MAX);
        }
        let instance = eni.instance().and_then(|id| self.world.instance(id));
        let kind = instance.map_or("", |instance| instance.instance_type.as_str());
        usize::from(InstanceType::limits(kind).1)
    }

    /// Takes an address from the interface that has it as a secondary one.
    fn take_address(
        &mut self,
        scope: Scope,
        subnet: &Subnet,
        address: Ipv4Addr,
    ) -> Result<(), Refused> {
        let Some(holder) = self.world.eni_at(subnet.vpc, address).map(|eni| eni.id) else {
            return Ok(());
        };
        let mut holder = Eni::clone(&*self.own_interface(scope, holder)?);
        if holder.primary() == address {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "[{address}] is the primary address of {}, and cannot be moved.",
                    holder.id
                ),
            );
        }
        holder.addresses.retain(|own| *own != address);
        self.put(holder);
        Ok(())
    }

    pub(super) fn unassign_addresses(
        &mut self,
        scope: Scope,
        id: EniId,
        addresses: &[Ipv4Addr],
    ) -> Outcome {
        if addresses.is_empty() {
            return missing("PrivateIpAddress");
        }
        let mut eni = Eni::clone(&*self.own_interface(scope, id)?);
        let primary = Some(eni.primary());
        unassign(id, &mut eni.addresses, primary, addresses)?;
        self.put(eni);
        Ok(Key::Eni(id).into())
    }
}

/// Takes addresses of either family from those that an interface has.
pub(super) fn unassign<Address: Copy + PartialEq + std::fmt::Display>(
    id: EniId,
    own: &mut Vec<Address>,
    primary: Option<Address>,
    addresses: &[Address],
) -> Result<(), Refused> {
    for address in addresses {
        if Some(*address) == primary {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("The primary address {address} of {id} cannot be unassigned."),
            );
        }
        let before = own.len();
        own.retain(|own| own != address);
        if own.len() == before {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Some of the specified addresses are not assigned to interface {id}: {address}"
                ),
            );
        }
    }
    Ok(())
}

pub(super) fn too_many_addresses() -> Refused {
    Refused::new(Code::AddressLimit, "Number of private addresses will exceed limit.")
}
