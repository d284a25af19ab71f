//! Commands inside workloads, and what workloads wrote.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{Answer, Problem, Reply, internal};
use super::context::Operator;
use super::input::{Asked, Segment};

pub(super) async fn workload(
    Shared(operator): Shared<Operator>,
    Segment(target): Segment,
    Asked(query): Asked<Vec<(String, String)>>,
) -> Answer<api::ExecCommand> {
    let id = operator.target(&target)?;
    let api::ExecQuery { tty, arguments } = api::ExecQuery::from_pairs(query);
    let argv = operator.state.console.exec(id, &arguments, tty).ok_or_else(|| {
        let message = match &*operator.state.health.get().driver {
            "none" => format!(
                "Nothing runs in {target}: the server was started with --fabric none, which runs \
                 no dyno and no instance."
            ),
            _ => format!("Nothing runs in {target} now."),
        };
        Problem(StatusCode::CONFLICT, "conflict", message)
    })?;
    Ok(Reply(api::ExecCommand { workload: id.to_string(), argv }))
}

pub(super) async fn logs(
    Shared(operator): Shared<Operator>,
    Segment(target): Segment,
    Asked(query): Asked<api::LogQuery>,
) -> Result<Response, Problem> {
    let id = operator.target(&target)?;
    let bytes = query.bytes.unwrap_or(64 << 10).min(16 << 20);
    let tail = operator.state.console.tail(id, bytes).map_err(internal)?;
    Ok(([(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")], tail).into_response())
}
