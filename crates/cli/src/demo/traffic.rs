//! What opens the way, what closes it, and the end.

use super::packet::Packet;
use super::peer::{APP, Place, SPACE, SPACE_BLOCK, SPACE_BLOCKS};
use super::walk::Walk;

impl Walk<'_, '_> {
    /// Routes and groups (R15 option 1, R16, R21).
    pub fn open_the_way(&mut self, place: &Place, pcx: &str) -> anyhow::Result<()> {
        self.story.part("Routes, option 1: one for the space's whole block")?;
        let table = self.table(place)?;
        self.aws(&route("create-route", &table, SPACE_BLOCK, Some(pcx)))?;
        self.story.line("\nThe instance's security group admits nobody yet:")?;
        self.packets(&[place.there.blocked(), place.back.passes()])?;

        self.story.part("Security group: port 8000 for the dynos")?;
        let [first, second, ..] = SPACE_BLOCKS;
        let rule = |block| {
            vec![
                "ec2",
                "authorize-security-group-ingress",
                "--group-id",
                &place.group,
                "--protocol",
                "tcp",
                "--port",
                "8000",
                "--cidr",
                block,
            ]
        };
        self.aws_together(&[rule(second), rule(first)])?;
        self.story.line("\nThat port, and no other; and the other way as before:")?;
        self.packets(&[place.there.passes(), place.there.on(8001).blocked(), place.back.passes()])
    }

    /// Network ACLs (R17).
    pub fn acls(&mut self, place: &Place) -> anyhow::Result<()> {
        self.story.part("Network ACL: a rule that denies, and its end")?;
        let of_vpc = format!("Name=vpc-id,Values={}", place.vpc);
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
        self.packets(&[place.there.blocked(), place.back.passes()])?;
        self.aws(&[&["ec2", "delete-network-acl-entry"], &entry[..]].concat())?;
        self.packets(&[place.there.passes()])
    }

    /// Routes for each block (R15 option 2, R7).
    pub fn block_by_block(&mut self, place: &Place, pcx: &str) -> anyhow::Result<()> {
        self.story.part("Routes, option 2: one for each of the Space CIDRs")?;
        let table = self.table_id(place)?;
        self.aws(&route("delete-route", &table, SPACE_BLOCK, None))?;
        self.packets(&[place.there.blocked(), place.back.blocked()])?;
        let routes = SPACE_BLOCKS.map(|block| route("create-route", &table, block, Some(pcx)));
        self.aws_together(&routes)?;
        self.packets(&[place.there.passes(), place.back.passes()])
    }

    /// The end of the peering (R18).
    pub fn tear_down(&mut self, place: &Place, pcx: &str) -> anyhow::Result<()> {
        self.story.part("The end of the peering")?;
        let said =
            self.heroku(&["spaces:peerings:destroy", pcx, "--space", SPACE, "--confirm", pcx])?;
        let words = format!("Tearing down peering connection {pcx}");
        self.story.check(said.contains(&words), "it says what it does")?;
        self.ask.until("the end of the peering", || {
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
            [&place.there, &place.back].into_iter().map(Packet::blocked).collect();
        self.packets(&closed)?;
        let of_vpc = format!("Name=vpc-id,Values={}", place.vpc);
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
        self.story.check(dark == SPACE_BLOCKS.len(), "its routes stay, as blackholes")
    }

    /// Takes everything away again.
    pub fn leave(&mut self, place: &Place) -> anyhow::Result<()> {
        self.story.part("Everything goes")?;
        self.beside(
            |walk| walk.aws(&["ec2", "terminate-instances", "--instance-ids", &place.instance]),
            |walk| walk.heroku(&["apps:destroy", "--app", APP, "--confirm", APP]),
        )?;
        self.ask.until("the instance's end", || {
            let instance = &place.instance;
            let found = self.ec2(&["ec2", "describe-instances", "--instance-ids", instance])?;
            let state = &found["Reservations"][0]["Instances"][0]["State"]["Name"];
            Ok((state == "terminated").then_some(()))
        })?;
        self.beside(
            |walk| {
                walk.aws(&["ec2", "delete-subnet", "--subnet-id", &place.subnet])?;
                walk.aws(&["ec2", "delete-vpc", "--vpc-id", &place.vpc])
            },
            |walk| walk.heroku(&["spaces:destroy", "--space", SPACE, "--confirm", SPACE]),
        )?;
        self.ask.until("the end of the space", || {
            let spaces = self.ask.own(&["spaces"])?;
            let mut names = spaces.as_array().into_iter().flatten().map(|space| &space["name"]);
            Ok((!names.any(|name| name == SPACE)).then_some(()))
        })?;
        if !self.ask.server.is_ours() {
            let found = self.ec2(&["ec2", "describe-vpcs", "--vpc-ids", &place.vpc]);
            let gone = found.is_err_and(|error| error.to_string().contains("NotFound"));
            self.story.line("")?;
            return self.story.check(gone, "the VPC is gone, and the space");
        }
        let status = self.ask.own(&["status"])?;
        let no_dyno = status["dynos"].as_object().is_some_and(serde_json::Map::is_empty);
        let none = status["vpcs"] == 0 && no_dyno;
        self.story.line("")?;
        self.story.check(none, "no VPC and no dyno is left")?;
        if self.moves_packets() {
            let healthy = status["fabric"]["healthy"] == true;
            self.story.check(healthy, "the fabric is as it should be")?;
        }
        Ok(())
    }

    /// The VPC's route table, shown (R15).
    fn table(&mut self, place: &Place) -> anyhow::Result<String> {
        let of_vpc = format!("Name=vpc-id,Values={}", place.vpc);
        let describe = ["ec2", "describe-route-tables", "--filters", &of_vpc];
        self.aws_word(&describe, "RouteTables[0].RouteTableId")
    }

    fn table_id(&self, place: &Place) -> anyhow::Result<String> {
        let of_vpc = format!("Name=vpc-id,Values={}", place.vpc);
        let tables = self.ec2(&["ec2", "describe-route-tables", "--filters", &of_vpc])?;
        let id = tables["RouteTables"][0]["RouteTableId"].as_str();
        id.map(ToOwned::to_owned).ok_or_else(|| anyhow::anyhow!("{} has no route table", place.vpc))
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
