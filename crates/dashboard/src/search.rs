//! Finds what a viewer sees by a part of its name, its id, its block or its address.

use askama::Template;
use model::{InstanceState, Key};

use crate::app_paths;
use crate::context::Context;
use crate::markup::{Markup, fill, text};
use crate::paths;
use crate::shell::{Shell, counted};
use crate::viewer::{name_in, vpc_name};

/// The most things that are shown.
const MOST: usize = 50;
/// The most characters that are searched for. No name and no id is longer.
const LONGEST: usize = 256;

#[derive(Template)]
#[template(path = "search.html")]
struct Search<'a> {
    shell: Shell<'a>,
    hits: Vec<Hit>,
    count: Option<Markup>,
    /// What is said where nothing was found.
    none: Option<Markup>,
    /// What is said where there is more than is shown.
    more: Option<Markup>,
}

/// Something that was found.
#[derive(Debug)]
struct Hit {
    kind: &'static str,
    name: String,
    id: String,
    /// Another id by which it is found, if there is one.
    also: String,
    /// Its blocks, or its address.
    at: String,
    /// What it belongs to.
    place: String,
    path: String,
}

impl Hit {
    /// How well it is what was searched for: 0 if it is just that, 1 if that begins it, 2 if that is a
    /// part of it; `None` if it is not. `query` is in lower case.
    fn rank(&self, query: &str) -> Option<u8> {
        let parts = [&self.name, &self.id, &self.also].into_iter().map(String::as_str);
        let parts = parts.chain(self.at.split(", "));
        parts.filter_map(|part| rank(&part.to_lowercase(), query)).min()
    }
}

fn rank(part: &str, query: &str) -> Option<u8> {
    match part.find(query)? {
        0 if part.len() == query.len() => Some(0),
        0 => Some(1),
        _ => Some(2),
    }
}

/// What a viewer finds: the best first.
pub fn search<'a>(of: &Context<'a>, query: &'a str) -> askama::Result<String> {
    let t = &of.texts().search;
    let query = query.trim();
    let wanted = query.to_lowercase();
    let mut ranked: Vec<(u8, Hit)> = Vec::new();
    if !wanted.is_empty() && wanted.len() <= LONGEST {
        let all = everything(of).into_iter();
        ranked.extend(all.filter_map(|hit| Some((hit.rank(&wanted)?, hit))));
        // Kinds, and names within each, are in their order already.
        ranked.sort_by_key(|(rank, _)| *rank);
    }
    let found = ranked.len();
    let hits: Vec<Hit> = ranked.into_iter().map(|(_, hit)| hit).take(MOST).collect();
    let shown: String = query.chars().take(LONGEST).collect();
    Search {
        count: (found > 0).then(|| counted(t.found_one, t.found_other, found)),
        none: (found == 0 && !query.is_empty())
            .then(|| fill(t.found_none, &[("query", text(shown))])),
        more: (found > MOST).then(|| fill(t.found_more, &[("n", text(MOST))])),
        shell: Shell { query, ..Shell::new(of, t.title.into()) },
        hits,
    }
    .render()
}

/// Everything that a viewer sees, kind by kind, each by name.
fn everything(of: &Context<'_>) -> Vec<Hit> {
    let (t, world, viewer) = (&of.texts().search, of.world, of.viewer);
    let (spaces, vpcs) = (viewer.spaces(world), viewer.vpcs(world));
    let mut hits: Vec<Hit> = Vec::new();
    hits.extend(spaces.iter().map(|space| Hit {
        kind: t.kind_space,
        name: space.name.clone(),
        id: space.id.to_string(),
        also: String::new(),
        at: space.cidr.to_string(),
        place: space.region.to_string(),
        path: paths::network(space),
    }));
    for space in &spaces {
        let mut apps: Vec<_> = world.apps_in(Key::Space(space.id)).collect();
        apps.sort_by(|a, b| a.name.cmp(&b.name));
        hits.extend(apps.into_iter().map(|app| Hit {
            kind: t.kind_app,
            name: app.name.clone(),
            id: app.id.to_string(),
            also: String::new(),
            at: String::new(),
            place: space.name.clone(),
            path: app_paths::app(space, app),
        }));
    }
    hits.extend(peerings(of));
    hits.extend(vpcs.iter().map(|vpc| Hit {
        kind: t.kind_vpc,
        name: vpc_name(vpc),
        id: vpc.id.to_string(),
        also: String::new(),
        at: vpc.blocks().map(|block| block.to_string()).collect::<Vec<_>>().join(", "),
        place: vpc.region.to_string(),
        path: paths::vpc(vpc),
    }));
    for vpc in &vpcs {
        let instances = world.instances_of(Key::Account(vpc.account));
        let mut instances: Vec<_> = instances
            .filter(|one| one.vpc == vpc.id && one.state != InstanceState::Terminated)
            .map(|one| (name_in(&one.tags, one.id), one))
            .collect();
        instances.sort_by(|a, b| (&a.0, a.1.id).cmp(&(&b.0, b.1.id)));
        hits.extend(instances.into_iter().map(|(name, instance)| Hit {
            kind: t.kind_instance,
            name,
            id: instance.id.to_string(),
            also: String::new(),
            at: instance.address.to_string(),
            place: vpc_name(vpc),
            path: paths::vpc(vpc),
        }));
    }
    hits
}

/// The peerings that a viewer sees, from the side of a space where they see both.
fn peerings(of: &Context<'_>) -> Vec<Hit> {
    let (t, world) = (&of.texts().search, of.world);
    let hit = |peering: &model::Peering, name: &str, side: &model::PeeringSide, path| Hit {
        kind: t.kind_peering,
        name: peering.id.to_string(),
        id: peering.id.to_string(),
        also: side.vpc.to_string(),
        at: side.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        place: name.to_owned(),
        path,
    };
    let mut hits: Vec<Hit> = Vec::new();
    for space in of.viewer.spaces(world) {
        for peering in world.space_peerings(space, of.now) {
            if let Some(side) = peering.other_side(space.vpc).filter(|_| peering.is_customers()) {
                let path = paths::review(space, peering.id);
                hits.push(hit(peering, &space.name, side, path));
            }
        }
    }
    for vpc in of.viewer.vpcs(world) {
        for peering in world.peerings_of(Key::Vpc(vpc.id)) {
            let seen = peering.visible_to(vpc.account, vpc.region, of.now);
            if let Some(side) = peering.other_side(vpc.id).filter(|_| seen) {
                hits.push(hit(peering, &vpc_name(vpc), side, paths::vpc(vpc)));
            }
        }
    }
    hits.sort_by(|a, b| a.name.cmp(&b.name));
    hits.dedup_by(|b, a| a.name == b.name);
    hits
}
