//! `causeway peer` and `unpeer`: the whole job of joining a space and a VPC, and of taking that back.

mod carry_out;
mod packets;
mod show;

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use api::{PeerPlan, PeerQuery, PeerState, PeerStep};
use hyper::StatusCode;
use serde_json::json;

use self::carry_out::{Done, Hands, Unfinished, carry_out};
use crate::arguments::peer::{Ends, PeerCommand};
use crate::client::{Refusal, Sides};
use crate::output::Out;
use crate::usage::usage;

/// How long it may take until the fabric carries a peering.
const CARRIED: Duration = Duration::from_secs(30);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Does what the command says.
///
/// # Errors
///
/// What there is not, is refused, or fails; in the last case after what was done is taken back.
pub(super) fn run(command: PeerCommand, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (ends, query) = match command {
        PeerCommand::Peer(peer) => {
            let ports: Vec<String> = peer.ports.iter().map(ToString::to_string).collect();
            let query = PeerQuery {
                ports: Some(ports.join(",")),
                to: Some(peer.to.join(",")),
                from: Some(peer.from),
                ..PeerQuery::default()
            };
            (peer.ends, query)
        }
        PeerCommand::Unpeer(ends) => (*ends, PeerQuery { take_back: true, ..PeerQuery::default() }),
    };
    let query = PeerQuery { space: ends.space.clone(), vpc: ends.vpc.clone(), ..query };
    let sides = ends.common.connection.sides(ends.account.as_deref())?;
    go(&Job { sides, query, ends }, out)
}

/// What is to be done, and with whose rights.
struct Job {
    sides: Sides,
    query: PeerQuery,
    ends: Ends,
}

impl Hands for Job {
    fn plan(&self) -> anyhow::Result<PeerPlan> {
        let plan = self.sides.viewer.read_with("/_causeway/peer-plan", &self.query);
        plan.map_err(|error| match error.downcast_ref::<Refusal>() {
            // An end that is none, or nobody's who asks.
            Some(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
                usage(refusal.to_string())
            }
            Some(_) | None => error,
        })
    }

    fn give(&self, line: &str, account: Option<&str>) -> anyhow::Result<()> {
        self.sides.run(line, account).map(drop)
    }
}

fn go(job: &Job, out: &mut Out) -> anyhow::Result<ExitCode> {
    let json = job.ends.common.json;
    let plan = job.plan()?;
    let refused = plan.steps.iter().any(|step| step.state == PeerState::Refused);
    let nothing = !plan.steps.iter().any(|step| step.state == PeerState::ToDo);
    if !json {
        show::plan(&job.query, &plan, out);
    }
    if job.ends.plan || refused {
        if json {
            out.json(&json!({ "plan": plan, "done": [], "packets": [] }));
        }
        return Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let done = match nothing {
        true => Done::default(),
        false => {
            if !job.ends.yes && !agreed(json, out)? {
                bail!("Nothing was changed.");
            }
            out.flush();
            work(job, json, out)?
        }
    };
    let after = settled(job)?;
    let packets = packets::send(&job.sides.viewer, &after.trials)?;
    if json {
        let lines: Vec<&str> = done.steps.iter().filter_map(line_of).collect();
        out.json(&json!({ "plan": after, "done": lines, "packets": packets }));
    } else {
        show::result(&job.query, &after, done.steps.len(), &packets, out);
    }
    let left = after.steps.iter().any(|step| step.state != PeerState::Done);
    let passed = packets.iter().all(packets::Sent::passed);
    let good = !left && passed && after.obstacles.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line_of(step: &PeerStep) -> Option<&str> {
    step.command.as_deref()
}

/// Carries the plan out, and says each command as it is given.
fn work(job: &Job, json: bool, out: &mut Out) -> anyhow::Result<Done> {
    let mut say = |text: String| {
        if !json {
            out.line(text);
            out.flush();
        }
    };
    carry_out(job, &mut say).map_err(|unfinished| {
        let Unfinished { why, left } = unfinished;
        match left.is_empty() {
            true => why.context("a step failed; what was done before it was taken back"),
            false => why.context(format!(
                "a step failed, and this could not be taken back; run again, or type what does it:\n  {}",
                left.join("\n  ")
            )),
        }
    })
}

/// The plan once a peering that was just accepted is active: only then do packets pass.
fn settled(job: &Job) -> anyhow::Result<PeerPlan> {
    let started = std::time::Instant::now();
    loop {
        let plan = job.plan()?;
        let waits = |status: &str| matches!(status, "provisioning");
        if !plan.peering.as_ref().is_some_and(|peering| waits(&peering.status)) {
            return Ok(plan);
        }
        if started.elapsed() > CARRIED {
            bail!("the peering is not active after {CARRIED:?}; `causeway status` says why");
        }
        job.sides.viewer.pause(LOOK);
    }
}

/// Asks whether the plan is to be carried out.
fn agreed(json: bool, out: &mut Out) -> anyhow::Result<bool> {
    if json || !std::io::stdin().is_terminal() {
        return Err(usage("say --yes to have it done, or --plan to have it printed only"));
    }
    out.text("\nDo this? [y/N] ");
    out.flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the answer cannot be read")?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
