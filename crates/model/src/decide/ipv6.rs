//! Rules of the IPv6 blocks of VPCs and subnets (`ec2.md` §1.4).

use std::sync::Arc;

use super::group::{egress_to_anywhere, egress_to_anywhere_by_ipv6};
use super::lookup::absent;
use super::vpc::{check_block_count, subnet_within};
use super::{Decision, Outcome, refuse};
use crate::resource::{
    AclEntry, Direction, GroupRule, NetworkAcl, SecurityGroup, Subnet, SubnetIpv6Cidr, Vpc,
    VpcIpv6Cidr,
};
use crate::{
    Alias, Cidr, Code, IpCidr, Ipv6Cidr, Key, Part, PrefixedId, Refused, Scope,
    SecurityGroupRuleId, SubnetCidrAssociationId, SubnetId, Traffic, VpcCidrAssociationId, VpcId,
};

impl Decision<'_> {
    /// Takes a block that no VPC has, and in which no route of this one leads anywhere. Where the search
    /// begins is chance, so that a block which was given back is not the next one to be given.
    pub(super) fn new_ipv6_block(&mut self, vpc: VpcId) -> Result<VpcIpv6Cidr, Refused> {
        let bits = Vpc::IPV6_LEN - Vpc::IPV6_BLOCKS.prefix_len();
        let count = 1_u128 << bits;
        let first = self.ids.next_bits() % count;
        let routed: Vec<Ipv6Cidr> = self
            .world
            .route_tables_in(Key::Vpc(vpc))
            .flat_map(|table| table.routes.keys().filter_map(|to| to.ipv6()))
            .collect();
        let free = (0..count)
            .filter_map(|n| Vpc::IPV6_BLOCKS.subnet(Vpc::IPV6_LEN, (first + n) % count))
            .filter(|block| self.world.find(&Alias::Ipv6Block(*block)).is_none())
            .find(|block| !routed.iter().any(|to| block.covers(*to)));
        match free {
            Some(cidr) => Ok(VpcIpv6Cidr { id: VpcCidrAssociationId::fresh(self.ids), cidr }),
            None => refuse(Code::LimitExceeded, "There are no more IPv6 CIDR blocks."),
        }
    }

    pub(super) fn associate_ipv6(&mut self, scope: Scope, id: VpcId) -> Outcome {
        let mut vpc = Vpc::clone(&*self.editable_vpc(scope, id)?);
        check_block_count(&self.world, &vpc, vpc.ipv6.len())?;
        self.check_no_request(id)?;
        vpc.ipv6.push(self.new_ipv6_block(id)?);
        self.put(vpc.clone());
        self.open_defaults_to_ipv6(&vpc);
        self.refresh_peerings_of(&vpc)?;
        Ok(Key::Vpc(id).into())
    }

    /// Lets IPv6 through what lets all of IPv4 through in a VPC that gets an IPv6 block: its default group
    /// and its default ACL, as long as nobody changed what leaves by the one, or the entries of a
    /// direction of the other. What there is for IPv6 stays when the block goes.
    pub(super) fn open_defaults_to_ipv6(&mut self, vpc: &Vpc) {
        if let Some(group) = self.world.group(vpc.default_group).cloned() {
            let mut egress = group.rules.values().filter(|r| r.direction == Direction::Egress);
            let all = egress_to_anywhere();
            let all = |rule: &GroupRule| (rule.traffic, rule.peer) == (all.traffic, all.peer);
            if egress.next().is_some_and(all) && egress.next().is_none() {
                let mut group = SecurityGroup::clone(&group);
                let id = SecurityGroupRuleId::fresh(self.ids);
                group.rules.insert(id, egress_to_anywhere_by_ipv6());
                self.put(group);
            }
        }
        if let Some(old) = self.world.acl(vpc.default_acl).cloned() {
            let mut acl = NetworkAcl::clone(&old);
            for direction in [Direction::Ingress, Direction::Egress] {
                let entries = acl.entries_mut(direction);
                let all = |cidr| AclEntry { allow: true, traffic: Traffic::All, cidr };
                let first = entries.get(&NetworkAcl::DEFAULT_ENTRY);
                if entries.len() == 1 && first == Some(&all(Cidr::ANY.into())) {
                    entries.insert(NetworkAcl::DEFAULT_IPV6_ENTRY, all(Ipv6Cidr::ANY.into()));
                }
            }
            if acl != *old {
                self.put(acl);
            }
        }
    }

    /// Removes a block that the VPC has.
    pub(super) fn disassociate_ipv6(&mut self, mut vpc: Vpc, at: usize) -> Outcome {
        let cidr = vpc.ipv6.remove(at).cidr;
        let within =
            |subnet: &Arc<Subnet>| subnet.ipv6.is_some_and(|block| cidr.covers(block.cidr));
        if self.world.subnets_in(Key::Vpc(vpc.id)).any(within) {
            return Err(subnet_within(vpc.id, cidr));
        }
        self.forget_local_routes(vpc.id, cidr.into());
        self.put(vpc.clone());
        self.refresh_peerings_of(&vpc)?;
        Ok(Key::Vpc(vpc.id).into())
    }

    /// Whether a subnet of a VPC can have a block.
    pub(super) fn check_subnet_ipv6(&self, vpc: &Vpc, cidr: Ipv6Cidr) -> Result<(), Refused> {
        if !(44..=64).contains(&cidr.prefix_len()) || !cidr.prefix_len().is_multiple_of(4) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("invalid value for parameter ipv6-cidr-block: {cidr}"),
            );
        }
        if !vpc.ipv6_blocks().any(|block| block.covers(cidr)) {
            return refuse(Code::SubnetRange, format_args!("The IPv6 CIDR '{cidr}' is invalid."));
        }
        let taken = |other: &Arc<Subnet>| other.ipv6.is_some_and(|own| own.cidr.overlaps(cidr));
        if self.world.subnets_in(Key::Vpc(vpc.id)).any(taken) {
            return refuse(
                Code::SubnetConflict,
                format_args!("The IPv6 CIDR '{cidr}' conflicts with another subnet"),
            );
        }
        Ok(())
    }

    /// Gives a subnet a block that was found to fit.
    pub(super) fn subnet_ipv6(&mut self, cidr: Ipv6Cidr) -> SubnetIpv6Cidr {
        SubnetIpv6Cidr { id: SubnetCidrAssociationId::fresh(self.ids), cidr }
    }

    pub(super) fn associate_subnet_ipv6(
        &mut self,
        scope: Scope,
        id: SubnetId,
        cidr: Ipv6Cidr,
    ) -> Outcome {
        let subnet = self.own_subnet(scope, id)?;
        let vpc = self.editable_vpc(scope, subnet.vpc)?;
        if subnet.ipv6.is_some() {
            return refuse(
                Code::VpcCidrLimit,
                format_args!("The subnet '{id}' has met its maximum number of allowed CIDRs: 1"),
            );
        }
        self.check_subnet_ipv6(&vpc, cidr)?;
        let ipv6 = Some(self.subnet_ipv6(cidr));
        self.put(Subnet { ipv6, ..Subnet::clone(&subnet) });
        Ok(Key::Subnet(id).into())
    }

    pub(super) fn disassociate_subnet_ipv6(
        &mut self,
        scope: Scope,
        id: SubnetCidrAssociationId,
    ) -> Outcome {
        let gone = || {
            let what = "subnet CIDR block association ID";
            absent(Code::SubnetCidrAssociationNotFound, what, id)
        };
        let Some(Key::Subnet(subnet)) = self.world.whole(Part::SubnetCidr(id)) else {
            return Err(gone());
        };
        let subnet = self.own_subnet(scope, subnet).map_err(|_| gone())?;
        let subnet = self.in_editable(scope, subnet)?;
        if let Some(user) = self.user_of_ipv6(&subnet) {
            return refuse(
                Code::CidrInUse,
                format_args!(
                    "The subnet IPv6 CIDR block with association ID {id} may not be \
                     disassociated, because its subnet has {user}."
                ),
            );
        }
        self.put(Subnet { ipv6: None, ..Subnet::clone(&subnet) });
        Ok(Key::Subnet(subnet.id).into())
    }

    /// What of a subnet needs its IPv6 block.
    fn user_of_ipv6(&self, subnet: &Subnet) -> Option<&'static str> {
        let key = Key::Subnet(subnet.id);
        let launch = subnet.launch;
        let reserved = |cidr: IpCidr| cidr.v6().is_some();
        [
            (launch.assign_ipv6, "assign-ipv6-address-on-creation set to true"),
            (launch.dns64, "enable-dns64 set to true"),
            (
                launch.resource_name_aaaa,
                "enable-resource-name-dns-aaaa-record-on-launch set to true",
            ),
            (
                self.world.enis_in(key).any(|eni| !eni.ipv6_addresses.is_empty()),
                "network interfaces with IPv6 addresses",
            ),
            (
                self.world.subnet_reservations_in(key).any(|it| reserved(it.cidr)),
                "IPv6 CIDR reservations",
            ),
        ]
        .into_iter()
        .find_map(|(needs, what)| needs.then_some(what))
    }
}
