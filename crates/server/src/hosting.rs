//! What apps are hosted with: where their code is kept, and under which names they are served.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::edge::Domains;
use model::{App, SlugId};

use crate::plans::Plans;

/// What apps are hosted with.
#[derive(Debug, Default)]
pub struct Hosting {
    /// Under which names apps are served, and where.
    pub web: Web,
    /// The directory of all slugs.
    pub slugs: PathBuf,
    /// Which data services there are to choose from.
    pub plans: Plans,
    uploads: Arc<Mutex<BTreeSet<SlugId>>>,
}

impl Hosting {
    /// What an installation in a data directory hosts with by default.
    pub fn at(data: &Path) -> Self {
        Self { slugs: data.join("slugs"), ..Self::default() }
    }

    /// Takes a slug for one upload; `None` while another one has it, or while there are too many.
    pub fn start_upload(&self, slug: SlugId) -> Option<Upload> {
        let mut running = self.uploads.lock().expect("no holder panics");
        let free = running.len() < Upload::MOST && running.insert(slug);
        free.then(|| Upload { slug, running: Arc::clone(&self.uploads) })
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
