//! `top`: what processes use, now and again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;

use super::print::count;
use crate::arguments::overview::{Sort, TopArgs};
use crate::client::{As, Client};
use crate::output::Out;

const PATH: &str = "/_causeway/usage";
/// How long a single look takes the rates over.
const SHORT: Duration = Duration::from_secs(1);
/// Moves to the upper left corner of a terminal, and clears all that follows.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What a process uses, with rates since the last look.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    #[serde(flatten)]
    usage: api::UsageRow,
    /// Processor time in percent of one processor.
    cpu_percent: Option<f64>,
    #[serde(flatten)]
    rates: Rates,
}

/// What goes through interfaces in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
struct Rates {
    received_bytes_per_second: Option<f64>,
    received_packets_per_second: Option<f64>,
    sent_bytes_per_second: Option<f64>,
    sent_packets_per_second: Option<f64>,
}

/// Prints what is used, again and again unless it is to be printed once.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(arguments: &TopArgs, out: &mut Out) -> anyhow::Result<()> {
    let client = arguments.common.connection.client(As::Operator)?;
    let interval = Duration::from_secs(arguments.interval);
    let in_place = !arguments.once && !arguments.common.json && std::io::stdout().is_terminal();
    let mut before = look(&client)?;
    client.pause(if arguments.once { SHORT } else { interval.min(SHORT) });
    loop {
        let now = look(&client)?;
        let mut rows = rows(&before, &now);
        sort(&mut rows, arguments.sort);
        match (arguments.common.json, arguments.once) {
            (true, true) => out.json(&rows),
            (true, false) => out.json_line(&rows),
            (false, _) => {
                let height = in_place.then(|| terminal_size::terminal_size().map(|it| it.1.0));
                if in_place {
                    out.text(CLEAR);
                }
                print(&rows, &now, height.flatten().map(usize::from), out);
            }
        }
        out.flush();
        if arguments.once {
            return Ok(());
        }
        before = now;
        client.pause(interval);
    }
}

fn look(client: &Client) -> anyhow::Result<api::Usage> {
    client.read(PATH)
}

/// The rows of a look, with rates since the one before.
fn rows(before: &api::Usage, now: &api::Usage) -> Vec<Row> {
    let old: BTreeMap<&str, &api::UsageRow> =
        before.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let seconds = now.read_at_micros.saturating_sub(before.read_at_micros) as f64 / 1e6;
    let row = |usage: &api::UsageRow| {
        let old = old.get(usage.id.as_str());
        // Who was started anew begins to count from zero.
        let rate = |figure: fn(&api::UsageRow) -> Option<u64>| {
            let more = figure(usage)?.checked_sub(figure(old?)?)?;
            (seconds > 0.0).then(|| more as f64 / seconds)
        };
        Row {
            cpu_percent: rate(|it| it.cpu_micros).map(|micros| micros / 1e4),
            rates: Rates {
                received_bytes_per_second: rate(|it| it.received_bytes),
                received_packets_per_second: rate(|it| it.received_packets),
                sent_bytes_per_second: rate(|it| it.sent_bytes),
                sent_packets_per_second: rate(|it| it.sent_packets),
            },
            usage: usage.clone(),
        }
    };
    now.rows.iter().map(row).collect()
}

/// The server gives rows in the order of their names.
fn sort(rows: &mut [Row], by: Sort) {
    let measure = |row: &Row| match by {
        Sort::Cpu => row.cpu_percent.unwrap_or(-1.0),
        Sort::Memory => row.usage.memory.map_or(-1.0, |bytes| bytes as f64),
        Sort::Traffic => {
            let Rates { received_bytes_per_second, sent_bytes_per_second, .. } = row.rates;
            received_bytes_per_second.unwrap_or(-1.0) + sent_bytes_per_second.unwrap_or(-1.0)
        }
        Sort::Name => 0.0,
    };
    rows.sort_by(|one, other| measure(other).total_cmp(&measure(one)));
}

/// Prints a line for all, one for each space and account, and one for each process as far as there is
/// room.
fn print(rows: &[Row], now: &api::Usage, height: Option<usize>, out: &mut Out) {
    let of = |kind: &str| rows.iter().filter(|row| row.usage.kind == kind).count();
    let counts = [
        count(of("dyno"), "dyno"),
        count(of("service"), "data service"),
        count(of("instance"), "instance"),
    ];
    out.line(format_args!("{}  {}", now.time, counts.join(", ")));
    let mut places: BTreeMap<(bool, String), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let in_space = !row.usage.space.is_empty();
        let place = if in_space { &row.usage.space } else { &row.usage.owner };
        places.entry((!in_space, place.clone())).or_default().push(row);
    }
    let mut table: Vec<Vec<String>> = Vec::new();
    for ((is_account, place), of_place) in &places {
        let kind = if *is_account { "account" } else { "space" };
        let owner = of_place.first().filter(|_| !is_account).map(|row| row.usage.owner.clone());
        let head = [place.clone(), kind.to_owned(), owner.unwrap_or_default(), String::new()];
        table.push([head.to_vec(), figures(of_place)].concat());
    }
    for row in rows {
        let usage = &row.usage;
        let place = if usage.space.is_empty() { &usage.owner } else { &usage.space };
        let head = [&usage.name, &usage.kind, place, &usage.state].map(String::clone);
        table.push([head.to_vec(), figures(&[row])].concat());
    }
    // The line above, two of names, and the one on which the cursor stands.
    let room = height.map_or(usize::MAX, |lines| lines.saturating_sub(4));
    table.truncate(room);
    let names =
        ["Name", "Kind", "Of", "State", "CPU %", "Memory", "In/s", "Packets", "Out/s", "Packets"];
    out.table(&names, &table);
}

/// The cells that hold figures: those of one row, or the sums of several.
fn figures(rows: &[&Row]) -> Vec<String> {
    let sum = |of: fn(&Row) -> Option<f64>| {
        let known: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>())
    };
    let bytes = |figure: Option<f64>| figure.map(size).unwrap_or_default();
    let number = |figure: Option<f64>| figure.map(|it| format!("{it:.0}")).unwrap_or_default();
    vec![
        sum(|row| row.cpu_percent).map(|it| format!("{it:.1}")).unwrap_or_default(),
        bytes(sum(|row| row.usage.memory.map(|bytes| bytes as f64))),
        bytes(sum(|row| row.rates.received_bytes_per_second)),
        number(sum(|row| row.rates.received_packets_per_second)),
        bytes(sum(|row| row.rates.sent_bytes_per_second)),
        number(sum(|row| row.rates.sent_packets_per_second)),
    ]
}

/// A number of bytes as people read it.
fn size(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let (mut shown, mut unit) = (bytes / 1024.0, UNITS[0]);
    for next in &UNITS[1..] {
        if shown < 1024.0 {
            break;
        }
        (shown, unit) = (shown / 1024.0, next);
    }
    format!("{shown:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(micros: u64, rows: &[(&str, u64, u64)]) -> api::Usage {
        let row = |(id, cpu, sent): &(&str, u64, u64)| api::UsageRow {
            id: (*id).to_owned(),
            kind: "dyno".to_owned(),
            name: format!("shop/{id}"),
            space: "alpha".to_owned(),
            cpu_micros: Some(*cpu),
            memory: Some(*cpu * 10),
            sent_bytes: Some(*sent),
            ..api::UsageRow::default()
        };
        let rows = rows.iter().map(row).collect();
        api::Usage { time: model::Timestamp::default(), read_at_micros: micros, rows }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let before = look(1_000_000, &[("a", 1_000_000, 0), ("c", 9_000_000, 0)]);
        let now = look(3_000_000, &[("a", 2_000_000, 4096), ("b", 1, 1), ("c", 5, 0)]);
        let rows = rows(&before, &now);
        assert_eq!(rows[0].cpu_percent, Some(50.0));
        assert_eq!(rows[0].rates.sent_bytes_per_second, Some(2048.0));
        assert_eq!(rows[0].rates.received_bytes_per_second, None);
        assert_eq!(rows[1].cpu_percent, None, "it was not there before");
        assert_eq!(rows[2].cpu_percent, None, "it was started anew");
        let all: Vec<&Row> = rows.iter().collect();
        assert_eq!(figures(&all)[0], "50.0");
        assert_eq!(figures(&all)[4], "2.0 KiB");
        let same = super::rows(&now, &now);
        assert_eq!(same[0].cpu_percent, None, "no time has passed");
    }

    #[test]
    fn the_most_comes_first() {
        let before = look(0, &[("a", 0, 0), ("b", 0, 0)]);
        let now = look(1_000_000, &[("a", 10, 90), ("b", 20, 80), ("c", 1, 1)]);
        let order = |by| {
            let mut rows = rows(&before, &now);
            sort(&mut rows, by);
            rows.into_iter().map(|row| row.usage.id).collect::<String>()
        };
        assert_eq!(order(Sort::Cpu), "bac");
        assert_eq!(order(Sort::Memory), "bac");
        assert_eq!(order(Sort::Traffic), "abc");
        assert_eq!(order(Sort::Name), "abc");
    }

    #[test]
    fn sizes_are_read_by_people() {
        for (bytes, said) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1536.0, "1.5 KiB"),
            (f64::from(1 << 20), "1.0 MiB"),
            (5e12, "4.5 TiB"),
            (5e18, "4547473.5 TiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
