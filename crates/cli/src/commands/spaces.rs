//! Spaces and their peerings: the document's own commands (R6, R11, R12, R18).

use std::time::{Duration, Instant};

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::{confirm, rows, show};
use crate::arguments::{Command, Common, Space};
use crate::client::{As, Client, part};
use crate::output::Out;

pub fn run(command: Command, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Command::Spaces(common) => list(&common, out),
        Command::SpacesCreate { name, team, region, cidr, data_cidr, common } => {
            let body = json!({
                "name": name, "team": team, "region": region, "cidr": cidr, "data_cidr": data_cidr,
            });
            let body: Value = body
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let space = common.connection.client(As::User)?.post("/spaces", &body)?;
            print_space(&space, &common, out);
            Ok(())
        }
        Command::SpacesInfo(space) => {
            let client = space.common.connection.client(As::User)?;
            let found = client.get(&format!("/spaces/{}", part(space.name())))?;
            print_whole_space(&client, found, &space.common, out)
        }
        Command::SpacesWait { interval, timeout, space } => {
            let span = Duration::from_secs;
            wait(&space, span(interval), span(timeout), out)
        }
        Command::Regions(common) => regions(&common, out),
        Command::SpacesRename { to, space } => {
            let client = space.common.connection.client(As::User)?;
            let path = format!("/spaces/{}", part(space.name()));
            let renamed = client.send(Method::PATCH, &path, Some(&json!({ "name": to })))?.body;
            say(&space.common, out, &renamed, &format!("Renamed {} to {to}", space.name()));
            Ok(())
        }
        Command::SpacesDestroy { confirm: given, space } => {
            let client = space.common.connection.client(As::User)?;
            // Nobody is asked about what is not there.
            client.get(&format!("/spaces/{}", part(space.name())))?;
            let warning = format!("This command will destroy the space {}", space.name());
            confirm(&warning, space.name(), given.as_deref(), out)?;
            let gone = client.delete(&format!("/spaces/{}", part(space.name())))?;
            say(&space.common, out, &gone, &format!("Destroying space {}", space.name()));
            Ok(())
        }
        Command::SpacesLimitsSet { peerings, space } => {
            let client = space.common.connection.client(As::Operator)?;
            let path = format!("/_causeway/spaces/{}/limits", part(space.name()));
            let body = json!({ "peerings": peerings });
            let set = client.send(Method::PUT, &path, Some(&body))?.body;
            let vpcs = if peerings == 1 { "VPC" } else { "VPCs" };
            let text = format!("{} may be peered with {peerings} {vpcs}", space.name());
            say(&space.common, out, &set, &text);
            Ok(())
        }
        Command::SpacesPeeringInfo(space) => {
            let client = space.common.connection.client(As::User)?;
            let info = client.get(&format!("/spaces/{}/peering-info", part(space.name())))?;
            print_peering_info(space.name(), &info, &space.common, out);
            Ok(())
        }
        Command::SpacesPeerings(space) => {
            let client = space.common.connection.client(As::User)?;
            let list = client.get(&format!("/spaces/{}/peerings", part(space.name())))?;
            print_peerings(space.name(), &list, &space.common, out);
            Ok(())
        }
        Command::SpacesPeeringsAccept(peering) => {
            let client = peering.common.connection.client(As::User)?;
            let path = format!("/spaces/{}/peerings", part(&peering.space));
            let accepted = client.post(&path, &json!({ "pcx_id": peering.pcx }))?;
            let text = format!("Accepting and configuring peering connection {}", peering.pcx);
            say(&peering.common, out, &accepted, &text);
            Ok(())
        }
        Command::SpacesPeeringsDestroy { peering, confirm: given } => {
            let client = peering.common.connection.client(As::User)?;
            let path = format!("/spaces/{}/peerings/{}", part(&peering.space), part(&peering.pcx));
            client.get(&path)?;
            let warning = format!(
                "This command will attempt to destroy the peering connection {}",
                peering.pcx
            );
            confirm(&warning, &peering.pcx, given.as_deref(), out)?;
            let gone = client.delete(&path)?;
            let text = format!("Tearing down peering connection {}", peering.pcx);
            say(&peering.common, out, &gone, &text);
            Ok(())
        }
        _ => bail!("this command is not about spaces"),
    }
}

fn say(common: &Common, out: &mut Out, body: &Value, text: &str) {
    if common.json { out.json(body) } else { out.line(text) }
}

fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client: Client = common.connection.client(As::User)?;
    let list = client.get("/spaces")?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    if list.as_array().is_some_and(Vec::is_empty) {
        bail!(
            "You do not have access to any spaces. Make one with \
             `causeway spaces:create NAME --team TEAM`"
        );
    }
    let fields = ["name", "team.name", "region.name", "state", "cidr", "created_at"];
    out.line("=== Spaces");
    out.table(&["Name", "Team", "Region", "State", "CIDR", "Created At"], &rows(&list, &fields));
    Ok(())
}

fn regions(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let list = common.connection.client(As::User)?.get("/regions")?;
    if common.json {
        out.json(&list);
    } else {
        out.table(&["ID", "Location"], &rows(&list, &["name", "description"]));
    }
    Ok(())
}

/// Waits until the fabric carries a space.
fn wait(space: &Space, interval: Duration, timeout: Duration, out: &mut Out) -> anyhow::Result<()> {
    let client = space.common.connection.client(As::User)?;
    let path = format!("/spaces/{}", part(space.name()));
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let found = client.get(&path)?;
        if found["state"] != "allocating" {
            return print_whole_space(&client, found, &space.common, out);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            bail!("the space {} is not allocated after {timeout:?}", space.name());
        }
        client.pause(interval);
    }
}

/// A space with what it is seen as from outside, once it is.
fn print_whole_space(
    client: &Client,
    mut space: Value,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    if space["state"] != "allocating" {
        let path = format!("/spaces/{}/nat", part(&show(&space["id"])));
        space["outbound_ips"] = client.get(&path)?;
    }
    print_space(&space, common, out);
    Ok(())
}

fn print_space(space: &Value, common: &Common, out: &mut Out) {
    if common.json {
        return out.json(space);
    }
    out.line(format_args!("=== {}", show(&space["name"])));
    let nat = &space["outbound_ips"];
    let outbound = if nat["state"] == "enabled" { &nat["sources"] } else { &nat["state"] };
    let shield = if space["shield"] == true { "on" } else { "off" };
    for (name, value) in [
        ("ID", &space["id"]),
        ("Team", &space["team"]["name"]),
        ("Region", &space["region"]["description"]),
        ("CIDR", &space["cidr"]),
        ("Data CIDR", &space["data_cidr"]),
        ("State", &space["state"]),
        ("Shield", &Value::from(shield)),
        ("Outbound IPs", outbound),
        ("Generation", &space["generation"]["name"]),
        ("Created at", &space["created_at"]),
    ] {
        out.line(format!("{:<14}{}", format!("{name}:"), show(value)).trim_end());
    }
}

fn print_peering_info(name: &str, info: &Value, common: &Common, out: &mut Out) {
    if common.json {
        return out.json(info);
    }
    out.line(format_args!("=== {name} Peering Info"));
    for (name, value) in [
        ("AWS Account ID", &info["aws_account_id"]),
        ("AWS Region", &info["aws_region"]),
        ("AWS VPC ID", &info["vpc_id"]),
        ("AWS VPC CIDR", &info["vpc_cidr"]),
        ("Space CIDRs", &info["space_cidr_blocks"]),
        ("Unavailable CIDRs", &info["unavailable_cidr_blocks"]),
    ] {
        out.line(format_args!("{:<19}{}", format!("{name}:"), show(value)));
    }
}

fn print_peerings(name: &str, list: &Value, common: &Common, out: &mut Out) {
    if common.json {
        return out.json(list);
    }
    let fields = [
        "pcx_id",
        "type",
        "cidr_blocks",
        "status",
        "aws_vpc_id",
        "aws_region",
        "aws_account_id",
        "expires",
    ];
    out.line(format_args!("=== {name} Peerings"));
    out.line("");
    out.table(
        &[
            "PCX ID",
            "Type",
            "CIDR Blocks",
            "Status",
            "VPC ID",
            "AWS Region",
            "AWS Account ID",
            "Expires",
        ],
        &rows(list, &fields),
    );
}
