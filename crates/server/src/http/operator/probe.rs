//! Packets that are really sent, for whoever may ask `why` about them.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::http::StatusCode;
use fabric::driver::{Dialer, Dialled};
use model::{EniId, Flow, Key, World};

use super::answer::{Answer, Problem, Reply, internal, invalid};
use super::context::Operator;
use super::input::Whole;
use super::viewer::Viewer;
use super::why;

/// How long a packet and its answer may take. What the fabric drops never comes.
const PATIENCE: Duration = Duration::from_millis(700);
/// For how long packets are sent again while what becomes of them is not what `why` says: the fabric
/// follows a change some milliseconds later.
const SETTLED: Duration = Duration::from_secs(3);
/// How long to wait before a packet is sent again.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn probe(
    Shared(operator): Shared<Operator>,
    whole: Result<Whole, Problem>,
) -> Answer<api::Probe> {
    let state = &operator.state;
    let whole = whole?;
    let viewer = Viewer::of(state, &whole.parts, &whole.body)?;
    let asked: api::ProbeRequest = whole.fields()?;
    let world = state.world();
    let query = api::FlowQuery {
        from: asked.from,
        to: asked.to,
        port: Some(asked.port),
        proto: None,
        source_port: None,
    };
    let flow = why::flow(&world, &viewer, &query)?;
    let Some(interface) = interface_of(&world, &flow) else {
        return Err(invalid(format!("nothing has the address {} there", flow.from.address)));
    };
    let Some(dialer) = state.dialer.clone() else {
        let message = "This server carries no packets, as it was started with --fabric none; \
                       `causeway why` says what packets would meet.";
        return Err(Problem(StatusCode::CONFLICT, "conflict", message.to_owned()));
    };
    let _share = state.dials.take(viewer.parties()).map_err(|_| {
        let message = "As many packets are being tried as may be at a time; try again soon.";
        Problem(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message.to_owned())
    })?;
    let verdict = why::verdict(state, &world, &viewer, &flow);
    let dialled = until_settled(&dialer, interface, &flow, verdict.allowed).await?;
    let (outcome, detail) = match dialled {
        Dialled::Answered => (api::ProbeOutcome::Answered, None),
        Dialled::Refused => (api::ProbeOutcome::Refused, None),
        Dialled::Silent => (api::ProbeOutcome::Silent, None),
        Dialled::Unreachable(why) => (api::ProbeOutcome::Unreachable, Some(why)),
    };
    let passed = matches!(outcome, api::ProbeOutcome::Answered | api::ProbeOutcome::Refused);
    Ok(Reply(api::Probe { outcome, passed, detail, verdict }))
}

/// The interface from which a flow begins.
fn interface_of(world: &World, flow: &Flow) -> Option<EniId> {
    let mut all = world.enis_in(Key::Vpc(flow.from.vpc));
    let found =
        all.find(|eni| eni.attachment.is_some() && eni.addresses.contains(&flow.from.address))?;
    Some(found.id)
}

/// Sends packets until one fares as `why` says, or it is clear that none does.
async fn until_settled(
    dialer: &Arc<dyn Dialer>,
    from: EniId,
    flow: &Flow,
    allowed: bool,
) -> Result<Dialled, Problem> {
    let (source, to) =
        (flow.from.address, SocketAddrV4::new(flow.to.address, flow.destination_port));
    let begun = Instant::now();
    loop {
        let dialer = Arc::clone(dialer);
        let dial = move || dialer.dial(from, source, to, PATIENCE);
        let dialled = tokio::task::spawn_blocking(dial)
            .await
            .map_err(internal)?
            .map_err(|error| internal(os::error_chain(&error)))?;
        let passed = matches!(dialled, Dialled::Answered | Dialled::Refused);
        if passed == allowed || begun.elapsed() >= SETTLED {
            return Ok(dialled);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
