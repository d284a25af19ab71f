//! `logs`: an app's log, and what one dyno or instance wrote.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::arguments::Common;
use crate::arguments::operate::Logs;
use crate::client::{As, Refusal, segment};
use crate::output::Out;

/// How long to leave a server alone that went away.
const AWAY: Duration = Duration::from_secs(1);
/// How long a server may be away until it is given up.
const LOST: Duration = Duration::from_secs(60);

/// Prints the log that is asked for.
///
/// # Errors
///
/// What the server refused, and a server that does not come back.
pub(super) fn run(logs: &Logs, out: &mut Out) -> anyhow::Result<()> {
    let Logs { target, bytes, app, tail, num, dyno, source, common } = logs;
    if let Some(target) = target {
        let client = common.connection.client(As::Operator)?;
        let query = api::LogQuery { bytes: Some(*bytes) };
        out.text(client.read_text(&format!("/_causeway/logs/{target}"), &query)?);
        return Ok(());
    }
    let wanted = json!({ "lines": num, "tail": tail, "dyno": dyno, "source": source });
    of_app(app.as_deref().unwrap_or_default(), &wanted, common, out)
}

/// Prints an app's log line by line, each at once.
pub(super) fn of_app(
    app: &str,
    wanted: &Value,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::User)?;
    let session = client.post(&format!("/apps/{}/log-sessions", segment(app)), wanted)?;
    let Some(url) = session["logplex_url"].as_str() else {
        bail!("the server returned no address for the log")
    };
    let mut seen = None;
    let mut lost = None;
    loop {
        let opened = Instant::now();
        let ended = client.events(url, &mut seen, |line| {
            if common.json {
                out.line(Value::String(line.to_owned()));
            } else {
                out.line(line);
            }
            out.flush();
            lost = None;
        });
        let lasted = opened.elapsed();
        if wanted["tail"] != true {
            return ended;
        }
        match ended {
            // The app is gone, or the user no longer has access to it.
            Ok(()) if lasted < AWAY => return Ok(()),
            Ok(()) => {}
            Err(error) if error.is::<Refusal>() => return Err(error),
            Err(error) if seen.is_none() && lasted < AWAY => return Err(error),
            Err(error) => {
                if lasted > LOST {
                    lost = None;
                }
                if lost.get_or_insert(opened + lasted).elapsed() > LOST {
                    return Err(error);
                }
            }
        }
        #[expect(clippy::disallowed_methods, reason = "who went away tells nobody of coming back")]
        std::thread::sleep(AWAY);
    }
}
