//! How much of what an account may have: its own quotas, those of all, and what is so of itself.

use crate::{AccountId, Quota, Refused, World};

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
            true => Some(quota.of_aws()),
            false => quota.default(),
        };
        settings.quotas.set.get(&quota).copied().or_else(otherwise)
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
