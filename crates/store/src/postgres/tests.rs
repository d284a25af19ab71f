//! What is particular to a server that others have, too: restarts, standbys, what is in front of it.

mod server;

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

use self::server::Server;
use super::{Postgres, PostgresUrl};
use crate::batch::Limits;
use crate::conformance::{Database, conformance};
use crate::{DataDir, Snapshot, Store};

/// A database of its own on a server that a process's tests share.
struct OneDatabase {
    dir: TempDir,
    url: PostgresUrl,
}

/// Its keeper ends it with the process, as what is static is not dropped. What is lost with the power does not
/// matter here.
fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("fsync = off"))
}

fn url(text: &str) -> PostgresUrl {
    PostgresUrl::read(text).unwrap()
}

impl Database for OneDatabase {
    fn create() -> Self {
        let url = url(&shared().url(&shared().database()));
        Self { dir: tempfile::tempdir().unwrap(), url }
    }

    fn open(&self, limits: Limits) -> Box<dyn Store> {
        let dir = DataDir::open_for_server(self.dir.path()).unwrap();
        Box::new(Postgres::with_limits(&self.url, &dir, limits).unwrap())
    }

    fn restore(backup: &Path, scratch: &Path) -> Box<dyn Store> {
        let url = url(&shared().socket(&shared().database()));
        let snapshot = Snapshot::open(backup).unwrap();
        let restoring = crate::Restoring::begin(&scratch.join("restored")).unwrap();
        let dir = restoring.finish_on(&snapshot, &url).unwrap();
        Box::new(Postgres::open(&url, &dir).unwrap())
    }
}

conformance!(OneDatabase, together);
