//! People and what they get at, with the real client and our own, without packets.
//!
//! Shows R24 of the requirements, and what `docs/api.md` says of members, spaces and sessions.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::{Value, json};
use support::{Ran, Server, text};

const ADMIN: &str = "admin@causeway.local";
const BOB: &str = "bob@example.com";

/// A user with a token, as the real client is told of it.
fn user(server: &Server, email: &str) -> Vec<(String, String)> {
    server.causeway(&["users:create", email]).ok();
    server.env(&["--user", email])
}

fn space(server: &Server, name: &str) {
    server.heroku(&["spaces:create", name, "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", name, "--json"]).json()["state"] == "allocated"
    });
}

/// What the real client says of a refusal, without its marks and its breaks of lines.
#[track_caller]
fn refusal(ran: &Ran) -> String {
    ran.refused().replace('›', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The e-mails and roles of a list of members.
fn roles(list: &Value) -> Vec<(String, String)> {
    list.as_array().unwrap().iter().map(|m| (text(&m["email"]), text(&m["role"]))).collect()
}

fn pair(email: &str, role: &str) -> (String, String) {
    (email.to_owned(), role.to_owned())
}

#[test]
fn a_teams_members_come_change_and_go() {
    let server = Server::none(&[]);
    let bob = user(&server, BOB);
    server.heroku(&["members:add", BOB, "--role", "member", "--team", "team"]).ok();
    let list = server.heroku(&["members", "--team", "team", "--json"]).json();
    assert_eq!(roles(&list), [pair(ADMIN, "admin"), pair(BOB, "member")]);
    let shown = server.heroku(&["members", "--team", "team"]).ok();
    assert!(shown.contains(BOB) && shown.contains("member"), "{shown}");

    let said = refusal(
        &server.heroku_as(&bob, &["members:set", BOB, "--role", "admin", "--team", "team"]),
    );
    assert!(said.contains("only its admins"), "{said}");
    server.heroku(&["members:set", BOB, "--role", "admin", "--team", "team"]).ok();
    let ours = server.causeway(&["members", "--team", "team", "--role", "admin", "--json"]).json();
    assert_eq!(roles(&ours).len(), 2);

    let said = refusal(&server.heroku(&[
        "members:add",
        "new@example.com",
        "--role",
        "member",
        "--team",
        "team",
    ]));
    assert!(said.contains("causeway users:create new@example.com"), "{said}");

    server.heroku(&["members:remove", ADMIN, "--team", "team"]).ok();
    let said = refusal(&server.heroku(&["members", "--team", "team"]));
    assert!(said.contains("Couldn't find that team"), "{said}");
    let said = refusal(&server.heroku_as(&bob, &["members:remove", BOB, "--team", "team"]));
    assert!(said.contains("no admin"), "{said}");
}

#[test]
fn our_own_members_commands_do_the_same() {
    let server = Server::none(&[]);
    user(&server, BOB);
    let team = ["--team", "team"];
    let said = server.causeway(&[&["members:add", BOB, "--role", "member"], &team[..]].concat());
    assert_eq!(said.ok(), "bob@example.com is member of team\n");
    let set = [&["members:set", BOB, "--role", "admin", "--json"], &team[..]].concat();
    assert_eq!(server.causeway(&set).json()["role"], "admin");
    let listed = server.causeway(&["members", "--team", "team"]).ok();
    assert!(listed.contains("bob@example.com"), "{listed}");
    let gone = server.causeway(&[&["members:remove", BOB], &team[..]].concat()).ok();
    assert_eq!(gone, "Removed bob@example.com from team\n");
    let said = server.causeway(&[&["members:remove", BOB], &team[..]].concat()).refused();
    assert!(said.contains("Couldn't find that team member"), "{said}");
}

#[test]
fn trusted_ranges_are_shown_added_and_removed() {
    let server = Server::none(&[]);
    space(&server, "ranges");
    let shown = server.heroku(&["trusted-ips", "--space", "ranges"]).ok();
    assert!(shown.contains("0.0.0.0/0") && shown.contains("are applied"), "{shown}");
    let added = server.heroku(&["trusted-ips:add", "192.0.2.0/24", "--space", "ranges"]).ok();
    assert!(added.contains("Added 192.0.2.0/24"), "{added}");
    let gone = server.heroku(&["spaces:trusted-ips:remove", "0.0.0.0/0", "--space", "ranges"]).ok();
    assert!(gone.contains("Removed 0.0.0.0/0"), "{gone}");
    let rules = |server: &Server| {
        server.heroku(&["spaces:trusted-ips", "ranges", "--json"]).json()["rules"].clone()
    };
    assert_eq!(rules(&server), json!([{ "action": "allow", "source": "192.0.2.0/24" }]));

    let said = refusal(&server.heroku(&["trusted-ips:add", "10.0.0.1/24", "--space", "ranges"]));
    assert!(said.contains("is 10.0.0.0/24 meant"), "{said}");
    let said = refusal(&server.heroku(&["trusted-ips:add", "192.0.2.0/24", "--space", "ranges"]));
    assert!(said.contains("already exists"), "{said}");

    server.heroku(&["trusted-ips:remove", "192.0.2.0/24", "--space", "ranges"]).ok();
    let shown = server.heroku(&["trusted-ips", "--space", "ranges"]).ok();
    assert!(shown.contains("All inbound web requests to dynos are blocked"), "{shown}");

    // Ours.
    let added = server.causeway(&["trusted-ips:add", "198.51.100.7/32", "--space", "ranges"]).ok();
    assert_eq!(added, "Added 198.51.100.7/32 to trusted IP ranges on ranges\n");
    let shown = server.causeway(&["trusted-ips", "ranges"]).ok();
    assert_eq!(shown, "=== Trusted IP Ranges\n\n198.51.100.7/32\n");
    let json = server.causeway(&["spaces:trusted-ips", "ranges", "--json"]).json();
    assert_eq!(json["created_by"], "operator@causeway.localhost");
    let gone = ["trusted-ips:remove", "198.51.100.7/32", "--space", "ranges"];
    server.causeway(&gone).ok();
    assert!(server.causeway(&gone).refused().contains("No IP range"));
    assert!(server.causeway(&["trusted-ips", "ranges"]).ok().contains("blocked"));
}

#[test]
fn members_see_a_space_and_its_admins_change_it() {
    let server = Server::none(&[]);
    space(&server, "roles");
    let bob = user(&server, BOB);
    let spaces = refusal(&server.heroku_as(&bob, &["spaces"]));
    assert!(spaces.contains("You do not have access to any spaces"), "{spaces}");
    server.heroku(&["members:add", BOB, "--role", "member", "--team", "team"]).ok();
    assert!(server.heroku_as(&bob, &["spaces"]).ok().contains("roles"));
    server.heroku_as(&bob, &["trusted-ips", "roles"]).ok();
    for refused in [
        &["trusted-ips:add", "192.0.2.0/24", "--space", "roles"][..],
        &["spaces:rename", "--from", "roles", "--to", "other"],
        &["spaces:transfer", "--space", "roles", "--team", "team"],
        &["spaces:destroy", "--space", "roles", "--confirm", "roles"],
    ] {
        let said = refusal(&server.heroku_as(&bob, refused));
        assert!(said.contains("only admins of the team"), "{refused:?}: {said}");
    }

    // Who may make apps there.
    let set = |may: &str| {
        let set = ["spaces:members:set", BOB, "--space", "roles", "--create-apps", may];
        server.causeway(&set).ok();
    };
    set("no");
    let listed = server.causeway(&["spaces:members", "roles", "--json"]).json();
    let bobs = listed.as_array().unwrap().iter().find(|m| m["user"]["email"] == BOB).unwrap();
    assert_eq!(bobs["permissions"], json!([]));
    let said = refusal(&server.heroku_as(&bob, &["apps:create", "blog", "--space", "roles"]));
    assert!(said.contains("create apps in the space roles"), "{said}");
    set("yes");
    assert!(server.causeway(&["spaces:members", "roles"]).ok().contains("create_apps"));
    server.heroku_as(&bob, &["apps:create", "blog", "--space", "roles"]).ok();

    let access = server.heroku(&["access", "--app", "blog", "--json"]).json();
    let emails: Vec<&Value> =
        access.as_array().unwrap().iter().map(|c| &c["user"]["email"]).collect();
    assert_eq!(emails.len(), 2, "{access}");
    assert!(server.causeway(&["access", "--app", "blog"]).ok().contains(BOB));
    let said = refusal(&server.heroku(&["access:add", "eve@example.com", "--app", "blog"]));
    assert!(said.contains("members:add"), "{said}");
}

#[test]
fn a_space_is_transferred_with_its_apps() {
    let server = Server::none(&[]);
    space(&server, "moving");
    server.heroku(&["apps:create", "cargo", "--space", "moving"]).ok();
    user(&server, BOB);
    server.causeway(&["teams:create", "others", "--admin", BOB]).ok();
    let transfer = ["spaces:transfer", "--space", "moving", "--team", "others"];
    let said = refusal(&server.heroku(&transfer));
    assert!(said.contains("Couldn't find that team"), "{said}");
    server.causeway(&["teams:members:set", "others", ADMIN, "--role", "member"]).ok();
    let said = refusal(&server.heroku(&transfer));
    assert!(said.contains("only its admins can take it over"), "{said}");
    server.causeway(&["members:set", ADMIN, "--role", "admin", "--team", "others"]).ok();
    server.heroku(&transfer).ok();
    let info = server.heroku(&["spaces:info", "moving", "--json"]).json();
    assert_eq!(info["team"]["name"], "others");
    let app = server.heroku(&["apps:info", "cargo", "--json"]).json();
    assert_eq!(app["app"]["team"]["name"], "others", "{app}");
    let back = ["spaces:transfer", "--space", "moving", "--team", "team", "--json"];
    assert_eq!(server.causeway(&back).json()["team"]["name"], "team");
}

#[test]
fn what_a_space_runs_on_and_what_it_does_not_have() {
    let server = Server::none(&[]);
    space(&server, "views");
    server.heroku(&["apps:create", "shop", "--space", "views"]).ok();
    let hosts = server.heroku(&["spaces:hosts", "views", "--json"]).json();
    assert_eq!(hosts[0]["state"], "available");
    assert!(server.heroku(&["spaces:hosts", "views"]).ok().contains("Host ID"));
    assert!(server.causeway(&["spaces:hosts", "views"]).ok().contains(&text(&hosts[0]["host_id"])));

    server.heroku(&["run:detached", "--app", "shop", "--", "sleep 60"]).ok();
    let ps = server.heroku(&["spaces:ps", "views"]).ok();
    assert!(ps.contains("shop run: one-off processes") && ps.contains("sleep 60"), "{ps}");
    assert!(server.causeway(&["spaces:ps", "views"]).ok().contains("sleep 60"));
    let topology = server.heroku(&["spaces:topology", "views"]).ok();
    assert!(topology.contains("=== shop (run)"), "{topology}");
    assert!(topology.contains("run.shop.app.localspace"), "{topology}");
    let ours = server.causeway(&["spaces:topology", "views"]).ok();
    assert!(ours.contains("=== shop") && ours.contains("run.shop.app.localspace"), "{ours}");

    for (command, named) in [
        (&["spaces:vpn:connections", "--space", "views"][..], "VPN is not found"),
        (&["spaces:vpn:info", "office", "--space", "views"], "VPN is not found"),
        (
            &[
                "spaces:vpn:connect",
                "office",
                "--ip",
                "192.0.2.1",
                "--cidrs",
                "172.16.0.0/16",
                "--space",
                "views",
            ],
            "VPN is not found",
        ),
        (&["spaces:drains:get", "--space", "views"], "Log drain is not found"),
        (&["spaces:drains:set", "https://x.test", "--space", "views"], "Log drain is not found"),
    ] {
        let said = refusal(&server.heroku(command));
        assert!(said.contains(named) && said.contains("not_found"), "{command:?}: {said}");
    }
}
