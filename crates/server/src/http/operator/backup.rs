//! Backups. The answer is a line of JSON from time to time, for as long as it takes: how far it is
//! (`progress`), and at last what came of it (`done`, or `failed`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api::{BackupFailure, BackupLine, BackupProgress};
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::answer::{Problem, internal};
use super::context::Operator;
use super::input::Fields;
use crate::backup::{BackupError, Progress, Wanted, Watch, make};

/// How long a client hears nothing: an empty line says that it is not forgotten.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) async fn backup(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::BackupRequest>,
) -> Result<Response, Problem> {
    let api::BackupRequest { path, skip_unavailable } = body;
    if !path.is_absolute() {
        let message = "The path must be absolute: the server's directory is not yours.".to_owned();
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message));
    }
    if let Some(elsewhere) = operator.state.elsewhere(&operator.state.world()) {
        let message = format!(
            "Apps' code and the disks of services are at {elsewhere}: make the backup there."
        );
        return Err(Problem(StatusCode::CONFLICT, "elsewhere", message));
    }
    // Here as well, so that this most frequent slip has a status of its own.
    let name = path.clone();
    let exists = tokio::task::spawn_blocking(move || std::fs::symlink_metadata(name).is_ok());
    if exists.await.unwrap_or(false) {
        return Err(refused(&store::Error::Exists { path }));
    }
    let (tell, told) = unbounded_channel();
    let state = Arc::clone(&operator.state);
    let wanted = Wanted { path, skip_unavailable };
    let work = tokio::task::spawn_blocking(move || {
        let mut watch = Watch::new(tell, state.closing.clone());
        make(state.backup_sources(), &wanted, &mut watch)
    });
    let lines = stream::unfold(Some(Lines { told, work }), Lines::next);
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// What is said to a client while a backup is made.
struct Lines {
    told: UnboundedReceiver<Progress>,
    work: JoinHandle<Result<api::Backup, BackupError>>,
}

impl Lines {
    async fn next(this: Option<Self>) -> Option<(Result<Bytes, Infallible>, Option<Self>)> {
        let mut lines = this?;
        let (line, rest) = match tokio::time::timeout(SILENCE, lines.told.recv()).await {
            Err(_) => (String::new(), Some(lines)),
            Ok(Some(progress)) => (text(BackupLine::Progress(progress.into())), Some(lines)),
            // Whoever told has ended.
            Ok(None) => (text(outcome(lines.work.await)), None),
        };
        Some((Ok(Bytes::from(line + "\n")), rest))
    }
}

fn outcome(ended: Result<Result<api::Backup, BackupError>, tokio::task::JoinError>) -> BackupLine {
    let problem = match ended {
        Ok(Ok(report)) => return BackupLine::Done(report),
        Ok(Err(error)) => refused(&error),
        Err(error) => internal(error),
    };
    let Problem(status, id, message) = problem;
    let (status, id) = (status.as_u16(), id.to_owned());
    BackupLine::Failed(BackupFailure { status, id, message })
}

/// A line, with the members of its objects in the order of their names, as all answers have them.
fn text(line: BackupLine) -> String {
    match serde_json::to_value(line) {
        Ok(line) => line.to_string(),
        // What cannot be written as JSON is the path, and that has come as JSON.
        Err(error) => format!(r#"{{"failed":{{"message":"{error}"}}}}"#),
    }
}

impl From<Progress> for BackupProgress {
    fn from(progress: Progress) -> Self {
        let Progress { what, part, parts, bytes } = progress;
        Self { what, part, parts, bytes }
    }
}

fn refused(error: &dyn std::error::Error) -> Problem {
    let message = format!("The backup was not written: {}", os::error_chain(error));
    Problem(StatusCode::CONFLICT, "conflict", message)
}
