use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Cidr, PcxId, PeeringStatus, Region, VpcId};
use proptest::prelude::*;

use super::{fixture, operator};
use crate::Language;
use crate::map::frame::{Layout, Rect};
use crate::map::narrow::narrow;
use crate::map::select::Shown;
use crate::map::text::{Face, width};
use crate::map::trace::Trace;
use crate::map::wide::wide;
use crate::map::{
    Asked, Chosen, End, Health, Kind, Map, Node, Passage, Peering, Place, Point, Sign, Subnet,
    SubnetRole,
};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,12}-[a-z]{1,30}",
        "[<>&\"'/ a-z]{1,40}",
        "\\PC{1,60}",
        any::<String>(),
        Just("データベース本番環境の長い名前のネットワーク".to_owned()),
        Just("\u{202e}\" onload=alert(1) x=\"".to_owned()),
    ]
}

fn subnet(n: usize) -> impl Strategy<Value = Subnet> {
    let sign = prop_oneof![Just(Sign::Ok), Just(Sign::Moving), Just(Sign::Bad), Just(Sign::Ended)];
    let end = (name(), 0u8..6, sign);
    let role = prop_oneof![Just(SubnetRole::Dynos), name().prop_map(SubnetRole::Named)];
    (prop::collection::vec(end, 0..12), role).prop_map(move |(ends, role)| Subnet {
        id: fixture::id(n),
        cidr: format!("10.200.{n}.0/24").parse().unwrap(),
        role,
        ends: ends
            .into_iter()
            .map(|(name, last, sign)| End { name, address: [10, 200, n as u8, last].into(), sign })
            .collect(),
    })
}

fn node(n: usize) -> impl Strategy<Value = Node> {
    let subnets = (0..4usize).prop_flat_map(|count| (0..count).map(subnet).collect::<Vec<_>>());
    let blocks = prop::collection::vec(Just(Cidr::new(100, 100, 192, 0, 20)), 0..3);
    (name(), prop::option::of(name()), 0..3usize, 0..4usize, any::<bool>(), 0..3u8, subnets, blocks)
        .prop_map(move |(name, account, region, of, own, kind, subnets, blocks)| Node {
            id: fixture::id(n),
            kind: if kind == 0 { Kind::Space } else { Kind::Vpc },
            region: REGIONS[region].parse().unwrap(),
            name,
            blocks,
            account: fixture::account(of),
            account_name: account,
            own,
            subnets,
            data: (kind == 0).then_some(Cidr::new(10, 1, 0, 0, 16)),
        })
}

fn peering(nodes: usize) -> impl Strategy<Value = Peering> {
    use PeeringStatus as S;
    let status = prop::sample::select(vec![
        S::Active,
        S::Active,
        S::Active,
        S::PendingAcceptance,
        S::Provisioning,
        S::Expired,
        S::Rejected,
    ]);
    let health = prop::sample::select(vec![
        Health::Fine,
        Health::Fine,
        Health::NoRoute,
        Health::Unacceptable,
    ]);
    (0..nodes, 0..nodes, status, health, any::<u16>()).prop_map(|(a, b, status, health, n)| {
        Peering {
            id: fixture::id(usize::from(n)),
            requester: fixture::id(a),
            accepter: fixture::id(b),
            status,
            health,
        }
    })
}

fn passage() -> impl Strategy<Value = Option<Passage>> {
    let place = prop::sample::select(vec![Place::From, Place::Peering, Place::To]);
    let stops = (place, any::<bool>()).prop_map(|(place, answer)| Passage::Stops { place, answer });
    prop::option::of(prop_oneof![Just(Passage::Passes), stops])
}

/// A map of up to so many nodes, and what is asked of it.
fn any_map(most: usize) -> impl Strategy<Value = (Map, Asked)> {
    let nodes = (1..=most).prop_flat_map(|count| (0..count).map(node).collect::<Vec<_>>());
    nodes.prop_flat_map(|nodes| {
        let count = nodes.len();
        let peerings = prop::collection::vec(peering(count), 0..2 * count);
        let open = prop::collection::btree_set(0..count, 0..3);
        let groups = prop::collection::btree_set((0..3usize, 0..4usize), 0..2);
        let ends = prop::option::of((0..count, 0..count, 0u8..8, 0u8..8));
        (Just(nodes), peerings, open, groups, ends, passage(), prop::option::of("[a-c1]{1,2}"))
            .prop_map(|(nodes, mut peerings, open, groups, ends, verdict, query)| {
                let mut seen = BTreeSet::new();
                peerings.retain(|peering: &Peering| seen.insert(peering.id));
                let point = |n: usize, last: u8| Point {
                    vpc: fixture::id(n),
                    address: [10, 200, 0, last].into(),
                };
                let mut asked = Asked { query: query.unwrap_or_default(), ..Asked::default() };
                asked.open = open.into_iter().map(fixture::id).collect();
                asked.groups = groups
                    .into_iter()
                    .map(|(region, of)| (REGIONS[region].parse().unwrap(), fixture::account(of)))
                    .collect();
                let chosen = ends.map_or_else(Chosen::default, |(a, b, x, y)| Chosen {
                    from: Some(point(a, x)),
                    to: Some(point(b, y)),
                    verdict,
                });
                (Map { nodes, peerings, chosen }, asked)
            })
    })
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn holds(outer: Rect, inner: Rect) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && inner.right() <= outer.right() + 0.01
        && inner.bottom() <= outer.bottom() + 0.01
}

fn check_boxes(shown: &Shown<'_>, layout: &Layout<'_>) -> Result<(), TestCaseError> {
    for (n, (item, one)) in shown.items.iter().zip(&layout.boxes).enumerate() {
        let whole = Rect { x: 0.0, y: 0.0, w: layout.width, h: layout.height };
        prop_assert!(holds(whole, one.rect), "{:?} in {whole:?}", one.rect);
        for band in layout.bands.iter().filter(|band| band.region == item.region) {
            prop_assert!(band.border.is_none_or(|border| holds(border, one.rect)));
        }
        for (_, top) in &one.rows {
            prop_assert!(one.rect.y + one.head <= top + 0.01 && top + 24.0 <= one.rect.bottom());
        }
        for (m, other) in layout.boxes.iter().enumerate().skip(n + 1) {
            if shown.items[m].group == Some(n) {
                prop_assert!(holds(one.rect, other.rect), "{:?} {:?}", one.rect, other.rect);
                prop_assert!(one.rect.y + one.head <= other.rect.y, "it covers the cells");
            } else {
                prop_assert!(!overlap(one.rect, other.rect), "{:?} {:?}", one.rect, other.rect);
            }
        }
    }
    Ok(())
}

fn check_lines(shown: &Shown<'_>, layout: &Layout<'_>) -> Result<(), TestCaseError> {
    for line in &layout.lines {
        let bundle = &shown.bundles[line.bundle];
        let (from, to) = line.trace.ends().unwrap();
        for (end, (x, y)) in bundle.ends.into_iter().zip([from, to]) {
            let rect = layout.boxes[end].rect;
            prop_assert!(x == rect.x || x == rect.right(), "{x} of {rect:?}");
            prop_assert!(rect.y <= y && y <= rect.bottom(), "{y} of {rect:?}");
        }
        if let Trace::Bent(dots) = &line.trace {
            for pair in dots.windows(2) {
                let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
                prop_assert!((ax - bx).abs() < 0.01 || (ay - by).abs() < 0.01, "{dots:?}");
                prop_assert!((0.0..=layout.width).contains(&ax), "{dots:?}");
                prop_assert!((-0.01..=layout.height).contains(&ay), "{dots:?}");
            }
        }
    }
    Ok(())
}

/// The value of an attribute.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// Every tag, with the text behind it.
fn tags(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.split('<').skip(1).map(|part| part.split_once('>').unwrap_or((part, "")))
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

/// No text is wider than the box that it is in.
fn check_labels(html: &str) -> Result<(), TestCaseError> {
    let number = |tag: &str, name: &str| attribute(tag, name).and_then(|n| n.parse::<f32>().ok());
    let mut within = None;
    for (tag, text) in tags(html) {
        let class = attribute(tag, "class").unwrap_or_default();
        if tag.starts_with("rect") {
            within = number(tag, "x").zip(number(tag, "width")).filter(|_| class != "reg");
        }
        if !tag.starts_with("text") || matches!(class, "ct" | "s h") {
            continue;
        }
        let (left, w) = within.unwrap();
        let face = match class {
            "h" => Face::Bold,
            class if class.starts_with("mm") => Face::Mono,
            _ => Face::Sans,
        };
        let (x, wide) = (number(tag, "x").unwrap(), width(&unescaped(text), face));
        let (from, to) = if tag.contains("text-anchor") { (x - wide, x) } else { (x, x + wide) };
        // Subnets have no box: their text stands in what the row before it had.
        let slack = 9.0;
        prop_assert!(
            left - slack <= from && to <= left + w + slack,
            "{text:?} {from} {to} {left} {w}"
        );
    }
    Ok(())
}

/// Nothing that somebody named becomes markup.
fn check_markup(html: &str) -> Result<(), TestCaseError> {
    const TAGS: [&str; 25] = [
        "div", "form", "label", "svg", "use", "input", "select", "option", "button", "span", "a",
        "rect", "circle", "path", "text", "g", "title", "p", "ul", "li", "table", "br", "ol", "h2",
        "b",
    ];
    const ATTRIBUTES: [&str; 32] = [
        "class",
        "id",
        "href",
        "x",
        "y",
        "width",
        "height",
        "rx",
        "r",
        "cx",
        "cy",
        "d",
        "viewBox",
        "role",
        "aria-label",
        "aria-hidden",
        "aria-expanded",
        "aria-current",
        "text-anchor",
        "for",
        "name",
        "type",
        "value",
        "placeholder",
        "action",
        "selected",
        "checked",
        "tabindex",
        "title",
        "scope",
        "inputmode",
        "lang",
    ];
    for (tag, _) in tags(html) {
        let tag = tag.trim_end_matches('/');
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        prop_assert!(TAGS.contains(&name.trim_start_matches('/')), "{tag}");
        while !rest.is_empty() {
            let (attribute, after) = match rest.split_once("=\"") {
                Some((name, after)) if !name.contains(' ') => {
                    (name, after.split_once('"').map(|(_, after)| after).unwrap())
                }
                _ => rest.split_once(' ').unwrap_or((rest, "")),
            };
            prop_assert!(ATTRIBUTES.contains(&attribute), "{attribute} in {tag}");
            rest = after.trim_start();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn boxes_and_lines_are_where_they_belong((map, asked) in any_map(60)) {
        let shown = Shown::of(&map, &asked);
        for layout in [wide(&map, &shown), narrow(&map, &shown)] {
            check_boxes(&shown, &layout)?;
            check_lines(&shown, &layout)?;
        }
    }

    #[test]
    fn text_stays_in_its_box_and_text((map, asked) in any_map(36)) {
        for language in Language::ALL {
            let html = map.html(&asked, language);
            check_labels(&html)?;
            check_markup(&html)?;
            check_markup(&map.attention(language))?;
        }
    }

    #[test]
    fn the_order_of_what_comes_in_is_nothing((map, asked) in any_map(40), turn in 0..40usize) {
        let html = map.html(&asked, Language::English);
        let mut other = map.clone();
        other.nodes.reverse();
        let turn = turn % other.nodes.len();
        other.nodes.rotate_left(turn);
        other.peerings.reverse();
        prop_assert_eq!(html, other.html(&asked, Language::English));
    }
}

/// Whether two curves between the same columns cross.
fn cross(a: &Trace, b: &Trace) -> bool {
    let ends = |trace: &Trace| {
        let (from, to) = trace.ends().unwrap();
        if from.0 <= to.0 { (from.1, to.1) } else { (to.1, from.1) }
    };
    let (a, b) = (ends(a), ends(b));
    (a.0 - b.0) * (a.1 - b.1) < 0.0
}

#[test]
fn a_line_to_another_region_goes_around_what_is_chosen() {
    let world = fixture::small().world;
    let payments: VpcId = fixture::id(fixture::PAYMENTS);
    let point = |vpc, address: [u8; 4]| Some(Point { vpc, address: address.into() });
    let asked = Asked::default();
    let mut map = Map::of(&world, operator(), &asked, fixture::NOW);
    let space: VpcId = fixture::id(10_001);
    // From the first space of the region to the other one; and from the other one back.
    for (n, (from, to)) in
        [(10_001, fixture::ARCHIVE), (10_003, fixture::ORDERS), (10_003, fixture::LEDGER)]
            .into_iter()
            .enumerate()
    {
        map.peerings.push(Peering {
            id: fixture::id::<PcxId>(100 + n),
            requester: fixture::id(to),
            accepter: fixture::id(from),
            status: PeeringStatus::Active,
            health: Health::Fine,
        });
    }
    let staging: VpcId = fixture::id(10_002);
    for (from, to) in [
        (point(space, [10, 0, 128, 11]), point(payments, [10, 64, 0, 10])),
        (point(staging, [10, 32, 128, 1]), point(payments, [10, 64, 0, 10])),
        (point(staging, [10, 32, 128, 1]), point(fixture::id(fixture::LEDGER), [10, 1, 128, 1])),
        (point(payments, [10, 64, 0, 10]), point(space, [10, 0, 128, 11])),
    ] {
        map.chosen = Chosen { from, to, verdict: Some(Passage::Passes) };
        let shown = Shown::of(&map, &asked);
        let layout = wide(&map, &shown);
        let way = layout.way.as_ref().unwrap();
        let mut elsewhere = 0;
        for line in &layout.lines {
            let [a, b] = shown.bundles[line.bundle].ends.map(|end| shown.items[end].region);
            if a != b {
                elsewhere += 1;
                let curve = matches!(line.trace, Trace::Curve(..));
                assert!(!curve || !cross(&line.trace, &way.trace), "{from:?} {to:?} {line:?}");
            }
        }
        assert!(elsewhere >= 3);
        check_boxes(&shown, &layout).unwrap();
        check_lines(&shown, &layout).unwrap();
    }
}

#[test]
fn what_is_much_stays_small() {
    let world = fixture::large(100, 40, 500, 1000).world;
    let account = fixture::account(0);
    let group = format!("group=us-east-1%2F{account}");
    for query in ["", &group, "q=payments", "state=stopped"] {
        let asked = Asked::read(query);
        let map = Map::of(&world, operator(), &asked, fixture::NOW);
        assert_eq!((map.nodes.len(), map.peerings.len()), (600, 1000));
        let html = map.html(&asked, Language::English);
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(html.as_bytes()).unwrap();
        let packed = packed.finish().unwrap().len();
        println!("{query:?}: {} bytes, {packed} gzipped", html.len());
        assert!(packed <= 100_000, "{query}: {packed}");
    }
}

#[test]
fn many_vpcs_are_grouped_and_found_again() {
    let world = fixture::large(12, 9, 60, 90).world;
    let asked = Asked::default();
    let map = Map::of(&world, operator(), &asked, fixture::NOW);
    let shown = Shown::of(&map, &asked);
    assert!(shown.grouped && shown.items.len() < 60);
    let found = Asked::read("q=payments-007");
    let one = Shown::of(&map, &found);
    assert_eq!(one.found, Some(1));
    assert!(!one.grouped, "what is found is not hidden in a group");
    let region: Region =
        map.nodes.iter().find(|n| n.account == fixture::account(0)).unwrap().region;
    let opened = Asked { groups: [(region, fixture::account(0))].into(), ..Asked::default() };
    let more = Shown::of(&map, &opened);
    assert!(more.items.len() > shown.items.len());
    let by_address = Asked::read("q=172.20.7.10");
    let map = Map::of(&world, operator(), &by_address, fixture::NOW);
    assert_eq!(Shown::of(&map, &by_address).found, Some(1), "its instance has the address");
}
