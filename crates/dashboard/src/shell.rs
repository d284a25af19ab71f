//! What stands around every page: the top bar and the navigation.

use model::PeeringStatus;

use crate::assets::{ICON, SCRIPT, STYLE};
use crate::context::{Context, Theme};
use crate::markup::{Markup, fill, text};
use crate::paths;
use crate::texts::Texts;
use crate::viewer::vpc_name;

/// The most VPCs that the navigation names; the first page has all of them.
const MOST_VPCS: usize = 50;

/// What stands around a page.
pub(crate) struct Shell<'a> {
    pub(crate) t: &'static Texts,
    pub(crate) theme: Option<Theme>,
    /// Whether the key `/` leads to the search.
    pub(crate) shortcut: bool,
    pub(crate) title: Markup,
    pub(crate) form_token: &'a str,
    pub(crate) path: &'a str,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) icon: &'static str,
    /// The address of the events that tell of changes of this page; empty where there are none.
    pub(crate) events: String,
    pub(crate) is_operator: bool,
    /// Whether the session speaks for a user, who may have a second factor.
    pub(crate) is_user: bool,
    /// What was searched for.
    pub(crate) query: &'a str,
    /// Whom the session speaks for.
    pub(crate) who: Vec<String>,
    pub(crate) spaces: Vec<Entry>,
    pub(crate) vpcs: Vec<Entry>,
    /// Whether the session may speak for an account, or a user, besides.
    pub(crate) may_add_account: bool,
    pub(crate) may_add_user: bool,
}

/// A line of the navigation.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) is_current: bool,
    pub(crate) waiting: Option<Waiting>,
}

/// How much waits there.
pub(crate) struct Waiting {
    pub(crate) count: usize,
    pub(crate) words: Markup,
}

impl<'a> Shell<'a> {
    pub(crate) fn new(of: &Context<'a>, title: Markup) -> Self {
        let (t, world, viewer) = (of.texts(), of.world, of.viewer);
        let spaces = viewer.spaces(world).into_iter().map(|space| {
            let path = paths::network(space);
            let pending = world
                .space_peerings(space, of.now)
                .into_iter()
                .filter(|peering| peering.status(of.now) == PeeringStatus::PendingAcceptance)
                .count();
            Entry {
                name: space.name.clone(),
                is_current: of.path.starts_with(&paths::space(space)),
                path,
                waiting: (pending > 0).then(|| Waiting {
                    count: pending,
                    words: counted(t.requests_one, t.requests_other, pending),
                }),
            }
        });
        let vpcs = viewer.vpcs(world).into_iter().map(|vpc| {
            let path = paths::vpc(vpc);
            let is_current = of.path == path || of.path.starts_with(&format!("{path}/"));
            Entry { name: vpc_name(vpc), is_current, path, waiting: None }
        });
        Self {
            t,
            theme: of.theme,
            shortcut: of.shortcut,
            title,
            form_token: of.form_token,
            path: of.path,
            style: STYLE.path(),
            script: SCRIPT.path(),
            icon: ICON.path(),
            events: paths::events_of(of.path),
            is_operator: viewer.operator,
            is_user: viewer.user.is_some(),
            query: "",
            who: who(of),
            spaces: spaces.collect(),
            vpcs: vpcs.take(MOST_VPCS).collect(),
            may_add_account: viewer.account.is_none() && !viewer.operator,
            may_add_user: viewer.user.is_none() && !viewer.operator,
        }
    }

    /// Whether the page is the map, or its matrix.
    pub(crate) fn is_on_map(&self) -> bool {
        self.path.starts_with(paths::MAP)
    }

    /// Whether the page is that of why packets pass.
    pub(crate) fn is_on_why(&self) -> bool {
        self.path.starts_with(paths::WHY)
    }

    /// The same for a page that does not stay live, as it is about a moment.
    pub(crate) fn still(mut self) -> Self {
        self.events.clear();
        self
    }

    /// The theme that a press of the button leads to: the system's, then light, then dark.
    pub(crate) fn next_theme(&self) -> &'static str {
        match self.theme {
            None => Theme::Light.name(),
            Some(Theme::Light) => Theme::Dark.name(),
            Some(Theme::Dark) => "system",
        }
    }

    pub(crate) fn theme_label(&self) -> &'static str {
        match self.theme {
            None => self.t.theme_system,
            Some(Theme::Light) => self.t.theme_light,
            Some(Theme::Dark) => self.t.theme_dark,
        }
    }
}

/// Whom the session speaks for.
fn who(of: &Context<'_>) -> Vec<String> {
    let t = of.texts();
    let mut who = Vec::new();
    if of.viewer.operator {
        who.push(t.operator.to_owned());
    }
    who.extend(of.viewer.user.and_then(|id| of.world.user(id)).map(|user| user.email.clone()));
    if let Some(id) = of.viewer.account {
        let mut name = t.account_named.replace("{account}", &id.to_string());
        if of.viewer.read_only {
            name = format!("{name} {}", t.read_only);
        }
        who.push(name);
    }
    who
}

/// A text with a number, in the form that the number wants.
pub(crate) fn counted(one: &str, other: &str, n: usize) -> Markup {
    fill(if n == 1 { one } else { other }, &[("n", text(n))])
}
