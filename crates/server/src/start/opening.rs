//! The data directory and the store of an installation, as its settings say.

use store::{DataDir, Postgres, Sqlite, Store};

use crate::config::{Config, Database};

/// The store of an installation.
pub(super) struct Opened {
    pub(super) store: Box<dyn Store>,
    /// Whether other servers may have it open at the same time.
    pub(super) shared: bool,
}

/// Opens the store that the settings name.
pub(super) fn open_store(config: &Config, data: &DataDir) -> store::Result<Opened> {
    Ok(match &config.store {
        Some(url) => Opened { store: Box::new(Postgres::open(url, data)?), shared: true },
        None => Opened { store: Box::new(Sqlite::open(data)?), shared: false },
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
