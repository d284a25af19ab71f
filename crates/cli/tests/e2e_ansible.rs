//! Ansible's modules for EC2 make a network as people write it, change nothing of it when they run again,
//! and take it away.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::json;
use support::Server;
use support::ansible::{Recap, playbook};

/// Where the configurations make everything.
const REGION: &str = "eu-central-1";

#[test]
fn ansible_makes_a_network_once_and_removes_it() {
    let server = Server::linux();
    let (made, ran) = playbook(&server, "network.yml", &["--extra-vars", "look=yes"]);
    assert_eq!(made.failed, 0, "{ran:#?}");
    assert!(made.changed > 15, "{ran:#?}");

    let nothing = Recap { changed: 0, failed: 0 };
    let (again, ran) = playbook(&server, "network.yml", &[]);
    assert_eq!(again, nothing, "{ran:#?}");
    let (check, ran) = playbook(&server, "network.yml", &["--check"]);
    assert_eq!(check, nothing, "{ran:#?}");

    let (removed, ran) = playbook(&server, "network.yml", &["--extra-vars", "state=absent"]);
    assert_eq!(removed.failed, 0, "{ran:#?}");
    let left = server.aws(&["ec2", "describe-vpcs", "--region", REGION]);
    assert_eq!(left.json()["Vpcs"], json!([]), "{ran:#?}");
    let left = server.aws(&["ec2", "describe-addresses", "--region", REGION]);
    assert_eq!(left.json()["Addresses"], json!([]), "{ran:#?}");
}
