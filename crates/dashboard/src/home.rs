//! The first page: what waits for a viewer, and what they have.

use askama::Template;
use model::{DynoState, InstanceState, Key, PeeringSide, Space, SpaceState, Vpc};

use crate::app_paths;
use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, listed, mono, text};
use crate::paths;
use crate::peerings::used;
use crate::shell::Shell;
use crate::viewer::vpc_name;
use crate::waiting::{Item, waiting};

/// The most things that wait that are shown, and the most rows of a table.
const MOST_ITEMS: usize = 20;
const MOST_ROWS: usize = 12;
/// The most peers of a VPC that its row names.
const MOST_PEERS: usize = 4;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    shell: Shell<'a>,
    items: Vec<Item>,
    items_more: Option<Markup>,
    items_count: usize,
    /// Whether the viewer has neither a space nor a VPC yet.
    begins: bool,
    sees_spaces: bool,
    spaces: Vec<SpaceRow>,
    spaces_count: usize,
    spaces_more: Option<Markup>,
    new_space: Markup,
    sees_vpcs: bool,
    vpcs: Vec<VpcRow>,
    vpcs_count: usize,
    vpcs_more: Option<Markup>,
    new_vpc: Markup,
}

struct SpaceRow {
    name: String,
    path: String,
    state: Markup,
    region: String,
    block: String,
    apps: usize,
    apps_path: String,
    dynos: Markup,
    peerings: Markup,
    team: String,
}

struct VpcRow {
    name: String,
    path: String,
    id: String,
    region: String,
    blocks: Markup,
    subnets: usize,
    instances: Markup,
    peered: Markup,
    account: String,
}

/// The first page.
pub fn home(of: &Context<'_>) -> askama::Result<String> {
    let (t, world, viewer) = (of.texts(), of.world, of.viewer);
    let (spaces, vpcs) = (viewer.spaces(world), viewer.vpcs(world));
    let (spaces_count, vpcs_count) = (spaces.len(), vpcs.len());
    let spaces = spaces.into_iter().take(MOST_ROWS).map(|space| space_row(of, space));
    let vpcs = vpcs.into_iter().take(MOST_ROWS).map(|vpc| vpc_row(of, vpc));
    let mut items = waiting(of);
    let items_count = items.len();
    items.truncate(MOST_ITEMS);
    let more = |count: usize, most: usize, text_of_more: &str| {
        let left = count.saturating_sub(most);
        (left > 0).then(|| fill(text_of_more, &[("n", text(left))]))
    };
    let team = viewer.user.and_then(|user| world.teams_of(Key::User(user)).next());
    let team = team.map_or_else(|| "TEAM".to_owned(), |team| team.name.clone());
    Home {
        shell: Shell::new(of, t.home.into()),
        items,
        items_more: more(items_count, MOST_ITEMS, t.search.more_wait),
        items_count,
        begins: spaces_count == 0 && vpcs_count == 0,
        sees_spaces: viewer.platform_caller().is_some(),
        spaces: spaces.collect(),
        spaces_count,
        spaces_more: more(spaces_count, MOST_ROWS, t.search.more_rows),
        new_space: command(t, &["heroku", "spaces:create", "my-space", &format!("--team {team}")]),
        sees_vpcs: viewer.account.is_some() || viewer.operator,
        vpcs: vpcs.collect(),
        vpcs_count,
        vpcs_more: more(vpcs_count, MOST_ROWS, t.search.more_rows),
        new_vpc: command(t, &["aws", "ec2", "create-vpc", "--cidr-block 10.100.0.0/16"]),
    }
    .render()
}

fn space_row(of: &Context<'_>, space: &Space) -> SpaceRow {
    let (t, world) = (of.texts(), of.world);
    let key = Key::Space(space.id);
    let n_of_m = |n: usize, m: usize| fill(t.n_of_m, &[("n", text(n)), ("of", text(m))]);
    let (mut up, mut wanted) = (0, 0);
    for dyno in world.dynos_in(key).filter(|dyno| dyno.is_live() && !dyno.superseded) {
        wanted += 1;
        up += usize::from(dyno.state == DynoState::Up);
    }
    let (count, limit) = used(of, space);
    SpaceRow {
        name: space.name.clone(),
        path: paths::network(space),
        state: match space.state {
            SpaceState::Allocated => Sign::Ok.with(t.state_allocated),
            SpaceState::Allocating => Sign::Move.with(t.state_allocating),
        },
        region: space.region.to_string(),
        block: space.cidr.to_string(),
        apps: world.apps_in(key).count(),
        apps_path: app_paths::apps(space),
        dynos: if wanted == 0 { t.none.into() } else { n_of_m(up, wanted) },
        peerings: n_of_m(count, limit.into()),
        team: world.team(space.team).map(|team| team.name.clone()).unwrap_or_default(),
    }
}

fn vpc_row(of: &Context<'_>, vpc: &Vpc) -> VpcRow {
    let (t, world) = (of.texts(), of.world);
    let key = Key::Vpc(vpc.id);
    let (mut up, mut all) = (0, 0);
    let instances = world.instances_of(Key::Account(vpc.account));
    for instance in instances.filter(|instance| instance.vpc == vpc.id) {
        match instance.state {
            InstanceState::Running => (up, all) = (up + 1, all + 1),
            InstanceState::Terminated => {}
            _ => all += 1,
        }
    }
    let peered = world.peerings_of(key).filter(|peering| peering.carries());
    let peered: Vec<_> = peered.filter_map(|peering| peering.other_side(vpc.id)).collect();
    VpcRow {
        name: vpc_name(vpc),
        path: paths::vpc(vpc),
        id: vpc.id.to_string(),
        region: vpc.region.to_string(),
        blocks: listed(vpc.blocks().map(mono)),
        subnets: world.subnets_in(key).count(),
        instances: match all {
            0 => t.none.into(),
            all => fill(t.n_of_m, &[("n", text(up)), ("of", text(all))]),
        },
        peered: named(of, peered),
        account: vpc.account.to_string(),
    }
}

/// The first of some peers by name, and how many more there are.
fn named(of: &Context<'_>, peers: Vec<&PeeringSide>) -> Markup {
    let t = of.texts();
    let left = peers.len().saturating_sub(MOST_PEERS);
    let first = peers.iter().take(MOST_PEERS).map(|side| of.viewer.peer(of.world, side.vpc));
    let more = (left > 0).then(|| fill(t.map.n_more, &[("n", text(left))]));
    match peers.is_empty() {
        true => t.none.into(),
        false => listed(first.chain(more)),
    }
}
