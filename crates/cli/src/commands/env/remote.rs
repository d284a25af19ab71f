//! The variables for a server on another machine, which is reached over TLS.
//!
//! The aws command and causeway itself ask the server at its own address. The heroku command asks the local
//! end of `causeway tunnel`: to any other address it would not send our requests, but Heroku our token.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::plan::{AWS_IN_THE_WAY, CERTIFICATES, Plan, text};
use super::{certificates, proxy};
use crate::arguments::env::EnvArgs;
use crate::client::{authority_of, host_of};
use crate::settings::variable;
use crate::usage::usage;

/// What the aws command and the SDKs trust instead of this machine's authorities.
pub(super) const AWS_CERTIFICATES: &str = "AWS_CA_BUNDLE";

/// What points a shell's clients at a server on another machine.
///
/// # Errors
///
/// An address without TLS, a server that cannot be reached or is not believed, files that cannot be written.
pub(super) fn plan(args: &EnvArgs, url: &str, tunnel: SocketAddr) -> anyhow::Result<Plan> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("https://") {
        return Err(usage(format!(
            "--remote {url}: only a server over TLS is asked from another machine; its address begins \
             with https://"
        )));
    }
    let connection = &args.common.connection;
    let trust = connection.trust.or_variables()?;
    let client = connection.stranger(url)?;
    let about: api::About = serde_json::from_value(client.get("/_causeway/about")?)
        .with_context(|| format!("{url} is no server of Causeway of this version"))?;
    let Value::String(sessions) = client.get("/_causeway/ca.pem")? else {
        anyhow::bail!("{url} gives no certificates for sessions");
    };
    let keep = directory(url)?;
    let mut plan = Plan::default();
    let region = about.region.to_string();
    plan.set.extend([
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("CAUSEWAY_URL", url.to_owned()),
    ]);
    if let Some(fingerprint) = trust.fingerprint {
        plan.set.push(("CAUSEWAY_FINGERPRINT", fingerprint.to_string()));
        if let Some(shown) = client.certificate() {
            let file = keep.join("server.pem");
            write(&file, &pem(&shown))?;
            plan.set.push((AWS_CERTIFICATES, file.display().to_string()));
        }
    } else if let Some(file) = &trust.ca {
        let file = std::path::absolute(file).context("the file of --ca has no path")?;
        for name in ["CAUSEWAY_CA", AWS_CERTIFICATES] {
            plan.set.push((name, file.display().to_string()));
        }
    }
    let in_the_way = AWS_IN_THE_WAY.into_iter().filter(|name| variable(name).is_some());
    plan.unset.extend(in_the_way.chain(["CAUSEWAY_DATA"]));
    let token = connection.named_token();
    plan.heroku(&format!("http://{tunnel}"), token.as_deref());
    plan.change(proxy::add(&host_of(&format!("http://{tunnel}")), &text));
    let ours = keep.join("ca.pem");
    write(&ours, &sessions)?;
    let given = variable(CERTIFICATES).map(PathBuf::from);
    let file = certificates::trusted(&ours, given.as_deref())
        .context("the certificates that `heroku run` is to trust cannot be put together")?;
    plan.set.push((CERTIFICATES, file.display().to_string()));
    let trusts = match (trust.fingerprint, &trust.ca) {
        (Some(fingerprint), _) => format!(" --fingerprint {fingerprint}"),
        (None, Some(file)) => format!(" --ca {}", file.display()),
        (None, None) => String::new(),
    };
    plan.comments.push(format!(
        "The heroku command needs this beside it: causeway tunnel {url} --listen {tunnel}{trusts}"
    ));
    if token.is_none() {
        plan.comments.push("To get a token: eval \"$(causeway login EMAIL)\"".to_owned());
    }
    if variable("AWS_ACCESS_KEY_ID").is_none() {
        plan.comments.push(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are for the operator to give: \
             causeway keys:create"
                .to_owned(),
        );
    }
    Ok(plan)
}

/// Whether a file is one that was written for such a server.
pub(super) fn is_ours(file: &Path) -> bool {
    caches().is_some_and(|caches| file.starts_with(caches))
}

fn caches() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    Some(named.filter(|path| path.is_absolute()).or_else(home)?.join("causeway/remote"))
}

/// The directory for files about a server.
fn directory(url: &str) -> anyhow::Result<PathBuf> {
    let caches = caches().context("there is no home directory for the server's certificates")?;
    let name = authority_of(url).replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    let directory = caches.join(name);
    fs::create_dir_all(&directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    Ok(directory)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(file).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let partial = file.with_extension("pem.partial");
    fs::write(&partial, text)
        .and_then(|()| fs::rename(&partial, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// A certificate in PEM (RFC 7468 §5).
fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
