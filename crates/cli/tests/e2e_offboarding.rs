//! People who leave, keys that leak and quotas that are met, with the real clients and without packets.
//!
//! Shows what `docs/api.md` and `docs/security.md` say of disabling, destroying and quotas.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::{Ran, Server, text};

const ADMIN: &str = "admin@causeway.local";
const BOB: &str = "bob@example.com";

/// What a client says of a refusal, without its marks and its breaks of lines.
#[track_caller]
fn refusal(ran: &Ran) -> String {
    ran.refused().replace('›', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A server with a space and an app, and Bob with a token.
fn with_bob() -> (Server, Vec<(String, String)>) {
    let server = Server::none(&[]);
    server.causeway(&["users:create", BOB]).ok();
    server.causeway(&["teams:members:set", "team", BOB, "--role", "member"]).ok();
    server.heroku(&["spaces:create", "alpha", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "alpha", "--json"]).json()["state"] == "allocated"
    });
    server.heroku(&["apps:create", "shop", "--space", "alpha"]).ok();
    let bob = server.env(&["--user", BOB]);
    (server, bob)
}

#[test]
fn a_person_leaves_and_nothing_of_theirs_goes_on() {
    let (mut server, bob) = with_bob();
    server.heroku_as(&bob, &["config:set", "A=1", "--app", "shop"]).ok();
    let mut tail = server.heroku_on_terminal(&bob, &["logs", "--tail", "--app", "shop"]);
    tail.expect("Set A config vars");

    // What depends on him is said first, and a slip changes nothing.
    let slip = server.causeway(&["users:disable", BOB, "--confirm", "bob"]);
    assert!(slip.refused().contains("did not match"), "{slip:?}");
    let said = &slip.out;
    assert!(said.contains("causeway env (") && said.contains("team (member)"), "{said}");
    assert_eq!(server.heroku_as(&bob, &["auth:whoami"]).ok().trim(), BOB);

    // Disabled: what is open ends, and the client is told why.
    let done = server.causeway(&["users:disable", BOB, "--confirm", BOB]).ok();
    assert!(done.contains(&format!("Undo: causeway users:enable {BOB}")), "{done}");
    tail.end();
    let said = refusal(&server.heroku_as(&bob, &["config", "--app", "shop"]));
    assert!(said.contains("suspended"), "{said}");
    let said = refusal(&server.causeway_as(&bob, &["config", "--app", "shop"]));
    assert!(said.contains("suspended"), "{said}");
    let said = server.causeway(&["env", "--user", BOB]).refused();
    assert!(said.contains(&format!("causeway users:enable {BOB}")), "{said}");
    let listed = server.causeway(&["users"]).ok();
    assert!(listed.lines().any(|it| it.contains(BOB) && it.contains("disabled since")), "{listed}");

    // And back, with the same token.
    server.causeway(&["users:enable", BOB]).ok();
    assert!(server.heroku_as(&bob, &["config", "--app", "shop"]).ok().contains("A:"));

    // One token alone.
    let tokens = server.causeway(&["tokens", "--user", BOB, "--json"]).json();
    let token = text(&tokens[0]["id"]);
    server.causeway(&["tokens:disable", &token, "--confirm", &token]).ok();
    let said = refusal(&server.heroku_as(&bob, &["config", "--app", "shop"]));
    assert!(said.contains("HEROKU_API_KEY is invalid"), "{said}");
    server.causeway(&["tokens:enable", &token]).ok();

    // The last admin stays, until somebody else is one.
    let said = server.causeway(&["users:destroy", ADMIN, "--confirm", ADMIN]).refused();
    assert!(said.contains("without an admin") && said.contains("teams:members:set team"), "{said}");
    server.causeway(&["users:create", "carol@example.com"]).ok();
    let promote = ["teams:members:set", "team", "carol@example.com", "--role", "admin"];
    server.causeway(&promote).ok();
    server.causeway(&["users:disable", ADMIN, "--confirm", ADMIN]).ok();
    let gone = server.causeway(&["users:destroy", BOB, "--confirm", BOB, "--json"]).json();
    assert_eq!((&gone["name"], &gone["destroyed"]), (&BOB.into(), &true.into()));
    let said = refusal(&server.heroku_as(&bob, &["config", "--app", "shop"]));
    assert!(said.contains("HEROKU_API_KEY is invalid"), "{said}");

    // The audit knows what he did, by his name.
    let audit = server.causeway(&["audit", "--who", BOB]).ok();
    assert!(audit.contains(BOB) && audit.contains("SetConfig"), "{audit}");
    // The app is the team's, and another of the team goes on with it.
    let carol = server.env(&["--user", "carol@example.com"]);
    assert!(server.heroku_as(&carol, &["config", "--app", "shop"]).ok().contains("A:"));

    // He does not come back with a start.
    server.causeway(&["users:enable", ADMIN]).ok();
    server.kill_and_restart();
    // The same credentials, at the address that the server has now.
    let (mut bob, here) = (bob, server.env(&[]));
    for (name, value) in bob.iter_mut().filter(|(_, value)| value.starts_with("http://")) {
        let now = here.iter().find(|(other, _)| other == name);
        value.clone_from(&now.unwrap_or_else(|| panic!("{name}")).1);
    }
    let said = refusal(&server.heroku_as(&bob, &["config", "--app", "shop"]));
    assert!(said.contains("HEROKU_API_KEY is invalid"), "{said}");
    let users = server.causeway(&["users", "--json"]).json();
    let mut users: Vec<_> = users.as_array().unwrap().iter().map(|it| text(&it["email"])).collect();
    users.sort();
    assert_eq!(users, [ADMIN, "carol@example.com"]);
}

#[test]
fn keys_accounts_and_teams_are_closed_and_opened() {
    let (server, bob) = with_bob();
    let vpcs = ["ec2", "describe-vpcs"];
    let me = server.aws(&["sts", "get-caller-identity"]).json();
    let account = text(&me["Account"]);
    let keys = server.causeway(&["keys", "--json"]).json();
    let of = |key: &&serde_json::Value| key["account"] == *account;
    let key = text(&keys.as_array().unwrap().iter().find(of).unwrap()["access_key_id"]);
    for (kind, name) in [("keys", key.as_str()), ("accounts", "customer")] {
        server.aws(&vpcs).ok();
        let disable = format!("{kind}:disable");
        server.causeway(&[disable.as_str(), name, "--confirm", name]).ok();
        let said = refusal(&server.aws(&vpcs));
        assert!(said.contains("AuthFailure"), "{kind}: {said}");
        let said = refusal(&server.aws(&["sts", "get-caller-identity"]));
        assert!(said.contains("InvalidClientTokenId"), "{kind}: {said}");
        server.causeway(&[format!("{kind}:enable").as_str(), name]).ok();
    }
    server.aws(&vpcs).ok();
    let said =
        server.causeway(&["accounts:destroy", "platform", "--confirm", "platform"]).refused();
    assert!(said.contains("platform's own account"), "{said}");

    server.causeway(&["teams:disable", "team", "--confirm", "team"]).ok();
    let said = refusal(&server.heroku_as(&bob, &["spaces:info", "alpha"]));
    assert!(said.contains("This team was suspended"), "{said}");
    let said = server.causeway(&["teams:destroy", "team", "--confirm", "team"]).refused();
    assert!(said.contains("spaces still: alpha"), "{said}");
    server.causeway(&["teams:enable", "team"]).ok();
    server.heroku_as(&bob, &["spaces:info", "alpha"]).ok();
}

#[test]
fn a_quota_is_met_and_the_client_says_what_to_do() {
    let (server, bob) = with_bob();
    server.causeway(&["quotas:set", "apps-per-team", "1", "--team", "team"]).ok();
    let said = refusal(&server.heroku_as(&bob, &["apps:create", "more", "--space", "alpha"]));
    assert!(said.contains("causeway quotas:set apps-per-team 2 --team team"), "{said}");
    let shown = server.causeway(&["quotas", "--team", "team"]).ok();
    let apps: Vec<_> =
        shown.lines().find(|it| it.contains("apps-per-team")).unwrap().split_whitespace().collect();
    assert_eq!(apps[1..4], ["1", "1", "set"], "{shown}");
    server.causeway(&["quotas:set", "apps-per-team", "default", "--team", "team"]).ok();
    server.heroku_as(&bob, &["apps:create", "more", "--space", "alpha"]).ok();
    let wrong =
        server.causeway(&["quotas:set", "vpcs-per-region", "1", "--team", "team"]).refused();
    assert!(wrong.contains("one of accounts"), "{wrong}");

    server.causeway(&["quotas:set", "instances-per-region", "0", "--account", "customer"]).ok();
    let vpc = server.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]).json();
    let vpc = text(&vpc["Vpc"]["VpcId"]);
    let subnet = ["ec2", "create-subnet", "--vpc-id", &vpc, "--cidr-block", "10.1.0.0/24"];
    let subnet = text(&server.aws(&subnet).json()["Subnet"]["SubnetId"]);
    let images = server.aws(&["ec2", "describe-images", "--owners", "amazon"]).json();
    let image = text(&images["Images"][0]["ImageId"]);
    let run = ["ec2", "run-instances", "--image-id", &image, "--subnet-id", &subnet];
    let said = refusal(&server.aws(&run));
    assert!(said.contains("InstanceLimitExceeded") && said.contains("raise"), "{said}");
}
