//! Networks made by hand: VPCs whose subnets have a route table each, and whose interfaces are in one open group.

use std::collections::BTreeMap;

use model::intent::{
    AclEntryIntent, AclIntent, GroupIntent, InterfaceIntent, Member, NetworksIntent, RouteTarget,
    RuleIntent, RulePeer, Via, VpcIntent,
};
use model::{Cidr, EniId, PcxId, PortRange, SecurityGroupId, Traffic, VpcId};

use crate::networks::{id, interface, subnet, toggle_peering, vpc};

pub fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub fn tcp(port: u16) -> Traffic {
    Traffic::Tcp(PortRange { from: port, to: port })
}

pub fn rule(traffic: Traffic, block: &str) -> RuleIntent {
    RuleIntent { traffic, peer: RulePeer::Cidr(cidr(block)) }
}

pub fn entry(allow: bool, traffic: Traffic, block: &str) -> AclEntryIntent {
    AclEntryIntent { allow, traffic, cidr: cidr(block) }
}

pub fn open() -> GroupIntent {
    let all = || [rule(Traffic::All, "0.0.0.0/0")].into();
    GroupIntent { ingress: all(), egress: all() }
}

/// The interface number `k` of subnet `s` of VPC `n`. It has the address 10.n.s.(16+k) and is on host (n+s+k) mod 3.
pub fn eni(n: usize, s: usize, k: usize) -> EniId {
    id("eni", n * 256 + s * 16 + k)
}

pub fn address(n: usize, s: usize, k: usize) -> String {
    format!("10.{n}.{s}.{}", 16 + k)
}

/// The open group of a VPC.
pub fn group(n: usize) -> SecurityGroupId {
    id("sg", n * 16)
}

pub struct Town(pub NetworksIntent);

impl Town {
    pub fn new() -> Self {
        Self(NetworksIntent::default())
    }

    /// A VPC 10.n.0.0/16 with subnets that have so many interfaces.
    pub fn vpc(mut self, n: usize, subnets: &[usize]) -> Self {
        let mut made = vpc(n);
        made.groups.insert(group(n), open());
        for (s, count) in subnets.iter().enumerate() {
            made.subnets.insert(id("subnet", n * 16 + s), subnet(n, s, n * 16 + s, None));
            made.route_tables.insert(id("rtb", n * 16 + s), BTreeMap::new());
            for k in 0..*count {
                made.interfaces.insert(eni(n, s, k), interface(n, s, 16 + k as u8, &[n * 16]));
            }
        }
        self.0.vpcs.insert(id("vpc", n), made);
        self
    }

    /// A peering of two VPCs, with routes of all their subnets to each other.
    pub fn peered(mut self, one: usize, other: usize) -> Self {
        self.0.peer(one, other);
        self
    }
}

/// Changes of networks as people would name them.
pub trait Change {
    fn at(&mut self, n: usize) -> &mut VpcIntent;
    fn peer(&mut self, one: usize, other: usize) -> PcxId;
    fn route(&mut self, n: usize, s: usize, block: &str, target: RouteTarget);
    fn interface(&mut self, n: usize, s: usize, k: usize) -> &mut InterfaceIntent;
    /// A group of the VPC whose only rules are these, and which an interface is then in alone.
    fn guard(
        &mut self,
        n: usize,
        at: EniId,
        ingress: &[RuleIntent],
        egress: &[RuleIntent],
    ) -> SecurityGroupId;
    fn acl(&mut self, n: usize, s: usize, acl: AclIntent);
    fn member(&mut self, n: usize, of: SecurityGroupId, via: Via, address: &str);
}

impl Change for NetworksIntent {
    fn at(&mut self, n: usize) -> &mut VpcIntent {
        self.vpcs.get_mut(&id::<VpcId>("vpc", n)).unwrap()
    }

    fn peer(&mut self, one: usize, other: usize) -> PcxId {
        toggle_peering(self, one, other, 9001);
        let pcx = id("pcx", one.min(other) * 16 + one.max(other));
        for (n, to) in [(one, other), (other, one)] {
            let block = self.at(to).cidrs[0];
            for routes in self.at(n).route_tables.values_mut() {
                routes.insert(block, RouteTarget::Peering(pcx));
            }
        }
        pcx
    }

    fn route(&mut self, n: usize, s: usize, block: &str, target: RouteTarget) {
        let table = self.at(n).route_tables.get_mut(&id("rtb", n * 16 + s)).unwrap();
        table.insert(cidr(block), target);
    }

    fn interface(&mut self, n: usize, s: usize, k: usize) -> &mut InterfaceIntent {
        self.at(n).interfaces.get_mut(&eni(n, s, k)).unwrap()
    }

    fn guard(
        &mut self,
        n: usize,
        at: EniId,
        ingress: &[RuleIntent],
        egress: &[RuleIntent],
    ) -> SecurityGroupId {
        let own: SecurityGroupId = id("sg", n * 16 + 1 + (at.bits() % 8) as usize);
        let [ingress, egress] = [ingress, egress].map(|rules| rules.iter().copied().collect());
        let vpc = self.at(n);
        vpc.groups.insert(own, GroupIntent { ingress, egress });
        vpc.interfaces.get_mut(&at).unwrap().groups = vec![own];
        own
    }

    fn acl(&mut self, n: usize, s: usize, acl: AclIntent) {
        let own = id("acl", n * 16 + s);
        let vpc = self.at(n);
        vpc.acls.insert(own, acl);
        vpc.subnets.get_mut(&id("subnet", n * 16 + s)).unwrap().acl = Some(own);
    }

    fn member(&mut self, n: usize, of: SecurityGroupId, via: Via, address: &str) {
        let member = Member { via, address: address.parse().unwrap() };
        self.at(n).members.entry(of).or_default().insert(member);
    }
}
