//! Packets that are really sent, for whoever may ask `why` about them.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use fabric::driver::Dialled;
use model::{Need, Rights};

use super::answer::{Answer, Problem, Reply, internal, invalid};
use super::context::Operator;
use super::input::Whole;
use super::viewer::{parties, rights_of, work_out};
use super::why;
use crate::http::probe::{self, NotSent};

pub(super) async fn probe(
    Shared(operator): Shared<Operator>,
    whole: Result<Whole, Problem>,
) -> Answer<api::Probe> {
    let state = &operator.state;
    let whole = whole?;
    let rights = rights_of(state, &whole.parts, &whole.body, Need::Write)?;
    if let Rights { operator: false, user: None, account: Some((_, true)) } = rights {
        let message = "The access key may only read, and a probe sends packets.";
        return Err(Problem(StatusCode::FORBIDDEN, "forbidden", message.to_owned()));
    }
    let asked: api::ProbeRequest = whole.fields()?;
    let world = state.world();
    let query = api::FlowQuery {
        from: asked.from,
        to: asked.to,
        port: Some(asked.port),
        proto: None,
        source_port: None,
        lang: None,
    };
    let flow = why::flow(&world, rights, &query)?;
    let now = state.clock.now();
    let explained = {
        let world = std::sync::Arc::clone(&world);
        work_out(state, rights, move || rights.explain(&world, &flow, now))
    };
    let verdict = explained.await?;
    let sent = probe::probe(state, parties(rights), &world, &flow, verdict.allowed).await;
    let dialled = sent.map_err(|why| match why {
        NotSent::NobodyThere => {
            invalid(format!("nothing has the address {} there", flow.from.address))
        }
        NotSent::NoPackets => {
            let message = "This server carries no packets, as it was started with --fabric none; \
                           `causeway why` says what packets would meet.";
            Problem(StatusCode::CONFLICT, "conflict", message.to_owned())
        }
        NotSent::Away(why) => {
            let message = format!("No packet was sent: {why}.");
            Problem(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
        }
        NotSent::TooMany => {
            let message = "As many packets are being tried as may be at a time; try again soon.";
            Problem(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message.to_owned())
        }
        NotSent::Failed(why) => internal(why),
    })?;
    let passed = probe::has_passed(&dialled);
    let (outcome, detail) = match dialled {
        Dialled::Answered => (api::ProbeOutcome::Answered, None),
        Dialled::Refused => (api::ProbeOutcome::Refused, None),
        Dialled::Silent => (api::ProbeOutcome::Silent, None),
        Dialled::Unreachable(why) => (api::ProbeOutcome::Unreachable, Some(why)),
    };
    Ok(Reply(api::Probe { outcome, passed, detail, verdict: verdict.into() }))
}
