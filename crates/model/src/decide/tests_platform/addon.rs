//! Data services that several apps of a space have.

use super::shop::{Shop, plan_of};
use crate::PlatformCommand as C;
use crate::*;

/// A shop with a service, and a second app beside it.
fn with_stock() -> (Shop, AddonId, AppId) {
    let mut shop = Shop::deployed();
    let plan = Plan {
        config: [("REDIS_TLS_PORT", "{port}"), ("REDIS_URL", "redis://{host}")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        ..plan_of("heroku-redis")
    };
    let password = "x".to_owned();
    let create = C::CreateAddon { app: shop.app, plan: plan.into(), name: None, password };
    let Some(Key::Addon(addon)) = shop.ok(create).main() else { panic!("no add-on") };
    let stock = app(&mut shop, "stock");
    (shop, addon, stock)
}

/// An app in the shop's space.
fn app(shop: &mut Shop, name: &str) -> AppId {
    let space = shop.town.space;
    app_in(shop, space, name)
}

fn app_in(shop: &mut Shop, space: SpaceId, name: &str) -> AppId {
    let name = Some(name.to_owned());
    let create = C::CreateApp { name, space, internal_routing: false };
    let Some(Key::App(app)) = shop.ok(create).main() else { panic!("no app") };
    app
}

fn attach(addon: AddonId, app: AppId, name: Option<&str>) -> C {
    C::AttachAddon { addon, app, name: name.map(str::to_owned) }
}

fn detach(addon: AddonId, app: AppId, name: &str) -> C {
    C::DetachAddon { addon, app, name: name.to_owned() }
}

fn config(shop: &Shop, app: AppId) -> Vec<String> {
    shop.town.bench.world.app(app).unwrap().config.keys().cloned().collect()
}

fn last_release(shop: &Shop, app: AppId) -> (u32, String) {
    let world = &shop.town.bench.world;
    let release = world.release(world.app(app).unwrap().release).unwrap();
    (release.version, release.description.clone())
}

#[test]
fn an_attachment_gives_another_app_the_variables_by_a_release() {
    let (mut shop, addon, stock) = with_stock();
    shop.ok(attach(addon, stock, Some("cache")));
    assert_eq!(config(&shop, stock), ["CACHE_TLS_PORT", "CACHE_URL"]);
    let said = "Attach CACHE_TLS_PORT, CACHE_URL (@ref:";
    let (version, description) = last_release(&shop, stock);
    assert!(version == 2 && description.starts_with(said), "{description}");
    let world = &shop.town.bench.world;
    let (own, other) = (&shop.app().config, &world.app(stock).unwrap().config);
    assert_eq!(own["REDIS_URL"], other["CACHE_URL"]);
    assert_eq!(own["REDIS_TLS_PORT"], other["CACHE_TLS_PORT"]);

    // Without a name it is what the plan says, and then one with a colour.
    shop.ok(attach(addon, stock, None));
    shop.ok(attach(addon, stock, None));
    let all = config(&shop, stock);
    assert_eq!(all.len(), 6);
    for name in ["REDIS_URL", "HEROKU_REDIS_AMBER_URL"] {
        assert!(all.iter().any(|variable| variable == name), "{all:?}");
    }
    let set = |name: &str| C::SetConfig {
        app: stock,
        changes: [(name.to_owned(), Some("mine".to_owned()))].into(),
    };
    assert!(shop.refused(set("CACHE_URL")).message.contains("attachment values CACHE_URL"));

    shop.ok(detach(addon, stock, "CACHE"));
    assert_eq!(config(&shop, stock).len(), 4);
    assert!(last_release(&shop, stock).1.starts_with("Detach CACHE_TLS_PORT, CACHE_URL"));
    assert_eq!(shop.refused(detach(addon, stock, "CACHE")).code, Code::NotFound);
    shop.ok(set("CACHE_URL"));
    let taken = shop.refused(attach(addon, stock, Some("CACHE")));
    assert!(taken.message.contains("config var CACHE_URL"), "{taken}");
}

#[test]
fn what_cannot_be_attached_or_detached_is_refused() {
    let (mut shop, addon, stock) = with_stock();
    for name in ["", "1CACHE", "CACHE_", "MY-CACHE", "REDIS", &"X".repeat(65)] {
        let refused = shop.refused(attach(addon, shop.app, Some(name)));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{name}");
    }
    let own = shop.refused(detach(addon, shop.app, "REDIS"));
    assert!(own.message.contains("was made for the app shop"), "{own}");
    let stranger = Caller::User(shop.town.stranger);
    for command in [attach(addon, stock, None), detach(addon, stock, "REDIS")] {
        let refused = shop.town.bench.refused(stranger, command);
        assert_eq!(refused.code, Code::NotFound);
    }

    // R22: its own space alone gets through to it.
    let (team, admin) = (shop.town.team, shop.town.admin());
    let bench = &mut shop.town.bench;
    let create = C::CreateSpace {
        name: "elsewhere".to_owned(),
        team,
        region: None,
        cidr: Some("10.8.0.0/16".parse().unwrap()),
        data_cidr: Some("10.9.0.0/16".parse().unwrap()),
    };
    let Some(Key::Space(elsewhere)) = bench.ok(admin, create).main() else { panic!("no space") };
    let far = app_in(&mut shop, elsewhere, "far-away");
    let refused = shop.refused(attach(addon, far, None));
    assert!(refused.message.contains("another space"), "{refused}");
    for _ in 0..20 {
        shop.ok(attach(addon, stock, None));
    }
    assert_eq!(shop.refused(attach(addon, stock, None)).code, Code::LimitExceeded);
}

#[test]
fn who_goes_first_takes_the_attachments_along() {
    let (mut shop, addon, stock) = with_stock();
    let third = app(&mut shop, "third");
    for app in [stock, third, shop.app] {
        shop.ok(attach(addon, app, Some("CACHE")));
    }
    shop.ok(C::DeleteApp { app: third });
    let attached = |shop: &Shop| {
        let addon = shop.town.bench.world.addon(addon);
        addon.map(|addon| addon.attachments.iter().map(|a| a.app).collect::<Vec<_>>())
    };
    assert_eq!(attached(&shop), Some(vec![stock, shop.app]));
    shop.ok(C::DeleteAddon { addon });
    for app in [stock, shop.app] {
        assert_eq!(config(&shop, app), [""; 0]);
        assert!(last_release(&shop, app).1.starts_with("Detach "));
    }

    let (mut shop, addon, stock) = with_stock();
    shop.ok(attach(addon, stock, None));
    shop.ok(C::DeleteApp { app: shop.app });
    assert!(shop.town.bench.world.addon(addon).is_none());
    assert_eq!(config(&shop, stock), [""; 0]);
}
