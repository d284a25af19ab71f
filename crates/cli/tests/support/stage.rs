//! A space and its people, for tests of the dashboard: no packets, and a clock that can be moved.

use serde_json::Value;

use super::{Server, space, text};

/// A server with the space `blue` of the team `team`, with the app `shop` in it.
pub struct Stage {
    pub server: Server,
    /// What the owner of a VPC needs to know of the space.
    pub info: Value,
}

impl Stage {
    /// Sets one up.
    pub fn set_up(arguments: &[&str]) -> Self {
        let server = Server::none(&[&["--test-clock"], arguments].concat());
        let info = space(&server, "blue", "shop");
        Self { server, info }
    }

    /// A token of an admin of the team.
    pub fn admin(&self) -> String {
        variable(&self.server.env(&[]), "HEROKU_API_KEY")
    }

    /// The operator's token.
    pub fn operator(&self) -> String {
        let secret = store::DataDir::read_secret(self.server.data.path()).unwrap();
        api::operator_token(|purpose| secret.derive(purpose, ""))
    }

    /// A new user with a role in the team; their token.
    pub fn user(&self, email: &str, role: &str) -> String {
        self.server.causeway(&["users:create", email]).ok();
        self.server.causeway(&["members:add", email, "--role", role, "--team", "team"]).ok();
        variable(&self.server.env(&["--user", email]), "HEROKU_API_KEY")
    }

    /// A new user in a team of their own that demands a second factor, which they have not; their token.
    pub fn newcomer(&self, email: &str) -> String {
        self.server.causeway(&["users:create", email]).ok();
        self.server.causeway(&["teams:create", "careful", "--admin", email]).ok();
        let token = variable(&self.server.env(&["--user", email]), "HEROKU_API_KEY");
        self.server.causeway(&["teams:2fa", "careful", "--demand"]).ok();
        token
    }

    /// The access key of the account that owns VPCs: its id and its secret.
    pub fn key(&self) -> (String, String) {
        let variables = self.server.env(&[]);
        let of = |name| variable(&variables, name);
        (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"))
    }

    /// Makes a VPC; its id.
    pub fn vpc(&self, block: &str) -> String {
        let made = self.server.aws(&["ec2", "create-vpc", "--cidr-block", block]).json();
        text(&made["Vpc"]["VpcId"])
    }

    /// Makes a subnet with an instance in it; the instance's id.
    pub fn instance(&self, vpc: &str, block: &str) -> String {
        let subnet = ["ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", block];
        let subnet = text(&self.server.aws(&subnet).json()["Subnet"]["SubnetId"]);
        let run = ["ec2", "run-instances", "--image-id", "host", "--subnet-id", &subnet];
        text(&self.server.aws(&run).json()["Instances"][0]["InstanceId"])
    }

    /// The main route table and the default group of a VPC; their ids.
    pub fn table_and_group(&self, vpc: &str) -> (String, String) {
        let filter = format!("Name=vpc-id,Values={vpc}");
        let find = |what| self.server.aws(&["ec2", what, "--filters", &filter]).json();
        let tables = find("describe-route-tables");
        let groups = find("describe-security-groups");
        (
            text(&tables["RouteTables"][0]["RouteTableId"]),
            text(&groups["SecurityGroups"][0]["GroupId"]),
        )
    }

    /// Asks the space for a peering of a VPC; its id.
    pub fn ask(&self, vpc: &str) -> String {
        let (space, account) = self.other_side();
        let ask = ["ec2", "create-vpc-peering-connection", "--vpc-id", vpc];
        let to = ["--peer-vpc-id", &space, "--peer-owner-id", &account];
        let made = self.server.aws(&[&ask[..], &to].concat()).json();
        text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    }

    /// The VPC of the space, and the account that it belongs to.
    pub fn other_side(&self) -> (String, String) {
        (text(&self.info["vpc_id"]), text(&self.info["aws_account_id"]))
    }

    /// Has a request accepted, and waits until the peering is active.
    pub fn accept(&self, pcx: &str) {
        self.server.causeway(&["spaces:peerings:accept", pcx, "--space", "blue"]).ok();
        self.server.until("the peering is active", |_| self.status(pcx) == "active");
    }

    /// The status of a peering, as the space's side sees it.
    pub fn status(&self, pcx: &str) -> String {
        let rows = self.server.causeway(&["spaces:peerings", "blue", "--json"]).json();
        let row = rows.as_array().unwrap().iter().find(|row| row["pcx_id"] == pcx);
        row.map_or_else(|| "gone".to_owned(), |row| text(&row["status"]))
    }
}

/// A variable among those that a client is told.
#[track_caller]
pub fn variable(variables: &[(String, String)], name: &str) -> String {
    variables.iter().find(|(other, _)| other == name).unwrap().1.clone()
}
