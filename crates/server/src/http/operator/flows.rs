//! Records of flows, for whoever has an interface at one of their ends.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::{FlowLog, Need, Rights, VpcId, World};

use super::answer::{Answer, Problem, Reply, internal, invalid, missing};
use super::audit::moment;
use super::context::Operator;
use super::input::Asked;
use super::viewer::{parties, reading, rights_of};
use crate::flows::{Flows, read};
use crate::http::state::State;

/// Records in one answer.
const MOST_RECORDS: usize = 500;
/// Kept records in one answer.
const MOST_LINES: usize = 20_000;
/// How long an answer waits for a record at most, in seconds.
const LONGEST_WAIT: u8 = 20;

/// The flows at interfaces of whoever asks, as they come.
pub(super) async fn follow(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::FlowsQuery>, Problem>,
) -> Answer<api::FlowsPage> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(query) = asked?;
    let flows = carried(state)?;
    // Whose key or token ends while they wait is told so at the next question.
    let _share = reading(state, rights)?;
    let vpcs = seen(&state.world(), rights, query.vpc.as_deref())?;
    let Some(newest) = flows.follow(&vpcs, &parties(rights)) else {
        let message = "You follow as many VPCs as you may at a time; name one with `vpc`.";
        return Err(Problem(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message.to_owned()));
    };
    let rejected = query.rejected.unwrap_or(false);
    let wanted = |record: &api::FlowRecord| !rejected || record.event == api::FlowEvent::Rejected;
    // A server that was started anew counts from the beginning.
    let after = query.after.unwrap_or(newest).min(newest);
    let patience = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT).into());
    let deadline = tokio::time::Instant::now() + patience;
    let mut newer = flows.watch();
    let (mut lost, mut from) = (0, after);
    loop {
        newer.mark_unchanged();
        let (records, more, next) = flows.after(&vpcs, from, MOST_RECORDS, wanted);
        (lost, from) = (lost + more, next);
        let comes = async {
            matches!(tokio::time::timeout_at(deadline, newer.changed()).await, Ok(Ok(())))
        };
        let again = records.is_empty()
            && lost == 0
            && tokio::select! {
                comes = comes => comes,
                () = state.closing.cancelled() => false,
            };
        if !again {
            let failing = flows.failing(&vpcs);
            return Ok(Reply(api::FlowsPage { records, lost, next, failing }));
        }
    }
}

/// The kept records of the flow logs of whoever asks.
pub(super) async fn kept(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::FlowLogQuery>, Problem>,
) -> Answer<api::FlowLogPage> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(query) = asked?;
    let flows = carried(state)?;
    let since = match query.since.as_deref() {
        None => i64::MIN,
        Some(text) => moment(text, state.clock.now()).ok_or_else(|| {
            invalid(
                "Invalid value for `since`: use 2026-01-31T12:00:00Z, or how long ago, such as 90m."
                    .to_owned(),
            )
        })?,
    };
    let world = state.world();
    let own = |log: &FlowLog| {
        rights.operator || rights.account.is_some_and(|(account, _)| account == log.account)
    };
    let logs = match query.flow_log {
        None => world.flow_logs().filter(|log| own(log)).map(|log| log.id).collect(),
        Some(id) => {
            let log = world.flow_log(id).filter(|log| own(log));
            vec![log.ok_or_else(|| missing(format!("There is no {id} that is yours.")))?.id]
        }
    };
    let _share = reading(state, rights)?;
    let directory = flows.directory.clone();
    let read_all = move || -> std::io::Result<api::FlowLogPage> {
        let (mut lines, mut truncated) = (Vec::new(), false);
        for flow_log in logs {
            let kept = read(&directory, flow_log)?.lines.into_iter();
            let kept = kept.filter(|(time, _)| time.millis() >= since);
            lines.extend(kept.map(|(time, record)| api::FlowLogLine { flow_log, time, record }));
            if lines.len() > MOST_LINES {
                truncated = true;
                lines.drain(..lines.len() - MOST_LINES);
            }
        }
        Ok(api::FlowLogPage { lines, truncated })
    };
    let page = tokio::task::spawn_blocking(read_all).await.map_err(internal)?;
    Ok(Reply(page.map_err(internal)?))
}

fn carried(state: &State) -> Result<&Flows, Problem> {
    state.flows.as_deref().ok_or_else(|| {
        let message = match &*state.health.get().driver {
            "ovn" => "Flows are not recorded where OVN carries packets.",
            _ => {
                "This server carries no packets, as it was started with --fabric none, so there are no \
                 records of flows."
            }
        };
        Problem(StatusCode::CONFLICT, "conflict", message.to_owned())
    })
}

/// The VPCs whose flows somebody may see: all that are theirs, or one of them.
fn seen(world: &World, rights: Rights, name: Option<&str>) -> Result<BTreeSet<VpcId>, Problem> {
    let Some(name) = name else {
        let own = world.vpcs().filter(|vpc| rights.owns(world, vpc));
        return Ok(own.map(|vpc| vpc.id).collect());
    };
    let by_id = name.parse::<VpcId>().ok();
    let by_space = || world.space_named(name).map(|space| space.vpc);
    let vpc = by_id.or_else(by_space).filter(|vpc| rights.owns_id(world, *vpc));
    vpc.map(|vpc| [vpc].into()).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        missing(format!("There is no VPC or space '{name}' among what is yours."))
    })
}
