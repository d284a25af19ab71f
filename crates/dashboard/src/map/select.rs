//! What of the map is drawn, and as what: found and filtered, put together where there is much of
//! it, and brought into an order in which few lines cross.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::{Cidr, PeeringStatus, Region, VpcId};

use super::asked::{Asked, GroupId};
use super::scene::{Kind, Map, Node, Peering, Sign};

/// More VPCs than these are shown in groups.
const MOST_SINGLE: usize = 25;
/// The most VPCs of an opened group that are shown as nodes; the rest stay cells.
const MOST_OF_GROUP: usize = 60;

/// From so many lines on, there are many.
const MANY_LINES: usize = 60;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Shown<'m> {
    /// Boxes in the order of reading: regions by name, in each the spaces, then the VPCs. What is in
    /// a group follows it.
    pub items: Vec<Item<'m>>,
    /// Lines between boxes, by these.
    pub bundles: Vec<Bundle<'m>>,
    /// Whether VPCs are put together in groups.
    pub grouped: bool,
    /// How many nodes were found, where something was looked for.
    pub found: Option<usize>,
}

/// A box.
#[derive(Debug)]
pub(super) struct Item<'m> {
    /// Its region.
    pub region: Region,
    /// Whether it stands on the left.
    pub left: bool,
    /// What it is.
    pub what: What<'m>,
    /// The group that it is in, by its place.
    pub group: Option<usize>,
}

/// What a box is.
#[derive(Debug)]
pub(super) enum What<'m> {
    /// A space or a VPC.
    Node {
        /// Which one.
        node: &'m Node,
        /// Whether its inside is shown.
        open: bool,
        /// Whether it was looked for and found.
        hit: bool,
        /// How many peerings of it live.
        peerings: usize,
    },
    /// VPCs of one account in one region.
    Group {
        /// Whose they are.
        id: GroupId,
        /// The account's name, where it may be known.
        name: Option<&'m str>,
        /// How many there are.
        count: usize,
        /// What state how many of them are in.
        states: BTreeMap<Sign, usize>,
        /// Those that are a cell each: none where it is not peered.
        cells: Vec<Option<Sign>>,
        /// Whether it was opened.
        open: bool,
    },
}

/// The peerings between two boxes.
#[derive(Debug)]
pub(super) struct Bundle<'m> {
    /// The two boxes; the one on the left first, or the upper one.
    pub ends: [usize; 2],
    /// The peerings that it stands for: those that live, or if none does, those that ended.
    pub peerings: Vec<&'m Peering>,
}

impl Bundle<'_> {
    /// The state of the worst of them.
    pub(super) fn sign(&self) -> Sign {
        self.peerings.iter().map(|peering| peering.sign()).max().unwrap_or(Sign::Ended)
    }

    /// How its line is drawn: as that of an active peering if one is.
    pub(super) fn line(&self) -> &'static str {
        let is = |test: fn(&Peering) -> bool| self.peerings.iter().any(|peering| test(peering));
        if is(|peering| peering.status == PeeringStatus::Active) {
            Sign::Ok.colour()
        } else if is(|peering| !peering.status.ended()) {
            Sign::Waiting.colour()
        } else {
            Sign::Ended.colour()
        }
    }
}

impl Shown<'_> {
    /// Whether there are so many lines that those which need nobody are drawn faintly.
    pub(super) fn has_many_lines(&self) -> bool {
        self.grouped && self.bundles.len() > MANY_LINES
    }

    /// Whether a bundle has a sign or a number. Where there is much to show, a line alone says of
    /// one peering that it works; and where there are many lines, of any number of them.
    pub(super) fn has_mark(&self, bundle: usize) -> bool {
        let bundle = &self.bundles[bundle];
        let several = bundle.peerings.len() > 1 && !self.has_many_lines();
        !self.grouped || several || bundle.sign() != Sign::Ok
    }

    /// Whether any box is a group.
    pub(super) fn has_groups(&self) -> bool {
        self.items.iter().any(|item| matches!(item.what, What::Group { .. }))
    }
}

impl<'m> Shown<'m> {
    /// Chooses what is drawn of a map.
    pub(super) fn of(map: &'m Map, asked: &Asked) -> Self {
        let (nodes, peerings, hits) = found(map, asked);
        let places = places(&nodes, &peerings);
        let vpcs = nodes.iter().filter(|node| node.kind == Kind::Vpc).count();
        let mut shown = Self {
            items: Vec::new(),
            bundles: Vec::new(),
            grouped: vpcs > MOST_SINGLE,
            found: hits.as_ref().map(BTreeSet::len),
        };
        let chosen: BTreeSet<VpcId> =
            [map.chosen.from, map.chosen.to].into_iter().flatten().map(|point| point.vpc).collect();
        let make = Make {
            asked,
            hits: hits.unwrap_or_default(),
            chosen,
            states: states(&peerings),
            places,
        };
        let item_of = make.items(&mut shown, &nodes);
        shown.bundles = bundles(&peerings, &item_of);
        for bundle in &mut shown.bundles {
            let [a, b] = bundle.ends;
            if !shown.items[a].left && shown.items[b].left {
                bundle.ends = [b, a];
            }
        }
        shown
    }
}

/// Nodes, peerings, and what was found.
type Found<'m> = (Vec<&'m Node>, Vec<&'m Peering>, Option<BTreeSet<VpcId>>);

/// The nodes and peerings that are asked for; and where something is looked for, what was found.
fn found<'m>(map: &'m Map, asked: &Asked) -> Found<'m> {
    let known: BTreeSet<VpcId> = map.nodes.iter().map(|node| node.id).collect();
    let mut peerings: Vec<&Peering> = map
        .peerings
        .iter()
        .filter(|peering| peering.requester != peering.accepter)
        .filter(|peering| peering.ends().iter().all(|vpc| known.contains(vpc)))
        .collect();
    peerings.sort_by_key(|peering| peering.id);
    let mut nodes: Vec<&Node> = map.nodes.iter().collect();
    nodes.sort_by(|a, b| (a.region, a.kind, &a.name, a.id).cmp(&(b.region, b.kind, &b.name, b.id)));
    nodes.dedup_by_key(|node| node.id);
    if asked.state.is_none() && asked.query.is_empty() {
        return (nodes, peerings, None);
    }
    if let Some(state) = asked.state {
        peerings.retain(|peering| matches(state, peering.sign()));
    }
    let touched = |of: &BTreeSet<VpcId>, peerings: &[&Peering]| {
        let mut all = of.clone();
        for ends in peerings.iter().map(|peering| peering.ends()) {
            if ends.iter().any(|end| of.contains(end)) {
                all.extend(ends);
            }
        }
        all
    };
    let hits: BTreeSet<VpcId> = match Wanted::read(&asked.query) {
        Some(wanted) => nodes.iter().filter(|n| wanted.is(n)).map(|n| n.id).collect(),
        None => peerings.iter().flat_map(|peering| peering.ends()).collect(),
    };
    let mut kept = touched(&hits, &peerings);
    // What was chosen stays on the picture, whatever is looked for.
    kept.extend([map.chosen.from, map.chosen.to].into_iter().flatten().map(|point| point.vpc));
    nodes.retain(|node| kept.contains(&node.id));
    peerings.retain(|peering| peering.ends().iter().any(|end| hits.contains(end)));
    (nodes, peerings, Some(hits))
}

/// Whether a peering is in a state that was asked for. One that cannot be accepted waits.
fn matches(asked: Sign, sign: Sign) -> bool {
    asked == sign || (asked, sign) == (Sign::Waiting, Sign::Warning)
}

/// What is looked for.
struct Wanted {
    text: String,
    address: Option<Ipv4Addr>,
    block: Option<Cidr>,
}

impl Wanted {
    fn read(query: &str) -> Option<Self> {
        let text = query.trim().to_lowercase();
        let (address, block) = (text.parse().ok(), text.parse().ok());
        (!text.is_empty()).then_some(Self { text, address, block })
    }

    fn is(&self, node: &Node) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        let end = |name: &str, address: Ipv4Addr| has(name) || self.address == Some(address);
        has(&node.name)
            || node.id.to_string().contains(&self.text)
            || node.account.to_string().contains(&self.text)
            || node.account_name.as_deref().is_some_and(has)
            || node.blocks.iter().chain(&node.data).any(|block| {
                block.to_string().starts_with(&self.text)
                    || self.address.is_some_and(|address| block.contains(address))
                    || self.block.is_some_and(|wanted| block.overlaps(wanted))
            })
            || node.subnets.iter().any(|subnet| {
                subnet.id.to_string().contains(&self.text)
                    || subnet.ends.iter().any(|e| end(&e.name, e.address))
            })
    }
}

/// Where each VPC would like to stand: at the mean place of the spaces that it is peered with; or of
/// the VPCs, where there is no space. One pass, so it costs what sorting costs.
fn places(nodes: &[&Node], peerings: &[&Peering]) -> BTreeMap<VpcId, f64> {
    let spaces: BTreeMap<VpcId, usize> = nodes
        .iter()
        .filter(|node| node.kind == Kind::Space)
        .enumerate()
        .map(|(n, node)| (node.id, n))
        .collect();
    let live = || peerings.iter().filter(|peering| peering.sign() != Sign::Ended);
    let mut sums: BTreeMap<VpcId, (usize, usize)> = BTreeMap::new();
    for [a, b] in live().map(|peering| peering.ends()) {
        for (vpc, other) in [(a, b), (b, a)] {
            if let Some(place) = spaces.get(&other) {
                let sum = sums.entry(vpc).or_default();
                *sum = (sum.0 + place, sum.1 + 1);
            }
        }
    }
    let mut places: BTreeMap<VpcId, f64> =
        sums.iter().map(|(vpc, (sum, count))| (*vpc, *sum as f64 / *count as f64)).collect();
    let mut near: BTreeMap<VpcId, Vec<f64>> = BTreeMap::new();
    for [a, b] in live().map(|peering| peering.ends()) {
        for (vpc, other) in [(a, b), (b, a)] {
            if let (None, Some(place)) = (places.get(&vpc), places.get(&other)) {
                near.entry(vpc).or_default().push(*place);
            }
        }
    }
    for (vpc, mut those) in near {
        // In order, since sums of fractions depend on it.
        those.sort_by(f64::total_cmp);
        places.insert(vpc, those.iter().sum::<f64>() / those.len() as f64);
    }
    places
}

/// The state of each VPC that has a peering: the worst of those that live; and how many do.
fn states(peerings: &[&Peering]) -> BTreeMap<VpcId, (Sign, usize)> {
    let mut states: BTreeMap<VpcId, (Sign, usize)> = BTreeMap::new();
    for peering in peerings {
        for vpc in peering.ends() {
            let state = states.entry(vpc).or_insert((Sign::Ended, 0));
            let sign = peering.sign();
            *state = (state.0.max(sign), state.1 + usize::from(sign != Sign::Ended));
        }
    }
    states
}

struct Make<'a> {
    asked: &'a Asked,
    hits: BTreeSet<VpcId>,
    chosen: BTreeSet<VpcId>,
    states: BTreeMap<VpcId, (Sign, usize)>,
    places: BTreeMap<VpcId, f64>,
}

/// VPCs that are one box, be it that there is only one.
struct Party<'m> {
    region: Region,
    place: f64,
    members: Vec<&'m Node>,
}

impl<'m> Party<'m> {
    fn name(&self) -> (&str, Option<VpcId>) {
        let first = self.members.first();
        let name = match (first, self.members.len()) {
            (Some(node), 1) => &node.name,
            (Some(node), _) => node.account_name.as_deref().unwrap_or_default(),
            (None, _) => "",
        };
        (name, first.map(|node| node.id))
    }
}

impl Make<'_> {
    /// Puts the boxes in order, and says which one each node is in.
    fn items<'m>(&self, shown: &mut Shown<'m>, nodes: &[&'m Node]) -> BTreeMap<VpcId, usize> {
        let mut item_of = BTreeMap::new();
        let regions: BTreeSet<Region> = nodes.iter().map(|node| node.region).collect();
        let mut parties = self.parties(nodes, shown.grouped);
        for region in regions {
            let here = nodes.iter().filter(|node| node.region == region);
            for node in here.filter(|node| node.kind == Kind::Space) {
                self.put(shown, &mut item_of, node, None);
            }
            for party in parties.remove(&region).unwrap_or_default() {
                match *party.members {
                    [single] => self.put(shown, &mut item_of, single, None),
                    _ => self.put_group(shown, &mut item_of, &party),
                }
            }
        }
        item_of
    }

    fn parties<'m>(&self, nodes: &[&'m Node], grouped: bool) -> BTreeMap<Region, Vec<Party<'m>>> {
        let mut by: BTreeMap<(GroupId, Option<VpcId>), Vec<&Node>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.kind == Kind::Vpc) {
            let alone = (!grouped).then_some(node.id);
            by.entry(((node.region, node.account), alone)).or_default().push(node);
        }
        let mut parties: BTreeMap<Region, Vec<Party>> = BTreeMap::new();
        for (((region, _), _), mut members) in by {
            members.sort_by(|a, b| {
                let place = |node: &Node| self.place(node.id);
                place(a).total_cmp(&place(b)).then_with(|| (&a.name, a.id).cmp(&(&b.name, b.id)))
            });
            let known: Vec<f64> =
                members.iter().filter_map(|node| self.places.get(&node.id).copied()).collect();
            let place = match known.len() {
                0 => f64::INFINITY,
                n => known.iter().sum::<f64>() / n as f64,
            };
            parties.entry(region).or_default().push(Party { region, place, members });
        }
        for list in parties.values_mut() {
            list.sort_by(|a, b| a.place.total_cmp(&b.place).then_with(|| a.name().cmp(&b.name())));
        }
        parties
    }

    /// Where a VPC would like to stand; last of all if it is peered with nothing.
    fn place(&self, vpc: VpcId) -> f64 {
        self.places.get(&vpc).copied().unwrap_or(f64::INFINITY)
    }

    fn put<'m>(
        &self,
        shown: &mut Shown<'m>,
        item_of: &mut BTreeMap<VpcId, usize>,
        node: &'m Node,
        group: Option<usize>,
    ) {
        item_of.insert(node.id, shown.items.len());
        let open = self.asked.open.contains(&node.id) || self.chosen.contains(&node.id);
        let what = What::Node {
            node,
            open,
            hit: !self.asked.query.is_empty() && self.hits.contains(&node.id),
            peerings: self.states.get(&node.id).map_or(0, |(_, live)| *live),
        };
        shown.items.push(Item { region: node.region, left: node.kind == Kind::Space, what, group });
    }

    fn put_group<'m>(
        &self,
        shown: &mut Shown<'m>,
        item_of: &mut BTreeMap<VpcId, usize>,
        party: &Party<'m>,
    ) {
        let Some(first) = party.members.first() else { return };
        let id = (party.region, first.account);
        let open = self.asked.groups.contains(&id);
        let sign = |node: &Node| self.states.get(&node.id).map(|(sign, _)| *sign);
        let asked_for = |node: &Node| {
            self.chosen.contains(&node.id)
                || self.asked.open.contains(&node.id)
                || (!self.asked.query.is_empty() && self.hits.contains(&node.id))
        };
        // Those that are asked for come first, then what needs somebody.
        let mut singles: Vec<&Node> =
            party.members.iter().copied().filter(|node| open || asked_for(node)).collect();
        singles.sort_by_key(|node| (!asked_for(node), std::cmp::Reverse(sign(node))));
        let singles: BTreeSet<VpcId> =
            singles.iter().take(MOST_OF_GROUP).map(|node| node.id).collect();
        let mut states = BTreeMap::new();
        for sign in party.members.iter().filter_map(|node| sign(node)) {
            *states.entry(sign).or_default() += 1;
        }
        let at = shown.items.len();
        let (nodes, cells): (Vec<&Node>, Vec<&Node>) =
            party.members.iter().partition(|node| singles.contains(&node.id));
        item_of.extend(cells.iter().map(|node| (node.id, at)));
        shown.items.push(Item {
            region: party.region,
            left: false,
            what: What::Group {
                id,
                name: first.account_name.as_deref(),
                count: party.members.len(),
                states,
                cells: cells.iter().map(|node| sign(node)).collect(),
                open,
            },
            group: None,
        });
        for node in nodes {
            self.put(shown, item_of, node, Some(at));
        }
    }
}

/// Puts peerings together by the boxes that they join. One inside of a box is no line.
fn bundles<'m>(peerings: &[&'m Peering], item_of: &BTreeMap<VpcId, usize>) -> Vec<Bundle<'m>> {
    let mut by: BTreeMap<[usize; 2], Vec<&Peering>> = BTreeMap::new();
    for peering in peerings {
        let [Some(a), Some(b)] = peering.ends().map(|vpc| item_of.get(&vpc).copied()) else {
            continue;
        };
        if a != b {
            by.entry([a.min(b), a.max(b)]).or_default().push(peering);
        }
    }
    let bundle = |(ends, mut peerings): ([usize; 2], Vec<&'m Peering>)| {
        if peerings.iter().any(|peering| peering.sign() != Sign::Ended) {
            peerings.retain(|peering| peering.sign() != Sign::Ended);
        }
        Bundle { ends, peerings }
    };
    by.into_iter().map(bundle).collect()
}
