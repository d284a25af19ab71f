//! `events`: what happened.

use std::time::{Duration, Instant};

use crate::arguments::events::EventsArgs;
use crate::client::{As, Client, Refusal};
use crate::output::Out;

const PATH: &str = "/_causeway/events";
/// How many events are asked for at once.
const PAGE: u32 = 1000;
/// How often it is asked for more.
const EVERY: Duration = Duration::from_secs(1);
/// How long a server may be away before it is given up.
const LOST: Duration = Duration::from_secs(300);

/// Prints the newest events, and with `--follow` those that come after them.
///
/// # Errors
///
/// What the server refused, and a server that does not come back.
pub(super) fn run(arguments: &EventsArgs, out: &mut Out) -> anyhow::Result<()> {
    let client = arguments.common.connection.client(As::Viewer)?;
    let kind = (!arguments.kind.is_empty()).then(|| arguments.kind.join(","));
    let query = api::EventQuery {
        after: arguments.after,
        since: arguments.since.clone(),
        kind: kind.clone(),
        limit: Some(if arguments.after.is_some() { PAGE } else { arguments.limit }),
    };
    let mut page: api::EventPage = client.read_with(PATH, &query)?;
    if !arguments.follow {
        if arguments.common.json {
            out.json(&page.events);
        } else if page.events.is_empty() {
            out.line("There is no such event, as far back as they are kept.");
        } else {
            page.events.iter().for_each(|event| print(event, out));
        }
        return Ok(());
    }
    loop {
        for event in &page.events {
            if arguments.common.json { out.json_line(event) } else { print(event, out) }
        }
        out.flush();
        let next = api::EventQuery {
            after: Some(page.last),
            since: None,
            kind: kind.clone(),
            limit: Some(PAGE),
        };
        // What is left of a full page is asked for at once.
        if u32::try_from(page.events.len()).is_ok_and(|count| count < PAGE) {
            client.pause(EVERY);
        }
        page = come_back(&client, &next)?;
    }
}

/// Asks until the server answers, which may be on its way to come back.
fn come_back(client: &Client, query: &api::EventQuery) -> anyhow::Result<api::EventPage> {
    let since = Instant::now();
    loop {
        match client.read_with(PATH, query) {
            Ok(page) => return Ok(page),
            Err(error) if error.is::<Refusal>() || since.elapsed() > LOST => return Err(error),
            Err(_) => client.pause(EVERY),
        }
    }
}

fn print(event: &api::Event, out: &mut Out) {
    let api::Event { number, time, kind, text, space, .. } = event;
    let space = space.as_ref().map(|space| format!(" [{space}]")).unwrap_or_default();
    out.line(format_args!("{number:>6}  {time}  {:<20}  {text}{space}", kind.name()));
}
