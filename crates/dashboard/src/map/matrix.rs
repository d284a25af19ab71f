//! Who reaches whom on a port, as a table: what the map shows, for those who would rather read it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Cidr, Endpoint, Key, PeeringStatus, Timestamp, VpcId, World};

use super::asked::Asked;
use super::judge::{Count, Judge, MOST_ENDS, ends, is_shown};
use super::scene::{Kind, Map, Node, Peering, Sign};
use crate::question::Protocol;
use crate::viewer::Viewer;

/// The most rows and the most columns of a page.
const ROWS: usize = 40;
const COLUMNS: usize = 16;
/// The most flows that are looked at for a page: together, and in a cell.
const MOST_FLOWS: usize = 1000;
const MOST_OF_CELL: usize = 64;
/// The port that is asked about where none is given.
const PORT: u16 = 80;

/// A part of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// Where packets begin.
    pub rows: Part,
    /// Where they go.
    pub columns: Part,
    /// What becomes of them, row by row.
    pub cells: Vec<Vec<Cell>>,
    /// The port that was asked about.
    pub port: u16,
}

/// Some of the rows, or of the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which they are.
    pub heads: Vec<Head>,
    /// The number of the first of them, from 0.
    pub first: usize,
    /// How many there are altogether.
    pub of: usize,
}

/// The head of a row or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What it is called: a process type as `shop/web`, or a VPC.
    pub name: String,
    /// The space that a process type is in.
    pub within: Option<String>,
    /// Its node on the map.
    pub node: Node,
}

/// What becomes of packets from one thing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Both are the same network.
    Itself,
    /// Nothing joins them.
    NoPeering,
    /// Something is to join them, or did.
    Peering(Peering),
    /// An active peering, and nobody to begin or to answer.
    Nobody,
    /// An active peering with what is another's: whether packets get out of what is the viewer's.
    OwnSide(bool),
    /// An active peering by which another's packets come: that is all that is known of them.
    Active,
    /// What became of flows, each from one end of the row to one of the column.
    Flows {
        /// How many there are.
        all: usize,
        /// How many were looked at.
        seen: usize,
        /// How many of these were stopped.
        stopped: usize,
        /// One to ask why of, one that is stopped if any is.
        example: (Endpoint, Endpoint),
    },
}

/// A row or a column with what is in it.
struct Line {
    head: Head,
    ends: Vec<Endpoint>,
}

impl Matrix {
    /// The part of the matrix that is asked for, as a viewer sees it. However large the world is,
    /// no more than a page of cells is made, and for all of them together a thousand flows are
    /// looked at: of a cell with more than its share, so many are picked evenly.
    pub fn of(world: &World, viewer: Viewer, asked: &Asked, now: Timestamp) -> Self {
        let plain =
            Asked { open: BTreeSet::new(), port: None, from: None, to: None, ..asked.clone() };
        let map = Map::of(world, viewer, &plain, now);
        let pairs = pairs(&map);
        let (rows, columns) = heads(&map, asked);
        let rows = page(rows, asked.part.0, ROWS);
        let columns = page(columns, asked.part.1, COLUMNS);
        let fill = |nodes: &[Named]| -> Vec<Line> {
            nodes.iter().flat_map(|node| lines(world, node)).collect()
        };
        let port = asked.port.filter(|_| asked.protocol != Protocol::Icmp);
        let judge = Judge::new(world, now, asked.protocol, port.unwrap_or(PORT));
        let (from, to) = (fill(&rows.0), fill(&columns.0));
        let active = |a: &Line, b: &Line| {
            let found = pairs.get(&key(a.head.node.id, b.head.node.id));
            found.is_some_and(|p| p.status == PeeringStatus::Active)
                && a.head.node.own
                && b.head.node.own
        };
        let count: usize = from.iter().map(|a| to.iter().filter(|b| active(a, b)).count()).sum();
        let each = (MOST_FLOWS / count.max(1)).clamp(1, MOST_OF_CELL);
        let cell = |a: &Line, b: &Line| cell(&judge, &pairs, a, b, each);
        let cells = from.iter().map(|a| to.iter().map(|b| cell(a, b)).collect()).collect();
        let part = |lines: Vec<Line>, (_, first, of): (Vec<Named>, usize, usize)| Part {
            heads: lines.into_iter().map(|line| line.head).collect(),
            first,
            of,
        };
        Self { rows: part(from, rows), columns: part(to, columns), cells, port: judge.port }
    }
}

fn key(a: VpcId, b: VpcId) -> (VpcId, VpcId) {
    (a.min(b), a.max(b))
}

/// What joins each pair of networks: what lives, and of that what works best.
fn pairs(map: &Map) -> BTreeMap<(VpcId, VpcId), Peering> {
    let mut pairs: BTreeMap<(VpcId, VpcId), Peering> = BTreeMap::new();
    let rank = |peering: &Peering| match peering.status {
        PeeringStatus::Active => 3,
        PeeringStatus::Provisioning | PeeringStatus::Deleting => 2,
        _ if peering.sign() != Sign::Ended => 1,
        _ => 0,
    };
    for peering in &map.peerings {
        let known = pairs.entry(key(peering.requester, peering.accepter)).or_insert(*peering);
        if (rank(peering), peering.id) > (rank(known), known.id) {
            *known = *peering;
        }
    }
    pairs
}

/// One line of the matrix before it is known what is in it: a network, or a process type of one.
#[derive(Clone)]
struct Named {
    node: Node,
}

/// The networks of rows and of columns, in order: spaces begin and VPCs answer, or the other way
/// round; two VPCs that are peered do both.
fn heads(map: &Map, asked: &Asked) -> (Vec<Named>, Vec<Named>) {
    let mut nodes: Vec<&Node> = map.nodes.iter().collect();
    nodes.sort_by(|a, b| (a.kind, &a.name, a.id).cmp(&(b.kind, &b.name, b.id)));
    let kinds: BTreeMap<VpcId, Kind> = nodes.iter().map(|node| (node.id, node.kind)).collect();
    let mut peered: BTreeSet<VpcId> = BTreeSet::new();
    let mut with_vpc: BTreeSet<VpcId> = BTreeSet::new();
    for peering in map.peerings.iter().filter(|peering| peering.sign() != Sign::Ended) {
        peered.extend(peering.ends());
        if peering.ends().iter().all(|vpc| kinds.get(vpc) == Some(&Kind::Vpc)) {
            with_vpc.extend(peering.ends());
        }
    }
    nodes.retain(|node| !asked.peered || peered.contains(&node.id));
    let named = |node: &&Node| Named { node: (*node).clone() };
    let vpcs = nodes.iter().filter(|node| node.kind == Kind::Vpc).map(named).collect();
    let also = |node: &&&Node| node.kind == Kind::Space || with_vpc.contains(&node.id);
    let spaces = nodes.iter().filter(also).map(named).collect();
    if asked.reversed { (vpcs, spaces) } else { (spaces, vpcs) }
}

fn page(all: Vec<Named>, part: u16, size: usize) -> (Vec<Named>, usize, usize) {
    let of = all.len();
    let last = of.saturating_sub(1) / size;
    let first = usize::from(part).min(last) * size;
    (all.into_iter().skip(first).take(size).collect(), first, of)
}

/// The lines of a network: a space has one for each process type, if any runs.
fn lines(world: &World, named: &Named) -> Vec<Line> {
    let node = &named.node;
    let single = |ends| {
        let head = Head { name: node.name.clone(), within: None, node: node.clone() };
        vec![Line { head, ends }]
    };
    if !node.own {
        return single(Vec::new());
    }
    let space = world.vpc(node.id).and_then(|vpc| world.space_of_vpc(vpc));
    let Some(space) = space.filter(|_| node.kind == Kind::Space) else {
        return single(ends(world, node.id).take(MOST_ENDS).map(|(end, _)| end).collect());
    };
    let mut types: BTreeMap<(String, String), Vec<Endpoint>> = BTreeMap::new();
    for app in world.apps_in(Key::Space(space.id)) {
        for dyno in world.dynos_in(Key::App(app.id)).filter(|dyno| is_shown(dyno)) {
            let Some(address) = world.eni(dyno.eni).and_then(|eni| eni.addresses.first()) else {
                continue;
            };
            let of_type = types.entry((app.name.clone(), dyno.process_type.clone())).or_default();
            if of_type.len() < MOST_ENDS {
                of_type.push(Endpoint { vpc: node.id, address: *address });
            }
        }
    }
    if types.is_empty() {
        return single(Vec::new());
    }
    let line = |((app, kind), ends): ((String, String), Vec<Endpoint>)| Line {
        head: Head {
            name: format!("{app}/{kind}"),
            within: Some(node.name.clone()),
            node: node.clone(),
        },
        ends,
    };
    types.into_iter().map(line).collect()
}

fn cell(
    judge: &Judge<'_>,
    pairs: &BTreeMap<(VpcId, VpcId), Peering>,
    from: &Line,
    to: &Line,
    most: usize,
) -> Cell {
    let (a, b) = (&from.head.node, &to.head.node);
    if a.id == b.id {
        return Cell::Itself;
    }
    let Some(peering) = pairs.get(&key(a.id, b.id)) else { return Cell::NoPeering };
    if peering.status != PeeringStatus::Active {
        return Cell::Peering(*peering);
    }
    match (a.own, b.own) {
        (true, true) => {
            let Count { all, seen, stopped, example } = judge.count(&from.ends, &to.ends, most);
            example.map_or(Cell::Nobody, |example| Cell::Flows { all, seen, stopped, example })
        }
        (true, false) => {
            let block: Option<Cidr> = b.blocks.first().copied();
            match from.ends.first().zip(block) {
                Some((end, block)) => Cell::OwnSide(judge.leaves(*end, b.id, block)),
                None => Cell::Nobody,
            }
        }
        (false, _) => Cell::Active,
    }
}
