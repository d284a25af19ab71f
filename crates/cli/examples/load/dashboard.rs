//! The dashboard's rows: from the server, and in a browser.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::client::{Connection, Server};
use super::visitor::Visitor;
use crate::row;

const VPCS: usize = 500;
/// Each VPC asks the two that follow it: 1,000 peerings.
const NEIGHBOURS: usize = 2;
const OPEN: usize = 100;
const TIMES: usize = 100;
/// The instances of the VPC whose changes are previewed.
const INSTANCES: usize = 200;
/// What one request starts at most.
const AT_ONCE: usize = 100;

/// Measures them.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("none")?;
    server.causeway(&["spaces:create", "blue", "--team", "team"])?;
    server.causeway(&["spaces:wait", "blue"])?;
    let vpcs = fill(&server)?;
    let town = Town::build(&server)?;
    // The operator sees everything.
    let secret = store::DataDir::read_secret(server.data.path())?;
    let token = api::operator_token(|purpose| secret.derive(purpose, ""));
    let mut visitor = Visitor::sign_in(&server, &token)?;

    let millis = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1e3);
    let read = |visitor: &mut Visitor<'_>, name: &str, path: &str, wanted: usize| {
        let Some((spans, bytes)) = visitor.read(path, TIMES)? else {
            row(name, "is not there", "");
            return anyhow::Ok(());
        };
        let at = |percent: usize| millis(spans[(spans.len() * percent / 100).min(spans.len() - 1)]);
        row(&format!("{name}, median"), at(50), &format!("≤ {wanted} ms"));
        row("  its 99th percentile", at(99), "");
        let wanted = if path == "/dashboard" { "≤ 100 kB" } else { "" };
        row("  its HTML", format!("{:.1} kB", bytes as f64 / 1e3), wanted);
        Ok(())
    };
    let one = format!("/dashboard/vpcs/{}", vpcs[0]);
    let space = "/dashboard/spaces/blue";
    row(&format!("{VPCS} VPCs, {} peerings", VPCS * NEIGHBOURS), "", "");
    let pages = [
        ("the first page", "/dashboard".to_owned()),
        ("a space's network", format!("{space}/network")),
        ("a VPC", one.clone()),
        ("its peerings", format!("{one}/peerings")),
        ("a peering of it", format!("{}/peerings/{}", town.path, town.peering)),
        ("the review of a request", format!("{space}/peerings/{}", town.peering)),
        ("a space's apps", format!("{space}/apps")),
        ("a search", "/dashboard/search?q=10.7".to_owned()),
        ("why", town.question.clone()),
        ("the audit", "/dashboard/audit".to_owned()),
        ("the operator's accounts", "/dashboard/operator/accounts".to_owned()),
    ];
    for (name, path) in &pages {
        read(&mut visitor, name, path, 10)?;
    }
    read(&mut visitor, "the map", "/dashboard/map", 300)?;
    read(&mut visitor, "the matrix", "/dashboard/map/matrix", 300)?;
    // Who owns the VPC may change it.
    row(&format!("a VPC with {INSTANCES} instances"), "", "");
    let mut owner = Visitor::sign_in_by_key(&server)?;
    read(&mut owner, "its instances", &format!("{}/instances", town.path), 10)?;
    read(&mut owner, "its route table", &format!("{}/tables/{}", town.path, town.table), 10)?;
    read(&mut owner, "the preview of a route", &town.route, 10)?;
    read(&mut owner, "the preview of a rule", &town.rule, 10)?;
    read(&mut owner, "why, with what a remedy changes", &town.question, 10)?;

    let before = server.memory()?;
    let open: Result<Vec<Connection>, _> =
        (0..OPEN).map(|n| visitor.watch(&pages[n % 3].1)).collect();
    let open = open?;
    // Something changes, so each looks at its page anew.
    server.ec2("Action=CreateVpc&CidrBlock=10.9.0.0/16")?;
    std::thread::park_timeout(Duration::from_secs(3));
    let more = server.memory()?.saturating_sub(before) as f64 / 1024.0;
    row(&format!("memory, {OPEN} open pages"), format!("{more:.1} MB more"), "≤ 20 MB more");
    drop(open);
    in_a_browser(&server, &token, &one)
}

/// A VPC with many instances that is peered with the space, and has neither routes nor rules yet.
struct Town {
    /// Its page.
    path: String,
    table: String,
    peering: String,
    /// The preview of the route back.
    route: String,
    /// The preview of a rule that lets the space in.
    rule: String,
    /// Why an instance does not reach the space.
    question: String,
}

impl Town {
    fn build(server: &Server) -> anyhow::Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let made = server.ec2("Action=CreateVpc&CidrBlock=10.200.0.0/16")?;
        let vpc = text(&made["vpc"]["vpcId"]);
        let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.200.0.0/23");
        let subnet = text(&server.ec2(&subnet)?["subnet"]["subnetId"]);
        for _ in 0..INSTANCES / AT_ONCE {
            server.ec2(&format!(
                "Action=RunInstances&ImageId=host&SubnetId={subnet}&MinCount={AT_ONCE}&MaxCount={AT_ONCE}"
            ))?;
        }
        let info = server.causeway(&["spaces:peering:info", "blue", "--json"])?;
        let (peer, owner) = (text(&info["vpc_id"]), text(&info["aws_account_id"]));
        let asked = server.ec2(&format!(
            "Action=CreateVpcPeeringConnection&VpcId={vpc}&PeerVpcId={peer}&PeerOwnerId={owner}"
        ))?;
        let peering = text(&asked["vpcPeeringConnection"]["vpcPeeringConnectionId"]);
        server.causeway(&["spaces:peerings:accept", &peering, "--space", "blue"])?;
        let of_vpc = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
        let one = |answer: Value, path: &str, id: &str| {
            let found = answer[path][0][id].as_str().map(str::to_owned);
            found.with_context(|| format!("no {id} in {answer}"))
        };
        let tables = server.ec2(&format!("Action=DescribeRouteTables&{of_vpc}"))?;
        let table = one(tables, "routeTableSet", "routeTableId")?;
        let groups = server.ec2(&format!("Action=DescribeSecurityGroups&{of_vpc}"))?;
        let group = one(groups, "securityGroupInfo", "groupId")?;
        let path = format!("/dashboard/vpcs/{vpc}");
        let change = format!("{path}/change");
        let ends = format!("from={vpc}/10.200.0.10&to={peer}/10.0.128.10&protocol=tcp&port=80");
        Ok(Self {
            route: format!(
                "{change}?do=route&table={table}&destination=10.0.0.0/16&target={peering}"
            ),
            rule: format!(
                "{change}?do=rule&group={group}&direction=in&protocol=tcp&ports=8000&peer=10.0.128.0/20"
            ),
            question: format!("/dashboard/why?{ends}"),
            path,
            table,
            peering,
        })
    }
}

/// Makes VPCs that are peered with each other; their ids.
fn fill(server: &Server) -> anyhow::Result<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let vpcs: anyhow::Result<Vec<String>> = (0..VPCS)
        .map(|n| {
            let block = format!("10.{}.{}.0/24", 64 + n / 250, n % 250);
            let made = server.ec2(&format!("Action=CreateVpc&CidrBlock={block}"))?;
            Ok(text(&made["vpc"]["vpcId"]))
        })
        .collect();
    let vpcs = vpcs?;
    for (n, vpc) in vpcs.iter().enumerate() {
        for next in 1..=NEIGHBOURS {
            let peer = &vpcs[(n + next) % VPCS];
            let ask = format!("Action=CreateVpcPeeringConnection&VpcId={vpc}&PeerVpcId={peer}");
            let pcx = text(&server.ec2(&ask)?["vpcPeeringConnection"]["vpcPeeringConnectionId"]);
            let accept = "Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId=";
            server.ec2(&format!("{accept}{pcx}"))?;
        }
    }
    Ok(vpcs)
}

/// What a browser shows, and when.
fn in_a_browser(server: &Server, token: &str, vpc: &str) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(root.join(".tools/bin/browser"))
        .arg(root.join("tests/tools/browser/paint.cjs"))
        .args([&format!("http://{}", server.address), token, vpc])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("the browser: run scripts/setup --for bench")?;
    ensure!(output.status.success(), "the browser ended");
    let pages: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    for page in &pages {
        let name = page["name"].as_str().unwrap_or_default();
        let figure = |field: &str| page[field].as_f64().unwrap_or_default();
        let paint = format!("{:.0} ms", figure("paint"));
        row(&format!("{name}: first contentful paint"), paint, "≤ 50 ms; the map ≤ 300 ms");
        row("  first visit, everything", format!("{:.1} kB", figure("bytes") / 1e3), "≤ 100 kB");
    }
    Ok(())
}
