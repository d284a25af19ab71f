//! What a space, and an account of the emulator, are made of.

use super::group::egress_to_anywhere;
use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::{
    Direction, GroupPeer, GroupRule, PeeringKind, Role, RouteTo, SecurityGroup, Space, SpaceState,
    Subnet, Tags, TokenBound, Vpc, VpcRole,
};
use crate::{
    AccountId, Cidr, Code, EniId, Key, PcxId, PortRange, PrefixedId, Refused, Region, Scope,
    SecurityGroupId, SecurityGroupRuleId, SmallMap, SpaceId, TeamId, Traffic, WorkloadId,
};

/// The /20s that a space uses of its /16, by number: two for dynos, two for the internal router
/// (R7).
const SUBNETS: [u32; 4] = [8, 9, 0, 1];
const SUBNET_LEN: u8 = 20;

/// The parameters of a new space.
pub(super) struct NewSpace<'a> {
    pub(super) name: &'a str,
    pub(super) team: TeamId,
    pub(super) region: Option<Region>,
    pub(super) cidr: Option<Cidr>,
    pub(super) data_cidr: Option<Cidr>,
}

impl Decision<'_> {
    pub(super) fn create_space(&mut self, new: &NewSpace<'_>) -> Outcome {
        if self.role_in(new.team, "Couldn't find that team.")? != Role::Admin {
            return refuse(
                Code::UnauthorizedOperation,
                "You do not have access to create spaces of this team; only admins of the team can \
                 create them.",
            );
        }
        let settings = self.settings()?;
        let region = new.region.unwrap_or(settings.region);
        check_region(region)?;
        self.check_space_name(new.name)?;
        let (cidr, data_cidr) = blocks(new.cidr, new.data_cidr)?;
        let scope = Scope { account: settings.platform_account, region };
        let id = SpaceId::fresh(self.ids);
        let vpc = self.make_vpc(scope, cidr, Some(VpcRole::Space(id)), false, Tags::new());
        let subnets = SUBNETS.into_iter().enumerate().filter_map(|(n, at)| {
            // Each kind of subnet has one in either of two zones.
            Some((cidr.subnet(SUBNET_LEN, at)?, region.zone(n % 2)))
        });
        let subnets: Vec<Subnet> = subnets
            .map(|(block, zone)| self.make_subnet(&vpc, block, zone, false, Tags::new()))
            .collect();
        let [first, second, ..] = subnets.as_slice() else {
            return refuse(Code::InvalidParameterValue, "The space's block is too small.");
        };
        let dyno_cidrs = [first.cidr, second.cidr];
        let dyno_subnets = [first.id, second.id];
        let data_vpc = self.make_data_vpc(scope, data_cidr, id, dyno_cidrs);
        let data_peering = PcxId::fresh(self.ids);
        self.make_managed_peering(data_peering, &vpc, &data_vpc);
        let data_services = RouteTo::Peering(data_peering);
        self.put_platform_route(vpc.id, data_cidr, data_services);
        for block in dyno_cidrs {
            self.put_platform_route(data_vpc.id, block, data_services);
        }
        let dyno_group = self.make_dyno_group(&vpc);
        let router_enis = self.make_router_enis(&vpc, id, &subnets[2..])?;
        self.put(Space {
            id,
            name: new.name.to_owned(),
            team: new.team,
            region,
            state: SpaceState::Allocating,
            cidr,
            data_cidr,
            vpc: vpc.id,
            data_vpc: data_vpc.id,
            data_peering,
            dyno_subnets,
            dyno_group,
            router_enis,
            router_hosts: Default::default(),
            peering_limit: Space::DEFAULT_PEERING_LIMIT,
            trusted: Space::anywhere(),
            inbound: None,
            no_apps: Default::default(),
            nat_gateway: None,
            created: self.now,
            updated: self.now,
        });
        self.settle_way_out(id)?;
        Ok(Key::Space(id).into())
    }

    /// The VPC of a space's data services: only its dynos get in (R22).
    fn make_data_vpc(
        &mut self,
        scope: Scope,
        cidr: Cidr,
        space: SpaceId,
        dyno_cidrs: [Cidr; 2],
    ) -> Vpc {
        let vpc = self.make_vpc(scope, cidr, Some(VpcRole::Data(space)), false, Tags::new());
        for n in 0..2 {
            if let Some(half) = cidr.subnet(cidr.prefix_len() + 1, n) {
                let zone = scope.region.zone(n as usize);
                self.make_subnet(&vpc, half, zone, false, Tags::new());
            }
        }
        if let Some(group) = self.world.group(vpc.default_group).cloned() {
            let from_dynos = dyno_cidrs.map(ingress_from);
            let rules = self.numbered(from_dynos.into_iter().chain([egress_to_anywhere()]));
            self.put(SecurityGroup { rules, ..SecurityGroup::clone(&group) });
        }
        vpc
    }

    /// Dynos talk to each other freely; which customers' VPCs reach them, peerings decide.
    fn make_dyno_group(&mut self, vpc: &Vpc) -> SecurityGroupId {
        let id = SecurityGroupId::fresh(self.ids);
        let rules = self.numbered([ingress_from(Cidr::ANY), egress_to_anywhere()]);
        self.put(SecurityGroup {
            id,
            vpc: vpc.id,
            name: "dynos".into(),
            description: "dynos of the space".to_owned(),
            rules,
            tags: Tags::new(),
            created: self.now,
        });
        id
    }

    /// The web router's interfaces, one in each router subnet: they answer for web traffic from
    /// wherever a packet can come, and reach every dyno (R26).
    fn make_router_enis(
        &mut self,
        vpc: &Vpc,
        space: SpaceId,
        subnets: &[Subnet],
    ) -> Result<Vec<EniId>, Refused> {
        let id = SecurityGroupId::fresh(self.ids);
        let web = [80, 443].map(|port| GroupRule {
            traffic: Traffic::Tcp(PortRange { from: port, to: port }),
            ..ingress_from(Cidr::ANY)
        });
        let rules = self.numbered(web.into_iter().chain([egress_to_anywhere()]));
        self.put(SecurityGroup {
            id,
            vpc: vpc.id,
            name: "router".into(),
            description: "web router of the space".to_owned(),
            rules,
            tags: Tags::new(),
            created: self.now,
        });
        let what = "web router of the space";
        let make = |decision: &mut Self, subnet: &Subnet| {
            let workload = WorkloadId::Router(space);
            decision.make_eni(subnet, workload, vec![id], None, what, Tags::new())
        };
        subnets.iter().map(|subnet| make(self, subnet).map(|eni| eni.id)).collect()
    }

    fn numbered(
        &mut self,
        rules: impl IntoIterator<Item = GroupRule>,
    ) -> SmallMap<SecurityGroupRuleId, GroupRule> {
        rules.into_iter().map(|rule| (SecurityGroupRuleId::fresh(self.ids), rule)).collect()
    }

    pub(super) fn delete_space(&mut self, id: SpaceId) -> Outcome {
        let space = self.space_to_change(id)?;
        let mut apps: Vec<_> = self.world.apps_in(Key::Space(id)).map(|a| a.name.clone()).collect();
        if !apps.is_empty() {
            apps.sort();
            return refuse(
                Code::DependencyViolation,
                format!(
                    "The space {} still has apps: {}. Delete them first.",
                    space.name,
                    apps.join(", ")
                ),
            );
        }
        let peerings: Vec<_> = self.world.peerings_of(Key::Vpc(space.vpc)).cloned().collect();
        for peering in peerings.iter().filter(|p| p.kind == PeeringKind::Customer) {
            // What has ended, or is on its way, needs no step.
            let _ = self.tear_down(&space, peering);
        }
        self.remove_way_out(&space);
        let drains = self.world.log_drains_of(Key::Space(id)).map(|drain| Key::LogDrain(drain.id));
        drains.collect::<Vec<_>>().into_iter().for_each(|drain| self.delete(drain));
        self.end_tokens_bound_to(TokenBound::Space(id));
        self.delete(Key::Space(id));
        self.delete(Key::Peering(space.data_peering));
        self.remove_vpc(space.vpc);
        self.remove_vpc(space.data_vpc);
        Ok(Reply::Done)
    }

    /// In an emulator, an account is there as soon as it is named, with a default VPC in every
    /// region that it asks in.
    pub(super) fn ensure_account(&mut self, id: AccountId, region: Region) -> Outcome {
        let settings = self.settings()?;
        if !settings.emulator {
            return refuse(
                Code::OperationNotPermitted,
                "Accounts are made by the operator, unless this is an emulator.",
            );
        }
        if self.world.account(id).is_none() {
            let name = id.to_string();
            if self.world.former_account(id).is_some() {
                self.delete(Key::FormerAccount(id));
            }
            self.put(crate::Account {
                id,
                name,
                created: self.now,
                disabled: None,
                quotas: Default::default(),
            });
        }
        // Options outlive a default VPC, which its owner may delete for good.
        let known = self
            .world
            .dhcp_option_sets_of(Key::Account(id))
            .any(|options| options.region == region);
        if id != settings.platform_account && !known {
            self.make_default_vpc(Scope { account: id, region });
        }
        Ok(Key::Account(id).into())
    }
}

fn ingress_from(cidr: Cidr) -> GroupRule {
    super::group::rule(Direction::Ingress, GroupPeer::Cidr(cidr))
}

fn check_region(region: Region) -> Result<(), Refused> {
    if region.facts().platform.is_some() {
        return Ok(());
    }
    let names: Vec<_> = Region::all().filter_map(|r| r.facts().platform).collect();
    refuse(
        Code::InvalidParameterValue,
        format!("There are no Private Spaces in {region}; choose one of {}.", names.join(", ")),
    )
}

/// The blocks of a new space: its own, and that of its data services (R3).
fn blocks(cidr: Option<Cidr>, data: Option<Cidr>) -> Result<(Cidr, Cidr), Refused> {
    let cidr = cidr.unwrap_or(Space::DEFAULT_CIDR);
    if cidr.rfc1918().is_none() || cidr.prefix_len() != 16 {
        return refuse(
            Code::InvalidParameterValue,
            format!(
                "The space's block {cidr} must be a /16 inside 10.0.0.0/8, 172.16.0.0/12 or \
                 192.168.0.0/16."
            ),
        );
    }
    let data = data.unwrap_or_else(|| free_data_block(cidr));
    if data.rfc1918().is_none() || !(16..=20).contains(&data.prefix_len()) {
        return refuse(
            Code::InvalidParameterValue,
            format!(
                "The data services' block {data} must be a /16 to /20 inside 10.0.0.0/8, \
                 172.16.0.0/12 or 192.168.0.0/16."
            ),
        );
    }
    for (a, what, b, whose) in [
        (cidr, "space", Space::RESERVED, "which is reserved"),
        (data, "data services", Space::RESERVED, "which is reserved"),
        (data, "data services", cidr, "the block of the space itself"),
    ] {
        if a.overlaps(b) {
            return refuse(
                Code::InvalidParameterValue,
                format!("The block {a} of the {what} overlaps {b}, {whose}."),
            );
        }
    }
    Ok((cidr, data))
}

/// The default, or the next block of its size that leaves the space's own alone.
fn free_data_block(cidr: Cidr) -> Cidr {
    let ten = Cidr::new(10, 0, 0, 0, 8);
    let free = (1..=u32::from(u8::MAX)).filter_map(|n| ten.subnet(16, n));
    free.into_iter().find(|block| !block.overlaps(cidr)).unwrap_or(Space::DEFAULT_DATA_CIDR)
}
