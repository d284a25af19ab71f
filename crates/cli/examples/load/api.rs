//! The API's rows.

use std::time::{Duration, Instant};

use super::client::{Connection, Server};
use super::crowd::{self, Crowd};
use super::rounds::{Plan, against_bare};
use crate::row;

const MANY: usize = 10_000;
const WRITERS: usize = 8;

/// Measures what concerns small answers.
const SMALL: Plan =
    Plan { connections: 1, rounds: 20, turn: Duration::from_millis(300), on_one_too: false };
/// Measures what concerns large ones.
const LARGE: Plan =
    Plan { connections: 1, rounds: 7, turn: Duration::from_millis(150), on_one_too: false };

/// Measures them, or those of one part: `alone` or `crowd`.
pub fn run(part: Option<&str>) -> anyhow::Result<()> {
    match part {
        None => {
            alone()?;
            crowd()
        }
        Some("alone") => alone(),
        Some("crowd") => crowd(),
        Some(_) => anyhow::bail!("usage: load api [alone | crowd]"),
    }
}

fn alone() -> anyhow::Result<()> {
    let server = Server::start("none")?;
    row("start to first answer", millis(server.first_answer), "≤ 50 ms");
    row("memory, empty", megabytes(server.memory()?), "≤ 15 MB");

    server.ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16")?;
    let request = server.request("Action=DescribeVpcs")?;
    let mut connection = Connection::open(&server.address)?;
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        let at = Instant::now();
        connection.exchange(&request)?;
        times.push(at.elapsed());
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    row("DescribeVpcs, one VPC, one connection", format!("{rate:.0}/s"), "≥ 15000/s");
    row("  its 99th percentile", millis(times[times.len() * 99 / 100]), "≤ 0.2 ms");
    for connections in [1, WRITERS] {
        let what = format!("DescribeVpcs, one VPC, connections: {connections}");
        let plan = Plan { connections, on_one_too: true, ..SMALL };
        against_bare(&server, &what, &request, plan, "≥ 0.8")?;
    }

    let (all, quarters) = create(&server)?;
    row(
        &format!("CreateVpc, durable, {WRITERS} connections, up to {MANY}"),
        format!("{all:.0}/s"),
        "≥ 5000/s",
    );
    let flat = quarters[3] / quarters[0];
    row("  last quarter ÷ first quarter", format!("{flat:.2}"), "flat (≈ 1)");
    row("memory, 10000 VPCs", megabytes(server.memory()?), "≤ 50 MB");

    let mut best = Duration::MAX;
    for _ in 0..10 {
        let at = Instant::now();
        connection.exchange(&request)?;
        best = best.min(at.elapsed());
    }
    row("DescribeVpcs, all 10000", millis(best), "≤ 15 ms");
    Ok(())
}

/// What is asked of an account with 10,000 VPCs, 1,000 peerings and 1,000 groups of 60 rules.
fn crowd() -> anyhow::Result<()> {
    let server = Server::start("none")?;
    let started = Instant::now();
    let crowd = Crowd::make(&server)?;
    let what = format!(
        "Making {} VPCs, {} peerings, {} groups of {} rules",
        crowd::VPCS,
        crowd::PEERINGS,
        crowd::GROUPS,
        crowd::RULES
    );
    row(&what, format!("{:.1} s", started.elapsed().as_secs_f64()), "");
    row("memory, with all of it", megabytes(server.memory()?), "");

    let (vpc, peering, group) = (&crowd.vpcs[5000], &crowd.peerings[500], &crowd.groups[500]);
    let (block, name) = (crowd::block(5000), crowd::name(5000));
    for connections in [1, WRITERS] {
        let request = server.request(&format!("Action=DescribeVpcs&VpcId.1={vpc}"))?;
        let what = format!("DescribeVpcs, by id, connections: {connections}");
        against_bare(&server, &what, &request, Plan { connections, ..SMALL }, "≥ 0.8")?;
    }
    let filter = |name: &str, value: &str| format!("Filter.1.Name={name}&Filter.1.Value.1={value}");
    let rows = [
        ("DescribeVpcs, filter vpc-id", "DescribeVpcs", filter("vpc-id", vpc)),
        ("DescribeVpcs, filter cidr", "DescribeVpcs", filter("cidr", &block)),
        ("DescribeVpcs, filter cidr 10.1.*", "DescribeVpcs", filter("cidr", "10.1.*")),
        ("DescribeVpcs, filter tag:Name", "DescribeVpcs", filter("tag:Name", &name)),
        ("DescribeVpcs, filter is-default (none)", "DescribeVpcs", filter("is-default", "true")),
        ("DescribeVpcs, page of 1000", "DescribeVpcs", "MaxResults=1000".to_owned()),
        ("DescribeVpcs, in full", "DescribeVpcs", String::new()),
        (
            "DescribeVpcPeeringConnections, by id",
            "DescribeVpcPeeringConnections",
            format!("VpcPeeringConnectionId.1={peering}"),
        ),
        (
            "DescribeVpcPeeringConnections, filter requester's VPC",
            "DescribeVpcPeeringConnections",
            filter("requester-vpc-info.vpc-id", &crowd.vpcs[500]),
        ),
        (
            "DescribeVpcPeeringConnections, filter status-code (none)",
            "DescribeVpcPeeringConnections",
            filter("status-code", "rejected"),
        ),
        ("DescribeVpcPeeringConnections, in full", "DescribeVpcPeeringConnections", String::new()),
        ("DescribeSecurityGroups, by id", "DescribeSecurityGroups", format!("GroupId.1={group}")),
        (
            "DescribeSecurityGroups, filter vpc-id",
            "DescribeSecurityGroups",
            filter("vpc-id", &crowd.vpcs[500]),
        ),
        (
            "DescribeSecurityGroups, filter group-name",
            "DescribeSecurityGroups",
            filter("group-name", "crowd-500"),
        ),
        (
            "DescribeSecurityGroups, filter ip-permission.cidr (none)",
            "DescribeSecurityGroups",
            filter("ip-permission.cidr", "203.0.113.0/24"),
        ),
        (
            "DescribeSecurityGroups, page of 1000",
            "DescribeSecurityGroups",
            "MaxResults=1000".to_owned(),
        ),
        ("DescribeSecurityGroups, in full", "DescribeSecurityGroups", String::new()),
        (
            "DescribeSecurityGroupRules, filter group-id",
            "DescribeSecurityGroupRules",
            filter("group-id", group),
        ),
        (
            "DescribeSecurityGroupRules, page of 1000",
            "DescribeSecurityGroupRules",
            "MaxResults=1000".to_owned(),
        ),
        ("DescribeSecurityGroupRules, in full", "DescribeSecurityGroupRules", String::new()),
    ];
    for (what, action, parameters) in rows {
        let request = server.request(&format!("Action={action}&{parameters}"))?;
        against_bare(&server, what, &request, LARGE, "")?;
    }
    row("memory, after all of that", megabytes(server.memory()?), "");
    Ok(())
}

pub fn create(server: &Server) -> anyhow::Result<(f64, [f64; 4])> {
    let request = server.request("Action=CreateVpc&CidrBlock=10.0.0.0/16")?;
    let mut quarters = [0.0; 4];
    let started = Instant::now();
    for quarter in &mut quarters {
        let at = Instant::now();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut connection = Connection::open(&server.address)?;
                        for _ in 0..MANY / 4 / WRITERS {
                            connection.exchange(&request)?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            writers.into_iter().try_for_each(|writer| {
                writer.join().unwrap_or_else(|_| anyhow::bail!("a writer broke off"))
            })
        })?;
        *quarter = (MANY / 4) as f64 / at.elapsed().as_secs_f64();
    }
    Ok((MANY as f64 / started.elapsed().as_secs_f64(), quarters))
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

pub fn megabytes(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 / 1024.0)
}
