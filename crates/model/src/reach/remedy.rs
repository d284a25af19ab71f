//! What may make a packet pass. Only the owner of a customer's VPC can change its rules; a space's
//! own are the platform's, so there is nothing to type for them.
//!
//! Nothing here looks at quotas, duplicates or what comes first: each candidate is tried in order
//! on a copy of the world, and the first one that is accepted and helps is the remedy.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Endpoint;
use super::act::{self, Act, in_vpc};
use super::phrase::{Phrase, say};
use crate::command::{AddressTarget, Ec2Command, ElasticIpName, RulePeerSpec, RuleSpec};
use crate::intent::{ExitId, ExitIntent, InterfaceIntent, RouteTarget, VpcIntent};
use crate::plan::joins;
use crate::resource::{
    AclEntry, Direction, NetworkAcl, Outbound, Peering, PeeringKind, PeeringStatus, RouteTo, Vpc,
    VpcRole,
};
use crate::{
    Cidr, EniId, IpProtocol, Key, Packet, PcxId, PortRange, RouteTableId, SecurityGroupId,
    SubnetId, Tags, Timestamp, Traffic, VpcId, World,
};

/// Advice against an obstacle.
#[derive(Debug, Clone, Default)]
pub(super) struct Advice {
    /// Commands, the best first.
    pub candidates: Vec<Candidate>,
    /// Advice in words, for where no command helps.
    pub words: Option<Words>,
}

/// Commands that may help, all of them together.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The acts, in order.
    pub acts: Vec<Act>,
    /// The VPC in which that changes something.
    pub within: VpcId,
}

/// Advice that is not a command.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// The advice itself.
    pub text: Phrase,
    /// The VPC in which that changes something.
    pub within: VpcId,
}

impl Advice {
    fn only(words: Option<Words>) -> Self {
        Self { candidates: Vec::new(), words }
    }

    fn push(&mut self, within: VpcId, acts: Vec<Option<Act>>) {
        if let Some(acts) = acts.into_iter().collect() {
            self.candidates.push(Candidate { acts, within });
        }
    }

    fn or_words(self, words: Option<Words>) -> Self {
        Self { words: self.words.or(words), ..self }
    }
}

/// A packet that shall pass.
pub(super) struct Wanted<'a> {
    /// The packet that must pass.
    pub packet: &'a Packet,
    /// The direction of the packet, as seen from the component that stops it.
    pub direction: Direction,
    /// The other end of the packet's way.
    pub other: Endpoint,
    /// The destination ports that shall pass.
    pub ports: PortRange,
}

impl Wanted<'_> {
    fn traffic(&self) -> Traffic {
        match self.packet.protocol {
            IpProtocol::TCP => Traffic::Tcp(self.ports),
            IpProtocol::UDP => Traffic::Udp(self.ports),
            IpProtocol::ICMP => Traffic::Icmp { kind: Some(self.packet.icmp_type), code: None },
            other => Traffic::Protocol(other),
        }
    }

    /// Blocks that stand for the other end: the space's for a dyno, whose address changes, else the
    /// address. The one that holds the address comes first.
    fn blocks(&self, world: &World) -> Vec<Cidr> {
        let Endpoint { vpc, address } = self.other;
        let space = world.vpc(vpc).and_then(|vpc| world.space_of_vpc(vpc));
        let mut blocks = space.map(|space| space.dyno_cidrs().to_vec()).unwrap_or_default();
        if !blocks.iter().any(|block| block.contains(address)) {
            return vec![Cidr::host(address)];
        }
        blocks.sort_by_key(|block| !block.contains(address));
        blocks
    }
}

/// Asks for an address that something has.
pub(super) fn use_an_address(world: &World, vpc: VpcId) -> Advice {
    Advice::only(world.vpc(vpc).map(|vpc| {
        let list = match world.space_of_vpc(vpc) {
            Some(space) => format!("heroku spaces:topology {}", space.name),
            None => act::aws(
                world,
                vpc.region,
                &format!("describe-network-interfaces --filters Name=vpc-id,Values={}", vpc.id),
            ),
        };
        let text = say!(UseAnAddress, command = list);
        Words { text, within: vpc.id }
    }))
}

/// Only the operator has anything lead out.
pub(super) fn ask_for_outbound(within: VpcId) -> Advice {
    Advice::only(Some(Words { text: say!(AskForOutbound), within }))
}

/// Only the operator says what may be reached although it is private or special.
pub(super) fn ask_to_allow(within: VpcId) -> Advice {
    Advice::only(Some(Words { text: say!(AskToAllow), within }))
}

/// A VPC without an internet gateway is closed to the outside.
pub(super) fn attach_gateway(vpc: &Vpc) -> Advice {
    let words = || Words { text: say!(AttachGateway, vpc = vpc.id), within: vpc.id };
    Advice::only(vpc.role.is_none().then(words))
}

/// Gives an interface's address one of the owner's elastic IP addresses that lead nowhere.
pub(super) fn give_public(world: &World, vpc: &Vpc, eni: EniId, private: Ipv4Addr) -> Advice {
    let mut advice = Advice::default();
    if vpc.role.is_some() {
        return advice;
    }
    let own = world.elastic_ips_of(Key::Account(vpc.account));
    let free = own.filter(|it| it.region == vpc.region && it.association.is_none());
    for elastic in free.take(1) {
        let associate = Ec2Command::AssociateAddress {
            which: ElasticIpName::Allocation(elastic.id),
            target: AddressTarget::Eni(eni),
            private: Some(private),
            reassociate: false,
        };
        advice.push(vpc.id, vec![in_vpc(vpc, associate)]);
    }
    let command = act::aws(world, vpc.region, "allocate-address");
    let text = say!(AllocateFirst, command = command);
    advice.or_words(Some(Words { text, within: vpc.id }))
}

/// Routes everything from a subnet to the internet gateway of its VPC.
pub(super) fn lead_out(
    world: &World,
    (vpc, intent): (&Vpc, &VpcIntent),
    subnet: SubnetId,
) -> Advice {
    let mut advice = Advice::default();
    let Some(subnet) = intent.subnets.get(&subnet) else { return advice };
    let Some(gateway) = world.gateway_of(vpc.id) else { return attach_gateway(vpc) };
    route_to(&mut advice, vpc, subnet.route_table, RouteTo::Gateway(gateway.id));
    advice
}

/// Routes everything that nothing else is said of to a target.
fn route_to(advice: &mut Advice, vpc: &Vpc, route_table: RouteTableId, target: RouteTo) {
    let destination = Cidr::ANY.into();
    let create = Ec2Command::CreateRoute { route_table, destination, target };
    advice.push(vpc.id, vec![in_vpc(vpc, create)]);
    let replace = Ec2Command::ReplaceRoute { route_table, destination, target };
    advice.push(vpc.id, vec![in_vpc(vpc, replace)]);
}

/// Makes a way outside from a route table: by the internet gateway for an interface that has a
/// public address, else by a NAT gateway where there is one.
fn way_out(
    advice: &mut Advice,
    world: &World,
    (vpc, intent): (&Vpc, &VpcIntent),
    table: RouteTableId,
    from: &InterfaceIntent,
    to: Ipv4Addr,
) -> Option<Words> {
    let words = |text| Some(Words { text, within: vpc.id });
    if vpc.role.is_some() {
        return None;
    }
    if world.outbound().is_none() {
        return words(say!(NameOrAsk, vpc = vpc.id, address = to));
    }
    let public = |publics: &BTreeMap<Ipv4Addr, Ipv4Addr>| {
        from.addresses.iter().any(|address| publics.contains_key(address))
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (exit, exit_intent) in &intent.exits {
        match (exit, exit_intent) {
            (ExitId::Gateway(igw), ExitIntent::OneToOne(publics)) if public(publics) => {
                first.push(RouteTo::Gateway(*igw));
            }
            (ExitId::Gateway(igw), _) => second.push(RouteTo::Gateway(*igw)),
            (ExitId::Nat(nat), _) => first.push(RouteTo::Nat(*nat)),
        }
    }
    for target in first.into_iter().chain(second) {
        route_to(advice, vpc, table, target);
    }
    words(say!(AttachGateway, vpc = vpc.id))
}

/// A secondary block is never reached from a space (R20).
pub(super) fn move_to_primary(world: &World, vpc: VpcId) -> Advice {
    Advice::only(world.vpc(vpc).map(|vpc| {
        let text = say!(MoveToPrimary, block = vpc.primary(), vpc = vpc.id);
        Words { text, within: vpc.id }
    }))
}

/// Advice in words, for where no command makes a way.
fn no_way(world: &World, vpc: &Vpc, table: RouteTableId, to: Endpoint) -> Option<Words> {
    let far = world.vpc(to.vpc)?;
    let joined = || between(world, vpc.id, far.id).any(|peering| joins(world, peering));
    let text = if far.id == vpc.id {
        say!(NameTheVpc, vpc = vpc.id, address = to.address)
    } else if matches!(far.role, Some(VpcRole::Data(_))) {
        say!(ThroughADyno)
    } else if !joined() {
        say!(CannotBeJoined, one = vpc.id, other = far.id)
    } else if vpc.role.is_none() {
        say!(RoutesFull, table = table)
    } else {
        return None;
    };
    Some(Words { text, within: vpc.id })
}

/// Allows a packet from or to an end in one of an interface's groups.
pub(super) fn allow_in_groups(
    world: &World,
    vpc: &Vpc,
    groups: &[SecurityGroupId],
    wanted: &Wanted<'_>,
) -> Advice {
    let mut advice = Advice::default();
    let direction = wanted.direction;
    let blocks = wanted.blocks(world);
    for group in groups.iter().filter_map(|id| world.group(*id)) {
        let there = |block: Cidr| {
            group.rules.values().any(|rule| {
                (rule.direction, rule.traffic) == (direction, wanted.traffic())
                    && rule.peer == crate::GroupPeer::Cidr(block)
            })
        };
        let missing: Vec<Cidr> = blocks.iter().copied().filter(|block| !there(*block)).collect();
        for some in [&missing[..], &missing[..missing.len().min(1)]] {
            let rule = |block: &Cidr| RuleSpec {
                traffic: wanted.traffic(),
                peer: RulePeerSpec::Cidr(*block),
                description: None,
            };
            let rules = some.iter().map(rule).collect();
            let authorize = Ec2Command::AuthorizeSecurityGroup {
                group: group.id,
                direction,
                rules,
                tags: Tags::new(),
            };
            advice.push(vpc.id, vec![in_vpc(vpc, authorize)]);
        }
    }
    let words = (vpc.role.is_none() && !groups.is_empty()).then(|| Words {
        text: match direction {
            Direction::Ingress => say!(InboundRulesFull),
            Direction::Egress => say!(OutboundRulesFull),
        },
        within: vpc.id,
    });
    advice.or_words(words)
}

/// Allows a packet from or to an end in an ACL, before the first entry that denies it.
pub(super) fn allow_in_acl(
    world: &World,
    vpc: &Vpc,
    acl: &NetworkAcl,
    denied_by: Option<u16>,
    wanted: &Wanted<'_>,
) -> Advice {
    let mut advice = Advice::default();
    let (direction, entries) = (wanted.direction, acl.entries(wanted.direction));
    let allow = |cidr: Cidr| AclEntry { allow: true, traffic: wanted.traffic(), cidr: cidr.into() };
    let create = |number, entry| {
        in_vpc(vpc, Ec2Command::CreateNetworkAclEntry { acl: acl.id, direction, number, entry })
    };
    let replace = |number, entry| {
        in_vpc(vpc, Ec2Command::ReplaceNetworkAclEntry { acl: acl.id, direction, number, entry })
    };
    let blocks = wanted.blocks(world);
    for some in [&blocks[..], &blocks[..1]] {
        if let Some(numbers) = free_numbers(acl, direction, denied_by, some.len()) {
            let new = numbers.into_iter().zip(some);
            advice.push(vpc.id, new.map(|(number, cidr)| create(number, allow(*cidr))).collect());
        }
    }
    // Where nothing can go before it, the denial makes room: it moves behind, if there is room.
    if let Some(number) = denied_by
        && let Some(denial) = entries.get(&number)
    {
        if number < NetworkAcl::LAST_ENTRY {
            let moved = create(number + 1, *denial);
            advice.push(vpc.id, vec![moved, replace(number, allow(blocks[0]))]);
        }
        advice.push(vpc.id, vec![replace(number, allow(blocks[0]))]);
    }
    let words = vpc.role.is_none().then(|| Words {
        text: match direction {
            Direction::Ingress => say!(InboundEntriesFull, acl = acl.id),
            Direction::Egress => say!(OutboundEntriesFull, acl = acl.id),
        },
        within: vpc.id,
    });
    advice.or_words(words)
}

/// Numbers that no entry has and that come before one; or after all, in steps of ten.
fn free_numbers(
    acl: &NetworkAcl,
    direction: Direction,
    before: Option<u16>,
    count: usize,
) -> Option<Vec<u16>> {
    let entries = acl.entries(direction);
    let last = entries.last_key_value().map_or(90, |(number, _)| *number);
    let free = |number: &u16| !entries.contains_key(number);
    let end = before.unwrap_or(NetworkAcl::LAST_ENTRY + 1);
    let after: Vec<u16> = (1u16..)
        .map_while(|step| last.checked_add(step.checked_mul(10)?))
        .take_while(|number| *number < end)
        .take(count)
        .collect();
    let found = if after.len() == count {
        after
    } else {
        (1..end).rev().filter(free).take(count).collect()
    };
    (found.len() == count).then_some(found)
}

fn between(world: &World, one: VpcId, other: VpcId) -> impl Iterator<Item = &Arc<Peering>> {
    let all = world.peerings_of(Key::Vpc(one));
    all.filter(move |peering| peering.other_side(one).is_some_and(|side| side.vpc == other))
}

/// Makes a way from an interface's route table to an end: over a peering that is there, or that is
/// first to be asked for or accepted; or without the route that leads away from it.
pub(super) fn make_way(
    world: &World,
    (vpc, intent): (&Vpc, &VpcIntent),
    from: &InterfaceIntent,
    to: Endpoint,
    now: Timestamp,
) -> Advice {
    let mut advice = Advice::default();
    let Some(subnet) = intent.subnets.get(&from.subnet) else { return advice };
    let table = subnet.route_table;
    let winner = intent.route_tables.get(&table).into_iter().flatten();
    let winner = winner
        .filter(|(cidr, _)| cidr.contains(to.address))
        .max_by_key(|(cidr, _)| cidr.prefix_len())
        .map(|(cidr, target)| (*cidr, *target));
    if to.vpc == vpc.id {
        if let Some((destination, _)) = winner.filter(|_| vpc.contains(to.address)) {
            let local = vpc.blocks().any(|block| block == destination);
            let (route_table, destination) = (table, destination.into());
            let lead_back = match local {
                true => Ec2Command::RestoreLocalRoute { route_table, destination },
                false => Ec2Command::DeleteRoute { route_table, destination },
            };
            advice.push(vpc.id, vec![in_vpc(vpc, lead_back)]);
        }
        let special = Outbound::NEVER.iter().any(|block| block.contains(to.address));
        if !special && !vpc.contains(to.address) {
            let words = way_out(&mut advice, world, (vpc, intent), table, from, to.address);
            return advice.or_words(words);
        }
        return advice.or_words(no_way(world, vpc, table, to));
    }
    let Some(far) = world.vpc(to.vpc) else { return advice };
    let waits = |p: &&Arc<Peering>| p.status(now) == PeeringStatus::PendingAcceptance;
    if let Some(live) = between(world, vpc.id, far.id).find(|peering| joins(world, peering)) {
        route_over(&mut advice, world, (vpc, table), winner, (far, to), live.id);
    } else if let Some(waiting) = between(world, vpc.id, far.id).find(waits) {
        accept(&mut advice, world, waiting);
    } else {
        request(&mut advice, vpc, far);
    }
    advice.or_words(no_way(world, vpc, table, to))
}

/// Routes over a peering to what has an address: the widest that comes first.
fn route_over(
    advice: &mut Advice,
    world: &World,
    (vpc, route_table): (&Vpc, RouteTableId),
    winner: Option<(Cidr, RouteTarget)>,
    (far, to): (&Vpc, Endpoint),
    pcx: PcxId,
) {
    let Some(block) = far.blocks().find(|block| block.contains(to.address)) else { return };
    let target = RouteTo::Peering(pcx);
    let host = Cidr::host(to.address);
    // A narrower route that is dead would still come first.
    if let Some((destination, how)) = winner
        && block.covers(destination)
        && (how == RouteTarget::Blackhole || destination == host)
    {
        let destination = destination.into();
        let replace = Ec2Command::ReplaceRoute { route_table, destination, target };
        advice.push(vpc.id, vec![in_vpc(vpc, replace)]);
    }
    let dynos = world.space_of_vpc(far).map(|space| space.dyno_cidrs().to_vec());
    let dynos = dynos.into_iter().flatten().find(|block| block.contains(to.address));
    for destination in [Some(block), dynos, Some(host)].into_iter().flatten() {
        let destination = destination.into();
        let create = Ec2Command::CreateRoute { route_table, destination, target };
        advice.push(vpc.id, vec![in_vpc(vpc, create)]);
    }
}

/// Accepts a request.
fn accept(advice: &mut Advice, world: &World, peering: &Peering) {
    let Some(accepter) = world.vpc(peering.accepter.vpc) else { return };
    let Some(space) = world.space_of_vpc(accepter) else {
        let command = Ec2Command::AcceptPeering { peering: peering.id };
        return advice.push(accepter.id, vec![in_vpc(accepter, command)]);
    };
    let accept = Act::Accept { space: space.id, peering: peering.id };
    advice.push(accepter.id, vec![Some(accept.clone())]);
    let customers = world
        .peerings_of(Key::Vpc(space.vpc))
        .filter(|p| p.kind == PeeringKind::Customer && p.carries());
    if let Ok(peerings) = u16::try_from(customers.count() + 1) {
        let more = Act::Limit { space: space.id, peerings };
        advice.push(accepter.id, vec![Some(more), Some(accept)]);
    }
}

/// Asks for a peering between two VPCs, from a customer's.
fn request(advice: &mut Advice, one: &Vpc, other: &Vpc) {
    let (asks, answers) = if one.role.is_none() { (one, other) } else { (other, one) };
    let ask = Ec2Command::CreatePeering {
        vpc: asks.id,
        peer_vpc: answers.id,
        peer_owner: Some(answers.account),
        peer_region: (asks.region != answers.region).then_some(answers.region),
        tags: Tags::new(),
    };
    advice.push(asks.id, vec![in_vpc(asks, ask)]);
}
