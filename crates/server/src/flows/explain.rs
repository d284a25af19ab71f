//! What decided on a flow: the kernel says where a packet was stopped, and the walk over the same intents
//! says by which rule.

use std::collections::HashMap;

use api::{Component, FlowReason};
use fabric::flows::{Ends, Place};
use model::{
    Endpoint, Eni, Flow, IpProtocol, Leg, PortRange, Reach, Ruling, Timestamp, VpcId, World,
};

/// Flows that are walked in a second: the rest is told without the ids that only a walk finds.
const MOST_WALKS: u32 = 200;
/// Answers that are remembered until the world changes.
const MOST_KNOWN: usize = 4096;

/// Remembers what was found out of one world.
#[derive(Default)]
pub(super) struct Known {
    revision: u64,
    found: HashMap<Question, Component>,
    /// Walks that are left in this second.
    left: u32,
}

/// A flow at a VPC. Source ports mean nothing but to ACLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    vpc: VpcId,
    place: Option<Place>,
    ends: Ends,
    answers: bool,
    egress: bool,
}

impl Known {
    /// Begins another second.
    pub(super) fn refill(&mut self) {
        self.left = MOST_WALKS;
    }

    /// Forgets all if the world is another one.
    pub(super) fn at(&mut self, revision: u64) {
        if std::mem::replace(&mut self.revision, revision) != revision {
            self.found.clear();
        }
    }
}

/// Asks one world.
pub(super) struct Asking<'w> {
    world: &'w World,
    reach: Reach<'w>,
    known: &'w mut Known,
}

/// The reason that a place has.
pub(super) const fn reason(place: Place) -> FlowReason {
    match place {
        Place::Source => FlowReason::SourceCheck,
        Place::Route => FlowReason::NoRoute,
        Place::LeavesGroup | Place::EntersGroup => FlowReason::SecurityGroup,
        Place::LeavesSubnet | Place::EntersSubnet => FlowReason::NetworkAcl,
        Place::Untracked => FlowReason::NoConnection,
    }
}

impl<'w> Asking<'w> {
    pub(super) fn of(world: &'w World, now: Timestamp, known: &'w mut Known) -> Self {
        Self { world, reach: Reach::of(world, now), known }
    }

    /// What stopped a packet at an interface.
    pub(super) fn stopped(
        &mut self,
        eni: &Eni,
        place: Place,
        ends: Ends,
        answers: bool,
    ) -> Component {
        let egress = !matches!(place, Place::EntersGroup | Place::EntersSubnet);
        let mut basic = at(eni);
        match place {
            Place::Source | Place::Untracked => return basic,
            Place::LeavesGroup | Place::EntersGroup => {
                basic.security_group_ids.clone_from(&eni.groups);
                return basic;
            }
            Place::LeavesSubnet | Place::EntersSubnet => {
                basic.network_acl_id = self.world.subnet(eni.subnet).map(|subnet| subnet.acl);
            }
            Place::Route => {
                let subnet = self.world.subnet(eni.subnet);
                let table = subnet.and_then(|subnet| subnet.route_table.as_ref());
                basic.route_table_id = table.map(|it| it.route_table);
            }
        }
        let question = Question { vpc: eni.vpc, place: Some(place), ends, answers, egress };
        self.ask(question, eni, basic)
    }

    /// The rule that let a connection pass at an interface.
    pub(super) fn passed(&mut self, eni: &Eni, ends: Ends, egress: bool) -> Component {
        let question = Question { vpc: eni.vpc, place: None, ends, answers: false, egress };
        self.ask(question, eni, at(eni))
    }

    fn ask(&mut self, mut question: Question, eni: &Eni, basic: Component) -> Component {
        let ends = question.ends;
        let by_acl = matches!(question.place, Some(Place::LeavesSubnet | Place::EntersSubnet));
        if !by_acl {
            question.ends.source_port = 0;
        }
        if let Some(found) = self.known.found.get(&question) {
            return found.clone();
        }
        if self.known.left == 0 {
            return basic;
        }
        self.known.left -= 1;
        let found = self.walk(question, ends, eni).unwrap_or(basic);
        if self.known.found.len() < MOST_KNOWN {
            self.known.found.insert(question, found.clone());
        }
        found
    }

    fn walk(&self, question: Question, ends: Ends, eni: &Eni) -> Option<Component> {
        let (mut source, mut destination) = (ends.source, ends.destination);
        let (mut from_port, mut to_port) = (ends.source_port, ends.destination_port);
        if question.answers {
            (source, destination) = (destination, source);
            (from_port, to_port) = (to_port, from_port);
        }
        let end = |address| Endpoint::beside(self.world, question.vpc, address);
        let protocol = IpProtocol(ends.protocol);
        let mut flow = Flow::new(end(source), end(destination), protocol, to_port);
        if protocol.has_ports() {
            flow.source_ports = PortRange { from: from_port, to: from_port };
        } else if protocol == IpProtocol::ICMP {
            flow.icmp_type = ends.icmp_type;
        }
        let leg = if question.answers { Leg::Answer } else { Leg::Forward };
        let verdict = self.reach.verdict(&flow);
        let mut own = verdict.hops.into_iter().filter(|hop| hop.vpc == Some(question.vpc));
        let hop = own.find(|hop| {
            let it = &hop.component;
            let decided = match question.place {
                None => {
                    it.security_group_rule_id.is_some()
                        && it.network_interface_id == Some(eni.id)
                        && hop.decision == Ruling::Passed
                }
                Some(Place::Route) => it.route_table_id.is_some() && hop.decision != Ruling::Passed,
                Some(_) => it.network_acl_id.is_some() && hop.decision != Ruling::Passed,
            };
            hop.leg == leg && decided
        })?;
        let it = hop.component;
        Some(Component {
            security_group_ids: it.security_group_ids,
            security_group_rule_id: it.security_group_rule_id,
            network_acl_id: it.network_acl_id,
            rule_number: it.rule_number,
            route_table_id: it.route_table_id,
            destination_cidr_block: it.destination_cidr_block,
            ..at(eni)
        })
    }
}

/// An interface.
fn at(eni: &Eni) -> Component {
    Component {
        vpc_id: Some(eni.vpc),
        subnet_id: Some(eni.subnet),
        network_interface_id: Some(eni.id),
        ..Component::default()
    }
}
