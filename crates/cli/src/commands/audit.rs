//! `audit`: who asked for what, and what came of it.

use std::time::Duration;

use crate::arguments::audit::AuditArgs;
use crate::client::{As, Client};
use crate::output::{Out, columns};

const PATH: &str = "/_causeway/audit";
/// How many rows are asked for at once.
const PAGE: u32 = 1000;
/// How often it is asked for more.
const EVERY: Duration = Duration::from_secs(1);

/// Prints the newest rows, and with `--follow` those that come after them.
///
/// # Errors
///
/// What the server refused, such as a user whom there is not.
pub(super) fn run(arguments: &AuditArgs, out: &mut Out) -> anyhow::Result<()> {
    let client = arguments.common.connection.client(As::Operator)?;
    let filters = filters(arguments);
    let mut new = newest(&client, &filters, arguments.limit)?;
    if !arguments.follow {
        if arguments.common.json {
            out.json(&new);
        } else if new.is_empty() {
            out.line("There is no such entry in the audit, as far back as it is kept.");
        } else {
            print(&new, out);
        }
        return Ok(());
    }
    let mut last = 0;
    loop {
        if arguments.common.json {
            new.iter().for_each(|row| out.json_line(row));
        } else if !new.is_empty() {
            print(&new, out);
        }
        out.flush();
        last = new.last().map_or(last, |row| row.number);
        client.pause(EVERY);
        let query = api::AuditQuery { after: Some(last), limit: Some(PAGE), ..filters.clone() };
        new = client.read_with::<api::AuditPage>(PATH, &query)?.rows;
    }
}

/// The newest rows, oldest first.
fn newest(
    client: &Client,
    filters: &api::AuditQuery,
    limit: u32,
) -> anyhow::Result<Vec<api::AuditRow>> {
    let mut found: Vec<api::AuditRow> = Vec::new();
    let mut before = None;
    loop {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let wanted = limit.saturating_sub(count).min(PAGE);
        if wanted == 0 {
            return Ok(found);
        }
        let query = api::AuditQuery { before, limit: Some(wanted), ..filters.clone() };
        let mut page: api::AuditPage = client.read_with(PATH, &query)?;
        page.rows.append(&mut found);
        found = page.rows;
        before = page.before;
        if before.is_none() {
            return Ok(found);
        }
    }
}

fn filters(arguments: &AuditArgs) -> api::AuditQuery {
    let AuditArgs { since, until, who, action, outcome, account, team, space, .. } = arguments;
    api::AuditQuery {
        since: since.clone(),
        until: until.clone(),
        who: who.clone(),
        action: action.clone(),
        outcome: outcome.clone(),
        account: account.clone(),
        team: team.clone(),
        space: space.clone(),
        ..api::AuditQuery::default()
    }
}

/// A line for each row, and a second one for why it was refused.
fn print(rows: &[api::AuditRow], out: &mut Out) {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let time = row.time.to_string();
            let rest = [&row.who, &row.action, &row.what, &row.source, &row.outcome];
            std::iter::once(time).chain(rest.map(String::clone)).collect()
        })
        .collect();
    for (line, row) in columns(&cells).iter().zip(rows) {
        out.line(line);
        if !row.message.is_empty() {
            out.line(format_args!("    {}", row.message));
        }
    }
}
