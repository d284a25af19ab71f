//! Who may have what be sent where.

use super::fixture::*;
use super::shop::Shop;
use crate::PlatformCommand as C;
use crate::*;

fn hook(owner: WebhookOwner) -> NewWebhook {
    NewWebhook {
        owner,
        url: "https://hooks.example.com/in".to_owned(),
        include: vec!["peering".to_owned(), "dyno.crashed".to_owned()],
        secret: "0123456789abcdef".to_owned(),
        authorization: None,
    }
}

fn create(owner: WebhookOwner) -> IdentityCommand {
    IdentityCommand::CreateWebhook(hook(owner))
}

#[test]
fn owners_change_their_own_webhooks_and_the_operator_all() {
    let mut town = Town::new();
    let (team, admin) = (town.team, town.admin());
    let (member, stranger) = (Caller::User(town.member), Caller::User(town.stranger));
    let bench = &mut town.bench;
    let name = "partner".to_owned();
    let made = bench.ok(Caller::Operator, IdentityCommand::CreateAccount { name }).main();
    let Some(Key::Account(partner)) = made else { panic!("{made:?}") };
    let own = Scope { account: partner, region: region(VIRGINIA) };
    let read_only = Caller::Account { scope: own, read_only: true };
    let (of_team, of_account) = (WebhookOwner::Team(team), WebhookOwner::Account(own.account));
    for (caller, owner, expected) in [
        (admin, of_team, None),
        (member, of_team, Some(Code::UnauthorizedOperation)),
        (stranger, of_team, Some(Code::NotFound)),
        (admin, of_account, Some(Code::NotFound)),
        (admin, WebhookOwner::Operator, Some(Code::NotFound)),
        (key(own), of_account, None),
        (read_only, of_account, Some(Code::UnauthorizedOperation)),
        (key(own), of_team, Some(Code::NotFound)),
        (key(own), WebhookOwner::Operator, Some(Code::NotFound)),
        (key(scope(222, VIRGINIA)), of_account, Some(Code::NotFound)),
        (Caller::Operator, of_team, None),
        (Caller::Operator, of_account, None),
        (Caller::Operator, WebhookOwner::Operator, None),
        (Caller::Operator, WebhookOwner::Account(account(999)), Some(Code::NotFound)),
    ] {
        match expected {
            Some(code) => assert_eq!(bench.refused(caller, create(owner)).code, code, "{owner:?}"),
            None => {
                let made = bench.ok(caller, create(owner)).main();
                let Some(Key::Webhook(id)) = made else { panic!("{made:?}") };
                let delete = IdentityCommand::DeleteWebhook { id };
                for other in [member, stranger, key(scope(222, VIRGINIA)), read_only] {
                    bench.refused(other, delete.clone());
                }
                bench.ok(caller, delete.clone());
                assert_eq!(bench.refused(caller, delete).code, Code::NotFound);
            }
        }
    }
}

#[test]
fn webhooks_that_say_nothing_or_too_much_are_refused() {
    let mut bench = Bench::new();
    let good = hook(WebhookOwner::Operator);
    let with = |change: fn(&mut NewWebhook)| {
        let mut new = good.clone();
        change(&mut new);
        IdentityCommand::CreateWebhook(new)
    };
    for wrong in [
        with(|new| new.url = "ftp://x".to_owned()),
        with(|new| new.url = "syslog+tls://x.example.com".to_owned()),
        with(|new| new.include.clear()),
        with(|new| new.include = vec!["peering".to_owned(); 33]),
        with(|new| new.include = vec!["no.such".to_owned()]),
        with(|new| new.secret = "short".to_owned()),
        with(|new| new.secret = "0123456789abcde\n".to_owned()),
        with(|new| new.authorization = Some("a\r\nb".to_owned())),
        with(|new| new.authorization = Some("a".repeat(1025))),
    ] {
        assert_eq!(bench.refused(Caller::Operator, wrong).code, Code::InvalidParameterValue);
    }
    for _ in 0..20 {
        bench.ok(Caller::Operator, create(WebhookOwner::Operator));
    }
    let refused = bench.refused(Caller::Operator, create(WebhookOwner::Operator));
    assert_eq!(refused.code, Code::LimitExceeded);
}

#[test]
fn a_webhook_shows_nothing_secret_where_it_is_printed() {
    let new = NewWebhook {
        authorization: Some("Bearer t0ken".to_owned()),
        ..hook(WebhookOwner::Operator)
    };
    let mut bench = Bench::new();
    let made = bench.ok(Caller::Operator, IdentityCommand::CreateWebhook(new.clone())).main();
    let Some(Key::Webhook(id)) = made else { panic!("{made:?}") };
    let kept = bench.world.webhook(id).unwrap();
    for printed in [format!("{new:?}"), format!("{kept:?}")] {
        for secret in ["0123456789abcdef", "t0ken", "hooks.example.com"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
    let kinds = kept.kinds();
    assert!(kinds.contains(&EventKind::PeeringFailed) && kinds.contains(&EventKind::DynoCrashed));
    assert_eq!(kinds.len(), 9);
}

#[test]
fn log_drains_are_the_apps_and_go_with_it() {
    let mut shop = Shop::new();
    let app = shop.app;
    let add = |url: &str| C::AddLogDrain { app, url: url.to_owned() };
    let stranger = Caller::User(shop.town.stranger);
    let member = Caller::User(shop.town.member);
    assert_eq!(
        shop.town.bench.refused(stranger, add("https://x.example.com/")).code,
        Code::NotFound
    );
    let made = shop.town.bench.ok(member, add("https://x.example.com/")).main();
    let Some(Key::LogDrain(drain)) = made else { panic!("{made:?}") };
    for (url, code) in [
        ("https://x.example.com/", Code::InvalidParameterValue),
        ("x.example.com", Code::InvalidParameterValue),
    ] {
        assert_eq!(shop.refused(add(url)).code, code, "{url}");
    }
    for n in 0..4 {
        shop.ok(add(&format!("syslog+tls://x.example.com:{}", n + 1)));
    }
    assert_eq!(shop.refused(add("https://y.example.com/")).code, Code::LimitExceeded);
    let remove = C::RemoveLogDrain { app, drain };
    assert_eq!(shop.town.bench.refused(stranger, remove.clone()).code, Code::NotFound);
    shop.ok(remove.clone());
    assert_eq!(shop.refused(remove).code, Code::NotFound);
    assert_eq!(shop.town.bench.world.log_drains_of(Key::App(app)).count(), 4);
    shop.ok(C::DeleteApp { app });
    assert_eq!(shop.town.bench.world.log_drains().count(), 0);
}
