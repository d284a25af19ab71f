//! `flows`: what went through routers, or was stopped there.

use crate::arguments::flows::FlowsArgs;
use crate::client::As;
use crate::output::Out;

const FOLLOW: &str = "/_causeway/flows";
const KEPT: &str = "/_causeway/flow-logs";
/// For how many seconds an answer may wait for a record.
const WAIT: u8 = 10;

/// Prints the kept records of flow logs, or with `--follow` what happens from now on.
///
/// # Errors
///
/// What the server refused, such as a VPC that there is not.
pub(super) fn run(arguments: &FlowsArgs, out: &mut Out) -> anyhow::Result<()> {
    if arguments.follow { follow(arguments, out) } else { kept(arguments, out) }
}

fn kept(arguments: &FlowsArgs, out: &mut Out) -> anyhow::Result<()> {
    let client = arguments.common.connection.client(As::Viewer)?;
    let query = api::FlowLogQuery { flow_log: arguments.flow_log, since: arguments.since.clone() };
    let page: api::FlowLogPage = client.read_with(KEPT, &query)?;
    if arguments.common.json {
        out.json(&page);
        return Ok(());
    }
    if page.truncated {
        out.line("(older records are left out; --since and --log have fewer)");
    }
    if page.lines.is_empty() {
        out.line(
            "No records are kept. `aws ec2 create-flow-logs` has them kept from then on; \
             `causeway flows --follow` shows flows as they happen.",
        );
    }
    for line in page.lines {
        match arguments.flow_log {
            Some(_) => out.line(line.record),
            None => out.line(format_args!("{} {} {}", line.time, line.flow_log, line.record)),
        }
    }
    Ok(())
}

fn follow(arguments: &FlowsArgs, out: &mut Out) -> anyhow::Result<()> {
    let client = arguments.common.connection.client(As::Viewer)?;
    let query = api::FlowsQuery {
        vpc: arguments.vpc.clone(),
        rejected: arguments.rejected.then_some(true),
        ..api::FlowsQuery::default()
    };
    let (mut after, mut failing) = (None, Vec::new());
    loop {
        let wait = after.is_some().then_some(WAIT);
        let query = api::FlowsQuery { after, wait, ..query.clone() };
        let page: api::FlowsPage = client.read_with(FOLLOW, &query)?;
        if page.failing != failing {
            for why in &page.failing {
                if arguments.common.json {
                    out.json_line(&serde_json::json!({ "failing": why }));
                } else {
                    out.line(format_args!("(cannot be heard: {why})"));
                }
            }
        }
        failing = page.failing;
        for record in &page.records {
            if arguments.common.json {
                out.json_line(record);
            } else {
                out.line(words(record));
            }
        }
        match page.lost {
            0 => {}
            lost if arguments.common.json => out.json_line(&serde_json::json!({ "lost": lost })),
            lost => out.line(format_args!("({lost} records lost: there were more than are told)")),
        }
        out.flush();
        after = Some(page.next);
    }
}

/// A record as a line.
fn words(record: &api::FlowRecord) -> String {
    let end = |address, port: u16| match port {
        0 => format!("{address}"),
        port => format!("{address}:{port}"),
    };
    let protocol = match record.protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => format!("protocol {other}"),
    };
    let what = match record.event {
        api::FlowEvent::Opened => "ACCEPT opened",
        api::FlowEvent::Closed => "ACCEPT closed",
        api::FlowEvent::Rejected => "REJECT",
    };
    let (from, to) =
        (end(record.source, record.source_port), end(record.destination, record.destination_port));
    let at = record.component.network_interface_id.map(|eni| eni.to_string()).unwrap_or_default();
    let direction = record.direction.name();
    let mut line = format!("{} {what} {protocol} {from} → {to} {direction} {at}", record.time);
    if let [Some(packets), Some(bytes)] = [record.packets, record.bytes]
        && record.event == api::FlowEvent::Closed
    {
        let back = (record.packets_back.unwrap_or(0), record.bytes_back.unwrap_or(0));
        line += &format!(" {packets}/{} packets {bytes}/{} bytes", back.0, back.1);
    }
    let decided = by(record);
    match (record.reason, decided) {
        (Some(reason), None) => line += &format!(" — {}", reason.words()),
        (Some(reason), Some(decided)) => line += &format!(" — {}: {decided}", reason.words()),
        (None, Some(decided)) => line += &format!(" — {decided}"),
        (None, None) => {}
    }
    line
}

/// What decided, by its ids.
fn by(record: &api::FlowRecord) -> Option<String> {
    let it = &record.component;
    if let Some(rule) = it.security_group_rule_id {
        return Some(rule.to_string());
    }
    if let Some(acl) = it.network_acl_id {
        return Some(match it.rule_number {
            Some(number) => format!("{acl} entry {number}"),
            None => acl.to_string(),
        });
    }
    if let Some(table) = it.route_table_id {
        return Some(match it.destination_cidr_block {
            Some(block) => format!("{table} route {block}"),
            None => table.to_string(),
        });
    }
    if it.security_group_ids.is_empty() {
        return None;
    }
    let groups: Vec<String> = it.security_group_ids.iter().map(ToString::to_string).collect();
    Some(format!("no rule of {}", groups.join(", ")))
}
