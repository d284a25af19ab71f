//! Who is let in: who is there, and was not disabled.

use std::sync::Arc;

use crate::resource::{AccessKey, DrainOf, LogDrain, Token, Webhook, WebhookOwner};
use crate::{AccessKeyId, AccountId, TeamId, Timestamp, UserId, World};

impl World {
    /// Whether a user is let in.
    pub fn lets_in_user(&self, id: UserId) -> bool {
        self.user(id).is_some_and(|user| user.disabled.is_none())
    }

    /// Whether a token speaks for its user now.
    pub fn lets_in_token(&self, token: &Token, now: Timestamp) -> bool {
        token.is_live(now) && self.lets_in_user(token.user)
    }

    /// Whether anybody may act for an account.
    pub fn lets_in_account(&self, id: AccountId) -> bool {
        self.account(id).is_some_and(|account| account.disabled.is_none())
    }

    /// An access key that may sign requests.
    pub fn signing_key(&self, id: AccessKeyId) -> Option<&Arc<AccessKey>> {
        self.access_key(id)
            .filter(|key| key.disabled.is_none() && self.lets_in_account(key.account))
    }

    /// Whether events are sent to a webhook: its owner is neither gone nor disabled.
    pub fn sends_to(&self, hook: &Webhook) -> bool {
        match hook.owner {
            WebhookOwner::Operator => true,
            WebhookOwner::Account(id) => self.lets_in_account(id),
            WebhookOwner::Team(id) => self.is_open(Some(id)),
            WebhookOwner::App(id) => self.is_open(self.app(id).map(|app| app.team)),
        }
    }

    /// Whether the log of a drain's app or space is sent: its team is not disabled.
    pub fn drains(&self, drain: &LogDrain) -> bool {
        self.is_open(match drain.of {
            DrainOf::App(id) => self.app(id).map(|app| app.team),
            DrainOf::Space(id) => self.space(id).map(|space| space.team),
        })
    }

    fn is_open(&self, team: Option<TeamId>) -> bool {
        let team = team.and_then(|id| self.team(id));
        team.is_some_and(|team| team.disabled.is_none())
    }

    /// The address of a user, also of one who was destroyed.
    pub fn email_of(&self, id: UserId) -> Option<&str> {
        let former = || self.former_user(id).map(|user| user.name.as_str());
        self.user(id).map(|user| user.email.as_str()).or_else(former)
    }
}
