//! Tasks of one connection, one question or one dyno.
//!
//! Whatever a client or a dyno sends, a panic that comes of it ends its own task alone. All else in the
//! edge serves everybody: a panic there ends the process, and another edge is started.

use os::panics::confined;
use tokio::task::JoinHandle;

/// Starts a task whose panic concerns itself alone.
pub(crate) fn spawn_confined<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(confined(task))
}

/// Starts the tasks of a connection of HTTP/2, one for each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfiningExecutor;

impl<F> hyper::rt::Executor<F> for ConfiningExecutor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        spawn_confined(task);
    }
}
