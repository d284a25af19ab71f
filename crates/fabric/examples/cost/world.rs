//! Two peered VPCs with an interface each, among as many groups, rules and peerings as asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use causeway_fabric::driver::Driver;
use causeway_fabric::linux::Linux;
use model::intent::{
    GroupIntent, InterfaceIntent, MacAddr, NetworksIntent, PeeringEnd, PeeringIntent, RouteTarget,
    RuleIntent, RulePeer, SubnetIntent, VpcIntent,
};
use model::{Cidr, EniId, PortRange, PrefixedId, Traffic};

use super::measure::Way;
use crate::Result;

/// Groups that an interface may be in, as EC2 has it unless somebody asks for more.
const GROUPS_EACH: u32 = 5;
const MTU: u16 = 9001;
/// Longer than the kernel takes to find out that links carry.
const SETTLING: Duration = Duration::from_secs(2);

/// A world in the kernel; it is gone when this is dropped.
pub struct World {
    driver: Linux,
    from: EniId,
    to: EniId,
}

impl World {
    /// Makes one. Of all rules one lets in what is measured, and a packet meets it last.
    pub fn new(name: &str, groups: u32, rules: u16, peerings: u32) -> Result<Self> {
        let pid = std::process::id();
        // Both VPCs of the few are others than those of the many.
        let ids = Ids(u64::from(pid) << 32 | u64::from(groups) << 16);
        let mut intent = NetworksIntent::default();
        for at in 0..=peerings {
            let few = if at < 2 { (groups, rules) } else { (1, 1) };
            intent.vpcs.insert(ids.of(at)?, vpc(&ids, at, few)?);
        }
        for at in 1..=peerings {
            let link = PeeringIntent { requester: ids.of(0)?, accepter: ids.of(at)?, mtu: MTU };
            intent.peerings.insert(ids.of(at)?, link);
            for (end, other) in [(0, at), (at, 0)] {
                let block = block(other);
                let Some(vpc) = intent.vpcs.get_mut(&ids.of(end)?) else { continue };
                let admits_to = vpc.cidrs.clone();
                let planned = PeeringEnd { admits_to, admits_from: None, behind: vec![block] };
                vpc.peerings.insert(ids.of(at)?, planned);
                for routes in vpc.route_tables.values_mut() {
                    routes.insert(block, RouteTarget::Peering(ids.of(at)?));
                }
            }
        }
        let instance = format!("cost-{pid}-{name}");
        let mut world = Self { driver: Linux::new(&instance), from: ids.of(0)?, to: ids.of(1)? };
        let report = world.driver.sweep(&intent);
        if report.failed() {
            return Err(format!("{report:?}").into());
        }
        let made = Instant::now();
        while made.elapsed() < SETTLING {
            std::thread::park_timeout(SETTLING.saturating_sub(made.elapsed()));
        }
        Ok(world)
    }

    /// The way between the two.
    pub fn way(&self) -> Way {
        Way { from: format!("cw-{}", self.from), to: format!("cw-{}", self.to), address: host(1) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.driver.purge();
    }
}

/// Ids that no other process and no other world has.
struct Ids(u64);

impl Ids {
    fn of<T: PrefixedId>(&self, number: u32) -> Result<T> {
        let text = format!("{}-{:017x}", T::PREFIX, self.0 | u64::from(number));
        text.parse().map_err(|_| format!("{text} is no id").into())
    }
}

fn block(at: u32) -> Cidr {
    Cidr::new(10, at as u8 + 1, 0, 0, 16)
}

fn host(at: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, at as u8 + 1, 0, 4)
}

fn vpc(ids: &Ids, at: u32, (groups, rules): (u32, u16)) -> Result<VpcIntent> {
    let number = |group: u32| at * 0x100 + group;
    let last = groups.saturating_sub(1);
    let mut all = BTreeMap::new();
    for group in 0..groups {
        let ingress: BTreeSet<_> = (0..rules)
            .map(|rule| {
                let is_last = group == last && rule == rules - 1;
                // What is measured has high ports.
                let port = 10 + rule;
                let few = PortRange { from: port, to: if is_last { 65535 } else { port } };
                RuleIntent { traffic: Traffic::Tcp(few), peer: RulePeer::Cidr(Cidr::ANY) }
            })
            .collect();
        let egress = [RuleIntent { traffic: Traffic::All, peer: RulePeer::Cidr(Cidr::ANY) }];
        all.insert(ids.of(number(group))?, GroupIntent { ingress, egress: egress.into() });
    }
    let mine = groups.saturating_sub(GROUPS_EACH)..groups;
    let interface = InterfaceIntent {
        mac: MacAddr([0x06, 0, 0, 0, 0, at as u8]),
        subnet: ids.of(at)?,
        addresses: vec![host(at)],
        groups: mine.map(|group| ids.of(number(group))).collect::<Result<_>>()?,
        source_dest_check: true,
        mtu: MTU,
        slot: None,
        translates: false,
    };
    let subnet = SubnetIntent { cidr: block(at), route_table: ids.of(at)?, acl: None };
    Ok(VpcIntent {
        resolvers: Vec::new(),
        cidrs: vec![block(at)],
        subnets: [(ids.of(at)?, subnet)].into(),
        route_tables: [(ids.of(at)?, BTreeMap::new())].into(),
        interfaces: [(ids.of(at)?, interface)].into(),
        groups: all,
        members: BTreeMap::new(),
        acls: BTreeMap::new(),
        peerings: BTreeMap::new(),
        exits: BTreeMap::new(),
        denied: Vec::new(),
        refuses_unrouted: false,
    })
}
