//! Routes, security groups and network ACLs, which open and close the way, and the end of the peering.

use super::packet::Packet;
use super::peering::{APP, Network, SPACE, SPACE_BLOCK, SPACE_BLOCKS};
use super::walk::Walk;

impl Walk<'_, '_> {
    /// Opens the way with one route and with rules of a security group (R15 option 1, R16, R21).
    pub(crate) fn open_the_way(&mut self, network: &Network, pcx: &str) -> anyhow::Result<()> {
        self.transcript.part("Routes, option 1: one for the space's whole block")?;
        let table = self.table(network)?;
        self.aws(&route("create-route", &table, SPACE_BLOCK, Some(pcx)))?;
        self.transcript.line("\nThe instance's security group admits nobody yet:")?;
        self.packets(&[network.to_instance.blocked(), network.to_dyno.passes()])?;

        self.transcript.part("Security group: port 8000 for the dynos")?;
        let [first, second, ..] = SPACE_BLOCKS;
        let rule = |block| {
            vec![
                "ec2",
                "authorize-security-group-ingress",
                "--group-id",
                &network.group,
                "--protocol",
                "tcp",
                "--port",
                "8000",
                "--cidr",
                block,
            ]
        };
        self.aws_together(&[rule(second), rule(first)])?;
        self.transcript.line("\nThat port, and no other; and the other way as before:")?;
        self.packets(&[
            network.to_instance.passes(),
            network.to_instance.on(8001).blocked(),
            network.to_dyno.passes(),
        ])
    }

    /// Closes and opens the way with an entry of a network ACL (R17).
    pub(crate) fn acls(&mut self, network: &Network) -> anyhow::Result<()> {
        self.transcript.part("Network ACL: a rule that denies, and its end")?;
        let of_vpc = format!("Name=vpc-id,Values={}", network.vpc);
        let acl = self.aws_word(
            &["ec2", "describe-network-acls", "--filters", &of_vpc],
            "NetworkAcls[0].NetworkAclId",
        )?;
        let entry = ["--network-acl-id", &acl, "--ingress", "--rule-number", "50"];
        let deny = [
            "--protocol",
            "tcp",
            "--port-range",
            "From=8000,To=8000",
            "--cidr-block",
            SPACE_BLOCK,
            "--rule-action",
            "deny",
        ];
        self.aws(&[&["ec2", "create-network-acl-entry"], &entry[..], &deny[..]].concat())?;
        self.packets(&[network.to_instance.blocked(), network.to_dyno.passes()])?;
        self.aws(&[&["ec2", "delete-network-acl-entry"], &entry[..]].concat())?;
        self.packets(&[network.to_instance.passes()])
    }

    /// Opens the way with a route for each block of the space (R15 option 2, R7).
    pub(crate) fn block_by_block(&mut self, network: &Network, pcx: &str) -> anyhow::Result<()> {
        self.transcript.part("Routes, option 2: one for each of the Space CIDRs")?;
        let table = self.table_id(network)?;
        self.aws(&route("delete-route", &table, SPACE_BLOCK, None))?;
        self.packets(&[network.to_instance.blocked(), network.to_dyno.blocked()])?;
        let routes = SPACE_BLOCKS.map(|block| route("create-route", &table, block, Some(pcx)));
        self.aws_together(&routes)?;
        self.packets(&[network.to_instance.passes(), network.to_dyno.passes()])
    }

    /// Tears down the peering (R18).
    pub(crate) fn tear_down(&mut self, network: &Network, pcx: &str) -> anyhow::Result<()> {
        self.transcript.part("The end of the peering")?;
        let output =
            self.heroku(&["spaces:peerings:destroy", pcx, "--space", SPACE, "--confirm", pcx])?;
        let words = format!("Tearing down peering connection {pcx}");
        self.transcript.check(output.contains(&words), "it says what it does")?;
        self.observer.until("the end of the peering", || {
            let found = self.ec2(&[
                "ec2",
                "describe-vpc-peering-connections",
                "--vpc-peering-connection-ids",
                pcx,
            ])?;
            let status = &found["VpcPeeringConnections"][0]["Status"]["Code"];
            Ok((status == "deleted").then_some(()))
        })?;
        let closed: Vec<Packet> =
            [&network.to_instance, &network.to_dyno].into_iter().map(Packet::blocked).collect();
        self.packets(&closed)?;
        let of_vpc = format!("Name=vpc-id,Values={}", network.vpc);
        let routes = self.aws(&[
            "ec2",
            "describe-route-tables",
            "--filters",
            &of_vpc,
            "--query",
            "RouteTables[0].Routes",
        ])?;
        let routes = routes.as_array().map(Vec::as_slice).unwrap_or_default();
        let dark = routes
            .iter()
            .filter(|route| route["VpcPeeringConnectionId"] == pcx)
            .filter(|route| route["State"] == "blackhole")
            .count();
        self.transcript.check(dark == SPACE_BLOCKS.len(), "its routes stay, as blackholes")
    }

    /// Removes everything again.
    pub(crate) fn leave(&mut self, network: &Network) -> anyhow::Result<()> {
        self.transcript.part("Everything goes")?;
        self.beside(
            |walk| walk.aws(&["ec2", "terminate-instances", "--instance-ids", &network.instance]),
            |walk| walk.heroku(&["apps:destroy", "--app", APP, "--confirm", APP]),
        )?;
        self.observer.until("the instance's end", || {
            let instance = &network.instance;
            let found = self.ec2(&["ec2", "describe-instances", "--instance-ids", instance])?;
            let state = &found["Reservations"][0]["Instances"][0]["State"]["Name"];
            Ok((state == "terminated").then_some(()))
        })?;
        self.beside(
            |walk| {
                walk.aws(&["ec2", "delete-subnet", "--subnet-id", &network.subnet])?;
                walk.aws(&["ec2", "delete-vpc", "--vpc-id", &network.vpc])
            },
            |walk| walk.heroku(&["spaces:destroy", "--space", SPACE, "--confirm", SPACE]),
        )?;
        self.observer.until("the end of the space", || {
            let spaces = self.observer.own(&["spaces"])?;
            let mut names = spaces.as_array().into_iter().flatten().map(|space| &space["name"]);
            Ok((!names.any(|name| name == SPACE)).then_some(()))
        })?;
        if !self.observer.server.is_ours() {
            let found = self.ec2(&["ec2", "describe-vpcs", "--vpc-ids", &network.vpc]);
            let gone = found.is_err_and(|error| error.to_string().contains("NotFound"));
            self.transcript.line("")?;
            return self.transcript.check(gone, "the VPC is gone, and the space");
        }
        let status = self.observer.own(&["status"])?;
        let no_dyno = status["dynos"].as_object().is_some_and(serde_json::Map::is_empty);
        let none = status["vpcs"] == 0 && no_dyno;
        self.transcript.line("")?;
        self.transcript.check(none, "no VPC and no dyno is left")?;
        if self.moves_packets() {
            // Other hosts may have something to finish still.
            let look = || {
                let fabric = self.observer.own(&["status"])?["fabric"].take();
                Ok((fabric["healthy"] == true).then_some(()))
            };
            let settled = self.observer.until("a sound fabric", look);
            self.observer.stop.check()?;
            self.transcript.check(settled.is_ok(), "the fabric is as it should be")?;
            if settled.is_err() {
                self.causeway(&["status"])?;
            }
        }
        Ok(())
    }

    /// The id of the VPC's route table, with the command that finds it (R15).
    fn table(&mut self, network: &Network) -> anyhow::Result<String> {
        let of_vpc = format!("Name=vpc-id,Values={}", network.vpc);
        let describe = ["ec2", "describe-route-tables", "--filters", &of_vpc];
        self.aws_word(&describe, "RouteTables[0].RouteTableId")
    }

    fn table_id(&self, network: &Network) -> anyhow::Result<String> {
        let of_vpc = format!("Name=vpc-id,Values={}", network.vpc);
        let tables = self.ec2(&["ec2", "describe-route-tables", "--filters", &of_vpc])?;
        let id = tables["RouteTables"][0]["RouteTableId"].as_str();
        id.map(ToOwned::to_owned)
            .ok_or_else(|| anyhow::anyhow!("{} has no route table", network.vpc))
    }
}

/// The words of a command about a route.
fn route<'w>(
    operation: &'w str,
    table: &'w str,
    block: &'w str,
    pcx: Option<&'w str>,
) -> Vec<&'w str> {
    let mut words =
        vec!["ec2", operation, "--route-table-id", table, "--destination-cidr-block", block];
    if let Some(pcx) = pcx {
        words.extend(["--vpc-peering-connection-id", pcx]);
    }
    words
}
