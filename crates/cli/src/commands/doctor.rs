//! `doctor`: what this machine lacks for the Linux fabric and for data services, or for OVN.

use std::path::Path;
use std::process::ExitCode;

use fabric::driver::Check;
use s3::{S3Blobs, S3Url};
use serde::Serialize;
use server::apps::plans::Program;
use store::{Postgres, PostgresUrl};

use super::servers::SILENT;
use crate::arguments::Common;
use crate::client::As;
use crate::output::Out;
use crate::settings::{OvnArgs, StoreArgs, open_vswitch, text, variable};
use crate::usage::usage;

/// By how many revisions a server may be behind while there is much to do. Others are told of old things by
/// one that is further behind, or wait for it.
const BEHIND: u64 = 1000;

/// One thing that was looked at, as `doctor --json` prints it.
#[derive(Serialize)]
struct Finding {
    name: String,
    ok: bool,
    detail: String,
    /// What to do about it, where it is not as it should be.
    remedy: String,
    /// `false` for what the fabric does without: such data services cannot run then, or something has no
    /// limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<bool>,
}

impl Finding {
    fn is_needed(&self) -> bool {
        self.needed.unwrap_or(true)
    }

    fn mark(&self) -> char {
        match (self.ok, self.is_needed()) {
            (true, _) => '✓',
            (false, true) => '✗',
            (false, false) => '–',
        }
    }
}

/// Looks at this machine, or at a database or a bucket that is named, and says what was found.
pub(super) fn run(
    (store, blobs): (StoreArgs, Option<String>),
    (ovn, ovs): (OvnArgs, Option<Option<String>>),
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let url = store.url(&variable, None)?;
    let blobs = match blobs {
        Some(flag) => Some(flag),
        None => text(&variable, "CAUSEWAY_BLOBS")?,
    };
    let bucket: Option<S3Url> =
        blobs.map(|blobs| blobs.parse().map_err(|error| usage(format!("{error}")))).transpose()?;
    if url.is_some() || bucket.is_some() {
        return shared(url.as_ref(), bucket.as_ref(), common, out);
    }
    if ovn.is_named() {
        let at = ovn.config()?;
        let checks = ovn::doctor(&at.northbound, &at.southbound);
        return Ok(of_ovn(checks, "OVN can carry an installation's packets", common, out));
    }
    if let Some(named) = ovs {
        let mut checks = ovn::doctor_of_host(&open_vswitch(named, &variable)?);
        checks.extend(fabric::linux::doctor_of_ports());
        checks.extend(fabric::runtime::doctor(Path::new("runc")));
        return Ok(of_ovn(checks, "This machine can be a host of OVN", common, out));
    }
    let mut checks = fabric::linux::doctor();
    checks.extend(fabric::runtime::doctor(Path::new("runc")));
    let sound = checks.iter().all(|check| check.ok || !check.needed);
    let limited = checks.iter().any(|check| !check.ok);
    let fabric = checks.into_iter().map(of_fabric);
    let programs = server::apps::plans::programs(Path::new("/"));
    let findings: Vec<Finding> = fabric.chain(programs.iter().map(data_service)).collect();
    if common.json {
        out.json(&findings);
        return Ok(exit(sound));
    }
    print(&findings, out);
    out.line(match (sound, limited) {
        (true, false) => "This machine can carry the Linux fabric.",
        (true, true) => {
            "This machine can carry the Linux fabric, but for what is marked with a dash."
        }
        (false, _) => {
            "This machine cannot carry the Linux fabric yet; `--fabric none` works without."
        }
    });
    Ok(exit(sound))
}

/// Says what was found of OVN, and at the end what it is good for.
fn of_ovn(checks: Vec<Check>, good_for: &str, common: &Common, out: &mut Out) -> ExitCode {
    let sound = checks.iter().all(|check| check.ok || !check.needed);
    let limited = checks.iter().any(|check| !check.ok);
    let findings: Vec<Finding> = checks.into_iter().map(of_fabric).collect();
    if common.json {
        out.json(&findings);
        return exit(sound);
    }
    print(&findings, out);
    match (sound, limited) {
        (true, false) => out.line(format_args!("{good_for}.")),
        (true, true) => out.line(format_args!("{good_for}, but for what is marked with a dash.")),
        (false, _) => out.line("What is marked with a cross is needed first."),
    }
    exit(sound)
}

fn print(findings: &[Finding], out: &mut Out) {
    for finding in findings {
        out.line(format_args!("{} {}: {}", finding.mark(), finding.name, finding.detail));
        if !finding.ok {
            out.line(format_args!("    {}", finding.remedy));
        }
    }
}

/// Looks at what servers share: a database, with how far each server is, and a bucket.
fn shared(
    url: Option<&PostgresUrl>,
    bucket: Option<&S3Url>,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let of_store = |finding: store::Finding| Finding {
        name: finding.name.to_owned(),
        ok: finding.ok,
        detail: finding.detail,
        remedy: finding.remedy,
        needed: (!finding.needed).then_some(false),
    };
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(url) = url {
        findings.extend(Postgres::doctor(url)?.into_iter().map(of_store));
        findings.extend(servers(common));
    }
    if let Some(bucket) = bucket {
        findings.extend(S3Blobs::doctor(bucket, &variable).into_iter().map(of_store));
    }
    let sound = findings.iter().all(|finding| finding.ok || !finding.is_needed());
    if common.json {
        out.json(&findings);
        return Ok(exit(sound));
    }
    print(&findings, out);
    let what = match (url, bucket) {
        (Some(_), Some(_)) => "The database and the bucket",
        (None, Some(_)) => "The bucket",
        (_, None) => "The database",
    };
    out.line(match (sound, findings.iter().all(|finding| finding.ok)) {
        (true, true) => format!("{what} can have the installation."),
        (true, false) => {
            format!("{what} can have the installation, but for what is marked with a dash.")
        }
        (false, _) => format!("{what} cannot have the installation safely."),
    });
    Ok(exit(sound))
}

/// How far each server is that shares the database, where one of them can be asked.
fn servers(common: &Common) -> Vec<Finding> {
    let asked = common.connection.client(As::Operator);
    let listed =
        asked.and_then(|client| client.read::<Vec<api::ServerEntry>>("/_causeway/servers"));
    listed.unwrap_or_default().iter().map(of_server).collect()
}

fn of_server(server: &api::ServerEntry) -> Finding {
    let api::ServerEntry { name, revision, behind, silent_seconds, leader, .. } = server;
    let role = if *leader { "leads" } else { "follows" };
    let (ok, detail, remedy) = if *silent_seconds >= SILENT && !server.this {
        let detail = format!("nothing was heard of it for {silent_seconds} s");
        (false, detail, "start it, or look at its log and at its way to the database")
    } else if *behind > BEHIND {
        let detail = format!("{role}, and is {behind} revisions behind, at {revision}");
        (false, detail, "look at its log, its processor, and its way to the database")
    } else {
        (true, format!("{role}, at revision {revision}, {behind} behind"), "")
    };
    let needed = Some(false);
    Finding { name: format!("server {name}"), ok, detail, remedy: remedy.to_owned(), needed }
}

fn exit(sound: bool) -> ExitCode {
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was found of something that the fabric needs, or does better with.
fn of_fabric(check: Check) -> Finding {
    Finding {
        name: check.name.to_owned(),
        ok: check.ok,
        detail: check.detail,
        remedy: check.remedy,
        needed: (!check.needed).then_some(false),
    }
}

/// Whether a shipped data service can run, and what to do about it.
fn data_service(program: &Program) -> Finding {
    let (detail, remedy) = match &program.found {
        Some(path) => (format!("{} is there", path.display()), String::new()),
        None => (
            "its program is missing, so such add-ons cannot run".to_owned(),
            program.install.clone(),
        ),
    };
    Finding {
        name: program.plan.clone(),
        ok: program.found.is_some(),
        detail,
        remedy,
        needed: Some(false),
    }
}

#[cfg(test)]
mod tests {
    use server::apps::plans::{Plans, missing, programs};

    use super::*;

    #[test]
    fn a_server_that_is_silent_or_far_behind_is_named() {
        let found = |silent_seconds, behind| {
            let server = api::ServerEntry {
                name: "two".to_owned(),
                address: String::new(),
                version: String::new(),
                leader: false,
                fabric: false,
                revision: 7000,
                behind,
                silent_seconds,
                this: false,
            };
            of_server(&server)
        };
        assert!(found(0, 3).ok && found(0, 3).name == "server two");
        for ill in [found(60, 0), found(0, 5000)] {
            assert!(!ill.ok && !ill.is_needed() && !ill.remedy.is_empty(), "{}", ill.detail);
        }
        assert!(found(0, 5000).detail.contains("5000 revisions behind"));
    }

    #[test]
    fn what_the_server_starts_without_is_told_from_what_it_needs() {
        let check = |needed| {
            of_fabric(Check {
                name: "homes of limited size",
                ok: false,
                needed,
                detail: "none".to_owned(),
                remedy: "do something".to_owned(),
            })
        };
        assert_eq!((check(true).mark(), check(false).mark()), ('✗', '–'));
    }

    #[test]
    fn what_is_missing_is_said_as_it_is_refused() {
        let machine = tempfile::tempdir().unwrap();
        let findings: Vec<Finding> = programs(machine.path()).iter().map(data_service).collect();
        assert_eq!(findings.len(), 3);
        for finding in &findings {
            assert_eq!((finding.ok, finding.mark(), finding.is_needed()), (false, '–', false));
            let plans = Plans::shipped();
            let refusal = missing(plans.find(&finding.name).unwrap(), machine.path()).unwrap();
            assert!(!finding.remedy.is_empty() && refusal.contains(&finding.remedy), "{refusal}");
        }
        let redis = machine.path().join("usr/bin/redis-server");
        std::fs::create_dir_all(redis.parent().unwrap()).unwrap();
        std::fs::write(&redis, "").unwrap();
        let found = programs(machine.path()).iter().map(data_service).find(|it| it.ok).unwrap();
        assert_eq!((&*found.name, found.mark()), ("heroku-redis:premium-0", '✓'));
        assert_eq!(found.detail, format!("{} is there", redis.display()));
    }
}
