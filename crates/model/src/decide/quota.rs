//! Rules of quotas: the operator says how much of what an account may have.

use std::collections::BTreeMap;

use super::identity::not_found;
use super::{Decision, Outcome, refuse};
use crate::command::QuotaOf;
use crate::quota::{MOST, MOST_OF_TEAM};
use crate::resource::{Account, Settings, Team};
use crate::{Code, Key, Quota, QuotaHolder, Refused, SettingsKey, TeamId, World};

impl Decision<'_> {
    /// Sets how much of something one account or team may have, or all others; `None` for what is so of
    /// itself. What there is already stays, if it is more.
    pub(super) fn set_quota(&mut self, of: QuotaOf, quota: Quota, most: Option<u32>) -> Outcome {
        let largest = match quota.holder() {
            QuotaHolder::Account => MOST,
            QuotaHolder::Team => MOST_OF_TEAM,
        };
        if most.is_some_and(|most| most > largest) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("The quota {quota} is 0 to {largest}."),
            );
        }
        let set = |quotas: &mut BTreeMap<Quota, u32>| match most {
            Some(most) => drop(quotas.insert(quota, most)),
            None => drop(quotas.remove(&quota)),
        };
        match of {
            QuotaOf::All => {
                let settings = self.settings()?;
                let mut changed = Settings::clone(&settings);
                set(&mut changed.quotas.set);
                if changed != *settings {
                    self.put(changed);
                }
                Ok(Key::Settings(SettingsKey).into())
            }
            QuotaOf::Account(id) => {
                let Some(found) = self.world.account(id).cloned() else {
                    return not_found("account");
                };
                check_holder(quota, QuotaHolder::Account)?;
                let mut changed = Account::clone(&found);
                set(&mut changed.quotas);
                if changed != *found {
                    self.put(changed);
                }
                Ok(Key::Account(id).into())
            }
            QuotaOf::Team(id) => {
                let Some(found) = self.world.team(id).cloned() else { return not_found("team") };
                check_holder(quota, QuotaHolder::Team)?;
                let mut changed = Team::clone(&found);
                set(&mut changed.quotas);
                if changed != *found {
                    self.put(Team { updated: self.now, ..changed });
                }
                Ok(Key::Team(id).into())
            }
        }
    }

    /// Refuses what made a team have more than it may. What is more than that already stays, and may
    /// become less.
    pub(super) fn check_team_quotas(&self, before: &World, team: TeamId) -> Result<(), Refused> {
        let quotas = Quota::ALL.iter().filter(|quota| quota.holder() == QuotaHolder::Team);
        // Code has rules of its own, which make room first.
        for quota in quotas.filter(|quota| **quota != Quota::Code) {
            let Some(most) = self.world.team_quota(team, *quota) else { continue };
            let usage = self.world.team_usage(team, *quota);
            if usage > most && usage > before.team_usage(team, *quota) {
                let name = self.world.team(team).map_or("", |team| team.name.as_str());
                return Err(quota.exceeded(name, usage, most));
            }
        }
        Ok(())
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

fn check_holder(quota: Quota, holder: QuotaHolder) -> Result<(), Refused> {
    if quota.holder() == holder {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        format_args!("The quota {quota} is one of {}s.", quota.holder().name()),
    )
}
