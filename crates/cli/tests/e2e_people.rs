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
use support::second_factor::code;
use support::{Ran, Server, text};

const ADMIN: &str = "admin@causeway.local";
const BOB: &str = "bob@example.com";

/// A user with a token, as the real client is told of it.
fn user(server: &Server, email: &str) -> Vec<(String, String)> {
    server.causeway(&["users:create", email]).ok();
    server.env(&["--user", email])
}

/// The variables of the real client without a token: it has to log in.
fn stranger(server: &Server) -> Vec<(String, String)> {
    let mut variables = server.env(&[]);
    variables.retain(|(name, _)| name != "HEROKU_API_KEY");
    variables.push(("HEROKU_NETRC_WRITE".to_owned(), "true".to_owned()));
    variables
}

/// Logs the real client in as a person does.
fn log_in(server: &Server, password: &str) -> (Option<i32>, String) {
    let mut terminal = server.heroku_on_terminal(&stranger(server), &["login", "-i"]);
    terminal.expect("Email");
    terminal.type_line(ADMIN);
    terminal.expect("Password");
    terminal.type_line(password);
    terminal.end()
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
    assert!(said.contains("would be left without an admin"), "{said}");
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
    assert_eq!(server.causeway(&["members", "team"]).ok(), listed);
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
    assert!(said.contains("the block that it lies in is 10.0.0.0/24."), "{said}");
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
    server.causeway(&["teams:members:set", "others", ADMIN, "--role", "admin"]).ok();
    server.causeway(&["teams:members:set", ADMIN, "--team", "others", "--role", "member"]).ok();
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
    ] {
        let said = refusal(&server.heroku(command));
        assert!(said.contains(named) && said.contains("not_found"), "{command:?}: {said}");
    }
}

#[test]
fn the_real_client_logs_in_and_out() {
    let server = Server::none(&[]);
    let password = "correct horse battery";
    let set = ["users:password", ADMIN, "--password-stdin"];
    let said = server.causeway_reading(&set, &format!("{password}\n")).ok();
    assert!(said.contains("heroku login -i"), "{said}");

    let (code, shown) = log_in(&server, "wrong horse battery");
    assert_ne!(code, Some(0));
    assert!(shown.contains("Invalid credentials provided"), "{shown}");
    let (code, shown) = log_in(&server, password);
    assert!(code == Some(0) && shown.contains("Logged in as"), "{shown}");
    assert!(!shown.contains(password), "{shown}");

    let person = stranger(&server);
    let who = server.heroku_as(&person, &["auth:whoami"]).ok();
    assert_eq!(who.trim(), ADMIN);
    server.heroku_as(&person, &["spaces:create", "mine", "--team", "team"]).ok();
    let list = |server: &Server| {
        let list = server.heroku(&["authorizations", "--json"]).json();
        let list = list.as_array().unwrap().iter();
        list.map(|a| text(&a["description"])).collect::<Vec<_>>()
    };
    let logins =
        |server: &Server| list(server).iter().filter(|d| d.starts_with("Heroku CLI login")).count();
    assert_eq!(logins(&server), 1);

    server.heroku_as(&person, &["logout"]).ok();
    assert_eq!(logins(&server), 0);
    assert!(list(&server).contains(&"causeway env".to_owned()), "the API key stays");
    let who = server.heroku_as(&person, &["auth:whoami"]);
    assert_eq!(who.code, Some(100), "{who:?}");
    // Nothing of it is in the log.
    assert!(!server.log().contains(password), "{}", server.log());
}

#[test]
fn the_real_client_makes_shows_and_ends_tokens() {
    let server = Server::none(&[]);
    let made =
        server.heroku(&["authorizations:create", "-d", "for CI", "-e", "3600", "--json"]).json();
    let (id, token) = (text(&made["id"]), text(&made["access_token"]["token"]));
    assert_eq!(made["access_token"]["expires_in"], 3600);
    let with = |token: &str| {
        let mut variables = stranger(&server);
        variables.push(("HEROKU_API_KEY".to_owned(), token.to_owned()));
        variables
    };
    let whoami = ["auth:whoami"];
    assert_eq!(server.heroku_as(&with(&token), &whoami).ok().trim(), ADMIN);
    assert!(server.heroku(&["authorizations"]).ok().contains("for CI"));
    let shown = server.heroku(&["authorizations:info", &id]).ok();
    assert!(shown.contains("for CI") && shown.contains("Expires at"), "{shown}");
    assert!(!shown.contains(&token[9..]), "{shown}");
    let named = server.heroku(&["authorizations:update", &id, "--description", "for tests"]).ok();
    assert!(named.contains("for tests"), "{named}");
    let rotated = server.heroku(&["authorizations:rotate", &id]).ok();
    let new = rotated.lines().find_map(|line| line.split("Token:").nth(1)).unwrap().trim();
    assert_ne!(server.heroku_as(&with(&token), &whoami).code, Some(0));
    assert_eq!(server.heroku_as(&with(new), &whoami).ok().trim(), ADMIN);
    let gone = server.heroku(&["authorizations:revoke", &id]);
    assert!(gone.ok().len() + gone.err.len() > 0 && gone.err.contains("for tests"), "{gone:?}");
    assert_ne!(server.heroku_as(&with(new), &whoami).code, Some(0));
    assert!(refusal(&server.heroku(&["authorizations:info", &id])).contains("authorization"));
}

#[test]
fn our_own_log_in_does_the_same() {
    let server = Server::none(&["--test-clock"]);
    let made_up = server.causeway(&["users:password", ADMIN, "--generate", "--json"]).json();
    let password = text(&made_up["password"]);
    let login = ["login", ADMIN, "--password-stdin", "--expires-in", "3600", "--json"];
    let made = server.causeway_reading(&login, &password).json();
    let token = text(&made["access_token"]["token"]);
    let run = |arguments: &[&str]| server.causeway(&[arguments, &["--token", &token]].concat());
    assert_eq!(run(&["whoami"]).ok(), "admin@causeway.local\n");
    assert!(run(&["authorizations"]).ok().contains("causeway login"));
    let other = run(&["authorizations:create", "-d", "other", "--json"]).json();
    let id = text(&other["id"]);
    let short = run(&["authorizations:create", "--short"]).ok();
    assert!(short.starts_with("HRKU-") && short.lines().count() == 1, "{short}");
    let desk = run(&["authorizations:update", &id, "--description", "desk"]).ok();
    assert!(desk.contains("Description: desk"), "{desk}");
    assert!(run(&["authorizations:rotate", &id]).ok().contains("HRKU-"));
    assert!(!run(&["authorizations:info", &id]).ok().contains("HRKU-"));
    assert!(run(&["authorizations:revoke", &id]).ok().contains("Revoked"));
    assert!(run(&["authorizations:revoke", &id]).refused().contains("Couldn't find"));

    let wrong = server.causeway_reading(&["login", ADMIN, "--password-stdin"], "x").refused();
    assert!(wrong.contains("Invalid credentials"), "{wrong}");
    let shell = server.causeway_reading(&["login", ADMIN, "--password-stdin"], &password).ok();
    assert!(shell.starts_with("export HEROKU_API_KEY=HRKU-"), "{shell}");
    assert!(run(&["logout"]).ok().contains("Logged out"));
    assert!(run(&["whoami"]).refused().contains("Invalid credentials"));

    // A token that ends.
    let again = server.causeway_reading(&login, &password).json();
    let token = text(&again["access_token"]["token"]);
    server.causeway(&["whoami", "--token", &token]).ok();
    server.causeway(&["clock:advance", "1h"]).ok();
    let ended = server.causeway(&["whoami", "--token", &token]).refused();
    assert!(ended.contains("Invalid credentials"), "{ended}");
}

#[test]
fn a_password_that_is_typed_is_not_shown() {
    let server = Server::none(&[]);
    let said = server.causeway(&["users:password", ADMIN]).refused();
    assert!(said.contains("--password-stdin"), "{said}");
    let mut terminal = server.causeway_on_terminal(&["users:password", ADMIN]);
    terminal.expect("New password:");
    terminal.type_line("typed horse battery");
    terminal.expect("The same again:");
    terminal.type_line("typed horse battery");
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && shown.contains("Set the password"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    let said = server.causeway_reading(&["login", "-i"], "").refused();
    assert!(said.contains("causeway login ADDRESS"), "{said}");
    let mut terminal = server.causeway_on_terminal(&["login", "-i"]);
    terminal.expect("Email:");
    terminal.type_line(ADMIN);
    terminal.expect("Password:");
    terminal.type_line("typed horse battery");
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && shown.contains("export HEROKU_API_KEY=HRKU-"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    let mut terminal = server.causeway_on_terminal(&["users:password", ADMIN, "--end-tokens"]);
    terminal.expect("New password:");
    terminal.type_line("one horse battery");
    terminal.expect("The same again:");
    terminal.type_line("two horse battery");
    let (code, shown) = terminal.end();
    assert!(code != Some(0) && shown.contains("nothing was changed"), "{shown}");
}

#[test]
fn the_real_client_asks_for_the_code_of_a_second_factor() {
    let server = Server::none(&["--test-clock"]);
    let password = "correct horse battery";
    server.causeway_reading(&["users:password", ADMIN, "--password-stdin"], password).ok();
    assert!(server.heroku(&["auth:2fa"]).ok().contains("not enabled"));
    let key = |variables: &[(String, String)]| {
        let found = variables.iter().find(|(name, _)| name == "HEROKU_API_KEY");
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let own = key(&server.env(&[]));
    let mut terminal = server.causeway_on_terminal(&["2fa:enable", "--token", &own]);
    terminal.expect("Two-factor code:");
    let shown = terminal.shown().to_owned();
    let (_, secret) = shown.split_once("type the secret: ").unwrap_or_else(|| panic!("{shown}"));
    let secret = secret.split_whitespace().next().unwrap().to_owned();
    assert!(shown.contains('█') && shown.contains("otpauth://totp/"), "{shown}");
    terminal.type_line(&code(&server, &secret, 0));
    let (status, shown) = terminal.end();
    assert_eq!(status, Some(0), "{shown}");
    let is_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    let recovery: Vec<&str> = shown.split_whitespace().filter(is_code).collect();
    assert_eq!(recovery.len(), 10, "{shown}");
    assert!(server.heroku(&["auth:2fa"]).ok().contains("is enabled"));

    // Each code is of a step of its own: the clock goes on in between.
    let mut ahead = 0;
    let mut next = || {
        ahead += 60;
        server.causeway(&["clock:advance", "60s"]).ok();
        code(&server, &secret, ahead)
    };
    let log_in = |code: &str| {
        let mut terminal = server.heroku_on_terminal(&stranger(&server), &["login", "-i"]);
        terminal.expect("Email");
        terminal.type_line(ADMIN);
        terminal.expect("Password");
        terminal.type_line(password);
        terminal.expect("Two-factor code");
        terminal.type_line(code);
        terminal.end()
    };
    let right = next();
    let (status, shown) = log_in(&right);
    assert!(status == Some(0) && shown.contains("Logged in as"), "{shown}");
    let person = stranger(&server);
    assert_eq!(server.heroku_as(&person, &["auth:whoami"]).ok().trim(), ADMIN);
    let (status, shown) = log_in(&right);
    assert!(status != Some(0) && shown.contains("was used before"), "{shown}");
    let (status, shown) = log_in(recovery[0]);
    assert!(status == Some(0) && shown.contains("Logged in as"), "{shown}");

    let login = ["login", ADMIN, "--password-stdin", "--json"];
    let typed = format!("{password}\n{}\n", next());
    let token = text(&server.causeway_reading(&login, &typed).json()["access_token"]["token"]);
    server.causeway(&["whoami", "--token", &token]).ok();
    let none = server.causeway_reading(&login, &format!("{password}\n")).refused();
    assert!(none.contains("code"), "{none}");

    // Whoever is in a team that demands it enables it before anything else.
    let bob = user(&server, BOB);
    server.causeway(&["teams:members:set", "team", BOB, "--role", "member"]).ok();
    server.heroku_as(&bob, &["apps", "--team", "team"]).ok();
    server.causeway(&["teams:2fa", "team", "--demand"]).ok();
    let kept_out = refusal(&server.heroku_as(&bob, &["apps", "--team", "team"]));
    assert!(kept_out.contains("demands a second factor"), "{kept_out}");
    let state = server.causeway(&["2fa", "--token", &key(&bob)]).ok();
    assert!(state.contains("The team team demands it"), "{state}");

    // The phone is lost.
    server.causeway(&["teams:2fa", "team", "--no-demand"]).ok();
    let gone = server.causeway(&["users:2fa:disable", ADMIN, "--confirm", ADMIN]).ok();
    assert!(gone.contains("password alone"), "{gone}");
    server.causeway_reading(&login, &format!("{password}\n")).ok();
    assert!(!server.log().contains(&secret), "{}", server.log());
}

#[test]
fn tokens_for_ci_do_what_they_are_for_and_nothing_else() {
    let server = Server::none(&[]);
    space(&server, "alpha");
    for app in ["shop", "other"] {
        server.heroku(&["apps:create", app, "--space", "alpha"]).ok();
    }
    server.heroku(&["config:set", "SECRET=wren", "--app", "shop"]).ok();
    let with = |token: &str| {
        let mut variables = stranger(&server);
        variables.push(("HEROKU_API_KEY".to_owned(), token.to_owned()));
        variables
    };
    let made = server.heroku(&["authorizations:create", "-s", "read,identity", "--json"]).json();
    assert_eq!(made["scope"], json!(["identity", "read"]));
    let reads = with(&text(&made["access_token"]["token"]));
    assert_eq!(server.heroku_as(&reads, &["auth:whoami"]).ok().trim(), ADMIN);
    server.heroku_as(&reads, &["apps:info", "--app", "shop"]).ok();
    for command in [
        vec!["config", "--app", "shop"],
        vec!["apps:destroy", "shop", "--confirm", "shop"],
        vec!["authorizations:create"],
    ] {
        let said = refusal(&server.heroku_as(&reads, &command));
        let words = "The scope of this OAuth authorization does not allow access to this resource.";
        assert!(said.contains(words), "{command:?}: {said}");
    }
    let narrow = ["tokens:create", "--user", ADMIN, "--app", "shop", "--json"];
    let bound = with(&text(&server.causeway(&narrow).json()["token"]));
    assert!(server.heroku_as(&bound, &["config", "--app", "shop"]).ok().contains("wren"));
    server.heroku_as(&bound, &["config:set", "A=b", "--app", "shop"]).ok();
    for command in [vec!["config", "--app", "other"], vec!["spaces:info", "alpha"]] {
        let said = refusal(&server.heroku_as(&bound, &command));
        assert!(said.contains("not_found"), "{command:?}: {said}");
    }
    let own = ["authorizations:create", "--space", "alpha", "--scope", "write", "--json"];
    let made = server.causeway(&own).refused();
    assert!(made.contains("operator"), "the operator has no tokens: {made}");
    let token =
        text(&server.heroku(&["authorizations:create", "--json"]).json()["access_token"]["token"]);
    let made = server.causeway(&[&own[..], &["--token", &token]].concat()).json();
    assert_eq!((&made["space"]["name"], &made["scope"]), (&json!("alpha"), &json!(["write"])));
}

/// Does in a browser what somebody does who allows a log-in: signs in with a token, looks at the page, and
/// presses the button.
fn allow(server: &Server, address: &str) -> String {
    let (base, path) = address.split_at(address.find("/dashboard/").unwrap());
    let variables = server.env(&[]);
    let (_, token) = variables.iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap();
    let script = format!(
        r#"
import http.cookiejar, re, urllib.parse, urllib.request
base, path, token = "{base}", "{path}", "{token}"
cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
browser = urllib.request.build_opener(urllib.request.ProxyHandler({{}}), cookies)
def open(request):
    return browser.open(request).read().decode()
def send(page, to, **fields):
    fields["form"] = re.search('name="form" value="([^"]+)"', page).group(1)
    body = urllib.parse.urlencode(fields).encode()
    return open(urllib.request.Request(base + to, body, {{"Sec-Fetch-Site": "same-origin"}}))
page = open(base + "/dashboard/sign-in?back=" + path)
page = send(page, "/dashboard/sign-in", **{{"with": "token", "token": token, "back": path}})
assert "Allow a command to log in?" in page, page
print(send(page, path, answer="allow"))
"#
    );
    server.python(&script).ok()
}

/// The address that was shown for the browser.
fn log_in_address(shown: &str) -> String {
    let at = shown.find("/dashboard/log-in/").unwrap_or_else(|| panic!("{shown}"));
    let start = shown[..at].rfind("http://").unwrap();
    let end = shown[at..].find(|c: char| c.is_whitespace() || c == '\u{1b}');
    shown[start..at + end.unwrap_or(shown.len() - at)].to_owned()
}

#[test]
fn the_real_client_logs_in_by_the_browser_and_ours_does_too() {
    let server = Server::none(&[]);
    let mut person = stranger(&server);
    assert!(person.iter().any(|(name, _)| name == "HEROKU_LOGIN_HOST"), "{person:?}");
    // No browser opens here: the address is shown.
    person.push(("HEROKU_TESTING_HEADLESS_LOGIN".to_owned(), "1".to_owned()));
    let mut terminal = server.heroku_on_terminal(&person, &["login"]);
    terminal.expect("Press any key");
    terminal.type_bytes(b"b");
    terminal.expect("Waiting for login");
    let address = log_in_address(terminal.shown());
    assert!(allow(&server, &address).contains("The command is logged in"));
    let (status, shown) = terminal.end();
    assert!(status == Some(0) && shown.contains("Logged in as"), "{shown}");
    assert_eq!(server.heroku_as(&stranger(&server), &["auth:whoami"]).ok().trim(), ADMIN);
    let tokens = server.heroku(&["authorizations"]).ok();
    assert!(tokens.contains("Heroku CLI login from"), "{tokens}");

    let mut terminal = server.causeway_on_terminal(&["login"]);
    terminal.expect("/dashboard/log-in/");
    terminal.expect("Waiting for it");
    let address = log_in_address(terminal.shown());
    assert!(allow(&server, &address).contains("The command is logged in"));
    let (status, shown) = terminal.end();
    assert!(status == Some(0) && shown.contains("export HEROKU_API_KEY=HRKU-"), "{shown}");
    let token = shown.split("HEROKU_API_KEY=").nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(server.causeway(&["whoami", "--token", token]).ok().trim(), ADMIN);
    // What was answered is answered to nobody else.
    assert!(server.log().lines().all(|line| !line.contains(token)));
}
