//! The client's thread: connections one after the other, and what is said on each.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use os::Waker;
use os::poll::{self, Interest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Config;
use crate::database::{Database, Watched, WatchedTable};
use crate::endpoint::Endpoint;
use crate::error::{SessionError, TransactError};
use crate::link::Link;
use crate::message::Message;
use crate::rounds::Rounds;
use crate::schema::{AtomType, ColumnType, Schema, TableSchema, array};
use crate::shared::{Asked, Order, Shared};
use crate::transaction::{self, Condition, Failure};
use crate::transport::Transport;
use crate::value::{Atom, Row};

/// How long one address of a server has to take a connection.
const DIAL: Duration = Duration::from_secs(3);

/// How long a server has to tell what its database holds.
const FIRST: Duration = Duration::from_secs(60);

/// The database in which each server tells about itself.
const SERVER: &str = "_Server";

/// What a watch of the database is called, and one of the server's own.
const WATCH: &str = "watch";
const SERVER_WATCH: &str = "server";

/// The client's thread.
pub(crate) struct Worker {
    config: Config,
    shared: Arc<Shared>,
    waker: Waker,
    orders: Receiver<Order>,
    /// What was not sent yet.
    queue: VecDeque<Asked>,
    stop: bool,
    /// The last transaction that the copy of the database shows; `None` where it must be loaded as a whole.
    shown: Option<String>,
    /// The cluster, and how far its log went where it was last seen.
    seen: Option<(Uuid, i64)>,
}

/// A connection.
struct Session {
    link: Link,
    endpoint: Endpoint,
    began: Instant,
    /// When the database was known; `None` before.
    ready: Option<Instant>,
    expected: BTreeMap<u64, Expected>,
    /// What the server tells about itself.
    server: Database,
    watched: Watched,
    /// The transaction that has no answer yet.
    in_flight: Option<Asked>,
}

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    ChangeAware,
    Server,
    Schema,
    Watch,
    Transaction,
}

impl Worker {
    pub(crate) fn new(
        config: Config,
        shared: Arc<Shared>,
        waker: Waker,
        orders: Receiver<Order>,
    ) -> Self {
        let queue = VecDeque::new();
        Self { config, shared, waker, orders, queue, stop: false, shown: None, seen: None }
    }

    /// Goes from server to server until the client is dropped.
    pub(crate) fn run(mut self) {
        let (least, most) = self.config.pauses;
        let mut rounds = Rounds::new(self.config.endpoints.len(), least, most);
        while let Some(endpoint) = self.config.endpoints.get(rounds.at()).cloned() {
            let (why, lasted) = self.follow(&endpoint);
            if self.stop {
                break;
            }
            match lasted {
                Some(_) => tracing::warn!(%endpoint, "lost OVSDB's server: {why}"),
                None => tracing::debug!(%endpoint, "OVSDB's server cannot be used: {why}"),
            }
            self.pause(rounds.next(lasted.unwrap_or_default()));
            if self.stop {
                break;
            }
        }
        for asked in self.queue.drain(..) {
            refuse(asked, TransactError::NotSent("the client has ended".into()));
        }
    }

    /// Follows one server for as long as it can be used. Says why it cannot any more, and for how long it
    /// could, if at all.
    fn follow(&mut self, endpoint: &Endpoint) -> (SessionError, Option<Duration>) {
        let transport = match Transport::connect(endpoint, self.config.tls.as_ref(), DIAL) {
            Ok(transport) => transport,
            Err(error) => {
                let error = error.into();
                self.shared.lost(&error);
                return (error, None);
            }
        };
        let mut session = Session::new(transport, endpoint.clone(), self.config.probe);
        session.open(&self.config.database);
        let why = loop {
            match self.turn(&mut session) {
                Ok(()) if self.stop => break SessionError::Ended,
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        if matches!(why, SessionError::Malformed(_)) {
            // What does not fit to the copy may be the fault of the copy.
            self.shown = None;
        }
        // Before anybody is told that a transaction's fate is unknown: who waits for a connection then
        // waits for the next one.
        self.shared.lost(&why);
        if let Some(asked) = session.in_flight.take() {
            refuse(asked, TransactError::Unknown(why.to_string()));
        }
        (why, session.ready.map(|since| since.elapsed()))
    }

    /// Does what there is to do, then waits for more.
    fn turn(&mut self, session: &mut Session) -> Result<(), SessionError> {
        let now = Instant::now();
        let mut until = session.link.look(now)?;
        if session.ready.is_none() {
            let end = session.began + FIRST;
            if end <= now {
                return Err(SessionError::Silent);
            }
            until = until.min(end);
        }
        if session.in_flight.as_ref().is_some_and(|asked| asked.deadline <= now) {
            return Err(SessionError::Late);
        }
        self.take_orders(now);
        if self.stop {
            return Ok(());
        }
        if session.ready.is_some()
            && session.in_flight.is_none()
            && let Some(asked) = self.queue.pop_front()
        {
            session.send(asked, &self.config.database);
        }
        let deadlines = self.queue.iter().chain(&session.in_flight).map(|asked| asked.deadline);
        until = deadlines.fold(until, Instant::min);
        session.link.flush()?;

        let pause = if session.link.has_more() {
            Duration::ZERO
        } else {
            until.saturating_duration_since(now)
        };
        let mut awaited = vec![poll::readable(&self.waker), poll::readable(&session.link)];
        if session.link.wants_write() {
            awaited.push((session.link.as_fd(), Interest::Writable));
        }
        let ready = poll::wait(&awaited, Some(pause))?;
        if ready.first() == Some(&true) {
            self.waker.reset();
        }
        if ready.get(1) == Some(&true) || session.link.has_more() {
            let received = session.link.receive(Instant::now());
            // What came before the end counts.
            while let Some(message) = session.link.take()? {
                self.hear(session, message)?;
            }
            received?;
        }
        Ok(())
    }

    /// Takes what users ask for, and turns away what was not sent in time.
    fn take_orders(&mut self, now: Instant) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Transact(asked)) => self.queue.push_back(asked),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stop = true;
                    break;
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        if self.queue.iter().any(|asked| asked.deadline <= now) {
            let obstacle = self.shared.obstacle();
            let (late, queue) = self.queue.drain(..).partition(|asked| asked.deadline <= now);
            self.queue = queue;
            let late: VecDeque<Asked> = late;
            for asked in late {
                refuse(asked, TransactError::NotSent(obstacle.clone()));
            }
        }
    }

    /// Waits before the next server is tried.
    fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        loop {
            let now = Instant::now();
            self.take_orders(now);
            if self.stop || now >= end {
                return;
            }
            let until = self.queue.iter().map(|asked| asked.deadline).fold(end, Instant::min);
            let left = until.saturating_duration_since(now);
            if poll::wait(&[poll::readable(&self.waker)], Some(left)).is_err() {
                return;
            }
            self.waker.reset();
        }
    }

    fn hear(&mut self, session: &mut Session, message: Message) -> Result<(), SessionError> {
        match message {
            Message::Echo { id, params } => session.link.echoed(&id, &params),
            Message::Update { watch, transaction, rows } if watch == WATCH => {
                if session.ready.is_none() {
                    return Err(SessionError::Malformed("an update of what is not watched".into()));
                }
                let mut database = self.shared.database();
                let changed = database.apply(&session.watched, &rows)?;
                self.shown = Some(transaction);
                if changed {
                    self.shared.set_database(database);
                }
            }
            Message::Update { watch, rows, .. } if watch == SERVER_WATCH => {
                session.server.apply(&about_servers(), &rows)?;
                self.judge(session)?;
            }
            Message::Canceled { watch } if watch == WATCH => return Err(SessionError::Converted),
            // Of another watch there is nothing to be heard, and other news mean nothing here.
            Message::Update { .. } | Message::Canceled { .. } | Message::Other => {}
            Message::Answer { id, outcome } => {
                // Answers to echoes are none that anything depends on.
                if let Some(expected) = session.expected.remove(&id) {
                    self.answered(session, expected, outcome)?;
                }
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        session: &mut Session,
        expected: Expected,
        outcome: Result<Value, Value>,
    ) -> Result<(), SessionError> {
        let accepted = |request: &'static str| {
            let refused =
                |answer: Value| SessionError::Refused { request, answer: answer.to_string() };
            outcome.clone().map_err(refused)
        };
        match expected {
            Expected::ChangeAware => drop(accepted("set_db_change_aware")?),
            Expected::Server => {
                let (_, _, rows) = watch_answer(accepted("monitor_cond_since")?)?;
                session.server.apply(&about_servers(), &rows)?;
                self.judge(session)?;
            }
            Expected::Schema => {
                let schema = Schema::read(&accepted("get_schema")?)?;
                session.watch(&self.config, &schema, self.shown.as_deref())?;
                self.shared.set_schema(schema);
            }
            Expected::Watch => {
                let (found, transaction, rows) = watch_answer(accepted("monitor_cond_since")?)?;
                let resumed = found && self.shown.is_some();
                let mut database =
                    if resumed { self.shared.database() } else { Database::default() };
                database.apply(&session.watched, &rows)?;
                self.shown = Some(transaction);
                session.ready = Some(Instant::now());
                let endpoint = session.endpoint.clone();
                tracing::info!(%endpoint, resumed, "connected to OVSDB's server");
                self.shared.connected(endpoint, database, resumed);
            }
            Expected::Transaction => {
                let Some(asked) = session.in_flight.take() else { return Ok(()) };
                match transaction::read_answer(&asked.transaction, &outcome) {
                    Ok(committed) => drop(asked.reply.send(Ok(committed))),
                    Err(Failure::Told(error)) => refuse(asked, error),
                    Err(Failure::Unfit(error)) => {
                        session.in_flight = Some(asked);
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Judges by what a server tells about itself whether it can be used.
    fn judge(&mut self, session: &Session) -> Result<(), SessionError> {
        let name = self.config.database.as_str();
        let mut databases = session.server.rows("Database").map(|(_, row)| row);
        let database = databases.find(|row| row.text("name") == Some(name));
        let database = database.ok_or_else(|| SessionError::NoDatabase(name.to_owned()))?;
        if !is_set(database, "connected") {
            return Err(SessionError::CutOff);
        }
        if database.text("model") != Some("clustered") {
            return Ok(());
        }
        if self.config.leader_only && !is_set(database, "leader") {
            return Err(SessionError::Follower);
        }
        let single = |column| database.get(column)?.single();
        let (Some(Atom::Uuid(cluster)), Some(Atom::Integer(index))) =
            (single("cid"), single("index"))
        else {
            return Ok(());
        };
        match self.seen {
            Some((known, seen)) if known == *cluster && seen > *index => {
                Err(SessionError::Stale { index: *index, seen })
            }
            _ => {
                self.seen = Some((*cluster, *index));
                Ok(())
            }
        }
    }
}

impl Session {
    fn new(transport: Transport, endpoint: Endpoint, probe: Duration) -> Self {
        Self {
            link: Link::new(transport, probe),
            endpoint,
            began: Instant::now(),
            ready: None,
            expected: BTreeMap::new(),
            server: Database::default(),
            watched: Watched::default(),
            in_flight: None,
        }
    }

    fn request(&mut self, expected: Expected, method: &str, params: &Value) {
        let id = self.link.request(method, params);
        self.expected.insert(id, expected);
    }

    /// Asks about the server itself, and for the schema.
    fn open(&mut self, database: &str) {
        // Otherwise the server ends the connection whenever one of its databases comes or goes.
        self.request(Expected::ChangeAware, "set_db_change_aware", &json!([true]));
        let columns = SERVER_COLUMNS.map(|(name, _)| name);
        let tables = json!({ "Database": [{ "columns": columns }] });
        let watch = json!([SERVER, SERVER_WATCH, tables, Uuid::nil()]);
        self.request(Expected::Server, "monitor_cond_since", &watch);
        self.request(Expected::Schema, "get_schema", &json!([database]));
    }

    /// Watches what the configuration says, from a transaction on.
    fn watch(
        &mut self,
        config: &Config,
        schema: &Schema,
        shown: Option<&str>,
    ) -> Result<(), SessionError> {
        let mut tables = serde_json::Map::new();
        for watch in &config.watches {
            let lacks = |what: &str| SessionError::Lacks(format!("{} {what}", schema.name));
            let table = schema.tables.get(&watch.table);
            let table = table.ok_or_else(|| lacks(&format!("the table {}", watch.table)))?;
            let is_absent = |column: &&String| !table.columns.contains_key(*column);
            if let Some(column) = watch.columns.iter().find(is_absent) {
                return Err(lacks(&format!("the column {} of the table {}", column, watch.table)));
            }
            let mut request = json!({ "columns": watch.columns });
            if !watch.rows.is_empty() {
                request["where"] = watch.rows.iter().map(Condition::to_json).collect();
            }
            tables.insert(watch.table.clone(), json!([request]));
            let watched = WatchedTable { schema: table.clone(), columns: watch.columns.clone() };
            self.watched.0.insert(watch.table.clone(), watched);
        }
        let nil = Uuid::nil().to_string();
        let params = json!([config.database, WATCH, tables, shown.unwrap_or(&nil)]);
        self.request(Expected::Watch, "monitor_cond_since", &params);
        Ok(())
    }

    fn send(&mut self, asked: Asked, database: &str) {
        let params = asked.transaction.params(database);
        self.request(Expected::Transaction, "transact", &params);
        self.in_flight = Some(asked);
    }
}

fn refuse(asked: Asked, error: TransactError) {
    // Nobody may wait any more.
    let _ = asked.reply.send(Err(error));
}

/// Whether the server told all that changed since a transaction, the transaction that it told of last,
/// and the rows.
fn watch_answer(answer: Value) -> Result<(bool, String, Value), SessionError> {
    let unfit = || SessionError::Malformed("another answer to a watch".into());
    match array(&answer, "an answer to a watch")? {
        [Value::Bool(found), Value::String(transaction), rows] => {
            Ok((*found, transaction.clone(), rows.clone()))
        }
        _ => Err(unfit()),
    }
}

/// The columns of the table in which a server tells about its databases.
const SERVER_COLUMNS: [(&str, ColumnType); 6] = [
    ("name", single(AtomType::String)),
    ("model", single(AtomType::String)),
    ("connected", single(AtomType::Boolean)),
    ("leader", single(AtomType::Boolean)),
    ("cid", optional(AtomType::Uuid)),
    ("index", optional(AtomType::Integer)),
];

const fn single(key: AtomType) -> ColumnType {
    ColumnType { key, value: None, optional: false, many: false }
}

const fn optional(key: AtomType) -> ColumnType {
    ColumnType { key, value: None, optional: true, many: false }
}

fn about_servers() -> Watched {
    let columns = SERVER_COLUMNS.map(|(name, kind)| (name.to_owned(), kind)).into();
    let names = SERVER_COLUMNS.map(|(name, _)| name.to_owned()).into();
    let table = WatchedTable { schema: TableSchema { columns }, columns: names };
    Watched([("Database".to_owned(), table)].into())
}

fn is_set(row: &Row, column: &str) -> bool {
    row.get(column).and_then(|datum| datum.single()) == Some(&Atom::Boolean(true))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    use super::*;

    fn worker() -> Worker {
        let config = Config::new("D", Vec::new());
        let (_, orders) = mpsc::channel();
        Worker::new(config, Arc::new(Shared::new(Arc::new(|| {}))), Waker::new().unwrap(), orders)
    }

    /// What a client thinks of a server that says this of its database.
    fn judged(worker: &mut Worker, about: Value) -> Result<(), String> {
        let (socket, _other) = UnixStream::pair().unwrap();
        let endpoint = Endpoint::Unix("/".into());
        let mut session = Session::new(Transport::Unix(socket), endpoint, Duration::from_secs(1));
        let rows = json!({ "Database": { Uuid::from_u128(1).to_string(): { "initial": about } } });
        let id = session.link.request("monitor_cond_since", &json!([]));
        session.expected.insert(id, Expected::Server);
        let outcome = Ok(json!([false, Uuid::nil(), rows]));
        worker
            .hear(&mut session, Message::Answer { id, outcome })
            .map_err(|error| error.to_string())
    }

    fn clustered(cluster: u128, index: i64) -> Value {
        let cluster = json!(["uuid", Uuid::from_u128(cluster)]);
        let model = "clustered";
        json!({
            "name": "D", "model": model, "connected": true, "leader": true, "cid": cluster, "index": index,
        })
    }

    #[test]
    fn servers_that_know_less_than_an_earlier_one_are_refused() {
        let mut worker = worker();
        assert_eq!(judged(&mut worker, clustered(7, 10)), Ok(()));
        assert_eq!(judged(&mut worker, clustered(7, 10)), Ok(()));
        let stale = "the server's log ends at 9, that of an earlier one at 10";
        assert_eq!(judged(&mut worker, clustered(7, 9)), Err(stale.into()));
        assert_eq!(judged(&mut worker, clustered(7, 11)), Ok(()));
        // Another cluster counts from the beginning.
        assert_eq!(judged(&mut worker, clustered(8, 1)), Ok(()));
        let alone =
            json!({ "name": "D", "model": "standalone", "connected": true, "leader": true });
        assert_eq!(judged(&mut worker, alone), Ok(()));
    }

    #[test]
    fn servers_that_cannot_be_used_are_refused() {
        let mut worker = worker();
        let mut with = |column: &str, value: Value| {
            let mut about = clustered(7, 10);
            about[column] = value;
            judged(&mut worker, about).unwrap_err()
        };
        assert_eq!(with("leader", json!(false)), "the server does not lead its cluster");
        assert_eq!(with("connected", json!(false)), "the server is cut off from its cluster");
        assert_eq!(with("name", json!("other")), "the server has no database D");
        assert_eq!(with("index", json!("x")), "the server sent a value that is no Integer");
        worker.config.leader_only = false;
        let mut follower = clustered(7, 10);
        follower["leader"] = json!(false);
        assert_eq!(judged(&mut worker, follower), Ok(()));
    }
}
