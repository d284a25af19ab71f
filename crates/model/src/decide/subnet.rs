//! Rules of subnets and of the addresses in them (`ec2.md` §1.3, §1.8).

use std::net::Ipv4Addr;

use super::{Decision, Outcome, refuse};
use crate::command::{NewSubnet, Reply, SubnetAttribute};
use crate::intent::MacAddr;
use crate::resource::*;
use crate::{
    AclAssociationId, Cidr, Code, EniAttachmentId, EniId, Key, Kind, PrefixedId, Quota, Refused,
    Scope, SecurityGroupId, SubnetId, WorkloadId, Zone,
};

impl Decision<'_> {
    pub(super) fn create_subnet(&mut self, scope: Scope, new: &NewSubnet) -> Outcome {
        let vpc = self.editable_vpc(scope, new.vpc)?;
        let cidr = new.cidr;
        super::tag::check_tags(&new.tags)?;
        let zone = new.zone.unwrap_or_else(|| scope.region.zone(0));
        check_zone(scope, zone)?;
        if !Vpc::BLOCK_SIZES.contains(&cidr.prefix_len()) || !vpc.blocks().any(|b| b.covers(cidr)) {
            return refuse(Code::SubnetRange, format_args!("The CIDR '{cidr}' is invalid."));
        }
        if self.world.subnets_in(Key::Vpc(vpc.id)).any(|other| other.cidr.overlaps(cidr)) {
            return refuse(
                Code::SubnetConflict,
                format_args!("The CIDR '{cidr}' conflicts with another subnet"),
            );
        }
        let count = || self.world.naming(Key::Vpc(vpc.id), Kind::Subnet).count();
        self.world.check_quota(scope.account, Quota::Subnets, count)?;
        if let Some(cidr) = new.ipv6 {
            self.check_subnet_ipv6(&vpc, cidr)?;
        }
        let mut subnet = self.make_subnet(&vpc, cidr, zone, false, new.tags.clone());
        if let Some(cidr) = new.ipv6 {
            subnet.ipv6 = Some(self.subnet_ipv6(cidr));
            self.put(subnet.clone());
        }
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
            ipv6: None,
            launch: LaunchOptions::default(),
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
        let reserved = self.world.naming(Key::Subnet(id), Kind::SubnetReservation);
        let reserved: Vec<Key> = reserved.collect();
        reserved.into_iter().for_each(|key| self.delete(key));
        self.delete(Key::Subnet(id));
        Ok(Reply::Done)
    }

    pub(super) fn modify_subnet_attribute(
        &mut self,
        scope: Scope,
        id: SubnetId,
        attribute: SubnetAttribute,
    ) -> Outcome {
        use SubnetAttribute as A;
        let old = self.in_editable(scope, self.own_subnet(scope, id)?)?;
        let needs_ipv6 = match attribute {
            A::AssignIpv6(true) => Some("assign-ipv6-address-on-creation"),
            A::Dns64(true) => Some("enable-dns64"),
            A::ResourceNameAaaa(true) => Some("enable-resource-name-dns-aaaa-record-on-launch"),
            _ => None,
        };
        if let Some(name) = needs_ipv6.filter(|_| old.ipv6.is_none()) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Invalid value 'true' for {name}. Cannot set {name} to true unless the subnet \
                     ({id}) has an IPv6 CIDR block associated with it."
                ),
            );
        }
        let mut subnet = Subnet::clone(&old);
        match attribute {
            A::MapPublicIp(on) => subnet.map_public_ip = on,
            A::AssignIpv6(on) => subnet.launch.assign_ipv6 = on,
            A::Dns64(on) => subnet.launch.dns64 = on,
            A::HostnameType(kind) => subnet.launch.hostname_type = kind,
            A::ResourceNameA(on) => subnet.launch.resource_name_a = on,
            A::ResourceNameAaaa(on) => subnet.launch.resource_name_aaaa = on,
            A::LniDeviceIndex(index) => subnet.launch.lni_device_index = index,
        }
        if subnet != *old {
            self.put(subnet);
        }
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
            ipv6_addresses: Vec::new(),
            primary_ipv6: false,
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
            client_token: None,
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
            None => self.world.free_address(subnet, &[]).ok_or_else(|| full(subnet)),
        }
    }

    pub(super) fn check_address(
        &self,
        subnet: &Subnet,
        address: Ipv4Addr,
    ) -> Result<Ipv4Addr, Refused> {
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

/// Whether a zone is one of the region's.
pub(super) fn check_zone(scope: Scope, zone: Zone) -> Result<(), Refused> {
    if zone.region() == scope.region {
        return Ok(());
    }
    let zones: Vec<String> = scope.region.zones().map(|zone| zone.to_string()).collect();
    refuse(
        Code::InvalidParameterValue,
        format_args!(
            "Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only \
             be created in the following availability zones: {}.",
            zones.join(", ")
        ),
    )
}
