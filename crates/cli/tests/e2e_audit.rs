//! The audit, as the operator reads it: what happened, and who was not let in.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{BufRead, BufReader};

use serde_json::Value;
use support::{Server, text};

fn actions(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| text(&row["action"])).collect()
}

#[test]
fn the_operator_reads_who_did_what_and_who_was_turned_away() {
    let server = Server::none(&[]);
    server.causeway(&["accounts:create", "partner"]).ok();
    server.causeway(&["users:create", "bob@example.com"]).ok();
    server.causeway(&["spaces:create", "my-space", "--team", "team"]).ok();
    // A stranger with the real client, and a key that nobody has.
    let mut stranger = server.env(&["--user", "bob@example.com"]);
    server.heroku_as(&stranger, &["spaces:info", "my-space"]).refused();
    let key = ("AWS_ACCESS_KEY_ID".to_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned());
    stranger.retain(|(name, _)| *name != key.0);
    stranger.push(key);
    server.aws_as(&stranger, &["ec2", "describe-vpcs"]).refused();

    let read =
        |arguments: &[&str]| server.causeway(&[&["audit", "--json"], arguments].concat()).json();
    let made = read(&["--who", "operator", "--action", "*.Create*", "--since", "1h"]);
    let made = actions(&made);
    for action in ["Identity.CreateAccount", "Identity.CreateUser", "Platform.CreateSpace"] {
        assert!(made.iter().any(|made| made == action), "{made:?}");
    }
    let refused = read(&["--outcome", "refused"]);
    let seen: Vec<(String, String)> = refused
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row["who"]), text(&row["resource"])))
        .collect();
    assert!(seen.contains(&("nobody".to_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned())), "{seen:?}");
    assert!(seen.iter().any(|(who, _)| who == "bob@example.com"), "{seen:?}");
    let of_space = read(&["--space", "my-space", "--limit", "1000"]);
    assert!(actions(&of_space).contains(&"Platform.CreateSpace".to_owned()), "{of_space}");
    assert_eq!(read(&["--limit", "2"]).as_array().unwrap().len(), 2);

    let shown = server.causeway(&["audit", "--account", "customer", "--outcome", "refused"]).ok();
    assert_eq!(shown.trim(), "There is no such entry in the audit, as far back as it is kept.");
    let shown = server.causeway(&["audit", "--who", "nobody"]).ok();
    assert!(shown.contains("Ec2.Authenticate") && shown.contains("127.0.0.1"), "{shown}");
    let wrong = server.causeway(&["audit", "--since", "yesterday"]).refused();
    assert!(wrong.contains("how long ago"), "{wrong}");
}

#[test]
fn what_happens_is_shown_as_it_happens() {
    let server = Server::none(&[]);
    let arguments = ["audit", "--follow", "--json", "--action", "Identity.CreateAccount"];
    let mut child = server.causeway_child(&arguments);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    // Those of the first start.
    assert_eq!(next()["action"], "Identity.CreateAccount");
    server.causeway(&["accounts:create", "partner"]).ok();
    server.causeway(&["accounts:create", "partner"]).refused();
    while next()["outcome"] != "ResourceAlreadyExists" {}
    child.kill().unwrap();
    child.wait().unwrap();
}
