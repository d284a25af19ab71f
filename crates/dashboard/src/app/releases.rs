//! The releases of an app, newest first.

use askama::Template;
use model::{Key, Release, ReleaseStatus};

use super::served::{Head, Served, current_release};
use crate::app_paths::{self, AppPart};
use crate::context::Context;
use crate::markup::{Markup, Sign, command, in_english, text};
use crate::moment;
use crate::shell::Shell;

/// How many releases a page has.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "app-releases.html")]
struct Page<'a> {
    shell: Shell<'a>,
    head: Head,
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
    /// How to go back to the release before; `None` where there is none to go back to.
    rollback: Option<Markup>,
}

struct Row {
    version: u32,
    is_current: bool,
    has_code: bool,
    status: Markup,
    /// Why it failed.
    note: Option<Markup>,
    what: String,
    who: Markup,
    when: Markup,
}

/// The releases of an app with a lower number than `before`, or the newest ones.
pub fn app_releases(
    of: &Context<'_>,
    served: &Served<'_>,
    before: Option<u32>,
) -> askama::Result<String> {
    let Served { space, app, .. } = *served;
    let mut releases: Vec<_> = of.world.releases_of(Key::App(app.id)).collect();
    releases.retain(|release| before.is_none_or(|before| release.version < before));
    releases.sort_by_key(|release| std::cmp::Reverse(release.version));
    let current = current_release(of, app).map_or(0, |release| release.version);
    let is_good = |release: &&&std::sync::Arc<Release>| {
        release.slug.is_some() && release.status == ReleaseStatus::Succeeded
    };
    let mut earlier = releases.iter().filter(|release| release.version < current);
    let earlier = earlier.find(is_good).copied();
    let path = app_paths::app_part(space, app, AppPart::Releases);
    let more = releases.len() > MOST;
    releases.truncate(MOST);
    let last = releases.last().filter(|_| more);
    Page {
        shell: Shell::new(of, format!("{} {}", app.name, of.texts().apps.tab_releases).into()),
        head: Head::new(of, served, AppPart::Releases),
        older: last.map(|release| format!("{path}?before={}", release.version)),
        newest: before.map(|_| path),
        rows: releases.iter().map(|release| row(of, served, release)).collect(),
        rollback: earlier.map(|release| {
            let (version, app) = (format!("v{}", release.version), format!("--app {}", app.name));
            command(of.texts(), &["heroku", "rollback", &version, &app])
        }),
    }
    .render()
}

fn row(of: &Context<'_>, served: &Served<'_>, release: &Release) -> Row {
    let t = of.texts();
    let who = release.user.and_then(|id| of.world.email_of(id));
    let (status, note) = match &release.status {
        ReleaseStatus::Pending => (Sign::Move.with(t.apps.release_pending), None),
        ReleaseStatus::Succeeded => (Sign::Ok.with(t.apps.release_succeeded), None),
        ReleaseStatus::Failed(why) => {
            (Sign::Bad.with(t.apps.release_failed), Some(in_english(t, why)))
        }
    };
    Row {
        version: release.version,
        is_current: release.id == served.app.release,
        has_code: release.slug.is_some(),
        status,
        note,
        what: release.description.clone(),
        who: who.map_or_else(|| t.apps.by_platform.into(), text),
        when: moment::at(t, release.created),
    }
}
