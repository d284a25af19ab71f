//! What there is: of all owners for the operator, or one's own.

use std::collections::BTreeMap;

use model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{events, top};
use crate::arguments::Common;
use crate::arguments::overview::{OverviewCommand, Whose};
use crate::client::As;
use crate::output::Out;

/// Does what a command that shows what there is says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: OverviewCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        OverviewCommand::Vpcs(whose) => vpcs(&whose, out),
        OverviewCommand::Peerings { state, whose } => peerings(state.as_deref(), &whose, out),
        OverviewCommand::Instances(whose) => instances(&whose, out),
        OverviewCommand::Top(arguments) => top::run(&arguments, out),
        OverviewCommand::Events(arguments) => events::run(&arguments, out),
    }
}

/// The spaces of all teams.
pub(super) fn all_spaces(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let whose = Whose { all: true, common: common.clone() };
    let names = ["Name", "Team", "Region", "State", "CIDR", "Apps", "Dynos", "Peerings", "Age"];
    list(
        &whose,
        "spaces",
        &names,
        out,
        |_: &api::SpaceRow| true,
        |row, now| {
            vec![
                row.name.clone(),
                row.owner.clone(),
                row.region.to_string(),
                row.state.clone(),
                row.cidr.to_string(),
                row.apps.to_string(),
                row.dynos.to_string(),
                row.peerings.to_string(),
                age(row.created, now),
            ]
        },
    )
}

/// The apps of all teams, or those in a space.
pub(super) fn all_apps(space: Option<&str>, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let whose = Whose { all: true, common: common.clone() };
    let names = ["Name", "Team", "Space", "Release", "Dynos", "Released", "Age"];
    let wanted = |row: &api::AppRow| space.is_none_or(|space| row.space == space);
    list(&whose, "apps", &names, out, wanted, |row, now| {
        vec![
            row.name.clone(),
            row.owner.clone(),
            row.space.clone(),
            format!("v{}", row.release),
            by_state(&row.dynos),
            age(row.released, now),
            age(row.created, now),
        ]
    })
}

fn vpcs(whose: &Whose, out: &mut Out) -> anyhow::Result<()> {
    let names = ["VPC", "Name", "Owner", "Region", "State", "CIDRs", "Peerings", "Age"];
    list(
        whose,
        "vpcs",
        &names,
        out,
        |_: &api::VpcRow| true,
        |row, now| {
            vec![
                row.id.to_string(),
                row.name.clone(),
                row.owner.clone(),
                row.region.to_string(),
                row.state.clone(),
                joined(&row.cidrs),
                row.peerings.to_string(),
                row.created.map(|created| age(created, now)).unwrap_or_default(),
            ]
        },
    )
}

fn peerings(state: Option<&str>, whose: &Whose, out: &mut Out) -> anyhow::Result<()> {
    let names = ["PCX", "State", "For", "Requester", "Accepter", "Age", "Expires"];
    let wanted = |row: &api::PeeringRow| state.is_none_or(|state| row.state == state);
    list(whose, "peerings", &names, out, wanted, |row, now| {
        let end = |end: &api::PeeringEnd| {
            let name = if end.name.is_empty() { end.vpc.to_string() } else { end.name.clone() };
            format!("{name} of {}", end.owner)
        };
        vec![
            row.id.to_string(),
            row.state.clone(),
            age(row.since, now),
            end(&row.requester),
            end(&row.accepter),
            age(row.created, now),
            row.expires.map(|at| format!("in {}", age(now, at))).unwrap_or_default(),
        ]
    })
}

fn instances(whose: &Whose, out: &mut Out) -> anyhow::Result<()> {
    let names = ["Instance", "Name", "Owner", "State", "For", "Type", "VPC", "Address", "Age"];
    list(
        whose,
        "instances",
        &names,
        out,
        |_: &api::InstanceRow| true,
        |row, now| {
            vec![
                row.id.to_string(),
                row.name.clone(),
                row.owner.clone(),
                row.state.clone(),
                age(row.since, now),
                row.instance_type.clone(),
                row.vpc.to_string(),
                row.address.to_string(),
                age(row.launched, now),
            ]
        },
    )
}

/// Prints the rows of a kind that are wanted.
fn list<Row: DeserializeOwned + Serialize>(
    whose: &Whose,
    kind: &str,
    names: &[&str],
    out: &mut Out,
    wanted: impl Fn(&Row) -> bool,
    cells: impl Fn(&Row, Timestamp) -> Vec<String>,
) -> anyhow::Result<()> {
    let who = if whose.all { As::Operator } else { As::Viewer };
    let client = whose.common.connection.client(who)?;
    let mut all: api::Overview<Row> = client.read(&format!("/_causeway/overview/{kind}"))?;
    all.rows.retain(wanted);
    if whose.common.json {
        out.json(&all.rows);
    } else if all.rows.is_empty() {
        let theirs = if whose.all { "" } else { " of yours" };
        out.line(format_args!("There are no {kind}{theirs}."));
    } else {
        let rows: Vec<_> = all.rows.iter().map(|row| cells(row, all.time)).collect();
        out.table(names, &rows);
    }
    Ok(())
}

fn joined(list: &[impl ToString]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Counts by state in words.
fn by_state(counts: &BTreeMap<String, usize>) -> String {
    let counts: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(", ") }
}

/// How long ago something was, in its greatest unit.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.millis().saturating_sub(then.millis()).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_greatest_unit() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (then, said) in [
            ("2026-01-31T12:00:00Z", "0s"),
            ("2026-01-31T11:59:01Z", "59s"),
            ("2026-01-31T11:00:01Z", "59m"),
            ("2026-01-31T11:00:00Z", "1h"),
            ("2026-01-30T12:00:00Z", "1d"),
            ("2025-01-31T12:00:00Z", "365d"),
            ("2027-01-31T12:00:00Z", "0s"),
        ] {
            assert_eq!(age(then.parse().unwrap(), now), said, "{then}");
        }
        assert_eq!(age(Timestamp::from_millis(i64::MIN), Timestamp::MAX).chars().last(), Some('d'));
    }
}
