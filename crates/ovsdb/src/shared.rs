//! What a client and its thread tell each other.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::database::Database;
use crate::endpoint::Endpoint;
use crate::error::{SessionError, TransactError};
use crate::schema::Schema;
use crate::transaction::{Committed, Transaction};

/// What a client has to do with servers at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It looks for one. What is known of the database is what was last seen.
    Connecting {
        /// What became of the last server; `None` before the first.
        last: Option<String>,
    },
    /// It has one, and knows what the database holds there.
    Connected {
        /// The server.
        endpoint: Endpoint,
        /// How many such connections there were before.
        earlier: u64,
        /// Whether the server told only what had changed since the last one.
        resumed: bool,
    },
}

impl Status {
    /// Whether there is a server.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

/// What the client's thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    Transact(Asked),
    Stop,
}

/// A transaction, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) transaction: Transaction,
    pub(crate) deadline: Instant,
    pub(crate) reply: Sender<Result<Committed, TransactError>>,
}

/// What the client's thread tells its users.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) changed: Condvar,
    alarm: Arc<dyn Fn() + Send + Sync>,
}

pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) database: Database,
    pub(crate) schema: Option<Arc<Schema>>,
    connections: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("status", &self.lock().status).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(alarm: Arc<dyn Fn() + Send + Sync>) -> Self {
        let state = State {
            status: Status::Connecting { last: None },
            database: Database::default(),
            schema: None,
            connections: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), alarm }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
        (self.alarm)();
    }

    pub(crate) fn database(&self) -> Database {
        self.lock().database.clone()
    }

    pub(crate) fn set_database(&self, database: Database) {
        self.change(|state| state.database = database);
    }

    pub(crate) fn set_schema(&self, schema: Schema) {
        self.lock().schema = Some(Arc::new(schema));
    }

    pub(crate) fn connected(&self, endpoint: Endpoint, database: Database, resumed: bool) {
        self.change(|state| {
            let earlier = state.connections;
            state.connections += 1;
            state.database = database;
            state.status = Status::Connected { endpoint, earlier, resumed };
        });
    }

    pub(crate) fn lost(&self, why: &SessionError) {
        self.change(|state| state.status = Status::Connecting { last: Some(why.to_string()) });
    }

    /// Why nothing can be sent.
    pub(crate) fn obstacle(&self) -> String {
        match &self.lock().status {
            Status::Connecting { last: Some(last) } => last.clone(),
            Status::Connecting { last: None } => "no server was reached".into(),
            Status::Connected { .. } => "the server is busy with an earlier transaction".into(),
        }
    }
}
