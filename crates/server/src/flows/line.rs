//! A record of an EC2 flow log as a line.

use std::fmt::Write;

use api::FlowDirection;
use fabric::flows::Ends;
use model::{Eni, FlowLog, FlowLogSettings, Timestamp, World};

/// How much went by at an interface, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) tcp_flags: u8,
}

/// What one line is about.
pub(super) struct Line<'a> {
    pub(super) world: &'a World,
    pub(super) log: &'a FlowLog,
    pub(super) eni: &'a Eni,
    pub(super) ends: Ends,
    pub(super) direction: FlowDirection,
    pub(super) accepted: bool,
    pub(super) sum: Sum,
}

/// The fields of a format.
fn fields(format: &str) -> impl Iterator<Item = &str> {
    format.split_whitespace().map(|field| field.trim_start_matches("${").trim_end_matches('}'))
}

impl Line<'_> {
    /// The line in the log's format. What there is not here is `-`, as in EC2.
    pub(super) fn show(&self) -> String {
        let mut out = String::new();
        for field in fields(&self.log.settings.format) {
            let separator = if out.is_empty() { "" } else { " " };
            let value = self.value(field).unwrap_or_else(|| "-".to_owned());
            write!(out, "{separator}{value}").expect("a String takes all that is written");
        }
        out
    }

    fn value(&self, field: &str) -> Option<String> {
        let Self { world, log, eni, ends, sum, .. } = self;
        let subnet = world.subnet(eni.subnet);
        Some(match field {
            "version" => version(&log.settings).to_string(),
            "account-id" => world.vpc(eni.vpc)?.account.to_string(),
            "interface-id" => eni.id.to_string(),
            "srcaddr" | "pkt-srcaddr" => ends.source.to_string(),
            "dstaddr" | "pkt-dstaddr" => ends.destination.to_string(),
            "srcport" => ends.source_port.to_string(),
            "dstport" => ends.destination_port.to_string(),
            "protocol" => ends.protocol.to_string(),
            "packets" => sum.packets.to_string(),
            "bytes" => sum.bytes.to_string(),
            "start" => seconds(sum.start).to_string(),
            "end" => seconds(sum.end).to_string(),
            "action" => if self.accepted { "ACCEPT" } else { "REJECT" }.to_owned(),
            "log-status" => "OK".to_owned(),
            "vpc-id" => eni.vpc.to_string(),
            "subnet-id" => eni.subnet.to_string(),
            "instance-id" => eni.instance()?.to_string(),
            "tcp-flags" => sum.tcp_flags.to_string(),
            "type" => "IPv4".to_owned(),
            "region" => log.region.to_string(),
            "az-id" => subnet?.zone.zone_id(),
            "flow-direction" => self.direction.name().to_owned(),
            _ => return None,
        })
    }
}

/// The line of an interface of which records are missing.
pub(super) fn skipped(log: &FlowLog, start: Timestamp, end: Timestamp) -> String {
    let fields = fields(&log.settings.format).map(|field| match field {
        "version" => version(&log.settings).to_string(),
        "account-id" => log.account.to_string(),
        "start" => seconds(start).to_string(),
        "end" => seconds(end).to_string(),
        "log-status" => "SKIPDATA".to_owned(),
        _ => "-".to_owned(),
    });
    fields.collect::<Vec<_>>().join(" ")
}

/// The version of EC2's records by which the first of a format's fields came last.
fn version(settings: &FlowLogSettings) -> u8 {
    let of = |field: &str| match FlowLogSettings::FIELDS.iter().position(|it| *it == field) {
        Some(0..=13) | None => 2,
        Some(14..=20) => 3,
        Some(21..=24) => 4,
        Some(25..=28) => 5,
        Some(29..=38) => 7,
        Some(_) => 8,
    };
    fields(&settings.format).map(of).max().unwrap_or(2)
}

fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(format: &str) -> FlowLog {
        let text = serde_json::json!({
            "id": "fl-00000000000000001", "account": "111111111111", "region": "us-east-1",
            "settings": {
                "traffic": "all", "destination": { "cloud_watch": { "group": "g", "arn": null } },
                "role": null, "cross_account_role": null, "format": format, "interval": 60,
                "files": null,
            },
            "of": { "vpc": "vpc-00000000000000001" }, "first": "fl-00000000000000001",
            "client_token": null, "tags": {}, "created": "2026-01-31T12:00:00Z",
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_is_missing_has_a_line_of_its_own() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (start, end) = (at("2026-01-31T12:00:00Z"), at("2026-01-31T12:01:00Z"));
        assert_eq!(
            skipped(&log(FlowLogSettings::DEFAULT_FORMAT), start, end),
            "2 111111111111 - - - - - - - - 1769860800 1769860860 - SKIPDATA"
        );
        assert_eq!(skipped(&log("${start} ${log-status}"), start, end), "1769860800 SKIPDATA");
    }

    #[test]
    fn the_version_is_that_of_the_newest_field() {
        let version = |format| version(&log(format).settings);
        assert_eq!(version(FlowLogSettings::DEFAULT_FORMAT), 2);
        assert_eq!(version("${srcaddr} ${vpc-id}"), 3);
        assert_eq!(version("${region}"), 4);
        assert_eq!(version("${flow-direction} ${version}"), 5);
        assert_eq!(version("${ecs-task-id}"), 7);
        assert_eq!(version("${reject-reason} ${version}"), 8);
    }
}
