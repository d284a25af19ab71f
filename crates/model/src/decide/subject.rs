//! Rules of who is disabled and destroyed. What was disabled is locked out at once and loses nothing; what
//! is destroyed is gone, but for the name that the audit knows it by.

use super::identity::not_found;
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, Reply, Subject};
use crate::resource::{
    AccessKey, Account, FormerAccount, FormerTeam, FormerUser, IamRole, Role, Team, Token, Trusted,
    User,
};
use crate::{AccountId, Code, Key, Kind, Refused, TeamId, UserId};

impl Decision<'_> {
    /// Refuses who was disabled or destroyed after the request was let in.
    pub(super) fn check_admitted(&self) -> Result<(), Refused> {
        let world = &self.world;
        let (what, disabled) = match self.caller {
            Caller::User(id) => {
                let disabled = world.user(id).is_some_and(|user| user.disabled.is_some());
                ("user", disabled || world.former_user(id).is_some())
            }
            Caller::Account { scope, .. } => {
                let id = scope.account;
                let disabled = world.account(id).is_some_and(|account| account.disabled.is_some());
                ("account", disabled || world.former_account(id).is_some())
            }
            Caller::Operator | Caller::System => ("operator", false),
        };
        if disabled { Err(Refused::suspended(what)) } else { Ok(()) }
    }

    pub(super) fn disable(&mut self, subject: Subject) -> Outcome {
        match subject {
            Subject::User(id) => self.check_not_last_admin(id, "disabled")?,
            Subject::Account(id) => self.check_not_platform(id, "disabled")?,
            Subject::Team(_) | Subject::AccessKey(_) | Subject::Token(_) => {}
        }
        self.set_disabled(subject, true)
    }

    pub(super) fn enable(&mut self, subject: Subject) -> Outcome {
        self.set_disabled(subject, false)
    }

    /// Doing it again changes nothing: the time is that of the first.
    fn set_disabled(&mut self, subject: Subject, disable: bool) -> Outcome {
        let now = self.now;
        let since = |before: Option<_>| if disable { before.or(Some(now)) } else { None };
        macro_rules! set {
            ($kind:ident, $found:expr $(, $field:ident: $value:expr)*) => {{
                let Some(found) = $found.cloned() else { return not_found(subject.what()) };
                let disabled = since(found.disabled);
                if disabled != found.disabled {
                    self.put($kind { disabled, $($field: $value,)* ..$kind::clone(&found) });
                }
            }};
        }
        match subject {
            Subject::User(id) => set!(User, self.world.user(id), updated: now),
            Subject::Team(id) => set!(Team, self.world.team(id), updated: now),
            Subject::Account(id) => set!(Account, self.world.account(id)),
            Subject::AccessKey(id) => set!(AccessKey, self.world.access_key(id)),
            Subject::Token(id) => set!(Token, self.world.token(id), updated: Some(now)),
        }
        Ok(subject.key().into())
    }

    pub(super) fn destroy(&mut self, subject: Subject) -> Outcome {
        match subject {
            Subject::User(id) => self.destroy_user(id),
            Subject::Team(id) => self.destroy_team(id),
            Subject::Account(id) => self.destroy_account(id),
            Subject::AccessKey(id) => self.delete_access_key(id),
            Subject::Token(id) => self.delete_token(id),
        }
    }

    /// A user may destroy themselves, an admin of a team the team, and the operator everything.
    pub(super) fn check_may_destroy(&self, subject: Subject) -> Result<(), Refused> {
        let (Caller::User(own), Subject::User(_) | Subject::Team(_)) = (self.caller, subject)
        else {
            return self.operator_only();
        };
        match subject {
            Subject::User(id) if id == own => Ok(()),
            Subject::Team(id) => match self.role_in(id, "Couldn't find that team.")? {
                Role::Admin => Ok(()),
                _ => refuse(
                    Code::UnauthorizedOperation,
                    "You do not have access to delete this team; only its admins can delete it.",
                ),
            },
            _ => self.operator_only(),
        }
    }

    fn destroy_user(&mut self, id: UserId) -> Outcome {
        let key = Key::User(id);
        let Some(user) = self.world.user(id).cloned() else { return not_found("user") };
        self.check_not_last_admin(id, "destroyed")?;
        let teams: Vec<_> = self.world.teams_of(key).cloned().collect();
        for team in teams {
            let mut team = Team::clone(&team);
            team.members.remove(&id);
            team.updated = self.now;
            self.forget_space_access(team.id, id);
            self.put(team);
        }
        let tokens: Vec<_> = self.world.tokens_of(key).map(|token| token.id).collect();
        tokens.into_iter().for_each(|token| self.delete(Key::Token(token)));
        self.delete(key);
        self.put(FormerUser { id, name: user.email.clone(), destroyed: self.now });
        Ok(Reply::Done)
    }

    fn destroy_team(&mut self, id: TeamId) -> Outcome {
        let key = Key::Team(id);
        let Some(team) = self.world.team(id).cloned() else { return not_found("team") };
        let spaces = self.world.spaces_of(key).map(|space| space.name.clone());
        let spaces: Vec<_> = spaces.collect();
        let apps: Vec<_> = self.world.apps_in(key).map(|app| app.name.clone()).collect();
        for (names, what, command) in [
            (spaces, "spaces", "causeway spaces:destroy` or `causeway spaces:transfer"),
            (apps, "apps", "causeway apps:destroy"),
        ] {
            if !names.is_empty() {
                return in_use(&format!("team {}", team.name), what, &names, command);
            }
        }
        let hooks: Vec<_> = self.world.naming(key, Kind::Webhook).collect();
        hooks.into_iter().for_each(|hook| self.delete(hook));
        self.delete(key);
        self.put(FormerTeam { id, name: team.name.clone(), destroyed: self.now });
        Ok(Reply::Done)
    }

    fn destroy_account(&mut self, id: AccountId) -> Outcome {
        let key = Key::Account(id);
        let Some(account) = self.world.account(id).cloned() else { return not_found("account") };
        self.check_not_platform(id, "destroyed")?;
        let own = |kind: &Kind| !matches!(kind, Kind::AccessKey | Kind::IamRole);
        let kinds = Kind::ALL.iter().filter(|kind| own(kind));
        let (mut left, mut over) = (Vec::new(), Vec::new());
        for kind in kinds {
            for named in self.world.naming(key, *kind) {
                // What carries nothing by itself goes along.
                let goes = matches!(kind, Kind::DhcpOptions | Kind::KeyPair | Kind::Webhook);
                if !goes && !self.world.is_over(named, self.now) {
                    left.push(named.to_string());
                } else if !matches!(kind, Kind::Peering) {
                    over.push(named);
                }
            }
        }
        if !left.is_empty() {
            let whose = format!("account {} ({id})", account.name);
            return in_use(&whose, "resources", &left, "aws ec2");
        }
        over.into_iter().for_each(|key| self.delete(key));
        // Roles of others that trust it trust nobody by it any more.
        let trusted = Trusted::Account(id);
        let roles: Vec<_> =
            self.world.iam_roles().filter(|role| role.trust.contains(&trusted)).cloned().collect();
        for role in roles {
            let mut role = IamRole::clone(&role);
            role.trust.remove(&trusted);
            self.put(role);
        }
        let roles: Vec<_> = self.world.iam_roles_of(key).map(|role| role.id).collect();
        roles.into_iter().for_each(|role| self.delete(Key::IamRole(role)));
        let keys: Vec<_> = self.world.access_keys_of(key).map(|own| own.id).collect();
        for own in keys {
            self.replace_trust(own, None);
            self.delete(Key::AccessKey(own));
        }
        self.delete(key);
        self.put(FormerAccount { id, name: account.name.clone(), destroyed: self.now });
        Ok(Reply::Done)
    }

    /// Refuses to leave a team without an admin who is let in.
    fn check_not_last_admin(&self, user: UserId, verb: &str) -> Result<(), Refused> {
        let alone = |team: &&std::sync::Arc<Team>| !self.has_admin(team, Some(user));
        let teams = self.world.teams_of(Key::User(user)).filter(alone);
        let names: Vec<_> = teams.map(|team| team.name.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let email = self.world.email_of(user).unwrap_or_default();
        let (of, team) = match names.as_slice() {
            [one] => (format!("the team {one}"), *one),
            [first, ..] => (format!("the teams {}", names.join(", ")), *first),
            [] => return Ok(()),
        };
        refuse(
            Code::Conflict,
            format_args!(
                "{email} cannot be {verb}: {of} would be left without an admin. Make somebody else \
                 one first, as by `causeway teams:members:set {team} EMAIL --role admin`."
            ),
        )
    }

    /// Whether a team has an admin who is let in, others than one user.
    pub(super) fn has_admin(&self, team: &Team, but: Option<UserId>) -> bool {
        let mut members = team.members.iter();
        members.any(|(user, role)| {
            *role == Role::Admin && Some(*user) != but && self.world.lets_in_user(*user)
        })
    }

    fn check_not_platform(&self, id: AccountId, verb: &str) -> Result<(), Refused> {
        if self.settings()?.platform_account != id {
            return Ok(());
        }
        refuse(
            Code::OperationNotPermitted,
            format_args!(
                "The platform's own account cannot be {verb}: all spaces' networks belong to it."
            ),
        )
    }
}

fn in_use(whose: &str, what: &str, names: &[String], command: &str) -> Outcome {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    refuse(
        Code::DependencyViolation,
        format_args!(
            "The {whose} has {what} still: {text}. Remove them first, by `{command}`; or disable it \
             instead, which takes nothing away."
        ),
    )
}
