//! Rules of how much code is kept: an app's slugs are bounded in number and in bytes.

use std::collections::BTreeSet;

use super::{Decision, refuse};
use crate::command::CodeRoom;
use crate::resource::{App, ReleaseStatus, Slug};
use crate::{AppId, Code, Key, Quota, Refused, ReleaseId, SlugId};

/// Slugs of one app that no release was made of: more are left over from deployments that failed.
const KEPT_UNRELEASED: usize = 10;

impl Decision<'_> {
    /// Makes room for one more slug that is not released yet: the oldest such ones go.
    pub(super) fn forget_unreleased(&mut self, app: AppId) {
        let unreleased = self.unreleased(app);
        let kept = KEPT_UNRELEASED - 1;
        for id in unreleased.iter().take(unreleased.len().saturating_sub(kept)) {
            self.delete(Key::Slug(*id));
        }
    }

    /// Slugs that no release has, oldest first.
    fn unreleased(&self, app: AppId) -> Vec<SlugId> {
        let slugs = self.world.slugs_of(Key::App(app));
        let unreleased =
            slugs.filter(|slug| self.world.releases_of(Key::Slug(slug.id)).next().is_none());
        let mut unreleased: Vec<_> = unreleased.map(|slug| (slug.created, slug.id)).collect();
        unreleased.sort_unstable();
        unreleased.into_iter().map(|(_, id)| id).collect()
    }

    /// Makes room for a slug's code: what the app needs least goes first, code that was never
    /// released, and then old releases. What is current, waits, is the last or runs stays.
    ///
    /// # Errors
    ///
    /// Where what stays leaves too little.
    pub(super) fn make_code_room(
        &mut self,
        slug: &Slug,
        bytes: u64,
        room: CodeRoom,
    ) -> Result<(), Refused> {
        let Some(app) = self.world.app(slug.app).cloned() else { return Ok(()) };
        let own = self.world.team_quota(app.team, Quota::Code).map(|most| most << 20);
        let room = CodeRoom { team: own.unwrap_or(room.team), ..room };
        let of_app = self.code_bytes(app.id);
        let of_team = self.world.apps_in(Key::Team(app.team)).map(|app| self.code_bytes(app.id));
        let over = |used: u64, room: u64| used.saturating_add(bytes).saturating_sub(room);
        let mut over_app = over(of_app, room.app);
        let mut over_team = over(of_team.fold(0, u64::saturating_add), room.team);
        for id in self.spare_code(&app, slug.id) {
            if over_app == 0 && over_team == 0 {
                break;
            }
            let freed = self.world.slug(id).map_or(0, |slug| slug.bytes());
            over_app = over_app.saturating_sub(freed);
            over_team = over_team.saturating_sub(freed);
            self.forget_code(id);
        }
        let (whose, limit) = match (over_app, over_team) {
            (0, 0) => return Ok(()),
            (0, _) => ("team's apps", room.team),
            (_, _) => ("app", room.app),
        };
        refuse(
            Code::LimitExceeded,
            format!(
                "The code of this {whose} would take more than {} MiB of disk, unpacked. Leave out \
                 what the app does not need to run, destroy apps that nobody needs, or ask whoever \
                 runs this installation for more room.",
                limit >> 20
            ),
        )
    }

    fn code_bytes(&self, app: AppId) -> u64 {
        let slugs = self.world.slugs_of(Key::App(app));
        slugs.map(|slug| slug.bytes()).fold(0, u64::saturating_add)
    }

    /// Code that an app can do without, what it needs least first.
    fn spare_code(&self, app: &App, but: SlugId) -> Vec<SlugId> {
        let running = self.world.dynos_in(Key::App(app.id)).filter(|dyno| !dyno.state.ended());
        let mut needed: BTreeSet<ReleaseId> = running.map(|dyno| dyno.release).collect();
        needed.insert(app.release);
        // What waits for its turn, and the last one, whose config vars the app shows and whose number
        // the next one goes on from.
        let releases: Vec<_> = self.world.releases_of(Key::App(app.id)).collect();
        let waiting = releases.iter().filter(|release| release.status == ReleaseStatus::Pending);
        needed.extend(waiting.map(|release| release.id));
        needed.extend(releases.iter().max_by_key(|release| release.version).map(|last| last.id));
        let mut spare = self.unreleased(app.id);
        spare.retain(|id| *id != but);
        let mut released: Vec<(u32, SlugId)> = Vec::new();
        for slug in self.world.slugs_of(Key::App(app.id)) {
            let releases = || self.world.releases_of(Key::Slug(slug.id));
            if let Some(last) = releases().map(|release| release.version).max()
                && !releases().any(|release| needed.contains(&release.id))
            {
                released.push((last, slug.id));
            }
        }
        released.sort_unstable();
        spare.extend(released.into_iter().map(|(_, id)| id));
        spare
    }

    /// Forgets code, and the releases of it.
    fn forget_code(&mut self, id: SlugId) {
        let releases: Vec<_> = self.world.releases_of(Key::Slug(id)).map(|r| r.id).collect();
        for release in releases {
            self.delete(Key::Release(release));
        }
        self.delete(Key::Slug(id));
    }
}
