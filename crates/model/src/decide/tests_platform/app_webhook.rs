//! Heroku's webhooks of apps: who may have them, and what they are told.

use super::shop::Shop;
use crate::PlatformCommand as C;
use crate::*;

fn hook(include: &[&str]) -> AppWebhook {
    AppWebhook {
        url: Some("https://hooks.example.com/in".to_owned()),
        include: Some(include.iter().map(|name| (*name).to_owned()).collect()),
        level: Some("sync".to_owned()),
        secret: Some("0123456789abcdef".to_owned()),
        authorization: None,
    }
}

impl Shop {
    fn hook(&mut self, include: &[&str]) -> WebhookId {
        let made = self.ok(C::CreateAppWebhook { app: self.app, new: hook(include) }).main();
        let Some(Key::Webhook(id)) = made else { panic!("{made:?}") };
        id
    }

    /// What is told of what somebody does, by name.
    fn told(&mut self, act: impl FnOnce(&mut Self)) -> Vec<String> {
        let before = self.town.bench.world.clone();
        act(self);
        let after = &self.town.bench.world;
        let keys: Vec<_> = before.records().chain(after.records()).map(|it| it.key()).collect();
        let changes: Vec<_> = keys
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
            .map(|key| after.get(key).map_or(Change::Delete(key), |it| Change::Put(it.clone())))
            .collect();
        let told = app_changes(&before, after, &changes);
        let mut names: Vec<_> = told
            .iter()
            .map(|it| format!("{} {:?} {}", it.part.entity(), it.action, it.hooks.len()))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn whoever_sees_an_app_changes_its_webhooks_which_go_with_it() {
    let mut shop = Shop::new();
    let app = shop.app;
    let create = || C::CreateAppWebhook { app, new: hook(&["api:release", "dyno"]) };
    let (member, stranger) = (Caller::User(shop.town.member), Caller::User(shop.town.stranger));
    assert_eq!(shop.town.bench.refused(stranger, create()).code, Code::NotFound);
    let made = shop.town.bench.ok(member, create()).main();
    let Some(Key::Webhook(id)) = made else { panic!("{made:?}") };
    let delete = C::DeleteAppWebhook { app, id };
    let to = |change: AppWebhook| C::UpdateAppWebhook { app, id, to: change };
    let level = |name: &str| AppWebhook { level: Some(name.to_owned()), ..<_>::default() };
    assert_eq!(shop.town.bench.refused(stranger, delete.clone()).code, Code::NotFound);
    assert_eq!(shop.town.bench.refused(stranger, to(level("notify"))).code, Code::NotFound);
    shop.ok(to(level("notify")));
    let kept = Webhook::clone(shop.town.bench.world.webhook(id).unwrap());
    assert_eq!((kept.level, kept.secret.as_str()), (WebhookLevel::Notify, "0123456789abcdef"));
    assert!(kept.updated.is_some() && kept.url.starts_with("https://hooks."));
    let wrong = [
        level("Sync"),
        hook(&[]),
        hook(&["api:release", "api:build"]),
        hook(&["peering"]),
        AppWebhook { url: Some("syslog+tls://x.example.com:1".to_owned()), ..<_>::default() },
        AppWebhook { secret: Some("short".to_owned()), ..<_>::default() },
        AppWebhook { authorization: Some("a\nb".to_owned()), ..<_>::default() },
    ];
    for change in wrong {
        assert_eq!(shop.refused(to(change.clone())).code, Code::InvalidParameterValue);
        let new = AppWebhook { url: change.url.or(hook(&[]).url), ..change };
        if new.include.is_some() && new.level.is_some() {
            assert_eq!(
                shop.refused(C::CreateAppWebhook { app, new }).code,
                Code::InvalidParameterValue
            );
        }
    }
    assert_eq!(
        shop.refused(C::CreateAppWebhook { app, new: AppWebhook::default() }).code,
        Code::InvalidParameterValue
    );
    for _ in 1..20 {
        shop.hook(&["api:app"]);
    }
    assert_eq!(shop.refused(create()).code, Code::LimitExceeded);
    shop.ok(delete.clone());
    assert_eq!(shop.refused(delete).code, Code::NotFound);
    shop.ok(C::DeleteApp { app });
    assert_eq!(shop.town.bench.world.webhooks().count(), 0);
}

#[test]
fn a_webhook_is_told_what_it_includes_and_nothing_else_is_kept() {
    let mut shop = Shop::deployed();
    let app = shop.app;
    let config = |value: &str| C::SetConfig {
        app,
        changes: [("COLOUR".to_owned(), Some(value.to_owned()))].into(),
    };
    assert_eq!(shop.told(|shop| drop(shop.ok(config("red")))), [] as [&str; 0]);
    let all = [
        "api:addon",
        "api:addon-attachment",
        "api:app",
        "api:domain",
        "api:dyno",
        "api:formation",
        "api:release",
    ];
    let first = shop.hook(&all);
    shop.hook(&["api:release"]);
    let told = shop.told(|shop| drop(shop.ok(config("blue"))));
    assert!(told.contains(&"api:release Create 2".to_owned()), "{told:?}");
    assert!(told.contains(&"api:app Update 1".to_owned()), "{told:?}");
    let told = shop.told(|shop| drop(shop.scale("worker", Quantity::To(2))));
    assert_eq!(
        told,
        ["api:dyno Create 1", "api:dyno Create 1", "api:formation Update 1"],
        "no release, and no change of the app itself"
    );
    let told = shop.told(Shop::start_all);
    assert!(told.iter().all(|it| it == "api:dyno Update 1") && !told.is_empty(), "{told:?}");
    let told = shop.told(|shop| drop(shop.scale("worker", Quantity::To(0))));
    assert!(told.contains(&"api:formation Update 1".to_owned()), "{told:?}");
    let hostname = "www.example.com".to_owned();
    let told = shop.told(|shop| drop(shop.ok(C::AddDomain { app, hostname })));
    assert_eq!(told, ["api:domain Create 1"]);
    let include = Some(vec!["api:addon".to_owned()]);
    let to = AppWebhook { include, ..<_>::default() };
    shop.ok(C::UpdateAppWebhook { app, id: first, to });
    let domain = shop.app().domains["www.example.com"].id;
    let told = shop.told(|shop| drop(shop.ok(C::RemoveDomain { app, domain })));
    assert_eq!(told, [] as [&str; 0], "not what it no longer includes");
}

#[test]
fn an_apps_webhook_is_not_made_by_the_operators_command_and_shows_nothing_secret() {
    let mut shop = Shop::new();
    let new = NewWebhook {
        owner: WebhookOwner::App(shop.app),
        url: "https://x.example.com/".to_owned(),
        include: vec!["app".to_owned()],
        secret: "0123456789abcdef".to_owned(),
        authorization: None,
    };
    let refused =
        shop.town.bench.refused(Caller::Operator, IdentityCommand::CreateWebhook(new)).code;
    assert_eq!(refused, Code::InvalidParameterValue);
    let printed = format!("{:?}", hook(&["api:app"]));
    assert!(!printed.contains("0123456789abcdef") && !printed.contains("hooks."), "{printed}");
}
