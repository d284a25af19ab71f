//! Release commands: what runs before a release is current, as its maker sees it.

use std::time::Duration;

use anyhow::{Context, bail};
use api::Release;

use crate::arguments::apps::App;
use crate::client::{Client, Parsed, Refusal, segment};
use crate::output::Out;

/// How often a release that waits for others is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// What to say of a release that is not current yet.
pub(crate) fn waits(release: &Release, app: &App) -> String {
    format!(
        "v{} is current once its release command has ended well: causeway releases:output v{} \
         --app {}",
        release.version, release.version, app.name
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
    release: Parsed<Release>,
    mut each: impl FnMut(&[u8]),
) -> anyhow::Result<Parsed<Release>> {
    let path = app.path(&format!("/releases/{}", release.value.version));
    let (mut release, mut shown) = (release, false);
    loop {
        if !shown && let Some(url) = &release.value.output_stream_url {
            shown = stream(client, url, &mut each)?;
        }
        release = Parsed::of(client.get(&path)?)?;
        if !release.value.is_pending() {
            break;
        }
        client.pause(EVERY);
    }
    let Release { version, status_message, .. } = &release.value;
    if release.value.has_failed() {
        bail!(
            "v{version} was not released: {}. What was current before still is; its output: causeway \
             releases:output v{version} --app {}",
            status_message.as_deref().unwrap_or_default(),
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
    let Release { version, output_stream_url, .. } = find(&client, release, app)?.value;
    let url = output_stream_url.with_context(|| {
        format!("v{version} ran no release command, or its output is no longer kept")
    })?;
    let mut print = |bytes: &[u8]| {
        out.text(String::from_utf8_lossy(bytes));
        out.flush();
    };
    if !stream(&client, &url, &mut print)? {
        bail!("the release command of v{version} has not started: a release before it is pending");
    }
    Ok(())
}

/// A release by its name, or the last one.
pub(crate) fn find(
    client: &Client,
    release: Option<&str>,
    app: &App,
) -> anyhow::Result<Parsed<Release>> {
    let found = match release {
        Some(release) => client.get(&app.path(&format!("/releases/{}", segment(release))))?,
        None => {
            let last = client.get_range(&app.path("/releases"), "version ..; max=1,order=desc")?;
            last[0].clone()
        }
    };
    Parsed::of(found)
}
