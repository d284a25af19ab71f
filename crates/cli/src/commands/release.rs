//! Release commands: what runs before a release is current, as its maker sees it.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::print::show;
use crate::arguments::apps::App;
use crate::client::{Client, Refusal, segment};
use crate::output::Out;

/// How often a release that waits for others is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Whether a release waits for its release command, or for releases before it.
pub(crate) fn is_pending(release: &Value) -> bool {
    release["status"] == "pending"
}

/// What to say of a release that is not current yet.
pub(crate) fn waits(release: &Value, app: &App) -> String {
    format!(
        "v{} is current once its release command has ended well: causeway releases:output v{} \
         --app {}",
        release["version"], release["version"], app.name
    )
}

/// Waits until a release is current, and hands on what its release command writes.
///
/// # Errors
///
/// The release failed: what was current before still is.
pub(crate) fn follow(
    client: &Client,
    app: &App,
    release: Value,
    mut each: impl FnMut(&[u8]),
) -> anyhow::Result<Value> {
    let path = app.path(&format!("/releases/{}", release["version"]));
    let (mut release, mut shown) = (release, false);
    loop {
        if !shown && let Some(url) = release["output_stream_url"].as_str() {
            shown = stream(client, url, &mut each)?;
        }
        release = client.get(&path)?;
        if !is_pending(&release) {
            break;
        }
        client.pause(EVERY);
    }
    if release["status"] == "failed" {
        bail!(
            "v{} was not released: {}. What was current before still is; its output: causeway \
             releases:output v{} --app {}",
            release["version"],
            show(&release["status_message"]),
            release["version"],
            app.name
        );
    }
    Ok(release)
}

/// Hands on the output of a release command until that has ended; says whether it has begun.
fn stream(client: &Client, url: &str, each: &mut impl FnMut(&[u8])) -> anyhow::Result<bool> {
    match client.stream(url, each) {
        Ok(()) => Ok(true),
        Err(error) => match error.downcast_ref::<Refusal>() {
            Some(refusal) if refusal.status.as_u16() == 404 => Ok(false),
            Some(_) | None => Err(error),
        },
    }
}

/// `releases:output`.
pub(crate) fn output(release: Option<&str>, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    let found = find(&client, release, app)?;
    let version = &found["version"];
    let url = found["output_stream_url"].as_str().with_context(|| {
        format!("v{version} ran no release command, or its output is no longer kept")
    })?;
    let mut print = |bytes: &[u8]| {
        out.text(String::from_utf8_lossy(bytes));
        out.flush();
    };
    if !stream(&client, url, &mut print)? {
        bail!("the release command of v{version} has not started: a release before it is pending");
    }
    Ok(())
}

/// A release by its name, or the last one.
pub(crate) fn find(client: &Client, release: Option<&str>, app: &App) -> anyhow::Result<Value> {
    match release {
        Some(release) => client.get(&app.path(&format!("/releases/{}", segment(release)))),
        None => {
            let last = client.get_range(&app.path("/releases"), "version ..; max=1,order=desc")?;
            Ok(last[0].clone())
        }
    }
}
