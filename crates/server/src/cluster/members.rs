//! Which servers there are, and how they fare.
//!
//! Each server keeps a line of its own beside the ledger's rows and counts up in it. The others measure by
//! their own clocks for how long it has not been counted up: no two clocks are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use store::{Lease, Store};

use super::leadership::Leadership;
use super::own::{Me, Newest};

/// Where the ids of all servers are.
const LIST: &str = "servers";
/// What a server said of the fabric counts for so long: it says so every two seconds.
const SAID: Duration = Duration::from_secs(10);
/// How many problems of each kind a line has at most.
const MOST_PROBLEMS: usize = 50;
/// A server that was silent for so long is not listed any more.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    start: String,
    name: String,
    address: String,
    /// Where it lets agents of hosts connect, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agents: Option<String>,
    version: String,
    revision: u64,
    behind: u64,
    /// How networks and workloads fare, as the server says that drives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fabric: Option<api::Fabric>,
    beat: u64,
}

/// A server's line, and when it was last seen to change.
#[derive(Debug, Clone)]
struct Seen {
    line: Line,
    changed: Instant,
}

/// Which servers there are, as this one sees it.
pub(crate) struct Members {
    me: Me,
    leadership: Leadership,
    newest: Arc<Newest>,
    seen: Mutex<Book>,
    driven: OnceLock<Driven>,
}

/// How networks and workloads fare, if this server drives them.
type Driven = Box<dyn Fn() -> Option<api::Fabric> + Send + Sync>;

#[derive(Debug, Default)]
struct Book {
    beat: u64,
    /// Where agents connect to this server.
    agents: Option<String>,
    servers: BTreeMap<String, Seen>,
    leader: Option<Lease>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Members {
    pub(super) fn new(me: Me, leadership: Leadership, newest: Arc<Newest>) -> Self {
        Self { me, leadership, newest, seen: Mutex::default(), driven: OnceLock::new() }
    }

    /// From now on this server tells the others how networks and workloads fare while it drives them.
    pub(crate) fn tell_of_fabric(
        &self,
        driven: impl Fn() -> Option<api::Fabric> + Send + Sync + 'static,
    ) {
        // It is said once, at the start.
        let _ = self.driven.set(Box::new(driven));
    }

    /// How networks and workloads fare, as the server said that drives them, if that is another one.
    pub(crate) fn fabric_elsewhere(&self) -> Option<api::Fabric> {
        if self.driven.get().is_some_and(|driven| driven().is_some()) {
            return None;
        }
        let book = self.lock();
        let others = book.servers.iter().filter(|(id, _)| **id != self.me.id);
        let lately = others.filter(|(_, seen)| seen.changed.elapsed() < SAID);
        let (_, last) = lately
            .filter(|(_, seen)| seen.line.fabric.is_some())
            .max_by_key(|(_, seen)| seen.changed)?;
        last.line.fabric.clone()
    }

    /// What the others are told of networks and workloads, which has a bound.
    fn fabric(&self) -> Option<api::Fabric> {
        let mut fabric = self.driven.get()?()?;
        for problems in [&mut fabric.problems, &mut fabric.failing] {
            if let Some((first, _)) = problems.iter().nth(MOST_PROBLEMS) {
                let first = first.clone();
                drop(problems.split_off(&first));
            }
        }
        Some(fabric)
    }

    /// The id of this server's data directory.
    pub(crate) fn id(&self) -> &str {
        &self.me.id
    }

    /// By how many revisions a world is behind the database, as far as this server has seen.
    pub(crate) fn behind(&self, revision: u64) -> u64 {
        self.newest.behind(revision)
    }

    /// The epoch since which this server leads, if it does.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.leadership.epoch()
    }

    /// The name of the server that leads, as far as it is known here.
    pub(crate) fn leader(&self) -> Option<String> {
        if self.leadership.epoch().is_some() {
            return Some(self.me.name.clone());
        }
        let book = self.lock();
        let lease = book.leader.as_ref().filter(|lease| !lease.mine)?;
        let found = book.servers.values().find(|seen| seen.line.start == lease.holder.id);
        Some(found.map_or_else(|| lease.holder.address.clone(), |seen| seen.line.name.clone()))
    }

    /// The name and the address of the server that leads, if that is another one.
    pub(crate) fn other_leader(&self) -> Option<(String, String)> {
        if self.leadership.epoch().is_some() {
            return None;
        }
        let book = self.lock();
        let holder = &book.leader.as_ref().filter(|lease| !lease.mine)?.holder;
        let found = book.servers.values().find(|seen| seen.line.start == holder.id);
        let name = found.map_or(&holder.address, |seen| &seen.line.name);
        Some((name.clone(), holder.address.clone()))
    }

    /// Where another server says that it is reached, by the id of its data directory.
    pub(crate) fn address(&self, id: &str) -> Option<String> {
        Some(self.lock().servers.get(id)?.line.address.clone())
    }

    /// Says where agents of hosts connect to this server, from its next sign of life on.
    pub(crate) fn set_agents(&self, address: String) {
        self.lock().agents = Some(address);
    }

    /// Where agents of hosts find servers, and the one that leads.
    pub(crate) fn for_agents(&self) -> link::Servers {
        let leads = self.leadership.epoch().is_some();
        let book = self.lock();
        let others = book.servers.iter().filter(|(id, _)| **id != self.me.id);
        let mut all: Vec<String> =
            others.filter_map(|(_, seen)| seen.line.agents.clone()).collect();
        all.extend(book.agents.clone());
        all.sort();
        let leader = if leads {
            book.agents.clone()
        } else {
            let lease = book.leader.as_ref().filter(|lease| !lease.mine);
            let found = lease.and_then(|lease| {
                book.servers.values().find(|seen| seen.line.start == lease.holder.id)
            });
            found.and_then(|seen| seen.line.agents.clone())
        };
        link::Servers { all, leader }
    }

    /// All servers, by name. `driver` is the id of the one that carries packets.
    pub(crate) fn list(&self, driver: Option<&str>) -> Vec<api::ServerEntry> {
        let leads = self.leadership.epoch().is_some();
        let book = self.lock();
        let leader = book.leader.as_ref().filter(|lease| !lease.mine);
        let leader = leader.map(|lease| lease.holder.id.as_str());
        let entry = |(id, seen): (&String, &Seen)| {
            let mine = *id == self.me.id;
            api::ServerEntry {
                name: seen.line.name.clone(),
                address: seen.line.address.clone(),
                version: seen.line.version.clone(),
                leader: if mine { leads } else { leader == Some(seen.line.start.as_str()) },
                fabric: driver == Some(id.as_str()),
                revision: seen.line.revision,
                behind: seen.line.behind,
                silent_seconds: if mine { 0 } else { seen.changed.elapsed().as_secs() },
                this: mine,
            }
        };
        let mut list: Vec<_> = book.servers.iter().map(entry).collect();
        list.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
        list
    }

    /// Says that this server is there, and looks at what the others say.
    pub(super) fn beat(
        &self,
        store: &mut dyn Store,
        revision: u64,
        lease: Option<&Lease>,
    ) -> store::Result<()> {
        let fabric = self.fabric();
        let mut book = self.lock();
        book.leader = lease.cloned();
        book.beat += 1;
        let line = Line {
            start: self.me.start.clone(),
            name: self.me.name.clone(),
            address: self.me.address.clone(),
            agents: book.agents.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision,
            behind: self.newest.behind(revision),
            fabric,
            beat: book.beat,
        };
        drop(book);
        let text = serde_json::to_string(&line).expect("a line holds only what JSON can hold");
        store.set_meta(&key(&self.me.id), &text)?;
        let mut ids = listed(&*store)?;
        if ids.insert(self.me.id.clone()) {
            // Who does the same at the same time is put there by its next beat.
            set_listed(store, &ids)?;
        }
        let mut lines = BTreeMap::new();
        for id in &ids {
            let text = store.meta(&key(id))?.unwrap_or_default();
            if let Ok(line) = serde_json::from_str::<Line>(&text) {
                lines.insert(id.clone(), line);
            }
        }
        let now = Instant::now();
        let mut book = self.lock();
        book.servers.retain(|id, _| lines.contains_key(id));
        for (id, line) in lines {
            match book.servers.get_mut(&id) {
                Some(seen) if seen.line == line => {}
                _ => drop(book.servers.insert(id, Seen { line, changed: now })),
            }
        }
        let gone: Vec<String> = book
            .servers
            .iter()
            .filter(|(id, seen)| **id != self.me.id && now - seen.changed >= FORGOTTEN)
            .map(|(id, _)| id.clone())
            .collect();
        drop(book);
        if !gone.is_empty() && self.leadership.epoch().is_some() {
            forget(store, &gone)?;
        }
        Ok(())
    }

    /// Says that this server is not there any more.
    pub(super) fn leave(&self, store: &mut dyn Store) -> store::Result<()> {
        forget(store, std::slice::from_ref(&self.me.id))
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &str) -> String {
    format!("server/{id}")
}

fn listed(store: &dyn Store) -> store::Result<BTreeSet<String>> {
    let text = store.meta(LIST)?.unwrap_or_default();
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn set_listed(store: &mut dyn Store, ids: &BTreeSet<String>) -> store::Result<()> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    store.set_meta(LIST, &ids.join(" "))
}

fn forget(store: &mut dyn Store, gone: &[String]) -> store::Result<()> {
    let mut ids = listed(&*store)?;
    for id in gone {
        ids.remove(id);
        store.delete_meta(&key(id))?;
    }
    set_listed(store, &ids)
}
