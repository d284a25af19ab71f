//! Rules of who gets at a space: its trusted addresses, who may make apps in it, and its transfer
//! to another team (`heroku.md` §1.3, §4).

use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::Caller;
use crate::resource::{App, InboundRule, InboundRuleset, Role, Space};
use crate::{Code, Key, Refused, SpaceId, TeamId, UserId, World};

impl World {
    /// Whether a user may make apps in a space: admins of its team always, members unless an admin
    /// took it from them, others never.
    pub fn may_create_apps(&self, space: &Space, user: UserId) -> bool {
        let role = self.team(space.team).and_then(|team| team.members.get(&user));
        role.is_some_and(|role| space.lets_make_apps(*role, user))
    }
}

impl Decision<'_> {
    pub(super) fn set_inbound_rules(&mut self, id: SpaceId, rules: &[InboundRule]) -> Outcome {
        let space = self.space_to_change(id)?;
        let mut kept: Vec<InboundRule> = Vec::with_capacity(rules.len());
        for rule in rules {
            if !kept.contains(rule) {
                kept.push(*rule);
            }
        }
        if kept.len() > InboundRuleset::MOST {
            return refuse(
                Code::LimitExceeded,
                format!(
                    "A space has at most {} trusted IP ranges, not {}; put neighbouring ranges \
                     together, as 10.0.0.0/24 and 10.0.1.0/24 are 10.0.0.0/23.",
                    InboundRuleset::MOST,
                    kept.len()
                ),
            );
        }
        if space.inbound_rules() != kept {
            let trusted = InboundRuleset::admitted(&kept);
            let by = match self.caller {
                Caller::User(user) => Some(user),
                Caller::Operator | Caller::System | Caller::Account { .. } => None,
            };
            let inbound = Some(InboundRuleset { rules: kept, since: self.now, by });
            self.put(Space { trusted, inbound, updated: self.now, ..Space::clone(&space) });
        }
        Ok(Key::Space(id).into())
    }

    pub(super) fn set_space_access(
        &mut self,
        id: SpaceId,
        user: UserId,
        create_apps: bool,
    ) -> Outcome {
        let space = self.space_to_change(id)?;
        let team = self.world.team(space.team);
        let Some(role) = team.and_then(|team| team.members.get(&user)).copied() else {
            return refuse(
                Code::NotFound,
                format!("Couldn't find that member of the space {}'s team.", space.name),
            );
        };
        if role == Role::Admin && !create_apps {
            return refuse(
                Code::Conflict,
                "An admin of the team may always create apps; make the user a member first.",
            );
        }
        let mut after = Space::clone(&space);
        let changed =
            if create_apps { after.no_apps.remove(&user) } else { after.no_apps.insert(user) };
        if changed {
            after.updated = self.now;
            self.put(after);
        }
        Ok(Key::Space(id).into())
    }

    /// Forgets in which of a team's spaces a former member could not make apps.
    pub(super) fn forget_space_access(&mut self, team: TeamId, user: UserId) {
        let said: Vec<Arc<Space>> = self
            .world
            .spaces_of(Key::Team(team))
            .filter(|space| space.no_apps.contains(&user))
            .cloned()
            .collect();
        for space in said {
            let mut after = Space::clone(&space);
            after.no_apps.remove(&user);
            self.put(after);
        }
    }

    /// A space in which the caller may make an app.
    pub(super) fn space_for_new_app(&self, id: SpaceId) -> Result<Arc<Space>, Refused> {
        let (space, role) = self.seen_space(id)?;
        match self.caller {
            Caller::User(user) if !space.lets_make_apps(role, user) => refuse(
                Code::UnauthorizedOperation,
                format!(
                    "You do not have access to create apps in the space {}; an admin of the team \
                     can give it to you.",
                    space.name
                ),
            ),
            Caller::User(_) | Caller::Operator | Caller::System | Caller::Account { .. } => {
                Ok(space)
            }
        }
    }

    /// The apps go with the space. Whoever gives it away must be an admin of both teams, so that
    /// nobody is handed what they did not ask for.
    pub(super) fn transfer_space(&mut self, id: SpaceId, to: TeamId) -> Outcome {
        let space = self.space_to_change(id)?;
        if self.role_in(to, "Couldn't find that team.")? != Role::Admin {
            return refuse(
                Code::UnauthorizedOperation,
                format!(
                    "You do not have access to transfer the space {} to that team; only its \
                     admins can take it over.",
                    space.name
                ),
            );
        }
        if space.team == to {
            return Ok(Key::Space(id).into());
        }
        let apps: Vec<Arc<App>> = self.world.apps_in(Key::Space(id)).cloned().collect();
        for app in apps {
            self.put(App { team: to, updated: self.now, ..App::clone(&app) });
        }
        // Who may do what in it was about the other team's members.
        let no_apps = Default::default();
        self.put(Space { team: to, no_apps, updated: self.now, ..Space::clone(&space) });
        Ok(Key::Space(id).into())
    }
}
