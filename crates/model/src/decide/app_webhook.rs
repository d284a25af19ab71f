//! Rules of Heroku's webhooks of apps.

use super::sending::{check_number, check_webhook, invalid};
use super::{Decision, Outcome, refuse};
use crate::command::{AppWebhook, Reply};
use crate::resource::{Webhook, WebhookLevel, WebhookOwner};
use crate::{AppEntity, AppId, Code, Key, Refused, WebhookId};

impl Decision<'_> {
    pub(super) fn create_app_webhook(&mut self, app: AppId, new: &AppWebhook) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let owner = WebhookOwner::App(app.id);
        let hook = Webhook {
            id: WebhookId::fresh(self.ids),
            owner,
            url: new.url.clone().unwrap_or_default(),
            include: Vec::new(),
            secret: new.secret.clone().unwrap_or_default(),
            authorization: None,
            created: self.now,
            updated: None,
            level: WebhookLevel::Notify,
        };
        if new.include.is_none() || new.level.is_none() {
            return invalid("A webhook needs `include`, `level` and `url`.");
        }
        let hook = changed(hook, new)?;
        self.check_room_for_webhook(owner)?;
        let id = hook.id;
        self.put(hook);
        Ok(Key::Webhook(id).into())
    }

    pub(super) fn update_app_webhook(
        &mut self,
        app: AppId,
        id: WebhookId,
        to: &AppWebhook,
    ) -> Outcome {
        let hook = self.seen_hook(app, id)?;
        let mut hook = changed(hook, to)?;
        hook.updated = Some(self.now);
        self.put(hook);
        Ok(Key::Webhook(id).into())
    }

    pub(super) fn delete_app_webhook(&mut self, app: AppId, id: WebhookId) -> Outcome {
        self.seen_hook(app, id)?;
        self.delete(Key::Webhook(id));
        Ok(Reply::Done)
    }

    fn seen_hook(&self, app: AppId, id: WebhookId) -> Result<Webhook, Refused> {
        let (app, _) = self.seen_app(app)?;
        let hook = self.world.webhook(id);
        match hook.filter(|hook| hook.owner == WebhookOwner::App(app.id)) {
            Some(hook) => Ok(Webhook::clone(hook)),
            None => refuse(Code::NotFound, "Couldn't find that webhook."),
        }
    }
}

/// A webhook as it is said to be.
fn changed(mut hook: Webhook, to: &AppWebhook) -> Result<Webhook, Refused> {
    if let Some(include) = &to.include {
        check_number(include, "api:release")?;
        for name in include {
            if let Err(error) = name.parse::<AppEntity>() {
                return invalid(format_args!("Include is invalid: {error}."));
            }
        }
        hook.include.clone_from(include);
        hook.include.dedup();
    }
    if let Some(name) = &to.level {
        let Some(level) = WebhookLevel::named(name) else {
            return invalid("Level is invalid: it is `notify` or `sync`.");
        };
        hook.level = level;
    }
    if let Some(url) = &to.url {
        hook.url.clone_from(url);
    }
    if let Some(secret) = &to.secret {
        hook.secret.clone_from(secret);
    }
    if to.authorization.is_some() {
        hook.authorization.clone_from(&to.authorization);
    }
    check_webhook(&hook.url, &hook.secret, hook.authorization.as_deref())?;
    Ok(hook)
}
