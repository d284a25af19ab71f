//! Generated networks: steps that make, change and remove parts of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{
    AclEntryIntent, AclIntent, ExitId, ExitIntent, GroupIntent, InterfaceIntent, MacAddr, Member,
    NetworksIntent, PeeringEnd, PeeringIntent, RouteTarget, RuleIntent, RulePeer, SubnetIntent,
    Via, VpcIntent,
};
use model::{Cidr, PortRange, Traffic};

/// An id by its kind and number.
pub fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(kind: &str, number: usize) -> T {
    format!("{kind}-{number:017x}").parse().unwrap()
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// A VPC of 10.N.0.0/16 that has nothing.
pub fn vpc(n: usize) -> VpcIntent {
    VpcIntent {
        cidrs: vec![cidr(&format!("10.{n}.0.0/16"))],
        resolvers: vec![Ipv4Addr::new(10, n as u8, 0, 2), model::edge::RESOLVER],
        subnets: BTreeMap::new(),
        route_tables: BTreeMap::new(),
        interfaces: BTreeMap::new(),
        groups: BTreeMap::new(),
        members: BTreeMap::new(),
        acls: BTreeMap::new(),
        peerings: BTreeMap::new(),
        exits: BTreeMap::new(),
        denied: Vec::new(),
        refuses_unrouted: false,
    }
}

pub fn subnet(n: usize, s: usize, table: usize, acl: Option<usize>) -> SubnetIntent {
    SubnetIntent {
        cidr: cidr(&format!("10.{n}.{s}.0/24")),
        route_table: id("rtb", table),
        acl: acl.map(|acl| id("acl", acl)),
    }
}

pub fn interface(n: usize, s: usize, host: u8, groups: &[usize]) -> InterfaceIntent {
    InterfaceIntent {
        mac: MacAddr([2, 0, 0, n as u8, s as u8, host]),
        subnet: id("subnet", n * 16 + s),
        addresses: vec![Ipv4Addr::new(10, n as u8, s as u8, host)],
        groups: groups.iter().map(|group| id("sg", *group)).collect(),
        source_dest_check: true,
        mtu: 9001,
        slot: None,
        translates: false,
    }
}

/// Joins two VPCs, or takes what joins them away.
pub fn toggle_peering(networks: &mut NetworksIntent, one: usize, other: usize, mtu: u16) {
    let (one, other) = (one.min(other), one.max(other));
    let (asks, answers) = (id("vpc", one), id("vpc", other));
    if one == other || !networks.vpcs.contains_key(&asks) || !networks.vpcs.contains_key(&answers) {
        return;
    }
    let pcx = id("pcx", one * 16 + other);
    if networks.peerings.remove(&pcx).is_some() {
        forget(networks, pcx);
        return;
    }
    networks.peerings.insert(pcx, PeeringIntent { requester: asks, accepter: answers, mtu });
    for (own, behind) in [(asks, answers), (answers, asks)] {
        let behind = networks.vpcs[&behind].cidrs.clone();
        let own = networks.vpcs.get_mut(&own).unwrap();
        let admits_from = (mtu < 9001).then(|| behind.clone());
        let end = PeeringEnd { admits_to: own.cidrs.clone(), admits_from, behind };
        own.peerings.insert(pcx, end);
    }
}

fn forget(networks: &mut NetworksIntent, pcx: model::PcxId) {
    for vpc in networks.vpcs.values_mut() {
        vpc.peerings.remove(&pcx);
        let targets = vpc.route_tables.values_mut().flat_map(BTreeMap::values_mut);
        for target in targets.filter(|target| **target == RouteTarget::Peering(pcx)) {
            *target = RouteTarget::Blackhole;
        }
        for members in vpc.members.values_mut() {
            members.retain(|member| member.via != Via::Peering(pcx));
        }
    }
}

/// Does one step, which five bytes choose.
pub fn step(networks: &mut NetworksIntent, [kind, a, b, c, d]: [u8; 5]) {
    let n = usize::from(a % 4);
    let (b, c, d) = (usize::from(b), usize::from(c), usize::from(d));
    let own = id("vpc", n);
    if kind % 10 == 0 {
        if networks.vpcs.remove(&own).is_none() {
            networks.vpcs.insert(own, vpc(n));
        } else {
            let gone = |it: &&PeeringIntent| it.requester == own || it.accepter == own;
            let all = networks.peerings.iter().filter(|(_, peering)| gone(peering));
            for pcx in all.map(|(pcx, _)| *pcx).collect::<Vec<_>>() {
                networks.peerings.remove(&pcx);
                forget(networks, pcx);
            }
        }
        return;
    }
    if kind % 10 == 1 {
        toggle_peering(networks, n, b % 4, if c % 3 == 0 { 1500 } else { 9001 });
        return;
    }
    let other = b % 4;
    let pcx = id("pcx", n.min(other) * 16 + n.max(other));
    let joined = networks.peerings.contains_key(&pcx) && other != n;
    let vpc = networks.vpcs.entry(own).or_insert_with(|| vpc(n));
    let eni = id("eni", n * 256 + b % 2 * 16 + c % 4);
    let traffic = match d % 5 {
        0 => Traffic::All,
        1 => Traffic::Tcp(PortRange { from: 80, to: 80 + d as u16 }),
        2 => Traffic::Udp(PortRange { from: 53, to: 53 }),
        3 => Traffic::Icmp { kind: Some(8), code: None },
        _ => Traffic::Tcp(PortRange::ALL),
    };
    let block = cidr(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"][c % 3]);
    match kind % 10 {
        2 => {
            let acl = (c % 2 == 0).then_some(n * 16 + d % 2);
            vpc.subnets.insert(id("subnet", n * 16 + b % 2), subnet(n, b % 2, n * 16 + c % 3, acl));
        }
        3 | 4 => {
            let groups: BTreeSet<usize> = [n * 16 + d % 3, n * 16 + d / 3 % 3].into();
            let groups: Vec<usize> = groups.into_iter().collect();
            let made = InterfaceIntent {
                source_dest_check: d % 4 != 0,
                translates: d % 11 == 0,
                ..interface(n, b % 2, 16 + (c % 4) as u8, &groups)
            };
            if vpc.interfaces.remove(&eni).is_none() {
                vpc.interfaces.insert(eni, made);
            }
        }
        5 => {
            let peer = match c % 4 {
                0 => RulePeer::Group(id("sg", n * 16 + b % 3)),
                _ => RulePeer::Cidr(block),
            };
            let group: &mut GroupIntent = vpc.groups.entry(id("sg", n * 16 + b % 3)).or_default();
            let rules = if c % 2 == 0 { &mut group.ingress } else { &mut group.egress };
            let rule = RuleIntent { traffic, peer };
            if !rules.remove(&rule) {
                rules.insert(rule);
            }
        }
        6 => {
            let entry = AclEntryIntent { allow: d % 3 != 0, traffic, cidr: block };
            let acl: &mut AclIntent = vpc.acls.entry(id("acl", n * 16 + b % 2)).or_default();
            let entries = if d % 2 == 0 { &mut acl.ingress } else { &mut acl.egress };
            entries.truncate(c % 4);
            entries.push(entry);
        }
        7 | 8 => {
            let target = match c % 5 {
                0 => RouteTarget::Blackhole,
                1 => RouteTarget::Interface(eni),
                2 if d % 3 == 0 => RouteTarget::Exit(ExitId::Gateway(id("igw", n))),
                _ if joined => RouteTarget::Peering(pcx),
                _ => RouteTarget::Blackhole,
            };
            let to = cidr(&[format!("10.{other}.0.0/16"), "0.0.0.0/0".into()][d % 2]);
            vpc.route_tables.entry(id("rtb", n * 16 + c % 3)).or_default().insert(to, target);
        }
        _ => {
            let via = if joined { Via::Peering(pcx) } else { Via::Interface(eni) };
            let address = Ipv4Addr::new(10, other as u8, 0, 16 + (c % 4) as u8);
            let group = vpc.members.entry(id("sg", n * 16 + d % 3)).or_default();
            if !group.remove(&Member { via, address }) {
                group.insert(Member { via, address });
            }
            if d % 7 == 0 {
                let exit = ExitIntent::OneToOne(BTreeMap::new());
                vpc.exits.insert(ExitId::Gateway(id("igw", n)), exit);
            }
        }
    }
}
