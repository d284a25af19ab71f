//! One connection to a server, and what must hold of the server before it is used.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, NoTls, Row, SimpleQueryMessage, Statement,
};

use super::error::{Fail, told};
use super::url::PostgresUrl;
use crate::Identity;

/// The oldest version that has all that is used.
const OLDEST: i32 = 15;

/// How long all the questions after a connection was made may take.
const TO_LOOK: Duration = Duration::from_secs(5);

/// What a session is set to, whatever is usual at the server. A statement that waits for a lock is given up by
/// the server, so that it certainly changes nothing; it is given up for no other reason: a commit that waits
/// for its standby would then be told as done.
const SESSION: &str = "
    SET search_path = pg_catalog;
    SET statement_timeout = 0;
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = 0;
    SET idle_session_timeout = 0;
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_read_only = off;
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'";

/// A process of the server's, told from one that has its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// When it began, in microseconds since 1970.
    pub(super) began: i64,
}

/// A connection.
pub(super) struct Link {
    client: Client,
    pump: JoinHandle<()>,
    rung: Arc<Rung>,
    statements: RefCell<HashMap<&'static str, Statement>>,
    /// The process that serves it.
    pub(super) backend: Backend,
    /// How often a standby took the place of the one before.
    pub(super) timeline: u64,
    /// The number that a server and its standbys have in common, and no other.
    system: String,
    /// The place of the server among those of the address.
    pub(super) server: usize,
}

/// What a connection was told without having asked.
#[derive(Debug, Default)]
struct Rung {
    times: AtomicU64,
    closed: AtomicBool,
    changed: Notify,
}

/// Reads what a connection has to say, until it ends.
async fn pump<S, T>(mut connection: Connection<S, T>, rung: Arc<Rung>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message {
            rung.times.fetch_add(1, Ordering::AcqRel);
            rung.changed.notify_one();
        }
    }
    rung.closed.store(true, Ordering::Release);
    rung.changed.notify_one();
}

impl Link {
    /// Connects to one server.
    pub(super) async fn to(url: &PostgresUrl, server: usize) -> Result<Self, Fail> {
        let config =
            url.servers.get(server).ok_or_else(|| Fail::unfit("there is no such server"))?;
        let rung = Arc::<Rung>::default();
        let (client, pump) = connect(url, config, &rung).await?;
        let mut link = Self {
            client,
            pump,
            rung,
            statements: RefCell::default(),
            backend: Backend { pid: 0, began: 0 },
            timeline: 0,
            system: String::new(),
            server,
        };
        let looked = tokio::time::timeout(TO_LOOK, link.look()).await;
        looked.map_err(|_| Fail::unfit("it does not answer"))??;
        Ok(link)
    }

    /// Sets the session up, and refuses a server that cannot have the ledger.
    async fn look(&mut self) -> Result<(), Fail> {
        let look = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
                current_setting('server_encoding')";
        let row = self.client.query_one(look, &[]).await?;
        let version = row.get::<_, i32>(0) / 10_000;
        if version < OLDEST {
            return Err(Fail::Unfit(format!(
                "it is PostgreSQL {version}, and {OLDEST} or newer is needed"
            )));
        }
        if row.get(1) {
            return Err(Fail::Standby);
        }
        let encoding: String = row.get(2);
        if encoding != "UTF8" {
            return Err(Fail::Unfit(format!(
                "the database has the encoding {encoding}, and UTF8 is needed: make it with \
                 CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )));
        }
        self.client.batch_execute(SESSION).await?;
        let place = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint,
                ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
            FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = self.client.query_one(place, &[]).await?;
        self.backend = Backend { pid: row.get(0), began: row.get(1) };
        self.timeline = row.get::<_, i64>(2).cast_unsigned();
        self.system = self.system().await?;
        Ok(())
    }

    async fn system(&self) -> Result<String, Fail> {
        let ask = "SELECT system_identifier::text FROM pg_control_system()";
        match self.client.query_one(ask, &[]).await {
            Ok(row) => Ok(row.get(0)),
            // Some who keep servers for others do not let them see it.
            Err(error) if told(&error).is_some_and(|told| told.code().code() == "42501") => {
                Ok("0".to_owned())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The number of this process at the server, as it is now.
    pub(super) async fn pid(&self) -> Result<i32, Fail> {
        // As one message: a prepared statement is closed later, by whichever connection is free then.
        let told = self.client.simple_query("SELECT pg_backend_pid()").await?;
        let pid = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        pid.ok_or_else(|| Fail::unfit("it does not say which process serves"))
    }

    /// Which database it is, and how far it has come; `None` where there is no ledger in it.
    pub(super) async fn identity(&self) -> Result<Option<Identity>, Fail> {
        let ask = "SELECT to_regclass('causeway.ledger') IS NOT NULL";
        if !self.client.query_one(ask, &[]).await?.get::<_, bool>(0) {
            return Ok(None);
        }
        let ask = "SELECT id, revision FROM causeway.ledger";
        let row = self.client.query_opt(ask, &[]).await?;
        Ok(row.map(|row| Identity {
            database: format!("{}:{}", row.get::<_, &str>(0), self.system),
            timeline: self.timeline,
            revision: row.get::<_, i64>(1).cast_unsigned(),
        }))
    }

    /// Several statements without values.
    pub(super) async fn execute(&self, statements: &str) -> Result<(), Fail> {
        Ok(self.client.batch_execute(statements).await?)
    }

    /// The statement, made ready once.
    pub(super) async fn statement(&self, sql: &'static str) -> Result<Statement, Fail> {
        let known = self.statements.borrow().get(sql).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    /// The rows of a statement that is made ready once.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fail> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, values).await?)
    }

    /// The first row of such a statement.
    pub(super) async fn row(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Fail> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// The rows of a statement that is asked for once.
    pub(super) async fn rows_of(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fail> {
        Ok(self.client.query(sql, values).await?)
    }

    /// Whether it is known to be closed. What the server said meanwhile is read first.
    pub(super) async fn is_closed(&self) -> bool {
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        self.client.is_closed()
    }

    /// How often the server has rung since the connection was made.
    pub(super) fn rung(&self) -> u64 {
        self.rung.times.load(Ordering::Acquire)
    }

    /// Waits until the server rings once more than so often, or the connection ends, which it says.
    pub(super) async fn rings(&self, heard: u64) -> bool {
        loop {
            if self.rung.closed.load(Ordering::Acquire) {
                return true;
            }
            if self.rung() != heard {
                return false;
            }
            self.rung.changed.notified().await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

async fn connect(
    url: &PostgresUrl,
    config: &Config,
    rung: &Arc<Rung>,
) -> Result<(Client, JoinHandle<()>), Fail> {
    let rung = Arc::clone(rung);
    let longest = config.get_connect_timeout().copied().unwrap_or_default() + TO_LOOK;
    let connecting = async {
        match &url.tls {
            Some(tls) if config.get_ssl_mode() != SslMode::Disable => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(pump(connection, rung))))
            }
            _ => {
                let (client, connection) = config.connect(NoTls).await?;
                Ok((client, tokio::spawn(pump(connection, rung))))
            }
        }
    };
    let connected = tokio::time::timeout(longest, connecting).await;
    connected.unwrap_or_else(|_| Err(Fail::unfit("it does not answer")))
}
