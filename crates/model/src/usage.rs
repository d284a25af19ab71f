//! How much an account has of what its quotas count.

use std::collections::BTreeMap;

use crate::fit::{peers, waiting_of};
use crate::resource::{
    AclEntry, Direction, GroupPeer, GroupRule, InstanceState, NetworkAcl, RouteDestination,
    RouteTable, SecurityGroup, Vpc,
};
use crate::small_map::SmallMap;
use crate::{
    AccountId, AddressFamily, Key, Kind, PrefixListId, Quota, QuotaHolder, Region, Timestamp, World,
};

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Ipv4, AddressFamily::Ipv6];
const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl World {
    /// How much an account has of what a quota counts: in the region, the VPC, the group or whatever else it
    /// is counted for, in which there is most of it. 0 for what is a team's.
    pub fn account_usage(&self, account: AccountId, quota: Quota, now: Timestamp) -> u64 {
        if quota.holder() == QuotaHolder::Team {
            return 0;
        }
        let key = Key::Account(account);
        let vpcs = || self.vpcs_of(key).filter(|vpc| vpc.account == account);
        let most_of =
            |kind: Kind| most(vpcs().map(|vpc| self.naming(Key::Vpc(vpc.id), kind).count()));
        let tables = || vpcs().flat_map(|vpc| self.route_tables_in(Key::Vpc(vpc.id)));
        let groups = || vpcs().flat_map(|vpc| self.groups_in(Key::Vpc(vpc.id)));
        let acls = || vpcs().flat_map(|vpc| self.acls_in(Key::Vpc(vpc.id)));
        let in_region = |of: &dyn Fn(&Vpc) -> usize| {
            let mut all = BTreeMap::<Region, usize>::new();
            for vpc in vpcs() {
                *all.entry(vpc.region).or_default() += of(vpc);
            }
            most(all.into_values())
        };
        let found = match quota {
            Quota::Vpcs => in_region(&|vpc| usize::from(vpc.role.is_none())),
            Quota::VpcBlocks => {
                most(vpcs().map(|vpc| vpc.blocks().count().max(vpc.ipv6_blocks().count())))
            }
            Quota::Subnets => most_of(Kind::Subnet),
            Quota::RouteTables => most_of(Kind::RouteTable),
            Quota::Routes => most(tables().map(|table| {
                most(FAMILIES.iter().map(|family| self.routes_counted(table, *family)))
            })),
            Quota::Groups => {
                in_region(&|vpc| self.naming(Key::Vpc(vpc.id), Kind::SecurityGroup).count())
            }
            Quota::GroupRules => most(groups().map(|group| {
                let each = DIRECTIONS.iter().flat_map(|direction| {
                    FAMILIES.iter().map(|family| self.rules_counted(group, *direction, *family))
                });
                most(each)
            })),
            Quota::InterfaceGroups => {
                let enis = vpcs().flat_map(|vpc| self.enis_in(Key::Vpc(vpc.id)));
                most(enis.map(|eni| eni.groups.len()))
            }
            Quota::Acls => most_of(Kind::NetworkAcl),
            Quota::AclEntries => most(acls().map(|acl| entries_counted(acl))),
            Quota::InternetGateways => {
                per_region(self.gateways_of(key).map(|gateway| gateway.region))
            }
            Quota::ElasticIps => per_region(self.elastic_ips_of(key).map(|address| address.region)),
            Quota::NatGateways => {
                let working = self.nat_gateways_of(key).filter(|nat| nat.works());
                let mut zones: Vec<_> = working
                    .filter_map(|nat| self.subnet(nat.subnet))
                    .map(|subnet| subnet.zone)
                    .collect();
                zones.sort_unstable();
                most(zones.chunk_by(|one, other| one == other).map(<[_]>::len))
            }
            Quota::Interfaces => in_region(&|vpc| self.naming(Key::Vpc(vpc.id), Kind::Eni).count()),
            Quota::Peerings => most(vpcs().map(|vpc| peers(self, vpc).len())),
            Quota::Requests => waiting_of(self, account, now).count(),
            Quota::PrefixLists => per_region(self.prefix_lists_of(key).map(|list| list.region)),
            Quota::KeyPairs => self.naming(key, Kind::KeyPair).count(),
            Quota::Instances => {
                let there = self
                    .instances_of(key)
                    .filter(|instance| instance.state != InstanceState::Terminated);
                per_region(there.filter_map(|it| Some(self.vpc(it.vpc)?.region)))
            }
            Quota::Spaces
            | Quota::Apps
            | Quota::Dynos
            | Quota::Memory
            | Quota::Code
            | Quota::Addons
            | Quota::Disk => 0,
        };
        u64::try_from(found).unwrap_or(u64::MAX)
    }

    /// How many rules of a group count for a direction and a family: those to a prefix list as often as the
    /// list may have entries, those to another group for each family.
    pub(crate) fn rules_counted(
        &self,
        group: &SecurityGroup,
        direction: Direction,
        family: AddressFamily,
    ) -> usize {
        let rules = group.rules.values().filter(|rule| rule.direction == direction);
        let weight = |rule: &GroupRule| match rule.peer {
            GroupPeer::Cidr(_) => usize::from(family == AddressFamily::Ipv4),
            GroupPeer::Ipv6(_) => usize::from(family == AddressFamily::Ipv6),
            GroupPeer::PrefixList(id) => self.entries_of(id, family),
            GroupPeer::Group { .. } => 1,
        };
        rules.map(weight).sum()
    }

    /// How many routes of a table count for a family: those to a prefix list as often as the list may have
    /// entries.
    pub(crate) fn routes_counted(&self, table: &RouteTable, family: AddressFamily) -> usize {
        let weight = |to: &RouteDestination| match to {
            RouteDestination::Cidr(_) => usize::from(family == AddressFamily::Ipv4),
            RouteDestination::Ipv6(_) => usize::from(family == AddressFamily::Ipv6),
            RouteDestination::PrefixList(id) => self.entries_of(*id, family),
        };
        table.routes.keys().map(weight).sum()
    }

    fn entries_of(&self, id: PrefixListId, family: AddressFamily) -> usize {
        let list = self.prefix_list(id).filter(|list| list.family == family);
        list.map_or(0, |list| usize::from(list.max_entries))
    }
}

/// How many entries of a network ACL count in the direction and family with most of them, with the denial at
/// their end.
fn entries_counted(acl: &NetworkAcl) -> usize {
    let of = |entries: &SmallMap<u16, AclEntry>, family| {
        let same = |entry: &&AclEntry| AddressFamily::of(entry.cidr) == family;
        1 + entries.values().filter(same).count()
    };
    let each = [&acl.ingress, &acl.egress].into_iter();
    most(each.flat_map(|entries| FAMILIES.iter().map(move |family| of(entries, *family))))
}

fn most(counts: impl Iterator<Item = usize>) -> usize {
    counts.max().unwrap_or_default()
}

fn per_region(regions: impl Iterator<Item = Region>) -> usize {
    let mut regions: Vec<Region> = regions.collect();
    regions.sort_unstable();
    most(regions.chunk_by(|one, other| one == other).map(<[_]>::len))
}
