//! Which hosts have taken up what the northbound database holds.
//!
//! Each host reports the number of the configuration whose flows it has, in a row of its own. OVN's own sum of them
//! (`hv_cfg`) is the least of all hosts, so that one dead host would hold up everything: here only those count that
//! have ports of what was changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::EniId;
use ovsdb::{Atom, Client, Condition, Database, Datum, Row, Uuid, Watch};

use crate::part::OWNER;

/// Sees in the southbound database what hosts have.
#[derive(Debug)]
pub struct Uptake {
    client: Client,
}

/// What keeps a change from being carried everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// The hosts that have ports of it and have not reported its number, with the number that they have.
    pub hosts: BTreeMap<String, i64>,
    /// The interfaces that no host has claimed.
    pub unclaimed: BTreeSet<EniId>,
}

impl Lag {
    /// Whether every host that has ports carries it.
    pub fn is_none(&self) -> bool {
        self.hosts.is_empty()
    }
}

impl Uptake {
    /// What a client must watch of the database `OVN_Southbound` for an installation.
    pub fn watches(instance: &str) -> Vec<Watch> {
        let own = Condition::includes("external_ids", Datum::map([(OWNER, instance)]));
        vec![
            Watch::columns("Chassis_Private", &["name", "nb_cfg"]),
            Watch::columns("Chassis", &["name", "hostname"]),
            Watch::columns("Port_Binding", &["logical_port", "chassis", "up", "external_ids"])
                .or_rows(own),
        ]
    }

    /// What a client sees that watches [`Uptake::watches`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for its status and its copy.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Which of the hosts that have these interfaces do not have the configuration of this number, or of a
    /// later one.
    pub fn lag(&self, enis: &BTreeSet<EniId>, number: i64) -> Lag {
        lag(&self.client.snapshot(), enis, number)
    }

    /// Waits for these hosts, and says which lag when the time is over.
    pub fn wait(&self, enis: &BTreeSet<EniId>, number: i64, patience: Duration) -> Lag {
        let done = self.client.wait_until(patience, |database, _| {
            Some(lag(database, enis, number)).filter(Lag::is_none)
        });
        done.unwrap_or_else(|| self.lag(enis, number))
    }

    /// The hosts that there are, by the names that OVN knows them by.
    pub fn chassis(&self) -> BTreeSet<String> {
        let database = self.client.snapshot();
        let all = database.rows("Chassis");
        all.filter_map(|(_, row)| row.text("name").map(str::to_owned)).collect()
    }

    /// The host that has each interface.
    pub fn hosts(&self) -> BTreeMap<EniId, String> {
        let database = self.client.snapshot();
        let names = names(&database);
        let bindings = database.rows("Port_Binding");
        let hosts = bindings.filter_map(|(_, row)| Some((eni(row)?, names.get(&chassis(row)?)?)));
        hosts.map(|(eni, name)| (eni, (*name).to_owned())).collect()
    }
}

fn lag(database: &Database, enis: &BTreeSet<EniId>, number: i64) -> Lag {
    let names = names(database);
    let reported: BTreeMap<&str, i64> = database
        .rows("Chassis_Private")
        .filter_map(|(_, row)| Some((row.text("name")?, integer(row.get("nb_cfg")?)?)))
        .collect();
    let mut lag = Lag { unclaimed: enis.clone(), ..Lag::default() };
    for (_, row) in database.rows("Port_Binding") {
        let Some(eni) = eni(row).filter(|eni| enis.contains(eni)) else { continue };
        let Some(chassis) = chassis(row) else { continue };
        lag.unclaimed.remove(&eni);
        let name = names.get(&chassis).copied().unwrap_or("a host that has no name");
        let has = reported.get(name).copied().unwrap_or_default();
        if has < number {
            lag.hosts.insert(name.to_owned(), has);
        }
    }
    lag
}

fn names(database: &Database) -> BTreeMap<Uuid, &str> {
    database.rows("Chassis").filter_map(|(uuid, row)| Some((uuid, row.text("name")?))).collect()
}

fn eni(row: &Row) -> Option<EniId> {
    row.text("logical_port")?.parse().ok()
}

fn chassis(row: &Row) -> Option<Uuid> {
    match row.get("chassis")?.single()? {
        Atom::Uuid(uuid) => Some(*uuid),
        _ => None,
    }
}

fn integer(datum: &Datum) -> Option<i64> {
    match datum.single()? {
        Atom::Integer(number) => Some(*number),
        _ => None,
    }
}
