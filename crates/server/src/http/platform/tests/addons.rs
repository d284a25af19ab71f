//! Names and data services of apps, as clients handle them.

use model::edge::Domains;
use model::{Caller, IdentityCommand, Observation, SystemCommand, WorkloadId, WorkloadReport};
use serde_json::{Value, json};

use super::apps::{deploy, with_app};
use super::fixture::{ALICE, BOB, Fixture, STRANGER};

#[tokio::test(flavor = "multi_thread")]
async fn names_are_added_shown_and_removed() {
    let server = with_app().await;
    let app = server.state.world().app_named("shop").unwrap().clone();
    let own = Domains::default().host(&app);
    let list = server.get(BOB, "/apps/shop/domains").await.json();
    assert_eq!((&list[0]["kind"], &list[0]["hostname"]), (&json!("heroku"), &json!(own)));
    assert_eq!(list[0]["cname"], Value::Null);

    let body = r#"{"hostname": "WWW.Example.com.", "sni_endpoint": null}"#;
    let added = server.ask(BOB, "POST", "/apps/shop/domains", body).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let added = added.json();
    assert_eq!((&added["hostname"], &added["cname"]), (&json!("www.example.com"), &json!(own)));
    assert_eq!((&added["kind"], &added["status"]), (&json!("custom"), &json!("none")));
    let id = added["id"].as_str().unwrap();
    for named in [id, "www.example.com", "WWW.example.com"] {
        let path = format!("/apps/shop/domains/{named}");
        assert_eq!(server.get(BOB, &path).await.json(), added, "{named}");
    }
    for (body, names) in [
        ("{}", "`hostname`"),
        (r#"{"hostname": "www.example.com"}"#, "in use"),
        (r#"{"hostname": "no dots"}"#, "no dots"),
        (r#"{"hostname": "mine.Apps.localhost."}"#, "the platform's own domain"),
        (r#"{"hostname": "*.apps.internal"}"#, "the platform's own domain"),
        (r#"{"hostname": "*.com"}"#, "'*.com' is not a valid domain name"),
        (r#"{"hostname": "*.co.uk"}"#, "anybody may register"),
        (r#"{"hostname": "x.example.com", "sni_endpoint": "mine"}"#, "`sni_endpoint`"),
    ] {
        let got = server.ask(BOB, "POST", "/apps/shop/domains", body).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{body}");
        assert!(got.text.contains(names), "{body}: {}", got.text);
    }
    let kept = server.ask(BOB, "DELETE", &format!("/apps/shop/domains/{own}"), "").await;
    assert_eq!(kept.status, 422);
    let gone = server.ask(BOB, "DELETE", "/apps/shop/domains/www.example.com", "").await;
    assert_eq!((gone.status.as_u16(), &gone.json()["id"]), (200, &json!(id)));
    let again = server.ask(BOB, "DELETE", "/apps/shop/domains/www.example.com", "").await;
    assert_eq!(again.error(), (404, "not_found".to_owned()));
    assert_eq!(server.get(BOB, "/apps/shop/domains").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_over_the_names_of_another_team_is_refused() {
    let server = with_app().await;
    let body = r#"{"hostname": "www.example.com"}"#;
    assert_eq!(server.ask(BOB, "POST", "/apps/shop/domains", body).await.status, 201);
    let admin = server.state.world().user_named("stranger@example.com").unwrap().id;
    let team = IdentityCommand::CreateTeam { name: "rivals".to_owned(), admin };
    server.command(Caller::Operator, team).await;
    for (path, body) in [
        ("/spaces", r#"{"name": "beta", "team": "rivals"}"#),
        ("/teams/apps", r#"{"name": "theirs", "space": "beta"}"#),
    ] {
        let made = server.ask(STRANGER, "POST", path, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        for _ in 0..2 {
            server.observe().await;
        }
    }
    let before = server.state.world();
    let body = r#"{"hostname": "*.example.com"}"#;
    let refused = server.ask(STRANGER, "POST", "/apps/theirs/domains", body).await;
    assert_eq!(refused.error(), (422, "invalid_params".to_owned()), "{}", refused.text);
    assert!(refused.text.contains("an app of another team"), "{}", refused.text);
    assert!(!refused.text.contains("www.") && !refused.text.contains("shop"), "{}", refused.text);
    assert!(before.records().eq(server.state.world().records()));
    assert_eq!(server.ask(BOB, "POST", "/apps/shop/domains", body).await.status, 201);
}

/// The types of the space's peerings, as its members see them.
async fn types(server: &Fixture) -> Vec<Value> {
    let list = server.get(BOB, "/spaces/alpha/peerings").await;
    assert!(!list.text.contains("vpc-"), "{}", list.text);
    list.json().as_array().unwrap().iter().map(|row| row["type"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_program_is_not_installed_is_refused() {
    let machine = tempfile::tempdir().unwrap();
    let root = machine.path();
    let server = with_app().await.set(|state| state.programs = Some(root.to_owned()));
    let before = server.state.world();
    let create = async |plan: &str| {
        let body = json!({ "plan": { "name": plan } }).to_string();
        server.ask(BOB, "POST", "/apps/shop/addons", &body).await
    };
    for (plan, install) in [
        ("heroku-redis", "apt-get install --no-install-recommends redis-server"),
        ("heroku-redis:private-0", "apt-get install --no-install-recommends redis-server"),
        ("heroku-postgresql", "apt-get install --no-install-recommends postgresql"),
        ("heroku-kafka", "cargo install tansu"),
    ] {
        let refused = create(plan).await;
        assert_eq!(refused.error(), (422, "invalid_params".to_owned()), "{plan}");
        for word in [plan, install, "causeway doctor"] {
            assert!(refused.text.contains(word), "{plan}: {}", refused.text);
        }
    }
    assert!(before.records().eq(server.state.world().records()));
    std::fs::create_dir_all(root.join("usr/bin")).unwrap();
    std::fs::write(root.join("usr/bin/redis-server"), "").unwrap();
    let made = create("heroku-redis").await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_made_found_and_removed() {
    let server = with_app().await;
    deploy(&server, "web: serve\n").await;
    assert_eq!(types(&server).await, ["heroku-managed"]);

    // As the CLI sends it.
    let body = r#"{"attachment": {}, "config": {}, "plan": {"name": "heroku-postgresql"}}"#;
    let made = server.ask(BOB, "POST", "/apps/shop/addons", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(
        (&made["state"], &made["plan"]["price"]["cents"]),
        (&json!("provisioning"), &json!(0))
    );
    assert_eq!(made["config_vars"], json!(["DATABASE_URL"]));
    assert_eq!(types(&server).await, ["heroku-postgresql"], "R14");
    let name = made["name"].as_str().unwrap();

    let config = server.get(BOB, "/apps/shop/config-vars").await.json();
    let url = config["DATABASE_URL"].as_str().unwrap();
    let (before, after) = url.strip_prefix("postgres://app:").unwrap().split_once('@').unwrap();
    assert_eq!(before.len(), 32);
    assert!(after.starts_with("10.1.") && after.ends_with(":5432/app"), "{url}");
    let shown = server.get(BOB, &format!("/addons/{name}")).await;
    assert!(!shown.text.contains(before), "nothing but the variable has the password");

    server.observe().await;
    assert_eq!(server.get(BOB, &format!("/addons/{name}")).await.json()["state"], "provisioned");
    for (body, found) in [
        (json!({ "addon": name, "app": null }), true),
        (json!({ "addon": made["id"], "app": "shop" }), true),
        (json!({ "addon": "heroku-postgresql", "app": "shop" }), true),
        (json!({ "addon": "DATABASE", "app": "shop", "addon_service": null }), true),
        (json!({ "addon": "DATABASE", "app": null }), false),
        (json!({ "addon": name, "addon_service": "heroku-redis" }), false),
        (json!({ "addon": "nothing", "app": "shop" }), false),
    ] {
        let got = server.ask(BOB, "POST", "/actions/addons/resolve", &body.to_string()).await;
        match found {
            true => assert_eq!(got.json()[0]["name"], name, "{body}"),
            // By these the CLI knows to look elsewhere.
            false => assert_eq!(
                (got.status.as_u16(), &got.json()["resource"]),
                (404, &json!("add_on")),
                "{body}"
            ),
        }
    }
    let body = json!({ "addon": name }).to_string();
    let hidden = server.ask(STRANGER, "POST", "/actions/addons/resolve", &body).await;
    assert_eq!(hidden.status, 404);

    // Its process ended: it is about to be tried again.
    let id = server.state.world().addon_named(name).unwrap().id;
    let ended = (WorkloadId::Service(id), WorkloadReport::Gone);
    let seen = Observation { workloads: [ended].into(), ..Observation::default() };
    server.command(Caller::System, SystemCommand::Observe(seen)).await;
    assert_eq!(server.get(BOB, &format!("/addons/{name}")).await.json()["state"], "provisioning");

    let path = format!("/apps/shop/addons/{name}");
    let gone = server.ask(ALICE, "DELETE", &path, r#"{"force": false}"#).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["state"]), (200, &json!("deprovisioned")));
    assert_eq!(server.get(BOB, "/apps/shop/config-vars").await.text, "{}");
    assert_eq!(server.get(BOB, &path).await.status, 404);
    assert_eq!(types(&server).await, ["heroku-managed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_said_to_be_so() {
    let server = with_app().await;
    for (body, status, names) in [
        ("{}", 422, "`plan`"),
        (r#"{"plan": "mongo"}"#, 404, "heroku-redis:premium-0"),
        (r#"{"plan": "heroku-redis:tiny"}"#, 404, "heroku-redis:premium-0"),
        (r#"{"plan": "heroku-kafka:extended-9"}"#, 404, "heroku-kafka:standard-0"),
        (r#"{"plan": "heroku-redis", "attachment": {"name": "CACHE"}}"#, 422, "--as"),
        (r#"{"plan": "heroku-redis", "config": {"fork": "DATABASE"}}"#, 422, "--fork"),
        (r#"{"plan": "heroku-redis", "config": "x"}"#, 422, "`config`"),
        (r#"{"plan": "heroku-redis", "name": "X"}"#, 422, "name"),
    ] {
        let got = server.ask(BOB, "POST", "/apps/shop/addons", body).await;
        assert_eq!(got.status, status, "{body}: {}", got.text);
        assert!(got.text.contains(names), "{body}: {}", got.text);
    }
    let plans = server.get(BOB, "/addon-services/heroku-kafka/plans").await.json();
    assert_eq!(plans[0]["name"], "heroku-kafka:standard-0");
    let services = server.get(BOB, "/addon-services").await.json();
    let id = services[0]["id"].as_str().unwrap();
    assert_eq!(server.get(BOB, &format!("/addon-services/{id}")).await.json(), services[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_app_of_the_space_is_given_an_addon() {
    let server = with_app().await;
    let made = server.ask(BOB, "POST", "/apps/shop/addons", r#"{"plan": "heroku-redis"}"#).await;
    let addon = made.json()["name"].as_str().unwrap().to_owned();
    server.ask(BOB, "POST", "/apps", r#"{"name": "stock", "space": "alpha"}"#).await;

    // As the CLI sends it.
    let body = json!({ "addon": { "name": addon }, "app": { "name": "stock" }, "name": "CACHE" });
    let attached = server.ask(BOB, "POST", "/addon-attachments", &body.to_string()).await;
    assert_eq!(attached.status, 201, "{}", attached.text);
    let attached = attached.json();
    assert_eq!((&attached["name"], &attached["app"]["name"]), (&json!("CACHE"), &json!("stock")));
    assert_eq!(attached["addon"]["app"]["name"], "shop");
    assert_eq!(attached["config_vars"], json!(["CACHE_URL"]));
    let config = |app: &'static str| server.get(BOB, app);
    let (own, other) =
        (config("/apps/shop/config-vars").await, config("/apps/stock/config-vars").await);
    assert_eq!(own.json()["REDIS_URL"], other.json()["CACHE_URL"]);

    let id = attached["id"].as_str().unwrap();
    for path in [
        format!("/addon-attachments/{id}"),
        "/addon-attachments/stock::cache".to_owned(),
        format!("/apps/stock/addon-attachments/{id}"),
        "/apps/stock/addon-attachments/CACHE".to_owned(),
    ] {
        assert_eq!(server.get(BOB, &path).await.json(), attached, "{path}");
        assert_eq!(server.get(STRANGER, &path).await.status, 404, "{path}");
    }
    let listed = |path: String| async {
        let list = server.get(BOB, &{ path }).await.json();
        let names = list.as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let both = ["CACHE".to_owned(), "REDIS".to_owned()].into();
    assert_eq!(listed("/addon-attachments".to_owned()).await, both);
    assert_eq!(listed(format!("/addons/{addon}/addon-attachments")).await, both);
    assert_eq!(listed("/apps/stock/addon-attachments".to_owned()).await, ["CACHE".into()].into());
    assert_eq!(listed("/apps/stock/addons".to_owned()).await, [addon.clone()].into());
    assert_eq!(listed("/addons".to_owned()).await, [addon.clone()].into(), "once");
    let resolve = json!({ "addon_attachment": "CACHE", "app": "stock" }).to_string();
    let found = server.ask(BOB, "POST", "/actions/addon-attachments/resolve", &resolve).await;
    assert_eq!(found.json()[0], attached);
    let resolve = json!({ "addon": "CACHE", "app": "stock" }).to_string();
    let found = server.ask(BOB, "POST", "/actions/addons/resolve", &resolve).await;
    assert_eq!(found.json()[0]["name"], addon);

    for (body, status, names) in [
        (json!({ "addon": addon }), 422, "`app`"),
        (json!({ "app": "stock" }), 422, "`addon`"),
        (json!({ "addon": "nothing", "app": "stock" }), 404, "add-on"),
        (json!({ "addon": addon, "app": "nothing" }), 404, "app"),
        (json!({ "addon": addon, "app": "stock", "name": "CACHE" }), 422, "CACHE already"),
        (json!({ "addon": addon, "app": "stock", "namespace": "credential:x" }), 422, "credential"),
    ] {
        let got = server.ask(BOB, "POST", "/addon-attachments", &body.to_string()).await;
        assert_eq!(got.status, status, "{body}: {}", got.text);
        assert!(got.text.contains(names), "{body}: {}", got.text);
    }
    let kept = server.ask(BOB, "DELETE", &format!("/apps/stock/addons/{addon}"), "").await;
    assert!(kept.status == 422 && kept.text.contains("addons:detach CACHE"), "{}", kept.text);
    let own = server.ask(BOB, "DELETE", "/addon-attachments/shop::REDIS", "").await;
    assert!(own.status == 422 && own.text.contains("destroy it"), "{}", own.text);

    let gone = server.ask(BOB, "DELETE", &format!("/addon-attachments/{id}"), "").await;
    assert_eq!((gone.status.as_u16(), &gone.json()), (200, &attached));
    assert_eq!(server.get(BOB, "/apps/stock/config-vars").await.text, "{}");
    assert_eq!(server.get(BOB, &format!("/addon-attachments/{id}")).await.status, 404);
}
