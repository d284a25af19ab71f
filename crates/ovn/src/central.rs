//! The one writer: brings the northbound database to what it must hold.

use std::time::Duration;

use ovsdb::{Client, Condition, Database, Datum, Mutation, Row, TransactError, Transaction, Watch};

use crate::difference::{self, NoParent};
use crate::observed::Observed;
use crate::part::{OWNER, Part, PartId};

/// The writer of one installation.
#[derive(Debug)]
pub struct Central {
    client: Client,
    instance: String,
    epoch: u64,
    patience: Duration,
}

/// What a part's transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// How many rows were inserted, changed or removed.
    pub changes: usize,
    /// The configuration's number with which hosts report that they have it.
    pub number: i64,
}

/// Why a part is not what it must be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Another server leads: it has this epoch or a later one.
    #[error("another server writes to the northbound database: epoch {0} is over")]
    Fenced(
        /// The epoch of this server.
        u64,
    ),
    /// The database was never set up: `ovn-nbctl init` does it.
    #[error("the northbound database has no row of NB_Global")]
    NotSetUp,
    /// A row that is to hold rows of this part is not there: the part with it must be brought first.
    #[error("{table} has no {name}")]
    NoParent {
        /// The table of that row.
        table: &'static str,
        /// The row's name.
        name: String,
    },
    /// A peering's routers have as many links as there are addresses for.
    #[error("its routers have no address left for a link")]
    NoLink,
    /// The database did not do it, or it is unknown whether it did.
    #[error(transparent)]
    Transact(#[from] TransactError),
}

impl Error {
    /// Whether it is about the database or this writer, and not about what was to be written.
    pub(crate) fn is_of_all(&self) -> bool {
        match self {
            Self::Fenced(_) | Self::NotSetUp => true,
            Self::NoParent { .. } | Self::NoLink => false,
            Self::Transact(error) => !matches!(error, TransactError::Refused { .. }),
        }
    }
}

/// What a client must watch of the northbound database for an installation.
pub fn watches(instance: &str) -> Vec<Watch> {
    let own = |table: &str, columns: &[&str]| {
        let owned = Condition::includes("external_ids", Datum::map([(OWNER, instance)]));
        Watch::columns(table, &[columns, &["external_ids"]].concat()).or_rows(owned)
    };
    let port = ["name", "type", "addresses", "port_security", "options"];
    vec![
        Watch::columns("NB_Global", &["nb_cfg", "external_ids", "options"]),
        own("Logical_Switch_Port", &port),
        own("Logical_Router_Port", &["name", "mac", "networks", "peer", "options"]),
        own("Logical_Router_Static_Route", &["route_table", "ip_prefix", "nexthop", "output_port"]),
        own("Logical_Router_Policy", &["chain", "priority", "match", "action", "jump_chain"]),
        own("ACL", &["direction", "priority", "match", "action", "options"]),
        own("Address_Set", &["name", "addresses"]),
        own("Port_Group", &["name", "ports", "acls"]),
        own("Logical_Switch", &["name", "ports"]),
        own("Logical_Router", &["name", "options", "ports", "static_routes", "policies"]),
    ]
}

impl Central {
    /// Takes over the writing: whoever wrote with an earlier epoch writes nothing any more. The client must watch
    /// [`watches`]. After [`TransactError::Unknown`] the epoch may be noted, so that another try needs a later one.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] where the epoch is over already, and what keeps the database from noting it.
    pub fn lead(
        client: Client,
        instance: &str,
        epoch: u64,
        patience: Duration,
    ) -> Result<Self, Error> {
        Self::take_over(client, instance, epoch, false, patience)
    }

    /// The same for one that may have noted this epoch before, which nobody else has.
    ///
    /// # Errors
    ///
    /// Those of [`Self::lead`], but that the epoch is noted already.
    pub fn lead_again(
        client: Client,
        instance: &str,
        epoch: u64,
        patience: Duration,
    ) -> Result<Self, Error> {
        Self::take_over(client, instance, epoch, true, patience)
    }

    fn take_over(
        client: Client,
        instance: &str,
        epoch: u64,
        again: bool,
        patience: Duration,
    ) -> Result<Self, Error> {
        let central = Self { client, instance: instance.to_owned(), epoch, patience };
        let key = central.epoch_key();
        // The copy must be of a server that is there.
        if !central.client.wait_until_connected(patience) {
            let obstacle = format!("{:?}", central.client.status());
            return Err(TransactError::NotSent(obstacle).into());
        }
        let database = central.client.snapshot();
        let (_, global) = database.rows("NB_Global").next().ok_or(Error::NotSetUp)?;
        match noted_epoch(&database, instance) {
            Some(noted) if noted == epoch && again => return Ok(central),
            Some(noted) if noted >= epoch => return Err(Error::Fenced(epoch)),
            _ => {}
        }
        let mut transaction = Transaction::new();
        // Of two that take over at once, the one with the earlier epoch must not have the last word.
        let seen =
            global.get("external_ids").cloned().unwrap_or_else(|| Datum::map::<&str, &str>([]));
        transaction.require_any("NB_Global", &[Condition::equal("external_ids", seen)]);
        let put = [
            Mutation::delete("external_ids", key.as_str()),
            Mutation::insert("external_ids", epoch_of(&key, epoch)),
        ];
        transaction.mutate("NB_Global", &[], &put);
        transaction.comment("causeway: another server writes from here on");
        central.transact(transaction)?;
        Ok(central)
    }

    /// The rows of this installation, as far as they are known.
    pub fn observed(&self) -> Observed {
        Observed::of(self.client.snapshot(), &self.instance)
    }

    /// Brings a part to what it must be, in one transaction, and removes what is left of it where that is
    /// `None`. Nothing is sent where nothing differs.
    ///
    /// # Errors
    ///
    /// What kept it from that. Nothing was changed then, unless it is [`TransactError::Unknown`].
    pub fn apply(&self, id: PartId, part: Option<&Part>) -> Result<Applied, Error> {
        let observed = self.observed();
        let mut transaction = Transaction::new();
        let own = epoch_of(&self.epoch_key(), self.epoch);
        transaction.require_any("NB_Global", &[Condition::includes("external_ids", own)]);
        let changes = difference::add(&mut transaction, &self.instance, id, part, &observed);
        let changes = changes
            .map_err(|NoParent(key)| Error::NoParent { table: key.table, name: key.name })?;
        if changes > 0 {
            transaction.mutate("NB_Global", &[], &[Mutation::add("nb_cfg", 1)]);
            transaction.comment(&format!("causeway: {id}"));
            self.transact(transaction)?;
        }
        Ok(Applied { changes, number: self.number() })
    }

    /// The client, for its status and its copy.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn transact(&self, transaction: Transaction) -> Result<(), Error> {
        match self.client.transact(transaction, self.patience) {
            Ok(_) => Ok(()),
            // The first condition is the epoch's. Others are about names that somebody else has.
            Err(TransactError::Refused { operation: Some(0), error, .. })
                if error == "timed out" =>
            {
                Err(Error::Fenced(self.epoch))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The configuration's number as it was last seen.
    fn number(&self) -> i64 {
        let database = self.client.snapshot();
        let number = database.rows("NB_Global").find_map(|(_, row): (_, &Row)| {
            match row.get("nb_cfg")?.single()? {
                ovsdb::Atom::Integer(number) => Some(*number),
                _ => None,
            }
        });
        number.unwrap_or_default()
    }

    fn epoch_key(&self) -> String {
        epoch_key(&self.instance)
    }
}

/// The epoch of whoever writes for an installation.
pub(crate) fn noted_epoch(database: &Database, instance: &str) -> Option<u64> {
    let (_, global) = database.rows("NB_Global").next()?;
    global.text_of_key("external_ids", &epoch_key(instance))?.parse().ok()
}

fn epoch_key(instance: &str) -> String {
    format!("causeway-epoch-{instance}")
}

fn epoch_of(key: &str, epoch: u64) -> Datum {
    Datum::map([(key, epoch.to_string())])
}
