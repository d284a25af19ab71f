use model::{Change, Key, PeeringState, PeeringStatus, Timestamp, VpcId};

use super::{both, drawn, fixture, lines, operator};
use crate::map::{Asked, Cell, Health, Kind, Map, Matrix, Passage, Place, Sign};
use crate::{Language, Viewer};

fn user(n: usize) -> Viewer {
    Viewer { user: Some(fixture::uuid(n)), ..Viewer::default() }
}

fn team() -> Viewer {
    user(1)
}

fn account(n: usize) -> Viewer {
    Viewer { account: Some(fixture::account(n)), ..Viewer::default() }
}

fn map(world: &model::World, viewer: Viewer, query: &str) -> Map {
    Map::of(world, viewer, &Asked::read(query), fixture::NOW)
}

fn vpc(n: usize) -> VpcId {
    fixture::id(n)
}

#[test]
fn a_team_sees_of_others_what_the_platform_api_shows() {
    let world = fixture::small().world;
    let open = format!("open={}&q=1", vpc(fixture::PAYMENTS));
    for query in ["", "q=payments", "q=i-", "q=10.64.0.10", &open, "q=archives"] {
        let html = drawn(&world, team(), query, Language::English);
        for secret in ["payments-prod", "app-a", "10.64.0.10<", "archives", "warehouse"] {
            assert!(!html.contains(&format!(">{secret}")), "{secret} with {query}");
        }
    }
    let map = map(&world, team(), "");
    let other = map.nodes.iter().find(|node| node.id == vpc(fixture::PAYMENTS)).unwrap();
    assert_eq!((other.own, other.name.clone()), (false, vpc(fixture::PAYMENTS).to_string()));
    assert_eq!(other.blocks.len(), 1, "the Platform API shows blocks");
    assert!(map.nodes.iter().all(|node| node.id != vpc(fixture::SEARCH)), "it is not peered");
    assert!(map.peerings.iter().all(|peering| peering.id != fixture::id(7)), "VPCs of another");
    let nobody = Map::of(&world, user(9), &Asked::default(), fixture::NOW);
    assert_eq!(nobody, Map::default());
}

#[test]
fn an_account_sees_of_others_what_ec2_shows() {
    let world = fixture::small().world;
    for query in ["", "q=10.0.128.11", "q=spaces", "q=shop", "q=web"] {
        let html = drawn(&world, account(1), query, Language::English);
        for secret in ["spaces-peering-example", "spaces/web", "dynos", "10.0.128"] {
            assert!(!html.contains(&format!(">{secret}")), "{secret} with {query}");
        }
    }
    let seen = map(&world, account(1), "");
    let kind = |n| seen.nodes.iter().find(|node| node.id == vpc(n)).map(|node| node.kind);
    assert_eq!(kind(10_001), Some(Kind::Space), "the platform's account is known");
    assert_eq!(kind(10_003), None, "it is peered with another's");
    let blocks = |n| seen.nodes.iter().find(|node| node.id == vpc(n)).unwrap().blocks.len();
    assert_eq!(blocks(10_001), 1, "an active peering tells the blocks of both");
    assert_eq!(blocks(10_002), 0, "one that was rejected does not (ec2.md §1.2)");
    let lone = map(&world, account(2), "");
    assert_eq!(lone.nodes.len(), 2);
}

#[test]
fn what_is_anothers_is_only_chosen_by_its_address() {
    let world = fixture::small().world;
    let instance = |n| {
        let vpc = vpc(n);
        world.instances().find(|instance| instance.vpc == vpc).unwrap().id
    };
    let (ours, theirs) = (instance(fixture::PAYMENTS), instance(fixture::ARCHIVE));
    let to = |viewer: Viewer, to: &str| {
        map(&world, viewer, &format!("from=billing%2Fweb.1&to={to}&port=80")).chosen
    };
    assert_eq!(to(team(), &ours.to_string()).to, None);
    assert_eq!(to(team(), &theirs.to_string()).to, None);
    assert_eq!(to(team(), "i-00000000000000000").to, None);
    let address = format!("{}%2F10.200.0.10", vpc(fixture::ARCHIVE));
    assert_eq!(to(team(), &address).verdict, Some(Passage::Passes));
    assert_eq!(to(account(1), &address).from, None, "there is no such app, for them");
}

#[test]
fn peerings_have_signs_for_what_is_known_of_them() {
    let world = fixture::small().world;
    let seen = map(&world, both(), "");
    let of = |n| *seen.peerings.iter().find(|p| p.id == fixture::id(n)).unwrap();
    assert_eq!(of(1).sign(), Sign::Ok);
    assert_eq!(of(2).sign(), Sign::Waiting);
    assert_eq!((of(3).sign(), of(3).health), (Sign::Warning, Health::Unacceptable), "10.1.0.0/16");
    assert_eq!((of(6).sign(), of(6).status), (Sign::Ended, PeeringStatus::Rejected));
    assert_eq!((of(7).sign(), of(7).health), (Sign::Bad, Health::NoRoute), "no way back");
    assert_eq!(of(8).sign(), Sign::Moving);
    let asked = map(&world, both(), "port=8000");
    let of = |n| *asked.peerings.iter().find(|p| p.id == fixture::id(n)).unwrap();
    assert_eq!((of(1).health, of(4).health), (Health::Stopped, Health::Fine), "by their groups");
    let late = Timestamp::from_millis(fixture::NOW.millis() + 8 * 24 * 3_600_000);
    let later = Map::of(&world, both(), &Asked::default(), late);
    assert_eq!(later.peerings.iter().find(|p| p.id == fixture::id(2)).unwrap().sign(), Sign::Ended);
}

#[test]
fn the_requester_is_not_told_why_it_cannot_be_accepted() {
    let world = fixture::small().world;
    let seen = map(&world, account(1), "");
    let pending = seen.peerings.iter().find(|p| p.id == fixture::id(3)).unwrap();
    assert_eq!(pending.health, Health::Fine);
}

#[test]
fn verdicts_say_where_packets_stop() {
    let mut f = fixture::small();
    let query = format!("from=spaces%2Fweb.1&to={}%2F10.64.0.10&port=8000", vpc(fixture::PAYMENTS));
    let stops = |place, answer| Some(Passage::Stops { place, answer });
    let verdict = |f: &fixture::Fixture| map(&f.world, both(), &query).chosen.verdict;
    assert_eq!(verdict(&f), stops(Place::To, false), "by the group");
    f.let_in(fixture::PAYMENTS, "10.0.0.0/16");
    assert_eq!(verdict(&f), Some(Passage::Passes));
    let table =
        model::RouteTable::clone(f.world.route_table(fixture::id(fixture::PAYMENTS)).unwrap());
    f.put(model::RouteTable { routes: Default::default(), ..table.clone() });
    assert_eq!(verdict(&f), stops(Place::To, true), "no way back");
    f.put(table);
    let own = model::RouteTable::clone(f.world.route_table(fixture::id(10_001)).unwrap());
    f.put(model::RouteTable { routes: Default::default(), ..own });
    assert_eq!(verdict(&f), stops(Place::From, false), "no way there");
}

#[test]
fn ended_peerings_go_from_the_map_as_from_the_apis() {
    let mut f = fixture::small();
    f.world.apply(&Change::Delete(Key::Peering(fixture::id(1))));
    let late = Timestamp::from_millis(fixture::NOW.millis() + 3 * 24 * 3_600_000);
    let gone = Map::of(&f.world, both(), &Asked::default(), late);
    assert!(gone.peerings.iter().all(|p| p.id != fixture::id(6) && p.id != fixture::id(1)));
}

#[test]
fn the_matrix_says_who_reaches_whom() {
    let world = fixture::small().world;
    let asked = Asked::read("port=8000");
    let matrix = Matrix::of(&world, both(), &asked, fixture::NOW);
    let cell = |from: &str, to: &str| {
        let at = |heads: &[crate::map::Head], name: &str| {
            heads.iter().position(|head| head.name == name).unwrap_or_else(|| panic!("no {name}"))
        };
        matrix.cells[at(&matrix.rows.heads, from)][at(&matrix.columns.heads, to)]
    };
    let count = |cell| match cell {
        Cell::Flows { all, seen, stopped, .. } => (all, seen, stopped),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(cell("spaces/web", "payments-prod")), (6, 6, 6));
    assert_eq!(count(cell("spaces/worker", "warehouse")), (1, 1, 0));
    assert_eq!(cell("spaces/web", "search-eu"), Cell::NoPeering);
    assert!(matches!(cell("spaces/web", "ledger"), Cell::Peering(p) if p.sign() == Sign::Warning));
    assert_eq!(count(cell("orders", "payments-prod")).2, 3, "two VPCs");
    assert_eq!(cell("orders", "orders"), Cell::Itself);
    let archive = vpc(fixture::ARCHIVE).to_string();
    assert_eq!(cell("billing/web", &archive), Cell::OwnSide(true), "it is another's");
    let html = lines(&matrix.html(&asked, Language::English));
    assert!(!html.contains("10.200.0.10"), "nothing of another's");
    let reversed = Matrix::of(&world, both(), &Asked::read("reversed=1"), fixture::NOW);
    assert!(reversed.rows.heads.iter().all(|head| head.node.kind == Kind::Vpc));
    let peered = Matrix::of(&world, both(), &Asked::read("peered=1"), fixture::NOW);
    assert!(peered.columns.heads.iter().all(|head| head.name != "search-eu"));
}

#[test]
fn the_work_for_a_matrix_is_bounded() {
    let world = fixture::large(100, 40, 500, 1000).world;
    let mut looked_at = 0;
    for query in ["", "reversed=1", "rows=1&columns=3", "rows=9999&columns=9999"] {
        let asked = Asked::read(query);
        let matrix = Matrix::of(&world, operator(), &asked, fixture::NOW);
        assert!(matrix.rows.heads.len() <= 40 && matrix.columns.heads.len() <= 40, "{query}");
        let seen = matrix.cells.iter().flatten().map(|cell| match cell {
            Cell::Flows { seen, .. } => *seen,
            _ => 0,
        });
        looked_at = looked_at.max(seen.sum());
        assert!(!matrix.rows.heads.is_empty() && !matrix.columns.heads.is_empty(), "{query}");
    }
    assert!((1..=1000).contains(&looked_at), "{looked_at}");
}

#[test]
fn a_peering_that_lives_hides_those_that_ended() {
    let mut f = fixture::small();
    f.peering(9, fixture::PAYMENTS, 10_001, PeeringState::Deleted);
    let html = drawn(&f.world, both(), "", Language::English);
    assert!(!html.contains("deleted"), "the pair has a peering that is active");
}
