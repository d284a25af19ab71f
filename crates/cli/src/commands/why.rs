//! `causeway why`: whether a flow passes, what decides, and what to do about it.

use std::process::ExitCode;

use anyhow::Context;
use dashboard::{CommandWords, Language};
use hyper::StatusCode;
use model::PortRange;

use crate::arguments::Common;
use crate::arguments::operate::Flow;
use crate::client::{As, Refusal};
use crate::output::Out;
use crate::usage::{NoVerdict, usage};

/// Prints the verdict. The exit status says it too.
///
/// # Errors
///
/// A flow that there cannot be, and [`NoVerdict`] where nobody says whether it passes.
pub(super) fn run(flow: &Flow, common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let verdict = ask(flow, common)?;
    if common.json {
        out.json(&verdict);
    } else {
        print(flow, &verdict, out);
    }
    Ok(if verdict.allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gets the verdict. Whatever keeps it from being given has another exit status than a verdict.
fn ask(flow: &Flow, common: &Common) -> anyhow::Result<api::Verdict> {
    let Flow { from, to, port, source_port, proto, lang } = flow;
    let ports = port.is_some() || source_port.is_some();
    if proto == "icmp" && ports {
        return Err(usage("icmp has no ports; leave --port and --source-port out"));
    }
    if proto != "icmp" && port.is_none() {
        return Err(usage(format!("say which {proto} port: causeway why {from} {to} --port N")));
    }
    let query = api::FlowQuery {
        from: from.clone(),
        to: to.clone(),
        port: *port,
        proto: Some(proto.clone()),
        source_port: source_port.clone(),
        lang: (!common.json).then(|| lang.clone()),
    };
    let client = common.connection.client(As::Viewer).context(NoVerdict)?;
    client.read_with("/_causeway/why", &query).map_err(|error| {
        match error.downcast_ref::<Refusal>() {
            // An end that is none, or that can be many.
            Some(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
                usage(refusal.to_string())
            }
            Some(_) | None => error.context(NoVerdict),
        }
    })
}

fn print(flow: &Flow, verdict: &api::Verdict, out: &mut Out) {
    let words = CommandWords::of(Language::find(&flow.lang).unwrap_or_default());
    let ports = verdict.source_ports.as_ref().filter(|ports| !ports.passing.is_empty());
    let partly = ports.map(|ports| (ranges(&ports.passing), ranges(&[ports.asked])));
    let partly = partly.as_ref().map(|(passing, asked)| (&**passing, &**asked));
    let word = words.outcome(verdict.allowed, partly);
    out.line(format_args!("{} → {}: {word}", flow.from, flow.to));
    let (mut answer, mut presumed) = (false, false);
    for hop in &verdict.hops {
        if hop.presumed && !std::mem::replace(&mut presumed, true) {
            out.line(format_args!("  {}", words.before_presumed()));
        }
        if hop.leg == api::Leg::Answer && !std::mem::replace(&mut answer, true) {
            out.line(format_args!("  {}", words.before_answer()));
        }
        let mark = match hop.decision {
            api::Decision::Passed => "✓",
            api::Decision::Partly => "–",
            api::Decision::Blocked => "✗",
        };
        out.line(format_args!("  {mark} {}: {}", hop.location, hop.because));
        if let Some(code) = &hop.code {
            out.line(format_args!("      {code}"));
        }
        if let Some(remedy) = &hop.remedy {
            out.line(format_args!("      {}", words.remedy(remedy)));
        }
    }
}

/// Ranges of ports as people write them.
fn ranges(ranges: &[PortRange]) -> String {
    let range = |range: &PortRange| match range.from == range.to {
        true => range.from.to_string(),
        false => format!("{}-{}", range.from, range.to),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}
