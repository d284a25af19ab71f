//! Who belongs to a team, who gets at a space, and what is not there.

use axum::body::Body;

use super::fixture::{ALICE, BOB, Fixture, STRANGER, request};

fn member(email: &str, role: &str) -> String {
    format!(r#"{{"email": "{email}", "role": "{role}"}}"#)
}

#[tokio::test]
async fn members_are_added_changed_and_removed() {
    let server = Fixture::new();
    let path = "/teams/acme/members";
    let stranger = member("Stranger@example.org", "member");
    let added = server.ask(ALICE, "PUT", path, &stranger).await;
    assert_eq!(added.status, 201, "{}", added.text);
    assert_eq!(added.json()["email"], "stranger@example.org");
    assert_eq!(server.get(STRANGER, "/spaces/alpha").await.status, 200);
    let again = server.ask(ALICE, "PUT", path, &stranger).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, added.json()));
    let twice = server.ask(ALICE, "POST", path, &stranger).await;
    assert_eq!(twice.error(), (422, "invalid_params".to_owned()));

    let raise = member("stranger@example.org", "admin");
    let raised = server.ask(ALICE, "PATCH", path, &raise).await;
    assert_eq!((raised.status.as_u16(), &raised.json()["role"]), (200, &"admin".into()));
    let gone = server.ask(STRANGER, "DELETE", "/teams/acme/members/alice@example.com", "").await;
    assert_eq!((gone.status.as_u16(), &gone.json()["role"]), (200, &"admin".into()));
    assert_eq!(server.get(ALICE, "/teams/acme").await.status, 404);

    let absent = server.ask(STRANGER, "PATCH", path, &member("alice@example.com", "admin")).await;
    assert_eq!(absent.error(), (404, "not_found".to_owned()));
    let last = "/teams/acme/members/stranger@example.org";
    let kept = server.ask(STRANGER, "DELETE", last, "").await;
    assert_eq!(kept.error(), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn a_member_may_leave_and_no_more() {
    let server = Fixture::new();
    let before = server.state.world();
    for (method, path, body) in [
        ("PUT", "/teams/acme/members", member("stranger@example.org", "member")),
        ("POST", "/teams/acme/members", member("stranger@example.org", "member")),
        ("PATCH", "/teams/acme/members", member("bob@example.com", "admin")),
        ("DELETE", "/teams/acme/members/alice@example.com", String::new()),
    ] {
        let got = server.ask(BOB, method, path, &body).await;
        assert_eq!(got.error(), (403, "forbidden".to_owned()), "{method}");
    }
    assert!(before.records().eq(server.state.world().records()));
    let left = server.ask(BOB, "DELETE", "/teams/acme/members/~", "").await;
    assert_eq!((left.status.as_u16(), &left.json()["email"]), (200, &"bob@example.com".into()));
    assert_eq!(server.get(BOB, "/spaces").await.text, "[]");
}

#[tokio::test]
async fn nobody_is_invited_and_the_way_is_named() {
    let server = Fixture::new();
    let new = member("new@example.com", "member");
    let got = server.ask(ALICE, "PUT", "/teams/acme/members", &new).await;
    assert_eq!(got.error(), (404, "not_found".to_owned()));
    assert!(got.text.contains("causeway users:create new@example.com"), "{}", got.text);
    let got = server.ask(ALICE, "PUT", "/teams/acme/invitations", &new).await;
    assert_eq!(got.error(), (404, "not_found".to_owned()));
    assert!(got.text.contains("members:add"), "{}", got.text);
    let owner = member("bob@example.com", "owner");
    let got = server.ask(ALICE, "PATCH", "/teams/acme/members", &owner).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    assert!(got.text.contains("`admin`"), "{}", got.text);
    let got = server.ask(ALICE, "POST", "/apps/shop/collaborators", r#"{"user": "x"}"#).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
}

#[tokio::test]
async fn trusted_ranges_are_put_as_the_cli_and_as_terraform_do() {
    let server = Fixture::new();
    let path = "/spaces/alpha/inbound-ruleset";
    let mut whole = server.get(ALICE, path).await.json();
    let range = serde_json::json!({ "action": "allow", "source": "192.0.2.0/24" });
    whole["rules"].as_array_mut().unwrap().push(range);
    let got = server.ask(ALICE, "PUT", path, &whole.to_string()).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json()["rules"], whole["rules"]);
    assert_eq!((&got.json()["applied"], &got.json()["id"]), (&true.into(), &whole["id"]));
    assert_eq!(got.json()["created_by"], "alice@example.com");

    let rules = r#"{"rules": [{"action": "allow", "source": "0.0.0.0/0"},
        {"action": "deny", "source": "8.8.4.4/32"}]}"#;
    let got = server.ask(ALICE, "PUT", path, rules).await;
    assert_eq!(got.json()["rules"][1]["action"], "deny", "{}", got.text);
    let shown = server.get(BOB, path).await;
    assert_eq!(shown.json(), got.json());
    let list = server.get(BOB, "/spaces/alpha/inbound-rulesets").await.json();
    assert_eq!(list, serde_json::json!([shown.json()]));
    let one = format!("/spaces/alpha/inbound-rulesets/{}", shown.json()["id"].as_str().unwrap());
    assert_eq!(server.get(BOB, &one).await.json(), shown.json());
    let other = "/spaces/alpha/inbound-rulesets/00000000-0000-0000-0000-000000000001";
    assert_eq!(server.get(BOB, other).await.error(), (404, "not_found".to_owned()));

    assert_eq!(server.ask(BOB, "PUT", path, r#"{"rules": []}"#).await.status, 403);
    let got = server.ask(ALICE, "PUT", path, r#"{"rules": []}"#).await;
    assert_eq!(got.json()["rules"], serde_json::json!([]));
    assert_eq!(server.state.world().space_named("alpha").unwrap().trusted, []);
}

#[tokio::test]
async fn a_range_that_is_none_is_named_and_changes_nothing() {
    let server = Fixture::new();
    let before = server.state.world();
    let path = "/spaces/alpha/inbound-ruleset";
    for (rules, named) in [
        ("", "`rules` must be given"),
        (r#""rules": "10.0.0.0/8""#, "a list"),
        (r#""rules": [7]"#, "`rules[0].action`"),
        (r#""rules": [{"action": "allow"}]"#, "`rules[0].source`"),
        (r#""rules": [{"action": "drop", "source": "10.0.0.0/8"}]"#, "`allow` or `deny`"),
        (
            r#""rules": [{"action": "allow", "source": "192.168.0.1/24"}]"#,
            "the block that it lies in is 192.168.0.0/24.",
        ),
        (
            r#""rules": [{"action": "allow", "source": "192.0.2.7"}]"#,
            "the block of it alone is 192.0.2.7/32.",
        ),
        (r#""rules": [{"action": "allow", "source": "::/0"}]"#, "'::/0' is not an IPv4"),
    ] {
        let got = server.ask(ALICE, "PUT", path, &format!("{{{rules}}}")).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{rules}");
        assert!(got.json()["message"].as_str().unwrap().contains(named), "{}", got.text);
    }
    let many: Vec<_> = (0..21)
        .map(|n| serde_json::json!({ "action": "allow", "source": format!("10.{n}.0.0/16") }))
        .collect();
    let body = serde_json::json!({ "rules": many }).to_string();
    let got = server.ask(ALICE, "PUT", path, &body).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn an_admin_says_who_makes_apps_in_a_space() {
    let server = Fixture::new();
    let path = "/spaces/alpha/members/bob@example.com";
    let app = r#"{"name": "blog", "space": "alpha"}"#;
    let taken = server.ask(ALICE, "PATCH", path, r#"{"permissions": []}"#).await;
    assert_eq!(
        (taken.status.as_u16(), &taken.json()["permissions"]),
        (200, &serde_json::json!([]))
    );
    assert_eq!(server.get(BOB, "/spaces/alpha/members/~").await.json(), taken.json());
    let refused = server.ask(BOB, "POST", "/teams/apps", app).await;
    assert_eq!(refused.error(), (403, "forbidden".to_owned()));
    assert_eq!(server.ask(BOB, "PATCH", path, r#"{"permissions": []}"#).await.status, 403);
    let given = r#"{"permissions": [{"name": "create_apps"}]}"#;
    let got = server.ask(ALICE, "PATCH", path, given).await;
    assert_eq!(got.json()["permissions"][0]["name"], "create_apps", "{}", got.text);
    assert_eq!(server.ask(BOB, "POST", "/teams/apps", app).await.status, 201);

    for (body, named) in [
        ("{}", "`permissions`"),
        (r#"{"permissions": ["fly"]}"#, "`fly`"),
        (r#"{"permissions": [7]}"#, "`create_apps`"),
    ] {
        let got = server.ask(ALICE, "PATCH", path, body).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()));
        assert!(got.text.contains(named), "{}", got.text);
    }
    let admin = "/spaces/alpha/members/alice@example.com";
    let kept = server.ask(ALICE, "PATCH", admin, r#"{"permissions": []}"#).await;
    assert_eq!(kept.error(), (409, "conflict".to_owned()));
    let nobody = "/spaces/alpha/members/stranger@example.org";
    assert_eq!(server.get(ALICE, nobody).await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_space_goes_with_its_apps_to_a_team_of_the_same_admin() {
    let server = Fixture::new();
    let transfer = r#"{"new_owner": "rivals"}"#;
    let got = server.ask(ALICE, "POST", "/spaces/alpha/transfer", transfer).await;
    assert_eq!(got.error(), (404, "not_found".to_owned()), "she does not know that team");
    let got = server.ask(ALICE, "POST", "/spaces/alpha/transfer", "{}").await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    let join = member("alice@example.com", "member");
    server.ask(STRANGER, "PUT", "/teams/rivals/members", &join).await;
    let got = server.ask(ALICE, "POST", "/spaces/alpha/transfer", transfer).await;
    assert_eq!(got.error(), (403, "forbidden".to_owned()));
    let join = member("alice@example.com", "admin");
    server.ask(STRANGER, "PUT", "/teams/rivals/members", &join).await;
    let got = server.ask(ALICE, "POST", "/spaces/alpha/transfer", transfer).await;
    assert_eq!((got.status.as_u16(), &got.json()["team"]["name"]), (201, &"rivals".into()));
    assert_eq!(server.get(BOB, "/apps/shop").await.status, 404);
    assert_eq!(server.get(STRANGER, "/apps/shop").await.json()["team"]["name"], "rivals");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deletes_their_account_by_their_password_and_an_admin_their_team() {
    let server = Fixture::set_up().await;
    let gone = async |token: &str, path: &str, header: Option<(&str, &str)>| {
        let mut request =
            request("DELETE", path).header("authorization", format!("Bearer {token}"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let before = server.state.world();
    // The last admin stays, and a member deletes no team.
    let alone = gone(ALICE, "/account", None).await;
    assert_eq!(alone.error(), (409, "conflict".to_owned()));
    assert!(alone.json()["message"].as_str().unwrap().contains("acme"), "{}", alone.text);
    assert_eq!(gone(BOB, "/teams/acme", None).await.error().0, 403);
    assert_eq!(gone(STRANGER, "/teams/acme", None).await.error().0, 404);
    assert!(before.records().eq(server.state.world().records()));

    server.set_password("bob@example.com", "correct horse").await;
    assert_eq!(gone(BOB, "/account", None).await.error().0, 400);
    let wrong = gone(BOB, "/account", Some(("heroku-password", "wrong horse"))).await;
    assert_eq!(wrong.error().0, 401);
    assert!(server.state.world().user_named("bob@example.com").is_some());
    let encoded = ("heroku-password-base64", "Y29ycmVjdCBob3JzZQ==");
    let deleted = gone(BOB, "/account", Some(encoded)).await;
    assert_eq!(
        (deleted.status.as_u16(), &deleted.json()["email"]),
        (200, &"bob@example.com".into())
    );
    assert_eq!(server.get(BOB, "/account").await.error().0, 401, "the token ended with it");
    assert_eq!(server.get(ALICE, "/teams/acme/members").await.json().as_array().unwrap().len(), 1);

    let space = r#"{"name": "alpha", "team": "acme"}"#;
    assert_eq!(server.ask(ALICE, "POST", "/spaces", space).await.status, 201);
    let kept = gone(ALICE, "/teams/acme", None).await;
    assert!(kept.status == 422 || kept.status == 409, "{kept:?}");
    assert!(kept.json()["message"].as_str().unwrap().contains("alpha"), "{}", kept.text);
    server.observe().await;
    assert_eq!(server.ask(ALICE, "DELETE", "/spaces/alpha", "").await.status, 200);
    let team = gone(ALICE, "/teams/acme", None).await;
    assert_eq!((team.status.as_u16(), &team.json()["name"]), (200, &"acme".into()));
    assert_eq!(server.get(ALICE, "/teams").await.text, "[]");
    // Nobody depends on her any more.
    assert_eq!(gone(ALICE, "/account", None).await.status, 200);
    let operator = server.operator();
    assert_eq!(gone(&operator, "/account", None).await.error().0, 422);
}

#[tokio::test]
async fn what_is_not_there_says_what_there_is() {
    let server = Fixture::new();
    for (method, path, named) in [
        ("GET", "/spaces/alpha/vpn-connections", "VPN is not found"),
        ("POST", "/spaces/alpha/vpn-connections", "VPN is not found"),
        ("GET", "/spaces/alpha/vpn-connections/office", "office"),
        ("DELETE", "/spaces/alpha/vpn-connections/office", "spaces:peerings:info"),
        ("GET", "/spaces/alpha/log-drain", "Log drain is not found"),
        ("GET", "/account/features/x", "feature"),
    ] {
        let got = server.ask(ALICE, method, path, "{}").await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{method} {path}");
        assert!(got.json()["message"].as_str().unwrap().contains(named), "{}", got.text);
    }
    let hosts = server.get(BOB, "/spaces/alpha/hosts").await.json();
    assert_eq!((&hosts[0]["host_id"], &hosts[0]["state"]), (&"h-test".into(), &"available".into()));
    assert!(hosts[0]["available_capacity_percentage"].is_u64(), "{hosts}");
}
