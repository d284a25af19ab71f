//! From an empty server to a peering that is active.

use anyhow::Context;
use serde_json::Value;

use super::packet::{Expected, Packet};
use super::transcript::typed;
use super::walk::Walk;

/// The name of the space.
pub(crate) const SPACE: &str = "demo-space";
/// The name of the app in the space.
pub(crate) const APP: &str = "shop";
/// The CIDR block of the customer's VPC.
pub(crate) const VPC_BLOCK: &str = "10.100.0.0/16";
/// The CIDR block of the space.
pub(crate) const SPACE_BLOCK: &str = "10.0.0.0/16";
/// What dynos and the internal router take their addresses from (R7); dynos from the first two.
pub(crate) const SPACE_BLOCKS: [&str; 4] =
    ["10.0.128.0/20", "10.0.144.0/20", "10.0.0.0/20", "10.0.16.0/20"];
/// What a VPC must not have beside that: the blocks of its data services, and what is reserved.
const UNAVAILABLE: &str = "10.1.0.0/16, 172.17.0.0/16";
/// What the instance does: two web servers, of which one will be opened to the space.
const USER_DATA: &str =
    "#!/bin/sh\npython3 -m http.server 8001 &\nexec python3 -m http.server 8000\n";
/// What is printed in place of what is the platform's own (R14).
const MASK: &str = "******";
/// The port that the second dyno serves.
const WEB_PORT: u16 = 5000;

/// What the owner of a VPC needs to know of the space.
pub(crate) struct Space {
    account: String,
    region: String,
    vpc: String,
}

/// The customer's VPC, with an instance in it.
pub(crate) struct CustomerVpc {
    vpc: String,
    subnet: String,
    instance: String,
    group: String,
}

/// The space and the customer's VPC, and the packets that are sent between them.
pub(crate) struct Network {
    space: Space,
    /// The id of the customer's VPC.
    pub(crate) vpc: String,
    /// The id of the VPC's subnet.
    pub(crate) subnet: String,
    /// The id of the instance in the subnet.
    pub(crate) instance: String,
    /// The id of the instance's security group.
    pub(crate) group: String,
    /// A packet from the first dyno to the instance's web server.
    pub(crate) to_instance: Packet,
    /// A packet from the instance to the second dyno's web server.
    pub(crate) to_dyno: Packet,
}

impl Walk<'_, '_> {
    /// Creates the space (R6, R7).
    pub(crate) fn space(&mut self) -> anyhow::Result<Space> {
        self.transcript.part("The platform's half: a Private Space")?;
        let team = self.observer.server.team();
        self.heroku(&["spaces:create", SPACE, "--team", team])?;
        // Asked quietly first: the real command looks again only after a whole second.
        self.observer.until("the space", || {
            let space = self.observer.own(&["spaces:info", SPACE])?;
            Ok((space["state"] != "allocating").then_some(()))
        })?;
        self.heroku(&["spaces:wait", SPACE, "--interval", "1"])?;
        let info = self.heroku(&["spaces:peering:info", SPACE])?;
        let of = |name| field(&info, name).unwrap_or_default();
        let space = Space {
            account: of("AWS Account ID").to_owned(),
            region: of("AWS Region").to_owned(),
            vpc: of("AWS VPC ID").to_owned(),
        };
        let twelve = space.account.len() == 12 && space.account.bytes().all(|b| b.is_ascii_digit());
        self.transcript.check(twelve, "AWS Account ID has twelve digits")?;
        let region = self.region();
        self.transcript.check(space.region == region, format_args!("AWS Region is {region}"))?;
        self.transcript.check(space.vpc.starts_with("vpc-"), "AWS VPC ID names a VPC")?;
        self.transcript.check(
            of("AWS VPC CIDR") == SPACE_BLOCK,
            format_args!("AWS VPC CIDR is {SPACE_BLOCK}"),
        )?;
        let blocks = SPACE_BLOCKS.join(", ");
        self.transcript
            .check(of("Space CIDRs") == blocks, format_args!("Space CIDRs are {blocks}"))?;
        let unavailable = of("Unavailable CIDRs") == UNAVAILABLE;
        self.transcript.check(unavailable, format_args!("Unavailable CIDRs are {UNAVAILABLE}"))?;
        Ok(space)
    }

    /// Creates the customer's VPC and an instance in it.
    pub(crate) fn customer_vpc(&mut self) -> anyhow::Result<CustomerVpc> {
        self.transcript.part("The customer's half: a VPC, and an instance with two web servers")?;
        let (image, vpc) = self.beside(
            |walk| walk.aws_word(&["ec2", "describe-images"], "Images[0].ImageId"),
            |walk| {
                let block = ["ec2", "create-vpc", "--cidr-block", VPC_BLOCK];
                walk.aws_word(&block, "Vpc.VpcId")
            },
        )?;
        let of_vpc = format!("Name=vpc-id,Values={vpc}");
        let (subnet, group) = self.beside(
            |walk| {
                let block =
                    ["ec2", "create-subnet", "--vpc-id", &vpc, "--cidr-block", "10.100.1.0/24"];
                walk.aws_word(&block, "Subnet.SubnetId")
            },
            |walk| {
                let describe = ["ec2", "describe-security-groups", "--filters", &of_vpc];
                walk.aws_word(&describe, "SecurityGroups[0].GroupId")
            },
        )?;
        let instance = self.aws_word(
            &[
                "ec2",
                "run-instances",
                "--image-id",
                &image,
                "--count",
                "1",
                "--subnet-id",
                &subnet,
                "--user-data",
                USER_DATA,
            ],
            "Instances[0].InstanceId",
        )?;
        Ok(CustomerVpc { vpc, subnet, instance, group })
    }

    /// Starts two dynos in the space, and waits until everything runs.
    pub(crate) fn set_up(
        &mut self,
        space: Space,
        customer: CustomerVpc,
    ) -> anyhow::Result<Network> {
        self.transcript.part("An app in the space: one dyno to send, one that serves the web")?;
        self.heroku(&["apps:create", APP, "--space", SPACE])?;
        let port = WEB_PORT.to_string();
        let (sender, web) = self.beside(
            |walk| walk.dyno(&["sleep", "3600"]),
            |walk| walk.dyno(&["python3", "-m", "http.server", &port]),
        )?;
        let CustomerVpc { vpc, subnet, instance, group } = customer;
        let address = self.observer.until("the instance", || {
            let found = self.ec2(&["ec2", "describe-instances", "--instance-ids", &instance])?;
            let found = &found["Reservations"][0]["Instances"][0];
            let running = found["State"]["Name"] == "running";
            Ok(found["PrivateIpAddress"].as_str().filter(|_| running).map(ToOwned::to_owned))
        })?;
        self.observer.until("the dynos", || {
            let dynos = self.observer.own(&["ps", "--app", APP])?;
            let dynos = dynos.as_array().map(Vec::as_slice).unwrap_or_default();
            let up = dynos.iter().filter(|dyno| dyno["state"] == "up").count();
            Ok((up == 2).then_some(()))
        })?;
        let to_instance = Packet {
            from: sender,
            to: instance.clone(),
            address,
            port: 8000,
            expected: Expected::Blocked,
        };
        let to_dyno = Packet {
            from: instance.clone(),
            to: web,
            address: String::new(),
            port: WEB_PORT,
            expected: Expected::Blocked,
        };
        let mut network = Network { space, vpc, subnet, instance, group, to_instance, to_dyno };
        if self.moves_packets() {
            self.settle(&mut network)?;
        }
        self.transcript.line("\nNothing joins the two halves yet:")?;
        self.packets(&[network.to_instance.clone(), network.to_dyno.clone()])?;
        Ok(network)
    }

    fn dyno(&mut self, command: &[&str]) -> anyhow::Result<String> {
        let output = self.heroku(&[&["run:detached", "--app", APP, "--"], command].concat())?;
        let name = dyno_name(&output)
            .with_context(|| format!("`run:detached {}` names no dyno", typed(command)))?;
        Ok(format!("{APP}/{name}"))
    }

    /// Learns what only the dynos and the instance know: their addresses, and that they serve.
    fn settle(&mut self, network: &mut Network) -> anyhow::Result<()> {
        network.to_dyno.address = self.observer.address_of(&network.to_dyno.to)?;
        let sender = self.observer.address_of(&network.to_instance.from)?;
        self.observer.listening(&network.instance, &network.to_instance.address, 8000)?;
        self.observer.listening(&network.instance, &network.to_instance.address, 8001)?;
        self.observer.listening(&network.to_dyno.to, &network.to_dyno.address, WEB_PORT)?;
        self.transcript.line("")?;
        for (dyno, address) in
            [(&network.to_instance.from, &sender), (&network.to_dyno.to, &network.to_dyno.address)]
        {
            let inside = SPACE_BLOCKS[..2].iter().any(|block| holds(block, address));
            let what = format!("{dyno} has {address}, of the first two Space CIDRs");
            self.transcript.check(inside, what)?;
        }
        let what = format!("{} serves ports 8000 and 8001 at home", network.instance);
        self.transcript.check(true, what)
    }

    /// Requests the peering (R9, R11).
    pub(crate) fn request(&mut self, network: &Network) -> anyhow::Result<String> {
        self.transcript.part("The request")?;
        let space = &network.space;
        let answer = self.aws(&[
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id",
            &network.vpc,
            "--peer-vpc-id",
            &space.vpc,
            "--peer-owner-id",
            &space.account,
        ])?;
        let made = &answer["VpcPeeringConnection"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pcx = text(&made["VpcPeeringConnectionId"]);
        let requester = text(&made["RequesterVpcInfo"]["OwnerId"]);
        let accepter = &made["AccepterVpcInfo"];
        self.transcript.check(pcx.starts_with("pcx-"), format_args!("it has an id: {pcx}"))?;
        let initiating = made["Status"]["Code"] == "initiating-request";
        self.transcript.check(initiating, "its status is initiating-request")?;
        let asked = accepter["VpcId"] == *space.vpc && accepter["OwnerId"] == *space.account;
        self.transcript.check(asked, "it asks the space's VPC and account")?;
        let expires = !text(&made["ExpirationTime"]).is_empty();
        self.transcript.check(expires, "it says when it expires")?;

        let expected = [
            &pcx,
            "unknown",
            VPC_BLOCK,
            "pending-acceptance",
            &network.vpc,
            "us-east-1",
            &requester,
        ];
        self.beside(
            |walk| {
                let listing = walk.heroku(&["spaces:peerings", SPACE])?;
                let row = row_of(&listing, &pcx);
                let what = "the space lists it: unknown, pending-acceptance, with VPC and account";
                walk.transcript.check(row.starts_with(&expected), what)?;
                walk.transcript.check(row.len() == 8, "the list says when it expires")?;
                let managed = row_of(&listing, MASK);
                let masked = [MASK, "heroku-managed", "10.1.0.0/16", "active", MASK, MASK, MASK];
                let what = "the platform's own peering is listed, and masked";
                walk.transcript.check(managed == masked, what)
            },
            |walk| {
                walk.heroku_refused(
                    &["spaces:peerings:destroy", MASK, "--space", SPACE, "--confirm", MASK],
                    "the platform's own peering cannot be destroyed",
                )
            },
        )?;
        self.transcript.line("\nA request alone opens nothing:")?;
        self.packets(&[network.to_instance.clone(), network.to_dyno.clone()])?;
        Ok(pcx)
    }

    /// Accepts the peering (R12, R13).
    pub(crate) fn accept(&mut self, network: &Network, pcx: &str) -> anyhow::Result<()> {
        self.transcript.part("The acceptance")?;
        let output = self.heroku(&["spaces:peerings:accept", pcx, "--space", SPACE])?;
        let words = format!("Accepting and configuring peering connection {pcx}");
        self.transcript.check(output.contains(&words), "it says what it does")?;
        self.observer.until("an active peering", || {
            let list = self.observer.own(&["spaces:peerings", SPACE])?;
            let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
            let active = rows.iter().any(|row| row["pcx_id"] == pcx && row["status"] == "active");
            Ok(active.then_some(()))
        })?;
        let listing = self.heroku(&["spaces:peerings", SPACE])?;
        let row = row_of(&listing, pcx);
        let expected = [pcx, "customer-managed", VPC_BLOCK, "active"];
        self.transcript.check(row.starts_with(&expected), "it is customer-managed, active")?;
        self.transcript.line("\nThe VPC's own side is still closed: it has no route to the space, and no rule admits it:")?;
        self.packets(&[network.to_instance.clone(), network.to_dyno.clone()])
    }
}

/// The value of a line such as `AWS Region:  us-east-1`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// The cells of the row of a printed table that begins with a word; none of them is empty but
/// the last.
fn row_of<'t>(text: &'t str, first: &str) -> Vec<&'t str> {
    let cells = |line: &'t str| -> Vec<&'t str> {
        line.split_whitespace().filter(|cell| !["│", "|"].contains(cell)).collect()
    };
    text.lines().map(cells).find(|row| row.first() == Some(&first)).unwrap_or_default()
}

/// The name of a one-off dyno in a text.
fn dyno_name(text: &str) -> Option<String> {
    text.match_indices("run.").find_map(|(at, _)| {
        let digits: String = text[at + 4..].chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then(|| format!("run.{digits}"))
    })
}

/// Whether a block holds an address.
fn holds(block: &str, address: &str) -> bool {
    match (block.parse::<model::Cidr>(), address.parse()) {
        (Ok(block), Ok(address)) => block.contains(address),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_rows_are_read() {
        let info = "=== demo Peering Info\nAWS Account ID:    847227832372\nSpace CIDRs: a, b\n";
        assert_eq!(field(info, "AWS Account ID"), Some("847227832372"));
        assert_eq!(field(info, "Space CIDRs"), Some("a, b"));
        assert_eq!(field(info, "AWS Region"), None);
        let table =
            " PCX ID   Type     Expires\n ──────\n pcx-1    unknown  2016-09-26T22:57:33Z\n";
        assert_eq!(row_of(table, "pcx-1"), ["pcx-1", "unknown", "2016-09-26T22:57:33Z"]);
        assert!(row_of(table, "pcx-2").is_empty());
    }

    #[test]
    fn a_dyno_is_found_in_what_was_said() {
        let output = "Running sleep 3600 on shop... done, run.1234\n";
        assert_eq!(dyno_name(output).as_deref(), Some("run.1234"));
        assert_eq!(dyno_name("run.sh says nothing"), None);
    }

    #[test]
    fn addresses_are_looked_up_in_blocks() {
        assert!(holds("10.0.128.0/20", "10.0.143.9"));
        assert!(!holds("10.0.128.0/20", "10.0.144.1"));
        assert!(!holds("10.0.128.0/20", "no address"));
    }
}
