//! Rules of what comes before a release is current: the release command (Heroku's release phase).
//!
//! An app's releases take their turns in the order of their numbers. Where the code of one has a
//! process type `release`, a dyno runs that first, with the release's code and configuration, and
//! only if it ends well the release becomes current. What is made meanwhile waits behind it, whether
//! it has a release command or not, so that no release is overtaken by an older one. The release
//! that is current stays so until then: dynos that are scaled, restarted or run once are its.

use std::sync::Arc;

use super::dyno::Single;
use super::{Decision, Refused, refuse};
use crate::resource::{
    App, Dyno, DynoSize, DynoState, Exit, Release, ReleaseStatus, SpaceState, Stdio,
};
use crate::{AppId, Code, Key, ReleaseId, SlugId};

/// Releases of one app that may wait for each other.
const MAX_PENDING: usize = 20;

impl Decision<'_> {
    /// The release whose turn it is, if any has to wait.
    pub(super) fn pending_release(&self, app: AppId) -> Option<Arc<Release>> {
        let all = self.world.releases_of(Key::App(app));
        let pending = all.filter(|release| release.status == ReleaseStatus::Pending);
        pending.min_by_key(|release| release.version).cloned()
    }

    /// Refuses one more release where too many wait already.
    pub(super) fn check_queue(&self, app: &App) -> Result<(), Refused> {
        let all = self.world.releases_of(Key::App(app.id));
        let pending = all.filter(|release| release.status == ReleaseStatus::Pending).count();
        if pending < MAX_PENDING {
            return Ok(());
        }
        refuse(
            Code::Conflict,
            format!(
                "{MAX_PENDING} releases of {} wait for a release command to end. Wait for it, or \
                 end it with `ps:stop --process-type {} --app {}`.",
                app.name,
                Dyno::RELEASE,
                app.name
            ),
        )
    }

    /// The code that an app has if all releases that wait succeed.
    pub(super) fn latest_code(&self, app: &App) -> Option<SlugId> {
        let all = self.world.releases_of(Key::App(app.id));
        let pending = all.filter(|release| release.status == ReleaseStatus::Pending);
        let last = pending.max_by_key(|release| release.version);
        last.or_else(|| self.world.release(app.release))?.slug
    }

    /// The command that code has run before a release of it becomes current, for a shell.
    pub(super) fn release_line(&self, slug: Option<SlugId>) -> Option<String> {
        self.world.slug(slug?)?.process_types.get(Dyno::RELEASE).cloned()
    }

    /// Does what can be done now: makes those current, one after the other, that need not wait or
    /// have `passed`, and starts the command of the next one. Dynos follow the last of them only, as
    /// they are not to be replaced twice.
    ///
    /// # Errors
    ///
    /// No address is free for the dynos that it takes; `taken` is then whose they would have been.
    pub(super) fn take_turns(
        &mut self,
        id: AppId,
        passed: Option<ReleaseId>,
        taken: &mut Option<ReleaseId>,
    ) -> Result<(), Refused> {
        let before = self.world.app(id).map(|app| app.release);
        while let (Some(app), Some(release)) =
            (self.world.app(id).cloned(), self.pending_release(id))
        {
            let current = || self.world.release(app.release).and_then(|release| release.slug);
            let slug = if release.inherits_code { current() } else { release.slug };
            let release = Release { slug, ..Release::clone(&release) };
            match self.release_line(slug) {
                Some(line) if passed != Some(release.id) => {
                    if before != Some(app.release) {
                        self.settle_formation(id)?;
                    }
                    if release.command.is_none() {
                        *taken = Some(release.id);
                        self.start_release_command(&app, release, &line)?;
                    }
                    return Ok(());
                }
                Some(_) | None => {
                    *taken = Some(release.id);
                    self.succeed(&app, release);
                }
            }
        }
        self.settle_formation(id)
    }

    fn start_release_command(
        &mut self,
        app: &App,
        release: Release,
        line: &str,
    ) -> Result<(), Refused> {
        let space = self.world.space(app.space).cloned();
        let Some(space) = space.filter(|space| space.state == SpaceState::Allocated) else {
            return Ok(());
        };
        let process_type = Dyno::RELEASE;
        let size = app.formation.get(process_type).map_or(DynoSize::S, |f| f.size);
        let single = Single { process_type, release: release.id, line, size, stdio: Stdio::Log };
        let command = Some(self.start_single(app, &space, single, [].into())?);
        self.put(Release { command, ..release });
        Ok(())
    }

    /// The same, where nobody is there to be told: a release that takes more addresses than are free
    /// has failed.
    pub(super) fn go_on(&mut self, app: AppId, passed: Option<ReleaseId>) {
        let mut taken = None;
        while let Err(refused) = self.whole(|decision| decision.take_turns(app, passed, &mut taken))
        {
            let release = taken.take().and_then(|id| self.world.release(id).cloned());
            let Some(release) = release else { return };
            self.fail(&release, refused.message);
        }
    }

    /// A release command has ended: its release is current, or failed.
    pub(super) fn release_command_ended(&mut self, before: &Dyno, exit: Option<&Exit>) {
        let release = self.world.release(before.release).cloned();
        let waits = |release: &Release| {
            release.command == Some(before.id) && release.status == ReleaseStatus::Pending
        };
        let Some(release) = release.filter(|release| waits(release)) else { return };
        match self.why_it_failed(before, exit) {
            None => self.go_on(release.app, Some(release.id)),
            Some(why) => {
                self.fail(&release, why);
                self.go_on(release.app, None);
            }
        }
    }

    fn why_it_failed(&self, before: &Dyno, exit: Option<&Exit>) -> Option<String> {
        let told_to_stop = before.state == DynoState::Stopping;
        match exit {
            _ if told_to_stop && self.now >= before.created + Dyno::RELEASE_TIME => {
                let minutes = Dyno::RELEASE_TIME.as_secs() / 60;
                Some(format!("its release command did not end within {minutes} minutes"))
            }
            _ if told_to_stop => Some("its release command was stopped".to_owned()),
            Some(exit) if exit.success() => None,
            Some(Exit::Failed(why)) => Some(format!("its release command did not run: {why}")),
            Some(Exit::OutOfMemory) => {
                Some("its release command took more memory than its size allows".to_owned())
            }
            Some(exit @ (Exit::Code(_) | Exit::Signal(_))) => {
                Some(format!("its release command exited with status {}", exit.status()))
            }
            None => Some("its release command was lost".to_owned()),
        }
    }

    fn succeed(&mut self, app: &App, release: Release) {
        let id = release.id;
        let status = ReleaseStatus::Succeeded;
        self.put(Release { status, settled: Some(self.now), ..release });
        self.put(App { release: id, updated: self.now, ..app.clone() });
    }

    fn fail(&mut self, release: &Release, why: String) {
        let status = ReleaseStatus::Failed(why);
        self.put(Release { status, settled: Some(self.now), ..release.clone() });
    }

    /// Does something as a whole, or nothing of it.
    pub(super) fn whole<T>(
        &mut self,
        what: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let (before, kept) = (self.world.clone(), self.changes.len());
        let done = what(self);
        if done.is_err() {
            self.world = before;
            self.changes.truncate(kept);
        }
        done
    }
}
