//! The map of a world, as somebody sees it.

use std::collections::{BTreeMap, BTreeSet};

use model::fit::Fit;
use model::{
    AccountId, Cidr, Dyno, DynoState, Endpoint, Instance, InstanceState, Key, PcxId,
    Peering as Stored, PeeringKind, PeeringSide, PeeringStatus, Space, Timestamp, Vpc, VpcId,
    VpcRole, WorkloadId, World,
};

use super::asked::Asked;
use super::judge::{Judge, MOST_ENDS, ends, is_shown};
use super::scene::{
    Chosen, End, Health, Kind, Map, Node, Peering, Point, Sign, Subnet, SubnetRole,
};
use crate::question::Protocol;
use crate::viewer::{Viewer, given_name, vpc_name};

/// The most flows that are looked at for a picture.
const MOST_FLOWS: usize = 1000;

impl Map {
    /// What a viewer sees of a world: what the APIs show them. Of the other side of a peering that
    /// is the VPC's id, account and region, and its blocks once these are told.
    pub fn of(world: &World, viewer: Viewer, asked: &Asked, now: Timestamp) -> Self {
        let mut view = View {
            world,
            viewer,
            now,
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            peerings: BTreeMap::new(),
        };
        for space in viewer.spaces(world) {
            view.own.insert(space.vpc, node_of_space(world, space));
        }
        for vpc in viewer.vpcs(world) {
            let node = || node_of_vpc(world, viewer, vpc);
            view.own.entry(vpc.id).or_insert_with(node);
        }
        view.find_peerings();
        let chosen = view.chosen(asked);
        let opened: BTreeSet<VpcId> = [chosen.from, chosen.to]
            .into_iter()
            .flatten()
            .map(|point| point.vpc)
            .chain(asked.open.iter().copied())
            .collect();
        for node in view.own.values_mut() {
            if !asked.query.is_empty() || opened.contains(&node.id) {
                node.subnets = subnets(world, node);
            }
        }
        let mut peerings: Vec<Peering> = view.peerings.values().copied().collect();
        if let Some(port) = asked.port {
            let judge = Judge::new(world, now, asked.protocol, port);
            view.look_at_flows(&judge, &mut peerings);
        }
        let nodes = view.own.into_values().chain(view.others.into_values().map(|other| other.0));
        Self { nodes: nodes.collect(), peerings, chosen }
    }
}

struct View<'a> {
    world: &'a World,
    viewer: Viewer,
    now: Timestamp,
    own: BTreeMap<VpcId, Node>,
    /// What is another's, with the status of the peering that it is known by.
    others: BTreeMap<VpcId, (Node, bool)>,
    peerings: BTreeMap<PcxId, Peering>,
}

impl View<'_> {
    fn find_peerings(&mut self) {
        let (world, viewer, now) = (self.world, self.viewer, self.now);
        if viewer.operator {
            for peering in world.peerings() {
                let seen = |side: &PeeringSide| peering.visible_to(side.account, side.region, now);
                if seen(&peering.requester) || seen(&peering.accepter) {
                    self.put(peering, true);
                }
            }
            return;
        }
        for space in viewer.spaces(world) {
            let Some(platform) = world.vpc(space.vpc).map(|vpc| vpc.account) else { continue };
            for peering in world.peerings_of(Key::Vpc(space.vpc)) {
                if peering.visible_to(platform, space.region, now) {
                    self.put(peering, true);
                }
            }
        }
        if let Some(account) = &viewer.account {
            for peering in world.peerings_of(Key::Account(*account)) {
                let sides = [&peering.requester, &peering.accepter];
                let mine = sides.into_iter().filter(|side| side.account == *account);
                if mine.into_iter().any(|side| peering.visible_to(*account, side.region, now)) {
                    self.put(peering, false);
                }
            }
        }
    }

    /// Puts a peering on the map, with the node of a side that is another's. The Platform API shows
    /// blocks at any time, EC2 those of the accepter only once it accepted (`ec2.md` §1.2).
    fn put(&mut self, peering: &Stored, any_blocks: bool) {
        if peering.kind != PeeringKind::Customer {
            return;
        }
        let status = peering.status(self.now);
        let [requester, accepter] = shows_blocks(status).map(|shown| shown || any_blocks);
        self.know(&peering.requester, requester, status, peering.accepter.vpc);
        self.know(&peering.accepter, accepter, status, peering.requester.vpc);
        let known = Peering {
            id: peering.id,
            requester: peering.requester.vpc,
            accepter: peering.accepter.vpc,
            status,
            health: self.health(peering, status),
        };
        self.peerings.insert(peering.id, known);
    }

    fn know(&mut self, side: &PeeringSide, blocks: bool, status: PeeringStatus, other: VpcId) {
        if self.own.contains_key(&side.vpc) {
            return;
        }
        // Whoever asks says whose VPC it is that they ask: what lives knows better.
        let lives = !status.ended();
        let blocks = if blocks { side.cidrs.clone() } else { Vec::new() };
        if let Some((node, better)) = self.others.get_mut(&side.vpc) {
            if node.blocks.is_empty() {
                node.blocks = blocks;
            }
            if !*better && lives {
                (node.account, node.region, *better) = (side.account, side.region, true);
            }
            return;
        }
        let platform = self.world.settings().map(|settings| settings.platform_account);
        let beside = self.own.get(&other).is_none_or(|node| node.kind == Kind::Vpc);
        let kind = if platform == Some(side.account) && beside { Kind::Space } else { Kind::Vpc };
        let node = Node {
            id: side.vpc,
            kind,
            region: side.region,
            name: side.vpc.to_string(),
            blocks,
            account: side.account,
            account_name: None,
            own: false,
            subnets: Vec::new(),
            data: None,
        };
        self.others.insert(side.vpc, (node, lives));
    }

    fn health(&self, peering: &Stored, status: PeeringStatus) -> Health {
        match status {
            PeeringStatus::Active => self.health_of_routes(peering),
            PeeringStatus::PendingAcceptance => self.health_of_request(peering),
            PeeringStatus::InitiatingRequest
            | PeeringStatus::Provisioning
            | PeeringStatus::Deleting
            | PeeringStatus::Deleted
            | PeeringStatus::Rejected
            | PeeringStatus::Failed
            | PeeringStatus::Expired => Health::Fine,
        }
    }

    /// Whether each VPC that is theirs has a route to a peering.
    fn health_of_routes(&self, peering: &Stored) -> Health {
        let routed = |vpc: VpcId| {
            let mut tables = self.world.route_tables_in(Key::Peering(peering.id));
            !self.own.contains_key(&vpc) || tables.any(|table| table.vpc == vpc)
        };
        match routed(peering.requester.vpc) && routed(peering.accepter.vpc) {
            true => Health::Fine,
            false => Health::NoRoute,
        }
    }

    /// Whether a request to what is theirs could be accepted.
    fn health_of_request(&self, peering: &Stored) -> Health {
        let Some(vpc) = self.world.vpc(peering.accepter.vpc) else { return Health::Fine };
        let is_data = matches!(vpc.role, Some(VpcRole::Data(_)));
        if is_data || !self.viewer.rights().owns(self.world, vpc) {
            return Health::Fine;
        }
        match Fit::of_peering(self.world, peering).fits() {
            true => Health::Fine,
            false => Health::Unacceptable,
        }
    }

    /// Looks whether packets to a port pass over the peerings whose ends are both theirs: from the
    /// space, or else from who asked.
    fn look_at_flows(&self, judge: &Judge<'_>, peerings: &mut [Peering]) {
        let both = |peering: &&mut Peering| {
            peering.status == PeeringStatus::Active
                && peering.health == Health::Fine
                && peering.ends().iter().all(|vpc| self.own.contains_key(vpc))
        };
        let count = peerings.iter_mut().filter(|peering| both(peering)).count();
        let each = (MOST_FLOWS / count.max(1)).clamp(1, 16);
        for peering in peerings.iter_mut().filter(both).take(MOST_FLOWS) {
            let is_space = |vpc| self.own.get(&vpc).is_some_and(|node| node.kind == Kind::Space);
            let (from, to) = match is_space(peering.accepter) {
                true => (peering.accepter, peering.requester),
                false => (peering.requester, peering.accepter),
            };
            let points = |vpc| -> Vec<Endpoint> {
                ends(self.world, vpc).take(MOST_ENDS).map(|(point, _)| point).collect()
            };
            if judge.count(&points(from), &points(to), each).stopped > 0 {
                peering.health = Health::Stopped;
            }
        }
    }

    fn chosen(&self, asked: &Asked) -> Chosen {
        let from = asked.from.as_deref().and_then(|text| self.end(text, None));
        let to = asked.to.as_deref().and_then(|text| self.end(text, from));
        let point = |end: Endpoint| Point { vpc: end.vpc, address: end.address };
        // An echo has no port.
        let port = asked.port.or((asked.protocol == Protocol::Icmp).then_some(0));
        let verdict = match (from, to, port) {
            (Some(from), Some(to), Some(port))
                if [from, to].iter().any(|end| self.own.contains_key(&end.vpc)) =>
            {
                let judge = Judge::new(self.world, self.now, asked.protocol, port);
                Some(judge.passage(from, to))
            }
            _ => None,
        };
        Chosen { from: from.map(point), to: to.map(point), verdict }
    }

    /// An end by its name. What is another's can only be named by its address: whether there is an
    /// app or an instance of a name is not theirs to know.
    fn end(&self, text: &str, from: Option<Endpoint>) -> Option<Endpoint> {
        let end = Endpoint::resolve(self.world, text, from).ok()?;
        let own = self.own.contains_key(&end.vpc);
        let by_address = text.parse::<std::net::Ipv4Addr>().is_ok()
            || text.split_once('/').is_some_and(|(vpc, _)| vpc.parse::<VpcId>().is_ok());
        (own || by_address && self.others.contains_key(&end.vpc)).then_some(end)
    }
}

/// Whether EC2 shows the requester's and the accepter's blocks.
const fn shows_blocks(status: PeeringStatus) -> [bool; 2] {
    match status {
        PeeringStatus::InitiatingRequest
        | PeeringStatus::PendingAcceptance
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => [true, false],
        PeeringStatus::Provisioning | PeeringStatus::Active | PeeringStatus::Deleting => {
            [true, true]
        }
        PeeringStatus::Deleted => [false, false],
    }
}

fn node_of_space(world: &World, space: &Space) -> Node {
    let account = world.vpc(space.vpc).map(|vpc| vpc.account);
    let platform = world.settings().map(|settings| settings.platform_account);
    Node {
        id: space.vpc,
        kind: Kind::Space,
        region: space.region,
        name: space.name.clone(),
        blocks: vec![space.cidr],
        account: account.or(platform).unwrap_or(AccountId::MIN),
        account_name: None,
        own: true,
        subnets: Vec::new(),
        data: Some(space.data_cidr),
    }
}

fn node_of_vpc(world: &World, viewer: Viewer, vpc: &Vpc) -> Node {
    let account = world
        .account(vpc.account)
        .filter(|_| viewer.operator || viewer.account == Some(vpc.account));
    Node {
        id: vpc.id,
        kind: if vpc.role.is_some() { Kind::Space } else { Kind::Vpc },
        region: vpc.region,
        name: vpc_name(vpc),
        blocks: vpc.blocks().collect::<Vec<Cidr>>(),
        account: vpc.account,
        account_name: account.map(|account| account.name.clone()),
        own: true,
        subnets: Vec::new(),
        data: None,
    }
}

/// The subnets of a node with what is in them. A space's are those of its dynos.
fn subnets(world: &World, node: &Node) -> Vec<Subnet> {
    let space = world.vpc(node.id).and_then(|vpc| world.space_of_vpc(vpc));
    let mut subnets: BTreeMap<_, Subnet> = BTreeMap::new();
    for subnet in world.subnets_in(Key::Vpc(node.id)) {
        let role = match space {
            Some(space) if space.dyno_subnets.contains(&subnet.id) => SubnetRole::Dynos,
            Some(_) => continue,
            None => {
                let zone = subnet.zone.to_string();
                SubnetRole::Named(given_name(&subnet.tags).map_or(zone, str::to_owned))
            }
        };
        let (id, cidr) = (subnet.id, subnet.cidr);
        subnets.insert(id, Subnet { id, cidr, role, ends: Vec::new() });
    }
    for eni in world.enis_in(Key::Vpc(node.id)) {
        let Some(subnet) = subnets.get_mut(&eni.subnet) else { continue };
        let Some(address) = eni.addresses.first().copied() else { continue };
        let found = match eni.attachment.as_ref().map(|attachment| attachment.workload) {
            None => Some((eni.id.to_string(), Sign::Ended)),
            Some(WorkloadId::Dyno(id)) => world.dyno(id).and_then(|dyno| of_dyno(world, dyno)),
            Some(WorkloadId::Instance(id)) => {
                world.instance(id).map(|instance| (id.to_string(), sign_of(instance)))
            }
            Some(WorkloadId::Service(_) | WorkloadId::Router(_)) => None,
        };
        subnet.ends.extend(found.map(|(name, sign)| End { name, address, sign }));
    }
    subnets.into_values().collect()
}

fn of_dyno(world: &World, dyno: &Dyno) -> Option<(String, Sign)> {
    let app = world.app(dyno.app)?;
    let sign = match dyno.state {
        DynoState::Up => Sign::Ok,
        DynoState::Starting | DynoState::Booting | DynoState::Draining | DynoState::Stopping => {
            Sign::Moving
        }
        DynoState::Crashed => Sign::Bad,
        DynoState::Down => Sign::Ended,
    };
    is_shown(dyno).then(|| (format!("{}/{}", app.name, dyno.name), sign))
}

fn sign_of(instance: &Instance) -> Sign {
    match instance.state {
        InstanceState::Running => Sign::Ok,
        InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown => {
            Sign::Moving
        }
        InstanceState::Stopped | InstanceState::Terminated => Sign::Ended,
    }
}
