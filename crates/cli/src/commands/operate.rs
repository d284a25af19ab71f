//! Looking after an installation.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::json;

use super::print::{count, say};
use super::{audit, backup, doctor, flows, logs, lost, orphans, servers, snapshot, why};
use crate::arguments::Common;
use crate::arguments::operate::Operate;
use crate::client::{As, query};
use crate::output::{Out, columns};
use crate::settings::{OvnArgs, StoreArgs, open_vswitch, variable};
use crate::usage::usage;

/// Does what a command about an installation says.
///
/// # Errors
///
/// What failed or was refused.
pub(super) fn run(command: Operate, out: &mut Out) -> anyhow::Result<ExitCode> {
    match command {
        Operate::Why { flow, common } => return why::run(&flow, &common, out),
        Operate::Exec { target, command, common } => return exec(&target, command, &common),
        Operate::Logs(arguments) => logs::run(&arguments, out)?,
        Operate::Lost(common) => lost::list(&common, out)?,
        Operate::LostDelete { id, confirm, common } => {
            lost::delete(&id, confirm.as_deref(), &common, out)?;
        }
        Operate::Audit(arguments) => audit::run(&arguments, out)?,
        Operate::Flows(arguments) => flows::run(&arguments, out)?,
        Operate::Servers(common) => servers::list(&common, out)?,
        Operate::Status(common) => return status(&common, out),
        Operate::Doctor { store, blobs, ovn, ovs, common } => {
            return doctor::run((store, blobs), (ovn, ovs), &common, out);
        }
        Operate::FabricSweep(common) => return sweep(&common, out),
        Operate::FabricPurge { confirm, store, ovn, ovs, common } => {
            purge(confirm, store, (ovn, ovs), &common, out)?;
        }
        Operate::FabricOrphans { purge, instance, runtime, common } => {
            return orphans::run(purge, instance.as_deref(), &runtime, &common, out);
        }
        Operate::Backup { file, skip_unavailable, common } => {
            backup::write(&file, skip_unavailable, &common, out)?;
        }
        Operate::Restore { file, new_instance, store, common } => {
            backup::restore(&file, new_instance, store, &common, out)?;
        }
        Operate::ClockAdvance { span, common } => advance(&span, &common, out)?,
        Operate::Reset { account, common } => reset(account, &common, out)?,
        Operate::Snapshot { what, file, common } => snapshot::run(what, &file, &common, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command: its streams and its exit status are ours.
fn exec(target: &str, arguments: Vec<String>, common: &Common) -> anyhow::Result<ExitCode> {
    let client = common.connection.client(As::Operator)?;
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let query = api::ExecQuery { tty, arguments };
    let path = format!("/_causeway/workloads/{target}");
    let found: api::ExecCommand = client.read_with(&path, &query.pairs())?;
    let Some((program, rest)) = found.argv.split_first() else {
        bail!("the server returned no command to run inside {target}")
    };
    let error = std::process::Command::new(program).args(rest).exec();
    Err(error).with_context(|| {
        format!("{program} cannot be run; are you on the server's host, as its user?")
    })
}

fn status(common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let client = common.connection.client(As::Operator)?;
    let status: api::Status = client.read("/_causeway/status")?;
    let fails = |it: &api::ServerCertificate| it.failing.is_some();
    let code = match &status.certificate {
        Some(certificate) if fails(certificate) => ExitCode::FAILURE,
        _ => exit_of(&status.fabric),
    };
    if common.json {
        out.json(&status);
        return Ok(code);
    }
    out.line(format_args!("Server     {} (instance {})", client.url(), status.instance));
    servers::print_short(status.server.as_ref(), out);
    out.line(format_args!("Region     {}", status.region));
    out.line(format_args!("Accounts   {}", status.accounts));
    out.line(format_args!("Spaces     {}", status.spaces.len()));
    let spaces = status.spaces.iter().map(|space| {
        let api::SpaceSummary { name, state, region, cidr } = space;
        vec![name.clone(), state.clone(), region.to_string(), cidr.to_string()]
    });
    for line in columns(&spaces.collect::<Vec<_>>()) {
        out.line(format_args!("           {line}"));
    }
    out.line(format_args!("Apps       {}", status.apps));
    print_some(&status.some_apps, status.apps, out);
    out.line(format_args!("VPCs       {}", status.vpcs));
    // Those of spaces are named with these.
    print_some(&status.some_vpcs, status.some_vpcs.len(), out);
    out.line(format_args!("Peerings   {}", by_state(&status.peerings)));
    out.line(format_args!("Instances  {}", by_state(&status.instances)));
    out.line(format_args!("Dynos      {}", by_state(&status.dynos)));
    print_fabric(&status.fabric, &status.names, out);
    if let Some(api::TlsCertificate { file, fingerprint, valid_until }) = &status.tls {
        let from =
            file.as_ref().map_or_else(|| "by ACME".to_owned(), |file| format!("from {file}"));
        let until = valid_until.map(|it| format!(", until {it}")).unwrap_or_default();
        out.line(format_args!("TLS        {from}{until}"));
        out.line(format_args!("           {fingerprint}"));
    }
    if let Some(api::ServerCertificate { names, valid_until, failing }) = &status.certificate {
        let until =
            valid_until.map_or_else(|| "none so far".to_owned(), |it| format!("until {it}"));
        out.line(format_args!("Certificate {}, {until}", names.join(", ")));
        if let Some(why) = failing {
            out.line(format_args!("           PROBLEM no new certificate: {why}"));
        }
    }
    lost::print_short(&status.lost, out);
    Ok(code)
}

/// The exit status that tells how the fabric fares.
fn exit_of(fabric: &api::Fabric) -> ExitCode {
    if fabric.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the names of some of what there is.
fn print_some(some: &[String], all: usize, out: &mut Out) {
    if some.is_empty() {
        return;
    }
    let more = all.saturating_sub(some.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    out.line(format_args!("           {}{more}", some.join(", ")));
}

/// Counts by state in words.
fn by_state(counts: &BTreeMap<String, usize>) -> String {
    let counts: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(", ") }
}

/// Prints how the fabric fares, with the names that people know beside ids.
fn print_fabric(fabric: &api::Fabric, names: &BTreeMap<String, String>, out: &mut Out) {
    let word = if fabric.healthy { "healthy" } else { "NOT healthy" };
    let time = |time: Option<model::Timestamp>| time.map(|at| at.to_string()).unwrap_or_default();
    out.line(format_args!("Fabric     {}, {word}", fabric.driver));
    out.line(format_args!("           last compared {}", time(fabric.last_sweep)));
    out.line(format_args!("           last changed {}", time(fabric.last_run)));
    let repairs = if fabric.repairs == 1 { "repair" } else { "repairs" };
    out.line(format_args!("           {} {repairs}", fabric.repairs));
    for repair in &fabric.last_repairs {
        out.line(format_args!("           repaired {}", named(repair, names)));
    }
    for (what, why) in &fabric.problems {
        out.line(format_args!("           PROBLEM {}: {why}", named(what, names)));
    }
    for (what, why) in &fabric.failing {
        let what = named(what, names);
        out.line(format_args!("           PROBLEM {what} cannot be started: {why}"));
    }
}

/// A text with the name of what its first word is the id of beside that.
fn named(text: &str, names: &BTreeMap<String, String>) -> String {
    let end = text.find([':', ' ']).unwrap_or(text.len());
    let (id, rest) = text.split_at(end);
    names.get(id).map_or_else(|| text.to_owned(), |name| format!("{id} ({name}){rest}"))
}

fn sweep(common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let client = common.connection.client(As::Operator)?;
    let fabric: api::Fabric = client.write(&Method::POST, "/_causeway/sweep", &api::Empty {})?;
    if common.json {
        out.json(&fabric);
    } else {
        let status: api::Status = client.read("/_causeway/status")?;
        print_fabric(&fabric, &status.names, out);
    }
    Ok(exit_of(&fabric))
}

fn purge(
    confirmed: bool,
    store: StoreArgs,
    (ovn, ovs): (OvnArgs, Option<String>),
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let url = store.url(&variable, None)?;
    let data = common.connection.data_dir();
    let agent = server::is_agent(&data);
    if !agent && !store::DataDir::is_installation(&data) {
        return Err(usage(format!(
            "{} is not a data directory of Causeway: it has no secret.key and no database",
            data.display()
        )));
    }
    if !confirmed {
        return Err(usage(format!(
            "this ends every dyno and instance of {} and removes its networks; say --confirm if \
             that is meant",
            data.display()
        )));
    }
    let purged = match agent {
        true => server::purge_host(&data, &open_vswitch(ovs, &variable)?).map_err(Into::into),
        false => {
            let ovn = ovn.is_named().then(|| ovn.config()).transpose()?;
            server::purge(&data, url.as_ref(), ovn.as_ref()).map_err(anyhow::Error::from)
        }
    };
    let purged =
        purged.with_context(|| format!("the networks of {} cannot be removed", data.display()))?;
    let text = format!("Removed {}", count(purged, "thing"));
    say(common, out, &json!({ "removed": purged }), &text);
    Ok(())
}

fn advance(span: &str, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let by = model::parse_duration(span).map_err(|error| usage(error.to_string()))?;
    if by.is_zero() {
        return Err(usage(format!("'{span}' would leave the clock where it is")));
    }
    let client = common.connection.client(As::Operator)?;
    let request = api::AdvanceClock { advance_seconds: by.as_secs() };
    let moved: api::ClockAdvanced = client.write(&Method::POST, "/_causeway/clock", &request)?;
    say(common, out, &moved, &format!("It is {} now", moved.now));
    Ok(())
}

fn reset(account: Option<String>, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Anybody)?;
    let said = match &account {
        None => "Emptied".to_owned(),
        Some(account) => format!("Emptied the account {account}"),
    };
    let path = format!("/_causeway/reset?{}", query(&api::ResetQuery { account })?);
    let done: api::Empty = client.write(&Method::POST, &path, &api::Empty {})?;
    say(common, out, &done, &said);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_name_beside_it() {
        let names = [("vpc-1".to_owned(), "space alpha of acme".to_owned())].into();
        let said = named("vpc-1: a route was missing", &names);
        assert_eq!(said, "vpc-1 (space alpha of acme): a route was missing");
        assert_eq!(named("vpc-1", &names), "vpc-1 (space alpha of acme)");
        for other in ["vpc-2: x", "uplink: vpc-1", "", "vpc-11"] {
            assert_eq!(named(other, &names), other);
        }
    }
}
