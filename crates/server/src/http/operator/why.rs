//! `causeway why`: for whoever can see the ends of a flow.

use axum::extract::State as Shared;
use axum::http::request::Parts;
use dashboard::Language;
use model::{Flow, Need, Rights, World};

use super::answer::{Answer, Problem, Reply, invalid};
use super::context::Operator;
use super::input::Asked;
use super::viewer::{rights_of, work_out};

pub(super) async fn why(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::FlowQuery>, Problem>,
) -> Answer<api::Verdict> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(query) = asked?;
    let world = state.world();
    let language = query.lang.as_deref().map(|code| {
        Language::find(code)
            .ok_or_else(|| invalid("Invalid value for `lang`: en or ja.".to_owned()))
    });
    let language = language.transpose()?.unwrap_or_default();
    let flow = flow(&world, rights, &query)?;
    let now = state.clock.now();
    let explained = work_out(state, rights, move || {
        let verdict = rights.explain(&world, &flow, now);
        let words = dashboard::verdict_words(language, &verdict);
        let mut answer = api::Verdict::from(verdict);
        for (hop, words) in answer.hops.iter_mut().zip(words) {
            (hop.location, hop.because, hop.remedy) = (words.location, words.because, words.remedy);
        }
        answer
    });
    Ok(Reply(explained.await?))
}

/// The flow that is asked about, if it is for them to ask.
pub(super) fn flow(world: &World, rights: Rights, query: &api::FlowQuery) -> Result<Flow, Problem> {
    let proto = query.proto.as_deref().unwrap_or("tcp");
    let (ends, ports) = ((&*query.from, &*query.to), query.source_port.as_deref());
    rights.resolve(world, ends, proto, query.port, ports).map_err(invalid)
}
