//! What stands above every page of a space: what it is, and its pages side by side.

use model::{Key, Space, SpaceState};

use crate::app_paths;
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, strong, strong_mono, text};
use crate::moment;
use crate::paths;
use crate::tabs::{Tab, Tabs};

/// A page of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpacePage {
    Network,
    Apps,
    TrustedIps,
}

/// What stands above every page of a space. `space-head.html` shows it.
pub(crate) struct SpaceHead {
    pub(crate) name: String,
    pub(crate) state: Markup,
    pub(crate) team: Markup,
    pub(crate) region: Markup,
    pub(crate) block: Markup,
    pub(crate) since: Markup,
    pub(crate) tabs: Tabs,
}

impl SpaceHead {
    pub(crate) fn new(of: &Context<'_>, space: &Space, current: SpacePage) -> Self {
        let t = of.texts();
        Self {
            name: space.name.clone(),
            state: match space.state {
                SpaceState::Allocated => Sign::Ok.with(t.state_allocated),
                SpaceState::Allocating => Sign::Move.with(t.state_allocating),
            },
            team: fill(t.team, &[("team", strong(team_name(of, space)))]),
            region: strong(space.region),
            block: strong_mono(space.cidr),
            since: fill(t.since, &[("date", moment::date(t, space.created).into())]),
            tabs: tabs(of, space, current),
        }
    }
}

/// The name of the team that has a space.
pub(crate) fn team_name<'a>(of: &Context<'a>, space: &Space) -> &'a str {
    of.world.team(space.team).map_or("", |team| team.name.as_str())
}

fn tabs(of: &Context<'_>, space: &Space, current: SpacePage) -> Tabs {
    let t = of.texts();
    let tab = |page, path, name, count| Tab { path, name, count, is_current: page == current };
    let apps = of.world.apps_in(Key::Space(space.id)).count();
    Tabs {
        label: fill(t.apps.space_pages, &[("space", text(&space.name))]),
        tabs: vec![
            tab(SpacePage::Network, paths::network(space), t.network, 0),
            tab(SpacePage::Apps, app_paths::apps(space), t.column_apps, apps),
            tab(SpacePage::TrustedIps, app_paths::trusted_ips(space), t.apps.trusted_ips, 0),
        ],
    }
}
