//! The plan that joins a space and a VPC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::flows::{self, Target};
use super::planner::{NEW_PEERING, Planner, Proposed};
use super::step::{Obstacle, PeerAsk, PeerPlan, PeerSide, Reached, Trial, mark};
use crate::command::{Ec2Command, RulePeerSpec, RuleSpec, TaggedResource};
use crate::fit::{Fit, Side};
use crate::plan::plan_vpc;
use crate::reach::{Act, Endpoint, Flow, Imagined, Ruling, explain, in_vpc, peering_toward};
use crate::resource::{
    Direction, GroupPeer, Peering, PeeringKind, PeeringStatus, RouteDestination, RouteTable,
    RouteTo, Space, Tags, Vpc,
};
use crate::{
    Cidr, IpProtocol, Key, Packet, PcxId, PortRange, RouteTableId, SecurityGroupId, SubnetId,
    Timestamp, Traffic, VpcId, World,
};

/// The most ports that one plan opens.
const MOST_PORTS: usize = 16;
/// The most packets that are proposed for trying.
const MOST_TRIALS: usize = 12;
/// The most flows that are looked at for obstacles.
const MOST_FLOWS: usize = 32;
/// The value of the tag of a peering that was asked for by a plan.
const REQUESTED: &str = "requested";

/// Says what is to be done so that packets pass between a space's dynos and a VPC.
///
/// # Errors
///
/// Says in words what there is not, or what cannot be joined at all.
pub fn plan_peer(world: &World, ask: &PeerAsk<'_>, now: Timestamp) -> Result<PeerPlan, String> {
    if ask.ports.len() > MOST_PORTS || ask.to.len() > MOST_PORTS {
        return Err(format!("name at most {MOST_PORTS} ports and {MOST_PORTS} ends at a time"));
    }
    if ask.ports.contains(&0) {
        return Err("0 is no port".to_owned());
    }
    let mut planner = Planner::new(world, ask, now);
    let live = live_peering(world, ask, now);
    planner.plan.peering = live.as_ref().map(|peering| (peering.id, peering.status(now)));
    if !ask.owns_vpc {
        let space = ask.space.ok_or("one of the two must be yours")?;
        from_the_space(&mut planner, space, live.as_deref());
        return Ok(planner.plan);
    }
    let vpc = world.vpc(ask.vpc).ok_or_else(|| format!("there is no {}", ask.vpc))?;
    if vpc.role.is_some() {
        return Err(format!("{} is the platform's: name a customer's VPC", vpc.id));
    }
    let Some(space) = ask.space else {
        let owner = world.settings().map(|settings| settings.platform_account);
        let request = request(vpc, ask.space_vpc, owner, None);
        if planner.take(request).is_some() {
            planner
                .plan
                .notes
                .push("What comes after it is planned once the request is there.".to_owned());
        }
        return Ok(planner.plan);
    };
    let targets = flows::targets(world, ask)?;
    whole(&mut planner, vpc, space, live.as_deref(), &targets);
    Ok(planner.plan)
}

/// The peering of the two that is asked for or carried.
pub(super) fn live_peering(
    world: &World,
    ask: &PeerAsk<'_>,
    now: Timestamp,
) -> Option<Arc<Peering>> {
    let joins = |peering: &&Arc<Peering>| {
        let status = peering.status(now);
        peering.kind == PeeringKind::Customer
            && peering.other_side(ask.vpc).is_some_and(|side| side.vpc == ask.space_vpc)
            && !status.ended()
            && status != PeeringStatus::Deleting
    };
    world.peerings_of(Key::Vpc(ask.vpc)).find(joins).cloned()
}

/// The request of a VPC for a peering with a space's.
fn request(
    vpc: &Vpc,
    space_vpc: VpcId,
    owner: Option<crate::AccountId>,
    region: Option<crate::Region>,
) -> Proposed {
    let command = Ec2Command::CreatePeering {
        vpc: vpc.id,
        peer_vpc: space_vpc,
        peer_owner: owner,
        peer_region: region.filter(|region| *region != vpc.region),
        tags: [(mark(space_vpc), REQUESTED.to_owned())].into_iter().collect(),
    };
    Proposed {
        what: format!("ask for a peering of {} with {space_vpc}", vpc.id),
        act: Act::Ec2 { of: vpc.id, command: Box::new(command) },
        // Its id is known once it is made.
        undo: None,
    }
}

fn whole(
    planner: &mut Planner<'_>,
    vpc: &Vpc,
    space: &Space,
    live: Option<&Peering>,
    targets: &[Target],
) {
    let Some(pcx) = peering(planner, vpc, space, live) else { return };
    for (table, subnets) in tables(&planner.world, vpc, targets) {
        if !routes(planner, vpc, space, pcx, table, &subnets) {
            return;
        }
    }
    for target in rule_targets(planner.ask, targets) {
        for port in planner.ask.ports {
            if !admit(planner, vpc, space, &target, *port) {
                return;
            }
        }
    }
    if planner.ask.ports.is_empty() {
        let text = "No port is named, so no rule is added: --port N lets dynos reach one.";
        planner.plan.notes.push(text.to_owned());
    } else if targets.is_empty() && planner.ask.to.is_empty() {
        let text = format!(
            "No instance runs in {}, so no rule is added; --to sg-… names a group that is to have \
             one.",
            vpc.primary()
        );
        planner.plan.notes.push(text);
    }
    obstacles(planner, space, targets);
    trials(planner, space, targets);
}

/// Asks for the peering and accepts it, where that is not done; its id.
fn peering(
    planner: &mut Planner<'_>,
    vpc: &Vpc,
    space: &Space,
    live: Option<&Peering>,
) -> Option<PcxId> {
    let side = planner.vpc_side(Some(vpc));
    let pcx = match live {
        Some(peering) => {
            planner.done(side, format!("{} is asked for", peering.id));
            peering.id
        }
        None => {
            let owner = planner.world.vpc(space.vpc).map(|vpc| vpc.account);
            let request = request(vpc, space.vpc, owner, Some(space.region));
            if let Some(why) = misfits(&planner.world, vpc, space) {
                planner.refuse(&request, why);
                return None;
            }
            let Some(Key::Peering(pcx)) = planner.take(request)?.main() else { return None };
            pcx
        }
    };
    if live.is_some_and(Peering::carries) {
        planner.done(PeerSide::Space, format!("{pcx} is accepted"));
        return Some(pcx);
    }
    let accept = Act::Accept { space: space.id, peering: pcx };
    let what = match planner.ask.owns_space {
        true => format!("accept {pcx} for the space {}", space.name),
        false => format!("accept {pcx} for the space"),
    };
    planner.take(Proposed { what, act: accept, undo: None })?;
    Some(pcx)
}

/// Every reason why the two cannot be peered, with what to do about it; `None` if they can.
fn misfits(world: &World, vpc: &Vpc, space: &Space) -> Option<String> {
    let fit = Fit::of(Side::of(world, vpc), Side::of_space(world, space));
    let reasons: Vec<String> = fit
        .misfits
        .iter()
        .map(|misfit| format!("{} {}", fit.message(misfit), fit.remedy(misfit)))
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(" "))
}

/// The route tables of the subnets in which something is to be reached, or of all subnets of the primary
/// block as long as there is nothing.
pub(super) fn tables(
    world: &World,
    vpc: &Vpc,
    targets: &[Target],
) -> BTreeMap<RouteTableId, Vec<SubnetId>> {
    let reached: BTreeSet<SubnetId> = targets.iter().map(|target| target.eni.subnet).collect();
    let mut tables: BTreeMap<RouteTableId, Vec<SubnetId>> = BTreeMap::new();
    for subnet in world.subnets_in(Key::Vpc(vpc.id)) {
        let needed = match reached.is_empty() {
            true => vpc.primary().covers(subnet.cidr),
            false => reached.contains(&subnet.id),
        };
        if needed {
            let own = subnet.route_table.map(|own| own.route_table);
            tables.entry(own.unwrap_or(vpc.main_route_table)).or_default().push(subnet.id);
        }
    }
    if tables.is_empty() {
        tables.insert(vpc.main_route_table, Vec::new());
    }
    tables
}

/// The blocks to which a table of a VPC does not lead by a peering, or not as a whole.
pub(super) fn not_led(
    world: &World,
    vpc: &Vpc,
    blocks: &[Cidr],
    table: RouteTableId,
    pcx: PcxId,
) -> Vec<Cidr> {
    let intent = plan_vpc(world, vpc);
    let led = |block: Cidr| {
        [block.base(), block.last()].into_iter().all(|address| {
            peering_toward(&intent, table, address)
                .is_some_and(|(destination, by)| by == pcx && destination.covers(block))
        })
    };
    blocks.iter().copied().filter(|block| !led(*block)).collect()
}

/// Routes what the space has to the peering: its whole block by one route, or each of the Space CIDRs by
/// one where that is not possible (R15).
fn routes(
    planner: &mut Planner<'_>,
    vpc: &Vpc,
    space: &Space,
    pcx: PcxId,
    table: RouteTableId,
    subnets: &[SubnetId],
) -> bool {
    let all = space.space_cidrs();
    let missing = not_led(&planner.world, vpc, &all, table, pcx);
    let place = match subnets {
        [] => table.to_string(),
        some => {
            let names: Vec<String> = some.iter().map(ToString::to_string).collect();
            format!("{table} ({})", names.join(", "))
        }
    };
    if missing.is_empty() {
        let side = planner.vpc_side(Some(vpc));
        let what = planner.named(format!("{place} leads to the space's blocks by {pcx}"));
        planner.done(side, what);
        return true;
    }
    let way =
        |destinations: &[Cidr]| way(&planner.world, vpc, space, pcx, (table, &place), destinations);
    let each = way(&missing);
    let candidates = match missing.len() == all.len() {
        true => vec![way(&[space.cidr]), each],
        false => vec![each],
    };
    planner.take_first(&candidates, |world| not_led(world, vpc, &all, table, pcx).is_empty())
}

/// The steps that route destinations to a peering: first the note of them, so that what is made is
/// known even if nothing more comes of it.
fn way(
    world: &World,
    vpc: &Vpc,
    space: &Space,
    pcx: PcxId,
    (id, place): (RouteTableId, &str),
    destinations: &[Cidr],
) -> Vec<Proposed> {
    let Some(table) = world.route_table(id) else { return Vec::new() };
    let target = RouteTo::Peering(pcx);
    let mut steps: Vec<Proposed> = note(vpc, space, table, destinations).into_iter().collect();
    for destination in destinations.iter().copied().map(RouteDestination::Cidr) {
        let undo = Ec2Command::DeleteRoute { route_table: id, destination };
        let make = match table.routes.get(&destination) {
            // Nothing is lost where a route leads nowhere: its peering is gone.
            Some(RouteTo::Peering(old)) if ended(world, *old) => {
                Ec2Command::ReplaceRoute { route_table: id, destination, target }
            }
            _ => Ec2Command::CreateRoute { route_table: id, destination, target },
        };
        let act = |command| in_vpc(vpc, command);
        let Some(make) = act(make) else { continue };
        let what = format!("route {destination} to {pcx} in {place}");
        steps.push(Proposed { what, act: make, undo: act(undo) });
    }
    steps
}

/// Whether a peering cannot come back.
pub(super) fn ended(world: &World, pcx: PcxId) -> bool {
    use crate::resource::PeeringState as S;
    world.peering(pcx).is_none_or(|peering| match peering.state {
        S::PendingAcceptance | S::Provisioning | S::Active => false,
        S::Deleting | S::Deleted | S::Rejected | S::Failed => true,
    })
}

/// The routes that a table's tag says were made by plans.
pub(super) fn noted(table: &RouteTable, space_vpc: VpcId) -> Vec<Cidr> {
    let text = table.tags.get(mark(space_vpc).as_str());
    text.into_iter().flat_map(|text| text.split(' ')).filter_map(|cidr| cidr.parse().ok()).collect()
}

/// Notes in a table's tag which routes are made in it; nothing where it says so already.
fn note(vpc: &Vpc, space: &Space, table: &RouteTable, destinations: &[Cidr]) -> Option<Proposed> {
    let key = mark(space.vpc);
    let before = noted(table, space.vpc);
    let all: BTreeSet<Cidr> = before.iter().chain(destinations).copied().collect();
    if all.len() == before.len() {
        return None;
    }
    let resources = vec![TaggedResource::RouteTable(table.id)];
    let set = |value: String| Ec2Command::CreateTags {
        resources: resources.clone(),
        tags: [(key.clone(), value)].into_iter().collect(),
    };
    let undo = match table.tags.get(key.as_str()) {
        Some(value) => set(value.clone()),
        None => {
            Ec2Command::DeleteTags { resources: resources.clone(), tags: vec![(key.clone(), None)] }
        }
    };
    let text: Vec<String> = all.iter().map(ToString::to_string).collect();
    Some(Proposed {
        what: format!("note in {} which routes are made here", table.id),
        act: in_vpc(vpc, set(text.join(" ")))?,
        undo: in_vpc(vpc, undo),
    })
}

/// Groups of which one must admit the dynos.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RuleTarget {
    /// The groups of which any may admit them already.
    any: Vec<SecurityGroupId>,
    /// The groups to which rules may be added, the best first.
    into: Vec<SecurityGroupId>,
}

fn rule_targets(ask: &PeerAsk<'_>, targets: &[Target]) -> Vec<RuleTarget> {
    let mut all = Vec::new();
    for named in ask.to {
        if let Reached::Group(group) = named {
            all.push(RuleTarget { any: vec![*group], into: vec![*group] });
        }
    }
    for target in targets {
        let own = RuleTarget { any: target.eni.groups.clone(), into: target.groups.clone() };
        if !all.iter().any(|other| other.into == own.into) {
            all.push(own);
        }
    }
    all
}

/// Lets the space's dynos reach a port (R16).
fn admit(
    planner: &mut Planner<'_>,
    vpc: &Vpc,
    space: &Space,
    target: &RuleTarget,
    port: u16,
) -> bool {
    let admitted = |world: &World, block: Cidr| {
        target.any.iter().any(|group| admits(world, *group, space, block, port))
    };
    let missing: Vec<Cidr> =
        space.dyno_cidrs().into_iter().filter(|block| !admitted(&planner.world, *block)).collect();
    if missing.is_empty() {
        let names: Vec<String> = target.into.iter().map(ToString::to_string).collect();
        let side = planner.vpc_side(Some(vpc));
        planner.done(side, format!("{} admits the dynos to port {port}", names.join(", ")));
        return true;
    }
    let rules = |description: Option<String>| -> Vec<RuleSpec> {
        let rule = |block: &Cidr| RuleSpec {
            traffic: Traffic::Tcp(PortRange { from: port, to: port }),
            peer: RulePeerSpec::Cidr(*block),
            description: description.clone(),
        };
        missing.iter().map(rule).collect()
    };
    let direction = Direction::Ingress;
    let candidate = |group: &SecurityGroupId| {
        let make = Ec2Command::AuthorizeSecurityGroup {
            group: *group,
            direction,
            rules: rules(Some(mark(space.vpc))),
            tags: Tags::new(),
        };
        let undo = Ec2Command::RevokeSecurityGroup {
            group: *group,
            direction,
            rules: rules(None),
            ids: Vec::new(),
        };
        let what = format!("let the dynos reach port {port} of what is in {group}");
        let undo = in_vpc(vpc, undo);
        in_vpc(vpc, make).map(|act| vec![Proposed { what, act, undo }])
    };
    let candidates: Vec<Vec<Proposed>> = target.into.iter().filter_map(candidate).collect();
    planner.take_first(&candidates, |world| {
        space.dyno_cidrs().into_iter().all(|block| admitted(world, block))
    })
}

/// Whether a group lets dynos from a whole block reach a port.
fn admits(world: &World, group: SecurityGroupId, space: &Space, block: Cidr, port: u16) -> bool {
    let packet = Packet {
        source: block.base(),
        destination: block.base(),
        protocol: IpProtocol::TCP,
        source_port: Flow::EPHEMERAL_PORTS.from,
        destination_port: port,
        icmp_type: 0,
        icmp_code: 0,
    };
    world.group(group).is_some_and(|group| {
        group.rules.values().any(|rule| {
            rule.direction == Direction::Ingress
                && rule.traffic.matches(&packet)
                && match rule.peer {
                    GroupPeer::Cidr(cidr) => cidr.covers(block),
                    GroupPeer::Ipv6(_) => false,
                    GroupPeer::PrefixList(id) => world
                        .prefix_list(id)
                        .is_some_and(|list| list.cidrs().any(|cidr| cidr.covers(block))),
                    GroupPeer::Group { group, .. } => group == space.dyno_group,
                }
        })
    })
}

/// Says what stops dynos' packets once every step is done.
fn obstacles(planner: &mut Planner<'_>, space: &Space, targets: &[Target]) {
    let (ask, now) = (planner.ask, planner.now);
    let mut world = planner.world.clone();
    let mut ids = Imagined::new();
    let dynos: Vec<_> = space
        .dyno_subnets
        .into_iter()
        .filter_map(|subnet| flows::dyno_interface(&mut world, space, subnet, &mut ids, now))
        .collect();
    let ends = dynos.iter().flat_map(|dyno| targets.iter().map(move |target| (dyno, target)));
    let flows = ends.flat_map(|ends| ask.ports.iter().map(move |port| (ends, *port)));
    let mut seen = Vec::new();
    for ((dyno, target), port) in flows.take(MOST_FLOWS) {
        let from = Endpoint { vpc: dyno.vpc, address: dyno.primary() };
        let to = Endpoint { vpc: target.eni.vpc, address: target.eni.primary() };
        let verdict = explain(&world, &Flow::new(from, to, IpProtocol::TCP, port), now);
        let may_look = |vpc: VpcId| {
            if vpc == ask.vpc { ask.owns_vpc } else { vpc == space.vpc && ask.owns_space }
        };
        for hop in verdict.seen_by(may_look).hops {
            // What decides is told once, and not once for each dyno.
            let what = (hop.leg, hop.component.clone());
            if hop.decision == Ruling::Passed || seen.contains(&what) {
                continue;
            }
            seen.push(what);
            planner.plan.obstacles.push(Obstacle {
                where_: planner.named(hop.where_.to_string()),
                because: planner.named(hop.because.to_string()),
                remedy: hop.remedy.map(|text| planner.named(text.to_string())),
            });
        }
    }
}

/// Proposes packets both ways, for those who know the names of both ends.
fn trials(planner: &mut Planner<'_>, space: &Space, targets: &[Target]) {
    let ask = planner.ask;
    if !(ask.owns_space && ask.owns_vpc) {
        return;
    }
    let dynos = flows::dynos(&planner.world, space, ask.from);
    let mut there = Vec::new();
    let mut back = Vec::new();
    for (name, dyno) in &dynos {
        for target in targets {
            let (from, to) = (name.clone(), target.name.clone());
            for port in ask.ports {
                there.push(Trial { from: from.clone(), to: to.clone(), port: *port });
            }
            back.push(Trial { from: to, to: from, port: dyno.port() });
        }
    }
    there.truncate(MOST_TRIALS);
    back.truncate(MOST_TRIALS);
    if there.is_empty() && back.is_empty() {
        let kind = ask.from.map_or_else(String::new, |kind| format!(" of the type {kind}"));
        let text = match targets.is_empty() {
            true => format!("No packet can be tried: no instance runs in {}.", ask.vpc),
            false => format!("No packet can be tried: no dyno{kind} is up in {}.", space.name),
        };
        planner.plan.notes.push(text);
    }
    planner.plan.trials = there.into_iter().chain(back).collect();
}

/// What an owner of a space alone can do, with the lines that the VPC's owner needs.
fn from_the_space(planner: &mut Planner<'_>, space: &Space, live: Option<&Peering>) {
    let ask = planner.ask;
    let (side, who) = (PeerSide::Vpc(None), format!("it is for the owner of {}", ask.vpc));
    let pcx = live.map_or_else(|| NEW_PEERING.to_owned(), |peering| peering.id.to_string());
    match live {
        Some(peering) => planner.done(side, format!("{} is asked for", peering.id)),
        None => {
            let owner = planner.world.vpc(space.vpc).map(|vpc| vpc.account.to_string());
            let line = format!(
                "aws ec2 create-vpc-peering-connection --vpc-id {} --peer-vpc-id {} \
                 --peer-owner-id {} --peer-region {}",
                ask.vpc,
                space.vpc,
                owner.unwrap_or_default(),
                space.region
            );
            let what = format!("ask for a peering of {} with {}", ask.vpc, space.vpc);
            planner.for_another(side, what, line, &who);
        }
    }
    match live {
        Some(peering) if peering.carries() => {
            planner.done(PeerSide::Space, format!("{} is accepted", peering.id));
        }
        Some(peering) => {
            let accept = Act::Accept { space: space.id, peering: peering.id };
            let what = format!("accept {} for the space {}", peering.id, space.name);
            if planner.take(Proposed { what, act: accept, undo: None }).is_none() {
                return;
            }
        }
        None => planner.plan.notes.push(format!(
            "Accept the request once it is there: run this again, or `heroku \
             spaces:peerings:accept pcx-… --space {}`.",
            space.name
        )),
    }
    let what = format!("route {} to {pcx} in the tables of your subnets", space.cidr);
    let line = format!(
        "aws ec2 create-route --route-table-id rtb-… --destination-cidr-block {} \
         --vpc-peering-connection-id {pcx}",
        space.cidr
    );
    planner.for_another(side, what, line, &who);
    let blocks = space.dyno_cidrs().map(|block| format!("{{CidrIp={block}}}")).join(",");
    for port in ask.ports {
        let what = format!("let the space's dynos reach port {port}");
        let line = format!(
            "aws ec2 authorize-security-group-ingress --group-id sg-… --ip-permissions \
             'IpProtocol=tcp,FromPort={port},ToPort={port},IpRanges=[{blocks}]'"
        );
        planner.for_another(side, what, line, &who);
    }
    let ports: Vec<String> = ask.ports.iter().map(|port| format!(" --port {port}")).collect();
    planner.plan.notes.push(format!(
        "Their side in one go: `causeway peer {} {}{}`.",
        space.vpc,
        ask.vpc,
        ports.concat()
    ));
}

/// Whether a peering was asked for by a plan.
pub(super) fn is_ours(peering: &Peering, space_vpc: VpcId) -> bool {
    peering.requester.tags.contains_key(mark(space_vpc).as_str())
}
