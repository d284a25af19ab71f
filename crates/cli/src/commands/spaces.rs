//! Spaces and their peerings: the document's own commands (R6, R11, R12, R18).

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::{Value, json};

use super::confirm::confirm;
use super::overview;
use super::peering_check::print_reasons;
use super::print::{quote, rows, say, show};
use crate::arguments::overview::Whose;
use crate::arguments::spaces::SpaceCommand;
use crate::arguments::{Common, Space};
use crate::client::{As, Client, segment};
use crate::output::Out;

pub(super) fn run(command: SpaceCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        SpaceCommand::Spaces(Whose { all: true, common }) => overview::all_spaces(&common, out),
        SpaceCommand::Spaces(Whose { all: false, common }) => list(&common, out),
        SpaceCommand::SpacesCreate { name, team, region, cidr, data_cidr, common } => {
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
        SpaceCommand::SpacesInfo(space) => {
            let client = space.common.connection.client(As::User)?;
            let found = client.get(&format!("/spaces/{}", segment(space.name())))?;
            print_whole_space(&client, found, &space.common, out)
        }
        SpaceCommand::SpacesWait { interval, timeout, space } => {
            let span = Duration::from_secs;
            wait(&space, span(interval), span(timeout), out)
        }
        SpaceCommand::Regions(common) => regions(&common, out),
        SpaceCommand::SpacesRename { to, space } => {
            let client = space.common.connection.client(As::User)?;
            let path = format!("/spaces/{}", segment(space.name()));
            let renamed = client.send(Method::PATCH, &path, Some(&json!({ "name": to })))?.body;
            say(&space.common, out, &renamed, &format!("Renamed {} to {to}", space.name()));
            Ok(())
        }
        SpaceCommand::SpacesDestroy { confirm: given, space } => {
            let client = space.common.connection.client(As::User)?;
            // Nobody is asked about what is not there.
            client.get(&format!("/spaces/{}", segment(space.name())))?;
            let warning = format!("This command will destroy the space {}", space.name());
            confirm(&warning, space.name(), given.as_deref(), out)?;
            let gone = client.delete(&format!("/spaces/{}", segment(space.name())))?;
            say(&space.common, out, &gone, &format!("Destroying space {}", space.name()));
            Ok(())
        }
        SpaceCommand::SpacesLimitsSet { peerings, space } => {
            let client = space.common.connection.client(As::Operator)?;
            let path = format!("/_causeway/spaces/{}/limits", segment(space.name()));
            let request = api::SetPeeringLimit { peerings };
            let set: api::PeeringLimit = client.write(&Method::PUT, &path, &request)?;
            let vpcs = if peerings == 1 { "VPC" } else { "VPCs" };
            let text = format!("{} may be peered with {peerings} {vpcs}", space.name());
            say(&space.common, out, &set, &text);
            Ok(())
        }
        SpaceCommand::SpacesPeeringInfo(space) => {
            let client = space.common.connection.client(As::User)?;
            let info = client.get(&format!("/spaces/{}/peering-info", segment(space.name())))?;
            print_peering_info(space.name(), &info, &space.common, out);
            Ok(())
        }
        SpaceCommand::SpacesPeerings(space) => {
            let client = space.common.connection.client(As::User)?;
            let list = client.get(&format!("/spaces/{}/peerings", segment(space.name())))?;
            print_peerings(space.name(), &list, &space.common, out)
        }
        SpaceCommand::SpacesPeeringsAccept(peering) => {
            let client = peering.common.connection.client(As::User)?;
            let path = format!("/spaces/{}/peerings", segment(&peering.space));
            // The API accepts again what is accepted, as clients repeat themselves after an answer
            // that was lost; a person who does so is mistaken about something.
            let found = client.get(&format!("{path}/{}", segment(&peering.pcx)))?;
            let already = match found["status"].as_str() {
                Some("active") => Some("is active already"),
                Some("provisioning") => Some("is accepted already, and being configured"),
                Some(_) | None => None,
            };
            if let Some(already) = already {
                let text =
                    format!("Peering connection {} {already}; nothing was changed", peering.pcx);
                say(&peering.common, out, &found, &text);
                return Ok(());
            }
            let accepted = client.post(&path, &json!({ "pcx_id": peering.pcx }))?;
            let text = format!("Accepting and configuring peering connection {}", peering.pcx);
            say(&peering.common, out, &accepted, &text);
            Ok(())
        }
        SpaceCommand::SpacesPeeringsDestroy { peering, confirm: given } => {
            let client = peering.common.connection.client(As::User)?;
            let path =
                format!("/spaces/{}/peerings/{}", segment(&peering.space), segment(&peering.pcx));
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
    }
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

/// Waits until the fabric carries a space, and shows the space.
fn wait(space: &Space, interval: Duration, timeout: Duration, out: &mut Out) -> anyhow::Result<()> {
    let client = space.common.connection.client(As::User)?;
    let path = format!("/spaces/{}", segment(space.name()));
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

/// Prints a space with its outbound addresses, which are known once it is allocated.
fn print_whole_space(
    client: &Client,
    mut space: Value,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    if space["state"] != "allocating" {
        let path = format!("/spaces/{}/nat", segment(&show(&space["id"])));
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

fn print_peerings(name: &str, list: &Value, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    if common.json {
        out.json(list);
        return Ok(());
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
    list.as_array().into_iter().flatten().try_for_each(|row| print_fit(name, row, out))
}

/// Says of a request whether it can be accepted (R8).
fn print_fit(space: &str, row: &Value, out: &mut Out) -> anyhow::Result<()> {
    let Some(fits) = row["fits"].as_bool() else { return Ok(()) };
    let pcx = show(&row["pcx_id"]);
    out.line("");
    if fits {
        out.line(format_args!(
            "{pcx} can be accepted: causeway spaces:peerings:accept {pcx} --space {}",
            quote(space)
        ));
        return Ok(());
    }
    out.line(format_args!("{pcx} cannot be accepted:"));
    let reasons: Vec<api::PeeringReason> = serde_json::from_value(row["reasons"].clone())
        .context("the server gives reasons that this version does not know")?;
    print_reasons(&reasons, "  ", out);
    Ok(())
}
