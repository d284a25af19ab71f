//! The data directory and the store of an installation, as its settings say.

use std::sync::Arc;

use store::{Blobs, DataDir, Postgres, Sqlite, Store};

use crate::config::{Config, Database};

/// The store of an installation.
pub(super) struct Opened {
    pub(super) store: Box<dyn Store>,
    /// Whether other servers may have it open at the same time.
    pub(super) shared: bool,
    /// Where the code of apps is that all of them have; `None` where it is in the data directory.
    pub(super) blobs: Option<Arc<dyn Blobs>>,
}

/// Opens the store that the settings name.
pub(super) fn open_store(config: &Config, data: &DataDir) -> store::Result<Opened> {
    Ok(match &config.store {
        Some(url) => {
            let store = Postgres::open(url, data)?;
            let blobs: Arc<dyn Blobs> = Arc::new(store.blobs()?);
            Opened { store: Box::new(store), shared: true, blobs: Some(blobs) }
        }
        None => Opened { store: Box::new(Sqlite::open(data)?), shared: false, blobs: None },
    })
}

/// Opens the data directory, as the settings say which database is expected.
pub(super) fn open(config: &Config) -> store::Result<DataDir> {
    let key = config.key.as_ref();
    let open = match config.store {
        Some(_) => DataDir::open_for_server,
        None => DataDir::open_with,
    };
    match config.database {
        Database::Expected => open(&config.data, key),
        Database::New => DataDir::open_anew(&config.data, key),
        Database::At(revision) => {
            let mut data = open(&config.data, key)?;
            data.accept_database(revision);
            Ok(data)
        }
    }
}
