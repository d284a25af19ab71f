//! Work that takes its time, beside the threads that serve requests.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::shared::Dashboard;

impl Dashboard {
    /// Does work on a thread of its own, in turn: as many pieces at a time as there are processors, so that
    /// whoever asks for much waits rather than others. `None` if the work ended by a defect.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        // The turn belongs to the work, which runs to its end even if nobody waits any more.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.ok()
    }

    /// Makes a page so.
    pub(super) async fn page_aside(
        &self,
        make: impl FnOnce() -> Response + Send + 'static,
    ) -> Response {
        let made = self.aside(make).await;
        made.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}
