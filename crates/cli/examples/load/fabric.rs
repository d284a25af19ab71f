//! The fabric's rows: how soon a peering carries packets, among few VPCs and many.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::client::{Connection, Server};
use crate::row;

/// A VPC with one instance.
pub struct Site {
    /// The VPC's id.
    pub vpc: String,
    /// Its route table.
    pub table: String,
    /// The instance's group.
    pub group: String,
    /// The instance's namespace.
    pub namespace: String,
    /// The instance's address.
    pub address: Ipv4Addr,
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
            let pcx = request_peering(&server, &a, &b, "CreateRoute")?;
            times.push(accept_to_first_packet(&server, &a, &b, &pcx)?);
        }
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        row(&format!("accept → first packet, {vpcs} VPCs"), format!("{median:.1} ms"), "≤ 10 ms");
        let net = 90 + n;
        let b = site(&server, &format!("10.{net}.0.0/16"), &format!("10.{net}.1.0/24"))?;
        super::sweeping::run(&server, &a, &b, vpcs)?;
    }
    Ok(())
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
    server.sweep()?;
    Ok(())
}

/// Makes a VPC with one instance, which all of 10.0.0.0/8 may reach.
pub fn site(server: &Server, cidr: &str, subnet: &str) -> anyhow::Result<Site> {
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
        group,
        namespace: format!("cw-{eni}"),
        address: text(&instance["privateIpAddress"]).parse().context("no address")?,
    })
}

/// Asks for a peering and routes both ways; `route` is the action that makes or replaces a route.
pub fn request_peering(server: &Server, a: &Site, b: &Site, route: &str) -> anyhow::Result<String> {
    let made = server
        .ec2(&format!("Action=CreateVpcPeeringConnection&VpcId={}&PeerVpcId={}", a.vpc, b.vpc))?;
    let pcx = text(&made["vpcPeeringConnection"]["vpcPeeringConnectionId"]);
    for (from, to) in [(a, b), (b, a)] {
        let [x, y, ..] = to.address.octets();
        server.ec2(&format!(
            "Action={route}&RouteTableId={}&DestinationCidrBlock={x}.{y}.0.0/16\
             &VpcPeeringConnectionId={pcx}",
            from.table
        ))?;
    }
    server.sweep()?;
    Ok(pcx)
}

/// Everything but the acceptance is in place; from its request to the first packet that arrives.
pub fn accept_to_first_packet(
    server: &Server,
    a: &Site,
    b: &Site,
    pcx: &str,
) -> anyhow::Result<Duration> {
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
pub fn enter(name: &str) -> anyhow::Result<()> {
    let namespace = os::netns::NetworkNamespace::open(name)?;
    Ok(namespace.with_context(|| format!("{name} is not there"))?.enter()?)
}

/// Runs `ip`, with words that contain no space.
pub fn ip(words: &str) -> anyhow::Result<()> {
    let status = Command::new("ip").args(words.split(' ')).status()?;
    ensure!(status.success(), "ip {words}");
    Ok(())
}
