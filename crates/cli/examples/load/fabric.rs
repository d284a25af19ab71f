//! The fabric's rows: two VPCs, peered, with stateful groups, against a bare veth pair in the same
//! run.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::client::{Connection, Server};
use crate::row;

/// A VPC with one instance.
struct Site {
    vpc: String,
    table: String,
    namespace: String,
    address: Ipv4Addr,
}

/// Measures them.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("linux")?;
    let a = site(&server, "10.10.0.0/16", "10.10.1.0/24")?;
    for (vpcs, n) in [(10, 1_u8), (1000, 2)] {
        fill(&server, vpcs)?;
        let mut times = Vec::new();
        for round in 0..5_u8 {
            let net = 100 * n + round;
            let b = site(&server, &format!("10.{net}.0.0/16"), &format!("10.{net}.1.0/24"))?;
            times.push(accept_to_first_packet(&server, &a, &b)?);
        }
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        row(&format!("accept → first packet, {vpcs} VPCs"), format!("{median:.1} ms"), "≤ 10 ms");
    }
    let b = site(&server, "10.99.0.0/16", "10.99.1.0/24")?;
    accept_to_first_packet(&server, &a, &b)?;
    let bare = Bare::new()?;
    let through = |from: &str, to: &str, at: Ipv4Addr| throughput(from, to, at);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        theirs.push(through(Bare::A, Bare::B, Bare::ADDRESS)?);
        ours.push(through(&a.namespace, &b.namespace, b.address)?);
    }
    let (ours, theirs) = (middle(&mut ours), middle(&mut theirs));
    row("TCP through a peering", format!("{:.2} Gbit/s", ours / 1e9), "");
    row("  ÷ a bare veth pair", format!("{:.2}", ours / theirs), "≥ 0.95");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        theirs.push(round_trips(Bare::A, Bare::B, Bare::ADDRESS)?);
        ours.push(round_trips(&a.namespace, &b.namespace, b.address)?);
    }
    let (ours, theirs) = (middle(&mut ours), middle(&mut theirs));
    row("request-response through a peering", format!("{ours:.0}/s"), "");
    row("  ÷ a bare veth pair", format!("{:.2}", ours / theirs), "≥ 0.8");
    drop(bare);
    Ok(())
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Makes VPCs until there are as many.
fn fill(server: &Server, wanted: usize) -> anyhow::Result<()> {
    let there = server.causeway(&["status", "--json"])?["vpcs"].as_u64().unwrap_or(0);
    let request = server.request("Action=CreateVpc&CidrBlock=10.0.0.0/16")?;
    let mut connection = Connection::open(&server.address)?;
    for _ in there..wanted as u64 {
        connection.exchange(&request)?;
    }
    server.causeway(&["fabric:sweep", "--json"])?;
    Ok(())
}

fn site(server: &Server, cidr: &str, subnet: &str) -> anyhow::Result<Site> {
    let vpc = server.ec2(&format!("Action=CreateVpc&CidrBlock={cidr}"))?;
    let vpc = text(&vpc["vpc"]["vpcId"]);
    let made = server.ec2(&format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock={subnet}"))?;
    let subnet = text(&made["subnet"]["subnetId"]);
    let images = server.ec2("Action=DescribeImages")?;
    let image = text(&images["imagesSet"][0]["imageId"]);
    let ran = server.ec2(&format!(
        "Action=RunInstances&ImageId={image}&SubnetId={subnet}&MinCount=1&MaxCount=1"
    ))?;
    let instance = &ran["instancesSet"][0];
    let eni = text(&instance["networkInterfaceSet"][0]["networkInterfaceId"]);
    let filter = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let tables = server.ec2(&format!("Action=DescribeRouteTables&{filter}"))?;
    let groups = server.ec2(&format!("Action=DescribeSecurityGroups&{filter}"))?;
    let group = text(&groups["securityGroupInfo"][0]["groupId"]);
    server.ec2(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
    ))?;
    Ok(Site {
        vpc,
        table: text(&tables["routeTableSet"][0]["routeTableId"]),
        namespace: format!("cw-{eni}"),
        address: text(&instance["privateIpAddress"]).parse().context("no address")?,
    })
}

/// Everything but the acceptance is in place; from its request to the first packet that arrives.
fn accept_to_first_packet(server: &Server, a: &Site, b: &Site) -> anyhow::Result<Duration> {
    let made = server
        .ec2(&format!("Action=CreateVpcPeeringConnection&VpcId={}&PeerVpcId={}", a.vpc, b.vpc))?;
    let pcx = text(&made["vpcPeeringConnection"]["vpcPeeringConnectionId"]);
    for (from, to) in [(a, b), (b, a)] {
        let [x, y, ..] = to.address.octets();
        server.ec2(&format!(
            "Action=CreateRoute&RouteTableId={}&DestinationCidrBlock={x}.{y}.0.0/16\
             &VpcPeeringConnectionId={pcx}",
            from.table
        ))?;
    }
    server.causeway(&["fabric:sweep", "--json"])?;
    let request = server
        .request(&format!("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId={pcx}"))?;
    let mut connection = Connection::open(&server.address)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            enter(&b.namespace)?;
            let socket = UdpSocket::bind(("0.0.0.0", 7000))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.recv(&mut [0; 16]).context("no packet came")?;
            anyhow::Ok(Instant::now())
        });
        let sender = scope.spawn(|| {
            enter(&a.namespace)?;
            let socket = UdpSocket::bind(("0.0.0.0", 0))?;
            while !stop.load(Ordering::Relaxed) {
                // Refused and unreachable is what it is before: that is waited out.
                let _ = socket.send_to(b"x", (b.address, 7000));
                std::thread::park_timeout(Duration::from_micros(100));
            }
            anyhow::Ok(())
        });
        let asked = Instant::now();
        let accepted = connection.exchange(&request);
        let arrived = receiver.join().unwrap_or_else(|_| anyhow::bail!("the receiver broke off"));
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap_or_else(|_| anyhow::bail!("the sender broke off"))?;
        accepted?;
        let arrived = arrived?;
        ensure!(arrived > asked, "a packet came before the acceptance");
        Ok(arrived - asked)
    })
}

/// Takes this thread into a namespace.
fn enter(name: &str) -> anyhow::Result<()> {
    let file = std::fs::File::open(format!("/run/netns/{name}"))
        .with_context(|| format!("{name} is not there"))?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

fn throughput(from: &str, to: &str, address: Ipv4Addr) -> anyhow::Result<f64> {
    let mut server = Command::new("ip")
        .args(["netns", "exec", to, "iperf3", "-s", "-1", "-p", "7001"])
        .stdout(Stdio::null())
        .spawn()?;
    let mut tries = 0;
    let report = loop {
        let client = Command::new("ip")
            .args(["netns", "exec", from, "iperf3", "-J", "-t", "3", "-p", "7001", "-c"])
            .arg(address.to_string())
            .output()?;
        let report: Value = serde_json::from_slice(&client.stdout).unwrap_or(Value::Null);
        if report["end"]["sum_received"]["bits_per_second"].is_number() || tries == 50 {
            break report;
        }
        tries += 1;
        std::thread::park_timeout(Duration::from_millis(20));
    };
    server.wait()?;
    report["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 says nothing")
}

/// One byte there and back, over TCP, one at a time.
fn round_trips(from: &str, to: &str, address: Ipv4Addr) -> anyhow::Result<f64> {
    use std::io::{Read, Write};
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            enter(to)?;
            let listener = std::net::TcpListener::bind(("0.0.0.0", 7002))?;
            ready.send(())?;
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let mut byte = [0];
            while stream.read(&mut byte)? == 1 {
                stream.write_all(&byte)?;
            }
            anyhow::Ok(())
        });
        let asker = scope.spawn(move || {
            enter(from)?;
            is_ready.recv()?;
            let mut stream = std::net::TcpStream::connect((address, 7002))?;
            stream.set_nodelay(true)?;
            let started = Instant::now();
            let mut count = 0_u32;
            let mut byte = [1];
            while started.elapsed() < Duration::from_secs(2) {
                stream.write_all(&byte)?;
                stream.read_exact(&mut byte)?;
                count += 1;
            }
            Ok(f64::from(count) / started.elapsed().as_secs_f64())
        });
        let rate = asker.join().unwrap_or_else(|_| anyhow::bail!("the asker broke off"));
        echo.join().unwrap_or_else(|_| anyhow::bail!("the echo broke off"))?;
        rate
    })
}

/// Two namespaces with nothing but a veth pair between them.
struct Bare;

impl Bare {
    const A: &str = "cwbench-a";
    const B: &str = "cwbench-b";
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 2);

    fn new() -> anyhow::Result<Self> {
        let bare = Self;
        for words in [
            "netns add cwbench-a",
            "netns add cwbench-b",
            "-n cwbench-a link add v0 mtu 9001 type veth peer name v0 mtu 9001 netns cwbench-b",
            "-n cwbench-a addr add 192.168.255.1/30 dev v0",
            "-n cwbench-b addr add 192.168.255.2/30 dev v0",
            "-n cwbench-a link set v0 up",
            "-n cwbench-b link set v0 up",
        ] {
            ip(words)?;
        }
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for name in [Self::A, Self::B] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(words: &str) -> anyhow::Result<()> {
    let status = Command::new("ip").args(words.split(' ')).status()?;
    ensure!(status.success(), "ip {words}");
    Ok(())
}
