//! What stands above every page of an app.

use model::edge::Domains;
use model::{App, DynoState, Key, Release, Space};

use crate::app_paths::{self, AppPart};
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, strong, text};
use crate::moment;
use crate::tabs::{Tab, Tabs};
use crate::texts::Texts;

/// An app, and the names under which routers serve it.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The space that it runs in, which the viewer must see.
    pub space: &'a Space,
    /// The app.
    pub app: &'a App,
    /// The platform's domains.
    pub domains: &'a Domains,
    /// Where it answers web requests.
    pub url: &'a str,
}

/// What stands above every page of an app. `app-head.html` shows it.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) space: String,
    pub(super) apps: String,
    /// How many dynos are up.
    pub(super) up: Markup,
    pub(super) routing: Markup,
    pub(super) release: Option<Markup>,
    pub(super) url: String,
    /// Whether browsers outside the space reach it.
    pub(super) is_public: bool,
    /// Where a form about the app goes.
    pub(super) action: String,
    /// Whether there are dynos that can be restarted.
    pub(super) may_restart: bool,
    pub(super) tabs: Tabs,
}

impl Head {
    pub(super) fn new(of: &Context<'_>, served: &Served<'_>, current: AppPart) -> Self {
        let t = of.texts();
        let Served { space, app, url, .. } = *served;
        let release = current_release(of, app).filter(|release| release.slug.is_some());
        let up = Up::of(of, app);
        Self {
            name: app.name.clone(),
            space: space.name.clone(),
            apps: app_paths::apps(space),
            up: up.sign(t),
            routing: match app.internal_routing {
                true => fill(t.apps.internal_on, &[("on", strong("on"))]),
                false => fill(t.apps.internal_off, &[("off", strong("off"))]),
            },
            release: release.map(|release| {
                let version = strong(format_args!("v{}", release.version));
                let date = moment::at(t, release.created);
                fill(t.apps.current_release, &[("version", version), ("date", date)])
            }),
            url: url.to_owned(),
            is_public: !app.internal_routing,
            action: app_paths::app(space, app),
            may_restart: up.all > 0,
            tabs: tabs(of, served, current),
        }
    }
}

fn tabs(of: &Context<'_>, served: &Served<'_>, current: AppPart) -> Tabs {
    let t = of.texts();
    let Served { space, app, .. } = *served;
    let key = Key::App(app.id);
    let tab = |part: AppPart| {
        let (name, count) = match part {
            AppPart::Dynos => (t.apps.tab_dynos, 0),
            AppPart::Releases => (t.apps.tab_releases, of.world.releases_of(key).count()),
            AppPart::Config => (t.apps.tab_config, app.config.len()),
            AppPart::Domains => (t.apps.tab_domains, 1 + app.domains.len()),
            AppPart::Services => (t.apps.tab_services, of.world.addons_of(key).count()),
        };
        let path = app_paths::app_part(space, app, part);
        Tab { path, name, count, is_current: part == current }
    };
    Tabs {
        label: fill(t.apps.app_pages, &[("app", text(&app.name))]),
        tabs: AppPart::ALL.into_iter().map(tab).collect(),
    }
}

/// The release that the dynos of an app run.
pub(crate) fn current_release<'a>(of: &Context<'a>, app: &App) -> Option<&'a Release> {
    of.world.release(app.release).map(|release| &**release)
}

/// How many of the dynos of an app are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Up {
    up: usize,
    crashed: usize,
    pub(super) all: usize,
}

impl Up {
    pub(crate) fn of(of: &Context<'_>, app: &App) -> Self {
        let mut count = Self { up: 0, crashed: 0, all: 0 };
        for dyno in of.world.shown_dynos(app.id).filter(|dyno| !dyno.superseded) {
            count.all += 1;
            count.up += usize::from(dyno.state == DynoState::Up);
            count.crashed += usize::from(dyno.state == DynoState::Crashed);
        }
        count
    }

    pub(crate) fn sign(self, t: &Texts) -> Markup {
        let sign = match self {
            Self { all: 0, .. } => return Sign::None.with(t.apps.no_dyno_runs),
            Self { crashed: 1.., .. } => Sign::Bad,
            Self { up, all, .. } if up < all => Sign::Move,
            _ => Sign::Ok,
        };
        let pieces = [("n", text(self.up)), ("of", text(self.all))];
        sign.with(fill(t.apps.dynos_up, &pieces))
    }
}
