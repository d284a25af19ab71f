//! The client: the copy of the database, and transactions.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use os::Waker;

use crate::config::Config;
use crate::database::Database;
use crate::error::TransactError;
use crate::schema::Schema;
use crate::session::Worker;
use crate::shared::{Asked, Order, Shared, Status};
use crate::transaction::{Committed, Transaction};

/// Longer than anybody waits: for patience that the clock has no end for.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A client of one database.
///
/// Dropping it ends its thread.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    orders: Sender<Order>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Starts a client, which connects by itself.
    ///
    /// # Errors
    ///
    /// There is no endpoint, or no thread could be started.
    pub fn start(config: Config) -> io::Result<Self> {
        Self::start_with_alarm(config, Arc::new(|| {}))
    }

    /// Starts a client that has something called, on its own thread, whenever the copy or the status has
    /// changed. What is called must not wait, least of all for this client.
    ///
    /// # Errors
    ///
    /// There is no endpoint, or no thread could be started.
    pub fn start_with_alarm(
        config: Config,
        alarm: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        if config.endpoints.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no endpoint of OVSDB"));
        }
        let waker = Waker::new()?;
        let (orders, received) = mpsc::channel();
        let shared = Arc::new(Shared::new(alarm));
        let worker = Worker::new(config, Arc::clone(&shared), waker.clone(), received);
        let thread =
            std::thread::Builder::new().name("ovsdb".into()).spawn(move || worker.run())?;
        Ok(Self { shared, orders, waker, thread: Some(thread) })
    }

    /// What the client has to do with servers at the moment.
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }

    /// The schema of the database; `None` before the first connection.
    pub fn schema(&self) -> Option<Arc<Schema>> {
        self.shared.lock().schema.clone()
    }

    /// What the database held when it was last heard of.
    pub fn snapshot(&self) -> Database {
        self.shared.lock().database.clone()
    }

    /// Waits until something is found in the copy of the database, which is looked at now and after each
    /// change; `None` where nothing was found in time. The client stands still while it is looked at.
    pub fn wait_until<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&Database, &Status) -> Option<T>,
    ) -> Option<T> {
        let deadline = deadline(patience);
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state.database, &state.status) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until there is a server, and says whether there is.
    pub fn wait_until_connected(&self, patience: Duration) -> bool {
        self.wait_until(patience, |_, status| status.is_connected().then_some(())).is_some()
    }

    /// Has a transaction done, and waits for its answer. One is under way at a time. When it is done, the
    /// copy of the database shows what it changed.
    ///
    /// After [`TransactError::Unknown`] the client connects anew. What the database holds then tells what
    /// came of the transaction, unless servers of a cluster still pass it between them; a later
    /// transaction that takes effect settles it for good.
    ///
    /// # Errors
    ///
    /// It was not sent within `patience`, or was refused, or it is unknown whether it took effect.
    pub fn transact(
        &self,
        transaction: Transaction,
        patience: Duration,
    ) -> Result<Committed, TransactError> {
        let (reply, answer) = mpsc::channel();
        let asked = Asked { transaction, deadline: deadline(patience), reply };
        if self.orders.send(Order::Transact(asked)).is_err() {
            return Err(TransactError::NotSent("the client has ended".into()));
        }
        self.waker.wake();
        let ended = || Err(TransactError::Unknown("the client has ended".into()));
        answer.recv().unwrap_or_else(|_| ended())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It fails where the thread has ended, which is what is wanted.
        let _ = self.orders.send(Order::Stop);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn deadline(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or(now + FAR)
}
