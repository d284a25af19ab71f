//! `causeway env`: the variables that point the real clients at a server.
//!
//! A client that does not accept the address of a server asks Heroku instead, and sends it our token. So
//! neither an address that it would not accept nor a token for it is printed.

mod certificates;
mod plan;
mod proxy;
mod remote;
mod shell;
mod starting;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use hyper::Method;

use self::plan::{AWS_IN_THE_WAY, CERTIFICATES, GIT_HOST, Plan, text};
use crate::arguments::env::EnvArgs;
use crate::client::{As, DATA_HOSTS, host_of};
use crate::output::Out;
use crate::settings::variable;

/// All variables that `env` may set, but for those to which it only adds.
const OURS: [&str; 20] = [
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "HEROKU_HOST",
    "HEROKU_API_URL",
    "HEROKU_API_KEY",
    "HEROKU_PARTICLEBOARD_URL",
    "HEROKU_LOGIN_HOST",
    GIT_HOST,
    "HEROKU_BUILDPACK_REGISTRY_URL",
    DATA_HOSTS[0],
    DATA_HOSTS[1],
    DATA_HOSTS[2],
    "DISABLE_TELEMETRY",
    "CAUSEWAY_URL",
    "CAUSEWAY_DATA",
    "CAUSEWAY_CA",
    "CAUSEWAY_FINGERPRINT",
];

/// An address of this machine's that the heroku command takes, and where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Prints the variables, or what takes them away again.
///
/// # Errors
///
/// Where there is no server, or it does not take us for its operator.
pub(super) fn run(args: &EnvArgs, out: &mut Out) -> anyhow::Result<()> {
    let plan = match &args.remote {
        _ if args.unset => unset(),
        Some(url) => match remote::plan(args, url, args.tunnel) {
            Ok(plan) => plan,
            Err(error) => {
                // What a shell evaluates is all that it learns of this.
                if !args.common.json {
                    point_nowhere(args, out);
                }
                return Err(error);
            }
        },
        None => set(args)?,
    };
    if args.common.json {
        let set = plan.set.into_iter().map(|(name, value)| (name, Some(value)));
        let unset = plan.unset.into_iter().map(|name| (name, None));
        // Tests and scripts take every value for a text.
        let unset = unset.filter(|_| args.unset);
        out.json(&set.chain(unset).collect::<BTreeMap<_, Option<String>>>());
        return Ok(());
    }
    for (name, value) in &plan.set {
        out.line(args.shell.set(name, value));
    }
    for name in &plan.unset {
        out.line(args.shell.unset(name));
    }
    for comment in &plan.comments {
        out.line(format_args!("# {comment}"));
    }
    Ok(())
}

/// Prints what keeps a shell's clients from asking anybody, be it Heroku, AWS or a server of before, as if they
/// had been pointed at the one that was named; and has the shell's `eval` fail.
fn point_nowhere(args: &EnvArgs, out: &mut Out) {
    let mut plan = Plan::default();
    plan.heroku(NOWHERE, None);
    plan.set.extend(["AWS_ENDPOINT_URL", "CAUSEWAY_URL"].map(|name| (name, NOWHERE.to_owned())));
    plan.unset.extend(AWS_IN_THE_WAY.into_iter().filter(|name| variable(name).is_some()));
    plan.unset.extend(["HEROKU_API_KEY", "CAUSEWAY_DATA"]);
    for (name, value) in &plan.set {
        out.line(args.shell.set(name, value));
    }
    for name in &plan.unset {
        out.line(args.shell.unset(name));
    }
    out.line(args.shell.fail());
}

/// What points a shell's clients at the server.
fn set(args: &EnvArgs) -> anyhow::Result<Plan> {
    let connection = &args.common.connection;
    starting::await_server(connection);
    let client = connection.client(As::Operator)?;
    let request =
        api::EnvironmentRequest { account: args.account.clone(), user: args.user.clone() };
    let found: api::Environment = client.write(&Method::POST, "/_causeway/env", &request)?;
    let url = reachable(client.url());
    let region = found.region.to_string();
    let mut plan = Plan::default();
    plan.set.extend([
        ("AWS_ENDPOINT_URL", url.clone()),
        ("AWS_ACCESS_KEY_ID", found.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", found.secret_access_key),
        // The SDKs read the first, and the aws command the other as well.
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("CAUSEWAY_URL", url.clone()),
    ]);
    let data = connection.data_dir();
    if let Ok(data) = std::fs::canonicalize(&data)
        && store::DataDir::is_installation(&data)
    {
        plan.set.push(("CAUSEWAY_DATA", data.display().to_string()));
    }
    plan.unset.extend(AWS_IN_THE_WAY.into_iter().filter(|name| variable(name).is_some()));
    plan.heroku(&url, Some(&found.token));
    plan.change(proxy::add(&host_of(&url), &text));
    if let Some(file) = found.certificates.filter(|file| file.exists()) {
        let given = variable(CERTIFICATES).map(PathBuf::from);
        let file = certificates::trusted(&file, given.as_deref())
            .context("the certificates that `heroku run` is to trust cannot be put together")?;
        plan.set.push((CERTIFICATES, file.display().to_string()));
    }
    Ok(plan)
}

/// What takes everything away again.
fn unset() -> Plan {
    let mut plan = Plan { unset: OURS.to_vec(), ..Plan::default() };
    plan.change(proxy::remove(&text));
    let bundle = variable(remote::AWS_CERTIFICATES).map(PathBuf::from);
    let given = variable("CAUSEWAY_CA").map(PathBuf::from);
    if bundle.is_some_and(|file| Some(&file) == given.as_ref() || remote::is_ours(&file)) {
        plan.unset.push(remote::AWS_CERTIFICATES);
    }
    let trusted = variable(CERTIFICATES).map(PathBuf::from);
    match trusted.and_then(|file| certificates::before(&file)) {
        Some(before) => plan.set.push((CERTIFICATES, before.display().to_string())),
        None => plan.unset.push(CERTIFICATES),
    }
    plan
}

/// Where clients of this machine find a server: one that listens on every address has this machine's
/// own, too.
fn reachable(url: &str) -> String {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return url.to_owned() };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let any = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    match (any, uri.port_u16()) {
        (true, Some(port)) => format!("http://127.0.0.1:{port}"),
        (true, None) => "http://127.0.0.1".to_owned(),
        (false, _) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_found_on_this_machine_s_own() {
        for (url, near) in [
            ("http://0.0.0.0:4880", "http://127.0.0.1:4880"),
            ("http://[::]:4880", "http://127.0.0.1:4880"),
            ("http://127.0.0.2:4880", "http://127.0.0.2:4880"),
            ("http://[::1]:4880", "http://[::1]:4880"),
        ] {
            assert_eq!(reachable(url), near);
        }
    }

    #[test]
    fn clients_that_are_pointed_nowhere_ask_nobody() {
        let mut plan = Plan::default();
        plan.heroku(NOWHERE, None);
        assert!(plan.set.contains(&("HEROKU_HOST", NOWHERE.to_owned())), "{plan:?}");
        assert!(!plan.set.iter().any(|(name, _)| *name == "HEROKU_API_KEY"));
    }

    #[test]
    fn all_that_is_set_is_taken_away() {
        let mut plan = Plan::default();
        plan.heroku("http://127.0.0.1:1", Some("t"));
        let away = unset().unset;
        assert!(plan.set.iter().all(|(name, _)| away.contains(name)));
    }
}
