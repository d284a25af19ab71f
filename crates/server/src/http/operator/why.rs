//! `causeway why`: for whoever can see the ends of a flow.

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::{Flow, World};

use super::answer::{Answer, Problem, Reply, invalid};
use super::context::Operator;
use super::input::Asked;
use super::viewer::Viewer;
use crate::http::state::State;

pub(super) async fn why(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::FlowQuery>, Problem>,
) -> Answer<api::Verdict> {
    let state = &operator.state;
    let viewer = Viewer::of(state, &parts, &[])?;
    let Asked(query) = asked?;
    let world = state.world();
    let flow = flow(&world, &viewer, &query)?;
    Ok(Reply(verdict(state, &world, &viewer, &flow)))
}

/// The flow that is asked about, if it is for them to ask.
pub(super) fn flow(
    world: &World,
    viewer: &Viewer,
    query: &api::FlowQuery,
) -> Result<Flow, Problem> {
    for end in [&query.from, &query.to] {
        viewer.may_name(world, end).map_err(invalid)?;
    }
    let proto = query.proto.as_deref().unwrap_or("tcp");
    let ports = query.source_port.as_deref();
    let flow = Flow::resolve(world, &query.from, &query.to, proto, query.port, ports);
    let flow = flow.map_err(invalid)?;
    viewer.may_ask(world, &flow).map_err(invalid)?;
    Ok(flow)
}

/// What is to be told of a flow.
pub(super) fn verdict(state: &State, world: &World, viewer: &Viewer, flow: &Flow) -> api::Verdict {
    let verdict = model::explain(world, flow, state.clock.now());
    verdict.seen_by(|vpc| world.vpc(vpc).is_none_or(|vpc| viewer.owns(world, vpc))).into()
}
