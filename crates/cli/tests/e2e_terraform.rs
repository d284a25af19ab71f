//! Terraform's provider for AWS makes a network as people write it, changes it, and takes it away: each time
//! its next plan is empty, so every answer is what the provider takes EC2's for.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::terraform::{Terraform, installed};
use support::{Server, text};

/// Where the configurations make everything.
const REGION: &str = "eu-central-1";

#[test]
fn terraform_makes_changes_and_removes_a_network_with_all_its_parts() {
    let Some(mirror) = installed() else { return };
    let server = Server::linux();
    let network = Terraform::new(&server, &mirror, "network", &[]);
    network.apply(1);
    let made = network.outputs();
    assert_eq!(made["private"]["value"], 3, "{made}");
    let address = text(&made["web"]["value"]);
    assert!(address.starts_with("10.20.1."), "{made}");

    // What Terraform believes to have made is there, and runs.
    let instances = server.aws(&["ec2", "describe-instances", "--region", REGION]).json();
    let instance = &instances["Reservations"][0]["Instances"][0];
    assert_eq!(instance["PrivateIpAddress"], address, "{instance}");
    assert_eq!(instance["State"]["Name"], "running", "{instance}");

    network.apply(2);
    network.destroy();
    let left = server.aws(&["ec2", "describe-vpcs", "--region", REGION]);
    assert_eq!(left.json()["Vpcs"], serde_json::json!([]));
}

#[test]
fn terraform_peers_vpcs_of_two_accounts_in_two_regions() {
    let Some(mirror) = installed() else { return };
    let server = Server::none(&[]);
    server.causeway(&["accounts:create", "other"]).ok();
    let other = server.env(&["--account", "other"]);
    let of = |name: &str| other.iter().find(|(known, _)| known == name).unwrap().1.as_str();
    let other =
        [("other_key", of("AWS_ACCESS_KEY_ID")), ("other_secret", of("AWS_SECRET_ACCESS_KEY"))];
    peers(&server, &Terraform::new(&server, &mirror, "peering", &other));
}

/// The same with one key alone, by which the provider of the other account assumes a role there.
#[test]
fn terraform_assumes_a_role_in_the_other_account() {
    let Some(mirror) = installed() else { return };
    let server = Server::none(&[]);
    server.causeway(&["accounts:create", "other"]).ok();
    let create = ["roles:create", "peering", "--account", "other", "--trust", "customer"];
    let options = ["--external-id", "7421", "--json"];
    let role = server.causeway(&[&create[..], &options].concat()).json();
    let role = text(&role["arn"]);
    let peering = Terraform::new(&server, &mirror, "peering", &[("other_role", &role)]);
    peers(&server, &peering);
}

/// Applies the configuration in both of its steps, and destroys it.
fn peers(server: &Server, peering: &Terraform<'_>) {
    peering.apply(1);
    let found = server.aws(&["ec2", "describe-vpc-peering-connections", "--region", REGION]);
    let connection = &found.json()["VpcPeeringConnections"][0];
    assert_eq!(connection["Status"]["Code"], "active", "{connection}");
    assert_eq!(connection["AccepterVpcInfo"]["Region"], "us-west-2", "{connection}");
    let (one, other) = (&connection["RequesterVpcInfo"], &connection["AccepterVpcInfo"]);
    assert_ne!(one["OwnerId"], other["OwnerId"], "{connection}");
    peering.apply(2);
    peering.destroy();
}
