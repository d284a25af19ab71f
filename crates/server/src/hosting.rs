//! What apps are hosted with: where their code is kept, and under which names they are served.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::edge::Domains;
use model::{App, AppId, SlugId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::backup::Place;
use crate::logs::Logs;
use crate::plans::Plans;
use crate::workloads::disks;

/// Each costs a look at the logs of an app's dynos four times a second.
const MOST_LOG_READERS: usize = 64;

/// What apps are hosted with.
pub struct Hosting {
    /// Under which names apps are served, and where.
    pub web: Web,
    /// The directory of all slugs.
    pub slugs: PathBuf,
    /// Which data services there are to choose from.
    pub plans: Plans,
    /// What the platform has to say of apps.
    pub logs: Arc<Logs>,
    /// Who may read logs at the same time.
    pub log_readers: Arc<Semaphore>,
    /// What routers served.
    pub router_log: Arc<dyn RouterLog>,
    /// Ends what would otherwise go on for ever, when the server stops.
    pub closing: CancellationToken,
    /// Where backups are made of all of this.
    pub backups: Arc<Place>,
    pub(crate) uploads: Arc<Mutex<BTreeSet<SlugId>>>,
}

impl Default for Hosting {
    fn default() -> Self {
        Self {
            web: Web::default(),
            slugs: PathBuf::new(),
            plans: Plans::default(),
            logs: Arc::default(),
            log_readers: Arc::new(Semaphore::new(MOST_LOG_READERS)),
            router_log: Arc::new(NoRouterLog),
            closing: CancellationToken::new(),
            backups: Arc::default(),
            uploads: Arc::default(),
        }
    }
}

impl Hosting {
    /// What an installation in a data directory hosts with by default.
    pub fn at(data: &Path) -> Self {
        let backups = Arc::new(Place::at(data, disks(data)));
        Self { slugs: data.join("slugs"), backups, ..Self::default() }
    }

    /// Takes a slug for one upload; `None` while another one has it, or while there are too many.
    pub fn start_upload(&self, slug: SlugId) -> Option<Upload> {
        let mut running = self.uploads.lock().expect("no holder panics");
        let free = running.len() < Upload::MOST && running.insert(slug);
        free.then(|| Upload { slug, running: Arc::clone(&self.uploads) })
    }
}

/// Where the lines of the routers are.
pub trait RouterLog: Send + Sync {
    /// The last lines of an app's web requests, oldest first: each a time, and what happened.
    ///
    /// # Errors
    ///
    /// What keeps them from being read.
    fn tail(&self, app: AppId, lines: usize) -> io::Result<Vec<String>>;

    /// Removes them.
    ///
    /// # Errors
    ///
    /// What keeps them from being removed.
    fn forget(&self, app: AppId) -> io::Result<()>;
}

/// Where nothing is served, there is nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct NoRouterLog;

impl RouterLog for NoRouterLog {
    fn tail(&self, _: AppId, _: usize) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn forget(&self, _: AppId) -> io::Result<()> {
        Ok(())
    }
}

/// Those of the edge whose own this directory is.
#[derive(Debug, Clone)]
pub struct EdgeLog(pub PathBuf);

impl RouterLog for EdgeLog {
    fn tail(&self, app: AppId, lines: usize) -> io::Result<Vec<String>> {
        edge::tail(&self.0, app, lines)
    }

    fn forget(&self, app: AppId) -> io::Result<()> {
        edge::forget(&self.0, app)
    }
}

/// Under which names apps are served, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    /// The platform's own domains.
    pub domains: Domains,
    /// Where the public router takes HTTP.
    pub router: Option<SocketAddr>,
    /// Where it takes HTTPS.
    pub router_tls: Option<SocketAddr>,
}

impl Web {
    /// Where an app is found. The internal router answers on the standard port, and so does
    /// whatever stands before a public one that is not here.
    pub fn url(&self, app: &App) -> String {
        let host = self.domains.host(app);
        let (scheme, standard, address) = match (app.internal_routing, self.router, self.router_tls)
        {
            (true, ..) | (false, None, None) => ("http", 80, None),
            (false, Some(router), _) => ("http", 80, Some(router)),
            (false, None, Some(router)) => ("https", 443, Some(router)),
        };
        match address.map(|address| address.port()).filter(|port| *port != standard) {
            Some(port) => format!("{scheme}://{host}:{port}/"),
            None => format!("{scheme}://{host}/"),
        }
    }
}

/// A slug that is being uploaded, and by nobody else.
#[derive(Debug)]
pub struct Upload {
    slug: SlugId,
    running: Arc<Mutex<BTreeSet<SlugId>>>,
}

impl Upload {
    /// Uploads at a time: each may fill half a gigabyte before it is checked.
    const MOST: usize = 8;
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.running.lock().expect("no holder panics").remove(&self.slug);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_uploaded_once_at_a_time() {
        let hosting = Hosting::default();
        let slug: SlugId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let first = hosting.start_upload(slug);
        assert!(first.is_some() && hosting.start_upload(slug).is_none());
        drop(first);
        assert!(hosting.start_upload(slug).is_some());
    }
}
