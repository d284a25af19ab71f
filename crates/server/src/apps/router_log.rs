//! Access to the log of web requests, which the routers keep.

use std::io;
use std::path::PathBuf;

use model::AppId;

/// Reads the request log of an app.
pub trait RouterLog: Send + Sync {
    /// The last lines about an app's web requests, oldest first.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    fn tail(&self, app: AppId, lines: usize) -> io::Result<Vec<String>>;

    /// Removes the log of an app.
    ///
    /// # Errors
    ///
    /// The log cannot be removed.
    fn forget(&self, app: AppId) -> io::Result<()>;
}

/// The request log of an installation without routers: it is always empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoRouterLog;

impl RouterLog for NoRouterLog {
    fn tail(&self, _: AppId, _: usize) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn forget(&self, _: AppId) -> io::Result<()> {
        Ok(())
    }
}

/// The request log of the edge in a directory.
#[derive(Debug, Clone)]
pub(crate) struct EdgeLog(pub PathBuf);

impl RouterLog for EdgeLog {
    fn tail(&self, app: AppId, lines: usize) -> io::Result<Vec<String>> {
        edge::tail(&self.0, app, lines)
    }

    fn forget(&self, app: AppId) -> io::Result<()> {
        edge::forget(&self.0, app)
    }
}
