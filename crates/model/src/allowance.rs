//! How much of what an account or a team may have: its own quotas, those of all, and what is so of itself.

use std::sync::Arc;

use crate::resource::{Addon, App, DynoSize};
use crate::{AccountId, Key, Quota, Refused, TeamId, World};

impl World {
    /// How much of something an account may have; `None` for as much as there is room for.
    pub fn quota(&self, account: AccountId, quota: Quota) -> Option<usize> {
        let own = self.account(account).and_then(|account| account.quotas.get(&quota).copied());
        let most = own.or_else(|| self.common_quota(quota))?;
        Some(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// How much of something an account may have that has no quota of its own.
    pub fn common_quota(&self, quota: Quota) -> Option<u32> {
        let Some(settings) = self.settings() else { return quota.default() };
        let otherwise = || match settings.quotas.like_aws {
            true => quota.of_aws().or(quota.default()),
            false => quota.default(),
        };
        settings.quotas.set.get(&quota).copied().or_else(otherwise)
    }

    /// How much of something a team may have; `None` for as much as there is room for.
    pub fn team_quota(&self, team: TeamId, quota: Quota) -> Option<u64> {
        let own = self.team(team).and_then(|team| team.quotas.get(&quota).copied());
        own.or_else(|| self.common_quota(quota)).map(u64::from)
    }

    /// How much a team has of what quotas count. Dynos and memory are counted as they were asked for:
    /// while one dyno takes another's place, both are one.
    pub fn team_usage(&self, team: TeamId, quota: Quota) -> u64 {
        let key = Key::Team(team);
        let apps = || self.apps_in(key);
        let addons = || apps().flat_map(|app| self.own_addons(app));
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        match quota {
            Quota::Spaces => count(self.spaces_of(key).count()),
            Quota::Apps => count(apps().count()),
            Quota::Dynos => apps().flat_map(|app| self.dynos_asked_for(app)).map(|it| it.1).sum(),
            Quota::Memory => {
                let dynos = apps().flat_map(|app| self.dynos_asked_for(app));
                let of_dynos: u64 = dynos.map(|(size, number)| size.memory() * number).sum();
                let of_addons = addons().filter_map(|addon| addon.plan.memory);
                of_addons.fold(of_dynos, u64::saturating_add) >> 20
            }
            Quota::Code => {
                let slugs = apps().flat_map(|app| self.slugs_of(Key::App(app.id)));
                slugs.map(|slug| slug.bytes()).fold(0, u64::saturating_add) >> 20
            }
            Quota::Addons => count(addons().count()),
            Quota::Disk => {
                let disks = addons().filter_map(|addon| addon.plan.disk);
                disks.fold(0, u64::saturating_add) >> 20
            }
            _ => 0,
        }
    }

    /// The add-ons that were made for an app.
    fn own_addons(&self, app: &App) -> impl Iterator<Item = &Arc<Addon>> {
        let id = app.id;
        self.addons_of(Key::App(id)).filter(move |addon| addon.app == id)
    }

    /// The dynos that an app's formation and people ask for: of which size how many.
    fn dynos_asked_for(&self, app: &App) -> Vec<(DynoSize, u64)> {
        let slug = self.release(app.release).and_then(|release| release.slug);
        let slug = slug.and_then(|id| self.slug(id));
        let runs = |name: &str| slug.is_some_and(|slug| slug.process_types.contains_key(name));
        let formation = app.formation.iter().filter(|(name, _)| runs(name));
        let mut dynos: Vec<_> =
            formation.map(|(_, it)| (it.size, u64::from(it.quantity))).collect();
        let one_offs = self.dynos_in(Key::App(app.id)).filter(|dyno| {
            dyno.number.is_none() && !dyno.is_release_command() && !dyno.state.ended()
        });
        dynos.extend(one_offs.map(|dyno| (dyno.size, 1)));
        dynos
    }

    /// Whether there is room for one more where there are so many. They are counted only where there is
    /// a quota.
    pub(crate) fn has_room(
        &self,
        account: AccountId,
        quota: Quota,
        count: impl FnOnce() -> usize,
    ) -> bool {
        self.quota(account, quota).is_none_or(|most| count() < most)
    }

    /// Refuses one more of something where there are so many.
    pub(crate) fn check_quota(
        &self,
        account: AccountId,
        quota: Quota,
        count: impl FnOnce() -> usize,
    ) -> Result<(), Refused> {
        if self.has_room(account, quota, count) { Ok(()) } else { Err(quota.reached()) }
    }
}
