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

/// Measures them.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("none")?;
    server.causeway(&["spaces:create", "blue", "--team", "team"])?;
    server.causeway(&["spaces:wait", "blue"])?;
    let vpcs = fill(&server)?;
    // The operator sees everything.
    let secret = store::DataDir::read_secret(server.data.path())?;
    let token = api::operator_token(|purpose| secret.derive(purpose, ""));
    let mut visitor = Visitor::sign_in(&server, &token)?;

    let millis = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1e3);
    let one = format!("/dashboard/vpcs/{}", vpcs[0]);
    let pages = [
        ("the first page", "/dashboard", 10),
        ("a space's network", "/dashboard/spaces/blue/network", 10),
        ("a VPC", &*one, 10),
        ("a search", "/dashboard/search?q=10.7", 10),
        ("the map", "/dashboard/map", 300),
    ];
    row(&format!("{VPCS} VPCs, {} peerings", VPCS * NEIGHBOURS), "", "");
    for (name, path, wanted) in pages {
        let Some((spans, bytes)) = visitor.read(path, TIMES)? else {
            row(name, "is not there", "");
            continue;
        };
        let at = |percent: usize| millis(spans[(spans.len() * percent / 100).min(spans.len() - 1)]);
        row(&format!("{name}, median"), at(50), &format!("≤ {wanted} ms"));
        row("  its 99th percentile", at(99), "");
        row("  its HTML", format!("{:.1} kB", bytes as f64 / 1e3), "≤ 100 kB, the first page");
    }

    let before = server.memory()?;
    let open: Result<Vec<Connection>, _> =
        (0..OPEN).map(|n| visitor.watch(pages[n % 3].1)).collect();
    let open = open?;
    // Something changes, so each looks at its page anew.
    server.ec2("Action=CreateVpc&CidrBlock=10.9.0.0/16")?;
    std::thread::park_timeout(Duration::from_secs(3));
    let more = server.memory()?.saturating_sub(before) as f64 / 1024.0;
    row(&format!("memory, {OPEN} open pages"), format!("{more:.1} MB more"), "≤ 20 MB more");
    drop(open);
    in_a_browser(&server, &token, &one)
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
