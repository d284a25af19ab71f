//! What depends on somebody: what operators are told before they disable or destroy them.

use crate::resource::{Role, Trusted};
use crate::{
    AccessKeyId, AccountId, Errand, Key, Kind, Subject, TeamId, Timestamp, TokenId, UserId, World,
};

/// What is about to be done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// They are locked out, until that is undone.
    Disable,
    /// They are removed for good.
    Destroy,
}

/// Things of one kind that depend on somebody, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// What they are, in words.
    pub what: &'static str,
    /// Their names.
    pub names: Vec<String>,
    /// What becomes of them.
    pub then: &'static str,
}

/// What is found.
#[derive(Default)]
struct Found(Vec<Dependent>);

impl Found {
    fn add(
        &mut self,
        what: &'static str,
        names: impl IntoIterator<Item = String>,
        then: &'static str,
    ) {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        if !names.is_empty() {
            self.0.push(Dependent { what, names, then });
        }
    }
}

impl World {
    /// What depends on somebody, and what becomes of it.
    pub fn dependents(&self, of: Subject, measure: Measure, now: Timestamp) -> Vec<Dependent> {
        let mut found = Found::default();
        let destroy = measure == Measure::Destroy;
        match of {
            Subject::User(id) => self.of_user(id, destroy, now, &mut found),
            Subject::Team(id) => self.of_team(id, destroy, &mut found),
            Subject::Account(id) => self.of_account(id, destroy, now, &mut found),
            Subject::AccessKey(id) => self.of_key(id, destroy, &mut found),
            Subject::Token(id) => self.of_token(id, destroy, &mut found),
        }
        found.0
    }

    fn of_user(&self, id: UserId, destroy: bool, now: Timestamp, found: &mut Found) {
        let key = Key::User(id);
        let tokens = self.tokens_of(key).filter(|token| token.is_live(now));
        let tokens = tokens.map(|token| match token.description.as_str() {
            "" => token.id.to_string(),
            description => format!("{description} ({})", token.id),
        });
        let end = if destroy { "are destroyed" } else { "speak for nobody" };
        found.add("tokens", tokens, end);
        if self.user(id).is_some_and(|user| user.password.is_some()) {
            let end = if destroy { "is destroyed" } else { "lets nobody in" };
            found.add("password", ["of the user".to_owned()], end);
        }
        let teams = self.teams_of(key).filter_map(|team| {
            let role = team.members.get(&id)?;
            Some(format!("{} ({})", team.name, role.name()))
        });
        let end = if destroy { "are left" } else { "keep the member" };
        found.add("teams", teams, end);
        let apps = self.apps().filter(|app| app.owner == id).map(|app| app.name.clone());
        found.add("apps made by the user", apps, "go on, as they are the team's");
    }

    fn of_team(&self, id: TeamId, destroy: bool, found: &mut Found) {
        let key = Key::Team(id);
        if let Some(team) = self.team(id) {
            let name = |(user, role): (&UserId, &Role)| {
                format!("{} ({})", self.email_of(*user).unwrap_or_default(), role.name())
            };
            let end = if destroy { "are in it no longer" } else { "are locked out of it" };
            found.add("members", team.members.iter().map(name), end);
        }
        let then =
            if destroy { "must go first" } else { "go on, and only the operator changes them" };
        found.add("spaces", self.spaces_of(key).map(|space| space.name.clone()), then);
        found.add("apps", self.apps_in(key).map(|app| app.name.clone()), then);
    }

    fn of_account(&self, id: AccountId, destroy: bool, now: Timestamp, found: &mut Found) {
        let key = Key::Account(id);
        let keys = self.access_keys_of(key).map(|own| own.id.to_string());
        let end = if destroy { "are destroyed" } else { "sign nothing" };
        found.add("access keys", keys, end);
        let end = if destroy { "are destroyed" } else { "are assumed by nobody" };
        found.add("roles", self.iam_roles_of(key).map(|role| role.name.clone()), end);
        let trusting = self
            .iam_roles()
            .filter(|role| role.account != id && role.trust.contains(&Trusted::Account(id)));
        let end = if destroy { "trust it no longer" } else { "are not assumed by it" };
        found.add("roles of others", trusting.map(|role| role.arn()), end);
        let then = if destroy { "must go first" } else { "go on" };
        for (what, kind) in [
            ("VPCs", Kind::Vpc),
            ("instances", Kind::Instance),
            ("peering connections", Kind::Peering),
            ("elastic IP addresses", Kind::ElasticIp),
        ] {
            let left = self.naming(key, kind).filter(|key| !self.is_over(*key, now));
            found.add(what, left.map(|key| key.to_string()), then);
        }
    }

    fn of_key(&self, id: AccessKeyId, destroy: bool, found: &mut Found) {
        let account = self.access_key(id).and_then(|key| self.account(key.account));
        let account = account.map(|account| format!("{} ({})", account.name, account.id));
        found.add("account", account, "is spoken for by its other keys alone");
        let roles = self.iam_roles_of(Key::AccessKey(id)).map(|role| role.arn());
        let end = if destroy { "trust it no longer" } else { "are not assumed by it" };
        found.add("roles", roles, end);
    }

    fn of_token(&self, id: TokenId, destroy: bool, found: &mut Found) {
        let user = self.token(id).and_then(|token| self.email_of(token.user));
        let end = if destroy { "needs another token" } else { "needs another token meanwhile" };
        found.add("user", user.map(str::to_owned), end);
    }

    /// Whether something is shown for a while only, after its end.
    pub(crate) fn is_over(&self, key: Key, now: Timestamp) -> bool {
        let is_to_be_forgotten =
            || self.get(key).is_some_and(|it| matches!(it.due(), Some((Errand::Forget, _))));
        match key {
            Key::Peering(id) => self.peering(id).is_some_and(|it| it.status(now).ended()),
            Key::Instance(_) | Key::NatGateway(_) => is_to_be_forgotten(),
            _ => false,
        }
    }
}
