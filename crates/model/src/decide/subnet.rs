//! Rules of subnets and of the addresses in them (`ec2.md` §1.3, §1.8).

use std::net::Ipv4Addr;

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::intent::MacAddr;
use crate::resource::*;
use crate::{
    AclAssociationId, Cidr, Code, EniAttachmentId, EniId, Key, Kind, PrefixedId, Refused, Scope,
    SecurityGroupId, SubnetId, VpcId, WorkloadId, Zone,
};

/// EC2's quota of subnets per VPC.
const MAX_SUBNETS: usize = 200;

impl Decision<'_> {
    pub(super) fn create_subnet(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        cidr: Cidr,
        zone: Option<Zone>,
        tags: &Tags,
    ) -> Outcome {
        let vpc = self.editable_vpc(scope, vpc)?;
        super::tag::check_tags(tags)?;
        let zone = zone.unwrap_or_else(|| scope.region.zone(0));
        if zone.region() != scope.region {
            return refuse(Code::InvalidParameterValue, elsewhere(scope, zone));
        }
        if !Vpc::BLOCK_SIZES.contains(&cidr.prefix_len()) || !vpc.blocks().any(|b| b.covers(cidr)) {
            return refuse(Code::SubnetRange, format_args!("The CIDR '{cidr}' is invalid."));
        }
        if self.world.subnets_in(Key::Vpc(vpc.id)).any(|other| other.cidr.overlaps(cidr)) {
            return refuse(
                Code::SubnetConflict,
                format_args!("The CIDR '{cidr}' conflicts with another subnet"),
            );
        }
        if self.world.naming(Key::Vpc(vpc.id), Kind::Subnet).count() >= MAX_SUBNETS {
            return refuse(
                Code::LimitExceeded,
                format_args!("The maximum number of subnets has been reached: {MAX_SUBNETS}"),
            );
        }
        let subnet = self.make_subnet(&vpc, cidr, zone, false, tags.clone());
        Ok(Key::Subnet(subnet.id).into())
    }

    /// Makes a subnet that follows the VPC's main table and default ACL. Whether the block fits
    /// has been checked.
    pub(super) fn make_subnet(
        &mut self,
        vpc: &Vpc,
        cidr: Cidr,
        zone: Zone,
        default_for_zone: bool,
        tags: Tags,
    ) -> Subnet {
        let subnet = Subnet {
            id: SubnetId::fresh(self.ids),
            vpc: vpc.id,
            cidr,
            zone,
            route_table: None,
            acl: vpc.default_acl,
            acl_association: AclAssociationId::fresh(self.ids),
            default_for_zone,
            map_public_ip: default_for_zone,
            tags,
            created: self.now,
        };
        self.put(subnet.clone());
        subnet
    }

    pub(super) fn delete_subnet(&mut self, scope: Scope, id: SubnetId) -> Outcome {
        let subnet = self.own_subnet(scope, id)?;
        self.editable_vpc(scope, subnet.vpc)?;
        if self.world.naming(Key::Subnet(id), Kind::Eni).next().is_some() {
            return refuse(
                Code::DependencyViolation,
                format_args!("The subnet '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete(Key::Subnet(id));
        Ok(Reply::Done)
    }

    /// Makes the interface of a dyno or an instance, at the given address or at the lowest free
    /// one. It goes with its workload.
    pub(super) fn make_eni(
        &mut self,
        subnet: &Subnet,
        workload: WorkloadId,
        groups: Vec<SecurityGroupId>,
        address: Option<Ipv4Addr>,
        description: &str,
        tags: Tags,
    ) -> Result<Eni, Refused> {
        let address = self.address_in(subnet, address)?;
        let id = EniId::fresh(self.ids);
        let eni = Eni {
            id,
            vpc: subnet.vpc,
            subnet: subnet.id,
            mac: mac_of(id),
            addresses: vec![address],
            groups,
            source_dest_check: true,
            description: description.to_owned(),
            attachment: Some(Attachment {
                id: EniAttachmentId::fresh(self.ids),
                workload,
                device_index: 0,
                delete_on_termination: true,
                attached: self.now,
            }),
            requester_managed: !matches!(workload, WorkloadId::Instance(_)),
            public: PublicAddress::None,
            nat_gateway: None,
            created: self.now,
            tags,
        };
        self.put(eni.clone());
        Ok(eni)
    }

    /// An address of a subnet for an interface: the given one or the lowest that is free.
    pub(super) fn address_in(
        &self,
        subnet: &Subnet,
        address: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, Refused> {
        match address {
            Some(address) => self.check_address(subnet, address),
            None => self.lowest_free(subnet).ok_or_else(|| full(subnet)),
        }
    }

    fn check_address(&self, subnet: &Subnet, address: Ipv4Addr) -> Result<Ipv4Addr, Refused> {
        if !subnet.cidr.contains(address) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Address {address} does not fall within the subnet's address range {}",
                    subnet.cidr
                ),
            );
        }
        if subnet.reserves(address) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Address {address} is in subnet's reserved address range"),
            );
        }
        if self.world.eni_at(subnet.vpc, address).is_some() {
            return refuse(Code::AddressInUse, format_args!("Address {address} is in use."));
        }
        Ok(address)
    }

    /// How many addresses of a subnet are left for interfaces.
    pub(super) fn free_addresses(&self, subnet: &Subnet) -> u64 {
        let Some((first, last)) = usable(subnet.cidr) else { return 0 };
        let used = self.world.addresses_between(subnet.vpc, first, last).count() as u64;
        subnet.cidr.size().saturating_sub(Subnet::RESERVED_ADDRESSES + used)
    }

    fn lowest_free(&self, subnet: &Subnet) -> Option<Ipv4Addr> {
        let (first, last) = usable(subnet.cidr)?;
        let mut free = u32::from(first);
        for used in self.world.addresses_between(subnet.vpc, first, last) {
            if u32::from(used) > free {
                break;
            }
            free = u32::from(used) + 1;
        }
        (free <= last.into()).then(|| free.into())
    }
}

/// The first and the last address that an interface may have, if there is any.
fn usable(cidr: Cidr) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let first = cidr.nth(Subnet::RESERVED_ADDRESSES - 1)?;
    let last = cidr.nth(cidr.size() - 2)?;
    (first <= last).then_some((first, last))
}

pub(super) fn full(subnet: &Subnet) -> Refused {
    Refused::new(
        Code::InsufficientFreeAddresses,
        format_args!(
            "There are not enough free addresses in subnet '{}' to satisfy the request",
            subnet.id
        ),
    )
}

/// A locally administered address, as unique as the id.
pub(super) fn mac_of(id: EniId) -> MacAddr {
    let [.., a, b, c, d, e] = id.bits().to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

fn elsewhere(scope: Scope, zone: Zone) -> String {
    let zones: Vec<String> = scope.region.zones().map(|zone| zone.to_string()).collect();
    format!(
        "Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only be \
         created in the following availability zones: {}.",
        zones.join(", ")
    )
}
