//! Rules of quotas: the operator says how much of what an account may have.

use super::identity::not_found;
use super::{Decision, Outcome, refuse};
use crate::quota::MOST;
use crate::resource::{Account, Settings};
use crate::{AccountId, Code, Key, Quota, SettingsKey};

impl Decision<'_> {
    /// Sets how much of something one account may have, or all others; `None` for what is so of itself.
    /// What there is already stays, if it is more.
    pub(super) fn set_quota(
        &mut self,
        account: Option<AccountId>,
        quota: Quota,
        most: Option<u32>,
    ) -> Outcome {
        if most.is_some_and(|most| most > MOST) {
            return refuse(Code::InvalidParameterValue, format_args!("A quota is 0 to {MOST}."));
        }
        let Some(account) = account else {
            let settings = self.settings()?;
            let mut changed = Settings::clone(&settings);
            match most {
                Some(most) => changed.quotas.set.insert(quota, most),
                None => changed.quotas.set.remove(&quota),
            };
            if changed != *settings {
                self.put(changed);
            }
            return Ok(Key::Settings(SettingsKey).into());
        };
        let Some(found) = self.world.account(account).cloned() else {
            return not_found("account");
        };
        let mut changed = Account::clone(&found);
        match most {
            Some(most) => changed.quotas.insert(quota, most),
            None => changed.quotas.remove(&quota),
        };
        if changed != *found {
            self.put(changed);
        }
        Ok(Key::Account(account).into())
    }

    /// Says whether accounts have AWS's quotas where no other ones are set.
    pub(super) fn set_like_aws(&mut self, like_aws: bool) -> Outcome {
        let settings = self.settings()?;
        if settings.quotas.like_aws != like_aws {
            let mut changed = Settings::clone(&settings);
            changed.quotas.like_aws = like_aws;
            self.put(changed);
        }
        Ok(Key::Settings(SettingsKey).into())
    }
}
