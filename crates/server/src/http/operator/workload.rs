//! Commands inside workloads, and what workloads wrote.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{Answer, Problem, Reply, internal};
use super::context::Operator;
use super::input::{Asked, Segment};
use crate::apps::console::NotRun;

pub(super) async fn workload(
    Shared(operator): Shared<Operator>,
    Segment(target): Segment,
    Asked(query): Asked<Vec<(String, String)>>,
) -> Answer<api::ExecCommand> {
    let id = operator.target(&target)?;
    let api::ExecQuery { tty, arguments } = api::ExecQuery::from_pairs(query);
    let console = Arc::clone(&operator.state.console);
    let command = tokio::task::spawn_blocking(move || console.exec(id, &arguments, tty));
    let argv = command.await.map_err(internal)?.map_err(|not_run| {
        let message = match (not_run, &*operator.state.health.get().driver) {
            (NotRun::Elsewhere(why), _) => format!(
                "No command can be run in {target} by `causeway exec`: {why}. For a dyno, `heroku run \
                 --app APP` and `heroku ps:exec` reach it from anywhere."
            ),
            (NotRun::Idle, "none") => format!(
                "Nothing runs in {target}: the server was started with --fabric none, which runs \
                 no dyno and no instance."
            ),
            (NotRun::Idle, _) => format!("Nothing runs in {target} now."),
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
    let console = Arc::clone(&operator.state.console);
    let tail = tokio::task::spawn_blocking(move || console.tail(id, bytes)).await;
    let tail = tail.map_err(internal)?.map_err(internal)?;
    Ok(([(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")], tail).into_response())
}
