//! AWS's own libraries cannot tell the server from EC2: boto3 by families of what there is, and a walk
//! of two accounts through everything by those for JavaScript and Go.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::{Server, sdk};

/// An account besides the first, by the variables of whoever acts for it.
fn accepter(server: &Server) -> Vec<(String, String)> {
    server.causeway(&["accounts:create", "accepter"]).ok();
    server.env(&["--account", "accepter"])
}

#[test]
fn boto3_finds_what_ec2_says() {
    // The families make an account for each of their tests.
    let server = Server::none(&["--emulator"]);
    for quota in ["elastic-ips-per-region", "nat-gateways-per-zone"] {
        // As many as an account of AWS may have.
        server.causeway(&["quotas:set", quota, "5"]).ok();
    }
    let ran = sdk::boto3_families(&server);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.ends_with(" passed, 0 failed\n"), "{ran:#?}");
}

#[test]
fn the_sdk_for_javascript_walks_through() {
    let server = Server::none(&[]);
    let ran = sdk::javascript_walkthrough(&server, &accepter(&server));
    assert_eq!(ran.ok(), "everything as it should be\n");
}

#[test]
fn the_sdk_for_go_walks_through() {
    let server = Server::none(&[]);
    let ran = sdk::go_walkthrough(&server, &accepter(&server));
    assert_eq!(ran.ok(), "everything as it should be\n");
}
