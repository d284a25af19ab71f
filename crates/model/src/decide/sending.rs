//! Rules of what is sent elsewhere: webhooks, and log drains of apps.

use super::identity::not_found;
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, NewWebhook, Reply};
use crate::resource::{DrainOf, LogDrain, Webhook, WebhookLevel, WebhookOwner};
use crate::{
    AppId, Code, Destination, EventKind, Key, LogDrainId, Refused, SpaceId, TeamId, WebhookId,
};

/// Heroku's bound of log drains of one app.
const MAX_DRAINS: usize = 5;
/// Webhooks of one owner.
const MAX_WEBHOOKS: usize = 20;
/// Names of kinds that one webhook takes.
const MAX_INCLUDED: usize = 32;
/// The shortest and the longest secret.
const SECRET: std::ops::RangeInclusive<usize> = 16..=256;
/// The longest value of `Authorization`.
const MAX_AUTHORIZATION: usize = 1024;

impl Decision<'_> {
    pub(super) fn create_webhook(&mut self, new: &NewWebhook) -> Outcome {
        let NewWebhook { owner, url, include, secret, authorization } = new;
        self.check_owner(*owner)?;
        if matches!(owner, WebhookOwner::App(_)) {
            return invalid("The webhooks of an app are made by `heroku webhooks:add`.");
        }
        check_number(include, "peering")?;
        for name in include {
            if let Err(error) = EventKind::named(name) {
                return invalid(format_args!("{error}."));
            }
        }
        check_webhook(url, secret, authorization.as_deref())?;
        self.check_room_for_webhook(*owner)?;
        let id = WebhookId::fresh(self.ids);
        self.put(Webhook {
            id,
            owner: *owner,
            url: url.clone(),
            include: include.clone(),
            secret: secret.clone(),
            authorization: authorization.clone(),
            created: self.now,
            updated: None,
            level: WebhookLevel::Sync,
        });
        Ok(Key::Webhook(id).into())
    }

    /// Refuses one more webhook where its owner has as many as may be.
    pub(super) fn check_room_for_webhook(&self, owner: WebhookOwner) -> Result<(), Refused> {
        let of_owner = self.world.webhooks().filter(|hook| hook.owner == owner);
        if of_owner.count() >= MAX_WEBHOOKS {
            return refuse(
                Code::LimitExceeded,
                format_args!("There are {MAX_WEBHOOKS} webhooks already. Remove one first."),
            );
        }
        Ok(())
    }

    pub(super) fn delete_webhook(&mut self, id: WebhookId) -> Outcome {
        let Some(owner) = self.world.webhook(id).map(|hook| hook.owner) else {
            return not_found("webhook");
        };
        if !self.sees_owner(owner) {
            return not_found("webhook");
        }
        self.check_owner(owner)?;
        self.delete(Key::Webhook(id));
        Ok(Reply::Done)
    }

    /// Whether who asks may know of the webhooks of an owner.
    fn sees_owner(&self, owner: WebhookOwner) -> bool {
        let own = match (self.caller, owner) {
            (Caller::Account { scope, .. }, WebhookOwner::Account(id)) => scope.account == id,
            (Caller::User(_), WebhookOwner::Team(id)) => self.is_in(Some(id)),
            (Caller::User(_), WebhookOwner::App(id)) => {
                self.is_in(self.world.app(id).map(|app| app.team))
            }
            _ => false,
        };
        own || self.is_operator()
    }

    fn is_in(&self, team: Option<TeamId>) -> bool {
        let team = team.and_then(|id| self.world.team(id));
        team.is_some_and(|team| self.caller.role_in(team).is_some())
    }

    /// Refuses who may not change the webhooks of an owner: what is sent is the owner's business.
    fn check_owner(&self, owner: WebhookOwner) -> Result<(), Refused> {
        if !self.sees_owner(owner) {
            return not_found("owner of webhooks").map(drop);
        }
        let exists = match owner {
            WebhookOwner::Operator => true,
            WebhookOwner::Account(id) => self.world.account(id).is_some(),
            WebhookOwner::Team(id) => self.world.team(id).is_some(),
            WebhookOwner::App(id) => self.world.app(id).is_some(),
        };
        if !exists {
            return not_found("owner of webhooks").map(drop);
        }
        let allowed = match (self.caller, owner) {
            (Caller::Account { read_only, .. }, _) => !read_only,
            (Caller::User(_), WebhookOwner::Team(id)) => {
                let role = self.world.team(id).and_then(|team| self.caller.role_in(team));
                role.is_some_and(|role| role.may_change_spaces())
            }
            _ => true,
        };
        if allowed {
            return Ok(());
        }
        refuse(
            Code::UnauthorizedOperation,
            "Only an admin of the team, or a key that may change things, changes webhooks.",
        )
    }

    pub(super) fn add_log_drain(&mut self, app: AppId, url: &str) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        destination(url)?;
        let drains: Vec<_> = self.world.log_drains_of(Key::App(app.id)).cloned().collect();
        if drains.iter().any(|drain| drain.url == url) {
            return invalid("Url has already been taken: the app has a log drain to it.");
        }
        if drains.len() >= MAX_DRAINS {
            return refuse(
                Code::LimitExceeded,
                format_args!("The app {} has {MAX_DRAINS} log drains already.", app.name),
            );
        }
        let id = LogDrainId::fresh(self.ids);
        // Another one: the token is told to the receiver, and the id is a name in this installation.
        let token = format!("d.{}", LogDrainId::fresh(self.ids));
        let url = url.to_owned();
        self.put(LogDrain { id, of: DrainOf::App(app.id), url, token, created: self.now });
        Ok(Key::LogDrain(id).into())
    }

    /// Has the log of a space be sent to an address, and no longer to the one before.
    pub(super) fn set_space_log_drain(&mut self, space: SpaceId, url: &str) -> Outcome {
        let space = self.space_to_change(space)?;
        destination(url)?;
        let of = DrainOf::Space(space.id);
        let key = Key::Space(space.id);
        let drains: Vec<_> =
            self.world.log_drains_of(key).map(|it| (it.id, it.url == url)).collect();
        if let Some((id, true)) = drains.first() {
            return Ok(Key::LogDrain(*id).into());
        }
        drains.into_iter().for_each(|(id, _)| self.delete(Key::LogDrain(id)));
        let id = LogDrainId::fresh(self.ids);
        let token = format!("d.{}", LogDrainId::fresh(self.ids));
        let url = url.to_owned();
        self.put(LogDrain { id, of, url, token, created: self.now });
        Ok(Key::LogDrain(id).into())
    }

    pub(super) fn remove_log_drain(&mut self, app: AppId, id: LogDrainId) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        if self.world.log_drain(id).is_none_or(|drain| drain.of != DrainOf::App(app.id)) {
            return refuse(Code::NotFound, "Couldn't find that log drain.");
        }
        self.delete(Key::LogDrain(id));
        Ok(Reply::Done)
    }
}

fn destination(url: &str) -> Result<Destination, Refused> {
    url.parse().map_err(|error| {
        Refused::new(Code::InvalidParameterValue, format!("Url is invalid: {error}."))
    })
}

/// Refuses what no webhook is told of.
pub(super) fn check_number(include: &[String], such_as: &str) -> Result<(), Refused> {
    if include.is_empty() || include.len() > MAX_INCLUDED {
        return invalid(format_args!(
            "A webhook includes 1 to {MAX_INCLUDED} kinds of events, such as {such_as}."
        ));
    }
    Ok(())
}

/// Refuses an address, a secret or a value of `Authorization` that no webhook can have.
pub(super) fn check_webhook(
    url: &str,
    secret: &str,
    authorization: Option<&str>,
) -> Result<(), Refused> {
    if !destination(url)?.scheme.is_http() {
        return invalid("The address of a webhook begins with https://.");
    }
    if !SECRET.contains(&secret.len()) || !is_header_value(secret) {
        return invalid("The secret of a webhook has 16 to 256 printable ASCII characters.");
    }
    let too_long = |value: &str| value.len() > MAX_AUTHORIZATION || !is_header_value(value);
    if authorization.is_some_and(too_long) {
        return invalid(format_args!(
            "A value of Authorization has up to {MAX_AUTHORIZATION} printable ASCII characters."
        ));
    }
    Ok(())
}

fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

pub(super) fn invalid<T>(message: impl ToString) -> Result<T, Refused> {
    refuse(Code::InvalidParameterValue, message.to_string())
}
