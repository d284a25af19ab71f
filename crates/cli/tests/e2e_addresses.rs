//! What becomes of addresses, private and public, when instances and gateways come and go, with the real
//! `aws` command and packets from outside.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::hear::{WHO, ec2, heard, name};
use support::outside::{INTERNET, OUTBOUND, Outside};
use support::talk::Talk;
use support::{Instance, Server, launch_with, text};

/// A VPC with an internet gateway, two subnets, and a group that lets everybody ask.
struct Net {
    server: Server,
    outside: Outside,
    vpc: String,
    gateway: String,
    subnets: [String; 2],
    /// The main table, by which both subnets lead outside.
    table: String,
}

impl Net {
    fn new() -> Self {
        let outside = Outside::enter();
        let server = Server::linux_with(&["--outbound", OUTBOUND]);
        let made = ec2(&server, "create-vpc --cidr-block 10.100.0.0/16").json();
        let vpc = text(&made["Vpc"]["VpcId"]);
        let subnets = ["10.100.1.0/24", "10.100.2.0/24"].map(|block| {
            let line = format!("create-subnet --vpc-id {vpc} --cidr-block {block}");
            text(&ec2(&server, &line).json()["Subnet"]["SubnetId"])
        });
        let made = ec2(&server, "create-internet-gateway").json();
        let gateway = text(&made["InternetGateway"]["InternetGatewayId"]);
        let filter = format!("--filters Name=vpc-id,Values={vpc}");
        let tables = ec2(&server, &format!("describe-route-tables {filter}")).json();
        let table = text(&tables["RouteTables"][0]["RouteTableId"]);
        let groups = ec2(&server, &format!("describe-security-groups {filter}")).json();
        let group = text(&groups["SecurityGroups"][0]["GroupId"]);
        let line = "--protocol tcp --port 8000 --cidr 0.0.0.0/0";
        let line = format!("authorize-security-group-ingress --group-id {group} {line}");
        ec2(&server, &line).ok();
        let net = Self { server, outside, vpc, gateway, subnets, table };
        net.attach_gateway();
        net.lead(&net.table, &format!("--gateway-id {}", net.gateway));
        net
    }

    fn attach_gateway(&self) {
        let line = format!("attach-internet-gateway --internet-gateway-id {}", self.gateway);
        ec2(&self.server, &format!("{line} --vpc-id {}", self.vpc)).ok();
    }

    fn lead(&self, table: &str, target: &str) {
        let line = format!("create-route --route-table-id {table}");
        ec2(&self.server, &format!("{line} --destination-cidr-block 0.0.0.0/0 {target}")).ok();
    }

    fn run(&self, subnet: usize, more: &[&str]) -> Instance {
        let instance = launch_with(&self.server, &self.subnets[subnet], WHO, more);
        name(&self.server, &instance.id);
        instance
    }

    fn described(&self, instance: &str) -> Value {
        let found = ec2(&self.server, &format!("describe-instances --instance-ids {instance}"));
        found.json()["Reservations"][0]["Instances"][0].clone()
    }

    fn public(&self, instance: &str) -> Option<String> {
        self.described(instance)["PublicIpAddress"].as_str().map(str::to_owned)
    }

    fn wait(&self, state: &str, instance: &str) {
        self.server.until(state, |_| self.described(instance)["State"]["Name"] == state);
    }

    /// An elastic IP address: its id and itself.
    fn allocate(&self) -> (String, String) {
        let made = ec2(&self.server, "allocate-address").json();
        (text(&made["AllocationId"]), text(&made["PublicIp"]))
    }

    fn associate(&self, allocation: &str, instance: &str) -> String {
        let line = format!("associate-address --allocation-id {allocation}");
        let made = ec2(&self.server, &format!("{line} --instance-id {instance}")).json();
        text(&made["AssociationId"])
    }

    /// Who answers somebody outside at a public address, soon.
    #[track_caller]
    fn answers(&self, public: &str, wanted: Option<&str>) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.outside.heard(public).as_deref() != wanted {
            assert!(Instant::now() < deadline, "{public}: not {wanted:?}");
        }
    }

    /// Who is seen outside where an instance asks there; nobody where it gets no answer.
    fn seen(&self, instance: &str) -> Option<String> {
        self.server.connects(instance, INTERNET, 8000).then(|| self.outside.came())
    }
}

#[test]
fn public_addresses_come_by_the_subnet_or_by_the_request_and_change_with_a_stop() {
    let net = Net::new();
    let server = &net.server;
    let plain = net.run(0, &[]);
    assert_eq!(net.public(&plain.id), None);
    assert_eq!(net.seen(&plain.id), None, "without a public address nothing leads out");
    let asked = net.run(0, &["--associate-public-ip-address"]);
    let its_name = name(server, &asked.id);
    let public = net.public(&asked.id).unwrap();
    net.answers(&public, Some(&its_name));
    assert_eq!(net.seen(&asked.id).as_ref(), Some(&public));
    let line = format!("modify-subnet-attribute --subnet-id {}", net.subnets[1]);
    ec2(server, &format!("{line} --map-public-ip-on-launch")).ok();
    let mapped = net.run(1, &[]);
    net.answers(&net.public(&mapped.id).unwrap(), Some(&name(server, &mapped.id)));
    let refused = net.run(1, &["--no-associate-public-ip-address"]);
    assert_eq!(net.public(&refused.id), None);

    // A reboot keeps everything.
    ec2(server, &format!("reboot-instances --instance-ids {}", asked.id)).ok();
    assert_eq!(net.public(&asked.id).as_ref(), Some(&public));
    net.answers(&public, Some(&its_name));

    // A stop gives the public address back and keeps the private one; a start brings another one.
    ec2(server, &format!("stop-instances --instance-ids {}", asked.id)).ok();
    net.wait("stopped", &asked.id);
    assert_eq!(net.public(&asked.id), None);
    assert_eq!(net.described(&asked.id)["PrivateIpAddress"], asked.address.as_str());
    net.answers(&public, None);
    // Somebody else may have the old one meanwhile.
    let (allocation, elastic) = net.allocate();
    ec2(server, &format!("start-instances --instance-ids {}", asked.id)).ok();
    net.wait("running", &asked.id);
    let described = net.described(&asked.id);
    assert_eq!(described["PrivateIpAddress"], asked.address.as_str());
    let second = net.public(&asked.id).unwrap();
    assert_ne!(second, elastic);
    server.until("it listens", |server| heard(server, &plain.id, &asked.address).is_some());
    net.answers(&second, Some(&its_name));

    // An elastic one stays, whatever becomes of the instance.
    net.associate(&allocation, &asked.id);
    net.answers(&elastic, Some(&its_name));
    ec2(server, &format!("stop-instances --instance-ids {}", asked.id)).ok();
    net.wait("stopped", &asked.id);
    assert_eq!(net.public(&asked.id).as_ref(), Some(&elastic));
    ec2(server, &format!("start-instances --instance-ids {}", asked.id)).ok();
    net.wait("running", &asked.id);
    assert_eq!(net.public(&asked.id).as_ref(), Some(&elastic));
    net.answers(&elastic, Some(&its_name));
    assert_eq!(net.seen(&asked.id).as_ref(), Some(&elastic));
    ec2(server, &format!("terminate-instances --instance-ids {}", asked.id)).ok();
    net.answers(&elastic, None);
    let found = ec2(server, &format!("describe-addresses --allocation-ids {allocation}")).json();
    assert!(found["Addresses"][0].get("AssociationId").is_none(), "its owner has it: {found}");
}

/// Sends numbered datagrams from one port to port 9000 of an address, two hundred a second, until it is
/// ended.
const SEND: &str = r#"
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7000))
n = 0
print("sends", flush=True)
while True:
    try:
        s.sendto(b"%d" % n, (sys.argv[1], 9000))
    except OSError:
        pass
    n += 1
    time.sleep(0.005)
"#;

/// A workload that sends until it is dropped.
struct Sender(Child);

impl Sender {
    fn start(server: &Server, from: &str) -> Self {
        let mut command = server.command(&["exec", from, "--", "python3", "-c", SEND, INTERNET]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn elastic_ips_move_and_gateways_go_under_traffic_and_nothing_leaks() {
    let net = Net::new();
    let (server, outside) = (&net.server, &net.outside);
    let (one, two) = (net.run(0, &[]), net.run(0, &[]));
    let names = [&one, &two].map(|it| name(server, &it.id));
    let (allocation, elastic) = net.allocate();
    let association = net.associate(&allocation, &one.id);
    net.answers(&elastic, Some(&names[0]));
    let sender = Sender::start(server, &one.id);
    let all = outside.capture("udp and dst port 9000");
    let seen = all.until(|line| line.contains(".9000"));
    assert!(seen.contains(&format!("{elastic}.")), "{seen}");
    // It moves while both ends use it: the other instance answers, and the first one is heard no more.
    let line = format!("associate-address --allocation-id {allocation} --instance-id {}", two.id);
    assert!(ec2(server, &format!("{line} --no-allow-reassociation")).refused().contains("already"));
    ec2(server, &line).ok();
    net.answers(&elastic, Some(&names[1]));
    let silence = outside.capture("udp and dst port 9000");
    assert_eq!(net.seen(&two.id).as_ref(), Some(&elastic));
    assert_eq!(silence.all(), Vec::<String>::new(), "sent by who has no address any more");
    drop((sender, silence, all));
    let line = format!("disassociate-address --association-id {association}");
    assert!(ec2(server, &line).refused().contains("AssociationID.NotFound"), "it is another now");

    // A NAT gateway that goes while a flow runs: not one packet of it is outside afterwards.
    let (shared, address) = net.allocate();
    let line = format!("create-nat-gateway --subnet-id {}", net.subnets[0]);
    let made = ec2(server, &format!("{line} --allocation-id {shared}")).json();
    let nat = text(&made["NatGateway"]["NatGatewayId"]);
    let made = ec2(server, &format!("create-route-table --vpc-id {}", net.vpc)).json();
    let table = text(&made["RouteTable"]["RouteTableId"]);
    net.lead(&table, &format!("--nat-gateway-id {nat}"));
    let line = format!("associate-route-table --route-table-id {table}");
    ec2(server, &format!("{line} --subnet-id {}", net.subnets[1])).ok();
    let hidden = net.run(1, &[]);
    server.until("it gets out", |_| net.seen(&hidden.id).as_ref() == Some(&address));
    let talk = Talk::start(server, &hidden.id, INTERNET);
    assert_eq!(outside.came(), address);
    let sender = Sender::start(server, &hidden.id);
    let all = outside.capture("udp and dst port 9000");
    let seen = all.until(|line| line.contains(".9000"));
    assert!(seen.contains(&format!("{address}.")), "{seen}");
    ec2(server, &format!("delete-nat-gateway --nat-gateway-id {nat}")).ok();
    assert!(!server.connects(&hidden.id, INTERNET, 8000));
    let silence = outside.capture("udp and dst port 9000");
    assert_eq!(net.seen(&two.id).as_ref(), Some(&elastic), "another's way out is as it was");
    assert!(talk.is_over(), "the connection gets no further");
    assert_eq!(silence.all(), Vec::<String>::new(), "nothing leaks");
    drop((sender, silence, all));

    // The internet gateway cannot go while anything is known by it; then nothing leads out.
    let detach = format!("detach-internet-gateway --internet-gateway-id {}", net.gateway);
    let detach = format!("{detach} --vpc-id {}", net.vpc);
    assert!(ec2(server, &detach).refused().contains("DependencyViolation"));
    net.answers(&elastic, Some(&names[1]));
    ec2(server, &format!("disassociate-address --public-ip {elastic}")).ok();
    ec2(server, &detach).ok();
    net.answers(&elastic, None);
    assert_eq!(net.seen(&two.id), None);
    let found = ec2(server, &format!("describe-route-tables --route-table-ids {}", net.table));
    let routes = found.json()["RouteTables"][0]["Routes"].as_array().unwrap().clone();
    let default = routes.iter().find(|it| it["DestinationCidrBlock"] == "0.0.0.0/0").unwrap();
    assert_eq!(default["State"], "blackhole");
    net.attach_gateway();
    net.associate(&allocation, &two.id);
    net.answers(&elastic, Some(&names[1]));
    assert_eq!(server.sweep()["healthy"], true);
}
