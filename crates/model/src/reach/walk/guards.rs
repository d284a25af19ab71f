//! Security groups and network ACLs on a packet's way.

use super::{At, Dropped, Site, Stop, Walk};
use crate::intent::Via;
use crate::plan::{members_seen, rule_intents};
use crate::reach::lookup::{self, AclPart};
use crate::reach::phrase::{Phrase, say};
use crate::reach::ports::Ports;
use crate::reach::remedy::{self, Wanted};
use crate::reach::{Component, ExplanationCode as Code, Leg, Ruling, words};
use crate::resource::{Direction, GroupPeer, GroupRule, NetworkAcl};
use crate::{Packet, PortRange, SecurityGroupId, SecurityGroupRuleId, SubnetId};

impl Walk<'_> {
    /// Asks the security groups of an interface. Answers pass by them: they remember the packet.
    pub(super) fn groups(
        &mut self,
        at: &At,
        way: Direction,
        packet: &Packet,
        via: Option<Via>,
    ) -> Result<(), Dropped> {
        if self.leg == Leg::Answer {
            return Ok(());
        }
        let (vpc, interface) = (&at.site.vpc, at.interface());
        let component = Component::groups(&interface.groups, at.eni, way);
        let found = lookup::group_rule(&at.site.intent, interface, way, packet, via);
        if let Some((group, rule)) = found {
            let named =
                self.rules(group, way).find(|(_, r)| rule_intents(self.world, r).contains(&rule));
            if let Some((id, rule)) = named {
                let because =
                    say!(RuleAllows, rule = id, group = group, traffic = words::rule(rule));
                self.pass(Component { security_group_rule_id: Some(id), ..component }, because);
                return Ok(());
            }
        }
        let (code, because, rule) = self.no_rule(at, way, packet, via);
        let port = packet.destination_port;
        let wanted = self.wanted(way, packet, PortRange { from: port, to: port });
        let advice = remedy::allow_in_groups(self.world, vpc, &interface.groups, &wanted);
        let component = Component { security_group_rule_id: rule, ..component };
        self.block(component, Stop { code: Some(code), because, advice })
    }

    /// Why no rule of an interface's groups allows a packet, and which one seems to.
    fn no_rule(
        &self,
        at: &At,
        way: Direction,
        packet: &Packet,
        via: Option<Via>,
    ) -> (Code, Phrase, Option<SecurityGroupRuleId>) {
        let (vpc, interface) = (&at.site.vpc, at.interface());
        let all = || {
            let groups = interface.groups.iter();
            groups.flat_map(|group| self.rules(*group, way).map(move |rule| (*group, rule)))
        };
        let stale = all().find_map(|(_, (id, rule))| match rule.peer {
            GroupPeer::Group { group, .. } if rule.traffic.matches(packet) => {
                members_seen(self.world, vpc, group).is_none().then_some((id, group))
            }
            GroupPeer::Group { .. }
            | GroupPeer::Cidr(_)
            | GroupPeer::Ipv6(_)
            | GroupPeer::PrefixList(_) => None,
        });
        if let Some((id, group)) = stale {
            let because = say!(StaleRule, rule = id, group = group, vpc = vpc.id);
            return (Code::UnknownPeeredSgs, because, Some(id));
        }
        if all().next().is_none() {
            let because = match way {
                Direction::Ingress => say!(NoInboundRules),
                Direction::Egress => say!(NoOutboundRules),
            };
            return (Code::SgHasNoRules, because, None);
        }
        let described = words::packet(way, packet, &packet.destination_port);
        let mut because = match way {
            Direction::Ingress => say!(NoInboundRule, packet = described),
            Direction::Egress => say!(NoOutboundRule, packet = described),
        };
        let mut namesakes = all().filter(|(_, (_, rule))| rule.traffic.matches(packet));
        let namesake = namesakes.find_map(|(_, (id, rule))| {
            let GroupPeer::Group { group, .. } = rule.peer else { return None };
            let members = at.site.intent.members.get(&group).into_iter().flatten();
            let other = lookup::other_side(way, packet);
            let member = members.copied().find(|member| member.address == other)?;
            Some((id, group, member))
        });
        if let Some((id, group, member)) = namesake {
            because = words::namesake(because, (id, group), member, way, via);
        }
        (Code::EniSgRulesMismatch, because, namesake.map(|(id, ..)| id))
    }

    fn rules(
        &self,
        group: SecurityGroupId,
        way: Direction,
    ) -> impl Iterator<Item = (SecurityGroupRuleId, &GroupRule)> {
        let rules = self.world.group(group).into_iter().flat_map(|group| &group.rules);
        rules.filter(move |(_, rule)| rule.direction == way).map(|(id, rule)| (*id, rule))
    }

    /// Asks the network ACL of a subnet about a packet that crosses the subnet's boundary.
    pub(super) fn acl(
        &mut self,
        site: &Site,
        subnet: SubnetId,
        way: Direction,
        packet: &Packet,
    ) -> Result<(), Dropped> {
        let guard = site.intent.subnets.get(&subnet).and_then(|subnet| subnet.acl);
        let Some((id, intent)) = guard.and_then(|id| Some((id, site.intent.acls.get(&id)?))) else {
            let used = self.world.subnet(subnet).map(|subnet| subnet.acl);
            self.pass(Component::acl(used, subnet, way), say!(EverythingPasses));
            return Ok(());
        };
        let acl = self.world.acl(id);
        let numbers: Vec<u16> =
            acl.map_or_else(Vec::new, |acl| acl.cidr_entries(way).map(|(n, ..)| n).collect());
        let ports = match self.leg {
            Leg::Forward => Ports::one(packet.destination_port),
            Leg::Answer => self.ports.clone(),
        };
        let parts = lookup::acl_parts(intent, way, packet, &ports);
        let (allowed, denied): (Vec<_>, Vec<_>) = parts.into_iter().partition(AclPart::allows);
        let first = if denied.is_empty() { allowed.first() } else { denied.first() };
        let number = |part: &AclPart| part.entry.and_then(|(at, _)| numbers.get(at).copied());
        let component = Component {
            rule_number: Some(first.and_then(number).unwrap_or(NetworkAcl::LAST_ENTRY + 1)),
            ..Component::acl(Some(id), subnet, way)
        };
        let named = |parts: &[AclPart]| {
            let each = parts.iter().map(|part| part_words(way, packet, part, number(part)));
            each.reduce(|one, other| say!(AndAlso, one = one, other = other))
        };
        if denied.is_empty() {
            self.pass(component, named(&allowed).unwrap_or_else(|| say!(EverythingPasses)));
            return Ok(());
        }
        let (mut passing, mut stopped) = (Ports::default(), Ports::default());
        allowed.iter().for_each(|part| passing.add(&part.ports));
        denied.iter().for_each(|part| stopped.add(&part.ports));
        let Some(named) = named(&denied) else { return Ok(()) };
        let because = match self.leg {
            Leg::Forward => named,
            Leg::Answer if passing.is_empty() => say!(AnswerStopped, why = named),
            Leg::Answer => say!(AnswersStopped, ports = stopped.to_string(), why = named),
        };
        let wanted = self.wanted(way, packet, stopped.hull().unwrap_or(self.flow.source_ports));
        let denial = denied.iter().filter_map(number).min();
        let advice =
            acl.map(|acl| remedy::allow_in_acl(self.world, &site.vpc, acl, denial, &wanted));
        let advice = advice.unwrap_or_default();
        let stop = Stop { code: Some(Code::SubnetAclRestriction), because, advice };
        if passing.is_empty() {
            return self.block(component, stop);
        }
        self.ports = passing;
        self.push(component, Ruling::Partly, stop);
        Ok(())
    }

    /// The packets that the rules would have to let pass.
    fn wanted<'p>(&self, direction: Direction, packet: &'p Packet, ports: PortRange) -> Wanted<'p> {
        let other = match (self.leg, direction) {
            (Leg::Forward, Direction::Egress) | (Leg::Answer, Direction::Ingress) => self.flow.to,
            (Leg::Forward, Direction::Ingress) | (Leg::Answer, Direction::Egress) => self.flow.from,
        };
        Wanted { packet, direction, other, ports }
    }
}

/// What one entry of an ACL, or the denial at its end, does with a packet to some ports.
fn part_words(way: Direction, packet: &Packet, part: &AclPart, number: Option<u16>) -> Phrase {
    if let (Some(number), Some((_, entry))) = (number, part.entry) {
        let traffic = words::sided(way, words::traffic(entry.traffic), entry.cidr);
        return match (way, entry.allow) {
            (Direction::Ingress, true) => say!(InboundAllows, number = number, traffic = traffic),
            (Direction::Ingress, false) => say!(InboundDenies, number = number, traffic = traffic),
            (Direction::Egress, true) => say!(OutboundAllows, number = number, traffic = traffic),
            (Direction::Egress, false) => say!(OutboundDenies, number = number, traffic = traffic),
        };
    }
    let packet = words::packet(way, packet, &part.ports);
    match way {
        Direction::Ingress => say!(NoInboundEntry, packet = packet),
        Direction::Egress => say!(NoOutboundEntry, packet = packet),
    }
}
