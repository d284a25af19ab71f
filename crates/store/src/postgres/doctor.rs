//! Whether a database keeps what it acknowledges.

use super::error::Fail;
use super::handle::{Engine, Postgres, in_time, refuse_pooled};
use super::link::Link;
use super::url::PostgresUrl;
use crate::{Error, Result};

/// What was found of one thing that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether an installation must not be there otherwise; if not, something is less safe.
    pub needed: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it, where it is not as it should be.
    pub remedy: String,
}

impl Finding {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, needed: true, detail: detail.into(), remedy: String::new() }
    }

    fn bad(name: &'static str, detail: impl Into<String>, remedy: &str) -> Self {
        Self { ok: false, remedy: remedy.to_owned(), ..Self::good(name, detail) }
    }

    /// Something that is less safe.
    fn weak(name: &'static str, detail: impl Into<String>, remedy: &str) -> Self {
        Self { needed: false, ..Self::bad(name, detail, remedy) }
    }
}

impl Postgres {
    /// Looks at the servers of an address. Makes and changes nothing.
    ///
    /// # Errors
    ///
    /// What keeps it from asking.
    pub fn doctor(url: &PostgresUrl) -> Result<Vec<Finding>> {
        let place = url.place();
        Engine::new(&place)?.block_on(async {
            let (link, mut findings) = servers(url).await;
            findings.push(protection(url));
            if let Some(link) = link {
                let looked = in_time(look(url, &link)).await;
                findings.extend(looked.map_err(|fail| fail.at("look at", &place))?);
            }
            Ok(findings)
        })
    }
}

/// Each server, and a connection to the one that can be used.
async fn servers(url: &PostgresUrl) -> (Option<Link>, Vec<Finding>) {
    const NAME: &str = "PostgreSQL server";
    let (mut found, mut findings) = (None::<Link>, Vec::new());
    for server in 0..url.servers.len() {
        let name = url.name(server);
        match Link::to(url, server).await {
            Ok(link) => {
                let timeline = link.timeline;
                findings.push(match &found {
                    None => Finding::good(NAME, format!("{name} is there, on timeline {timeline}")),
                    Some(other) => Finding::bad(
                        NAME,
                        format!(
                            "{name} takes changes, too, on timeline {timeline}, and {} is on timeline {}",
                            url.name(other.server),
                            other.timeline
                        ),
                        "two servers that take changes are two databases: stop the older one, or make it a \
                         standby of the other (pg_rewind)",
                    ),
                });
                if found.as_ref().is_none_or(|other| other.timeline < timeline) {
                    found = Some(link);
                }
            }
            Err(Fail::Standby) => {
                findings.push(Finding::good(NAME, format!("{name} is a standby")));
            }
            Err(fail) => findings.push(Finding::weak(
                NAME,
                format!("{name}: {}", fail.reason()),
                "start it, correct the address, or leave it out of that",
            )),
        }
    }
    if found.is_none() {
        findings.push(Finding::bad(
            NAME,
            "none of them can be used",
            "start PostgreSQL 15 or newer there, and let this role connect to the database",
        ));
    }
    (found, findings)
}

fn protection(url: &PostgresUrl) -> Finding {
    const NAME: &str = "encryption";
    if url.tls.is_some() {
        return Finding::good(NAME, "TLS, and the server's certificate is verified");
    }
    if url.stays_here() {
        return Finding::good(NAME, "the connection does not leave this machine");
    }
    Finding::weak(
        NAME,
        "sslmode=disable: whoever is on the way reads everything",
        "leave sslmode out, and name the authority of the server's certificate with sslrootcert=FILE",
    )
}

async fn look(url: &PostgresUrl, link: &Link) -> Result<Vec<Finding>, Fail> {
    let sessions = match refuse_pooled(url, link).await {
        Ok(()) => Finding::good("sessions", "each connection has a session of its own"),
        Err(Fail::Ours(error @ Error::Pooled { .. })) => {
            Finding::bad("sessions", error.to_string(), "set pool_mode = session")
        }
        Err(fail) => return Err(fail),
    };
    Ok(vec![sessions, durability(link).await?, standbys(link).await?])
}

/// Whether a change that is acknowledged is on the server's disk. As the role has it by default: a session
/// of a store's sets `synchronous_commit` to `on` where it is `off`.
async fn durability(link: &Link) -> Result<Finding, Fail> {
    const NAME: &str = "durable commits";
    let ask = "SELECT (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
        current_setting('fsync'), current_setting('full_page_writes')";
    let lines = link.rows_of(ask, &[]).await?;
    let text = |place: usize| lines.first().and_then(|line| line.get::<_, Option<String>>(place));
    let (commit, fsync, pages) =
        (text(0).unwrap_or_default(), text(1).unwrap_or_default(), text(2).unwrap_or_default());
    let says =
        format!("synchronous_commit = {commit}, fsync = {fsync}, full_page_writes = {pages}");
    Ok(if fsync != "on" || pages != "on" {
        Finding::bad(
            NAME,
            says,
            "a power cut destroys the database: set fsync = on and full_page_writes = on in \
             postgresql.conf, and start the server anew",
        )
    } else if commit == "off" {
        Finding::weak(
            NAME,
            says,
            "Causeway's sessions set it to on for themselves; set synchronous_commit = on in \
             postgresql.conf",
        )
    } else {
        Finding::good(NAME, says)
    })
}

/// Whether a change that is acknowledged is on another machine.
async fn standbys(link: &Link) -> Result<Finding, Fail> {
    const NAME: &str = "standbys";
    let ask = "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
        count(pid), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
        FROM pg_stat_replication";
    let lines = link.rows_of(ask, &[]).await?;
    let Some(line) = lines.first() else { return Ok(Finding::good(NAME, "none")) };
    let (wanted, commit): (String, String) = (line.get(0), line.get(1));
    let (all, synchronous): (i64, i64) = (line.get(2), line.get(3));
    let sees: bool = line.get(4);
    Ok(match (wanted.is_empty(), all) {
        (true, 0) => Finding::weak(
            NAME,
            "there is none: what is lost with the server's disk comes back from a backup alone",
            "set up a standby and synchronous_standby_names = 'ANY 1 (*)', or make backups often",
        ),
        (true, count) => Finding::weak(
            NAME,
            format!(
                "{count}, and synchronous_standby_names is empty: one that takes over may lack the last changes"
            ),
            "set synchronous_standby_names = 'ANY 1 (*)' in postgresql.conf, there and on the standbys",
        ),
        (false, _) if commit == "local" => Finding::weak(
            NAME,
            format!(
                "synchronous_standby_names = {wanted}, but synchronous_commit = local waits for none"
            ),
            "set synchronous_commit = on",
        ),
        (false, _) if !sees => Finding::weak(
            NAME,
            format!(
                "synchronous_standby_names = {wanted}; this role may not see whether one is connected"
            ),
            "GRANT pg_read_all_stats TO the role",
        ),
        (false, _) if synchronous == 0 => Finding::bad(
            NAME,
            format!(
                "synchronous_standby_names = {wanted}, and none is connected: every change waits for one"
            ),
            "start the standby, or take it out of synchronous_standby_names",
        ),
        (false, _) => Finding::good(
            NAME,
            format!("{synchronous} of {all} have every change before it is acknowledged"),
        ),
    })
}
