//! The Open vSwitch of a host: the ports by which it takes up interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use fabric::linux::PortId;
use model::EniId;
use ovsdb::{
    Atom, Client, Condition, Database, Datum, Mutation, Row, TransactError, Transaction, Uuid,
    Watch,
};

use crate::names;
use crate::part::OWNER;

/// The key by which OVN finds the port of an interface.
const INTERFACE: &str = "iface-id";
/// The key by which OVN says that all of an interface's flows are there.
const INSTALLED: &str = "ovn-installed";

/// The switch of this host, for one installation.
#[derive(Debug)]
pub struct Switch {
    client: Client,
    instance: String,
    patience: Duration,
}

/// A port of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchPort {
    /// The link behind it.
    pub link: String,
    /// Whether OVN has bound it to this host and its flows are there.
    pub installed: bool,
    /// What the switch has against its link.
    pub error: Option<String>,
}

/// Why the switch is not what it must be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SwitchError {
    /// The switch has no bridge for OVN: `ovn-controller` makes it.
    #[error("Open vSwitch has no bridge {0}: ovn-controller makes it, so see that it runs")]
    NoBridge(
        /// The bridge's name.
        String,
    ),
    /// The host has no name that OVN knows it by.
    #[error("Open vSwitch has no system-id: ovn-controller does not know which host this is")]
    NoChassis,
    /// The switch does not do what its database says.
    #[error("ovs-vswitchd does not do what its database says: see that it runs")]
    Idle,
    /// The database did not do it, or it is unknown whether it did.
    #[error(transparent)]
    Transact(#[from] TransactError),
}

impl Switch {
    /// What a client must watch of the database `Open_vSwitch`.
    pub fn watches() -> Vec<Watch> {
        vec![
            Watch::columns("Open_vSwitch", &["external_ids", "next_cfg", "cur_cfg"]),
            Watch::columns("Bridge", &["name", "ports", "datapath_type"]),
            Watch::columns("Port", &["name", "interfaces", "external_ids"]),
            Watch::columns("Interface", &["name", "external_ids", "error"]),
        ]
    }

    /// The switch behind a client that watches [`Switch::watches`].
    pub fn new(client: Client, instance: &str, patience: Duration) -> Self {
        Self { client, instance: instance.to_owned(), patience }
    }

    /// The client, for its status and its copy.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The name by which OVN knows this host.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn chassis(&self) -> Result<String, SwitchError> {
        let database = self.client.snapshot();
        let name = global(&database, "system-id");
        name.filter(|name| !name.is_empty()).ok_or(SwitchError::NoChassis)
    }

    /// Whether packets are switched outside of the kernel.
    ///
    /// # Errors
    ///
    /// There is no bridge for OVN.
    pub fn is_user_space(&self) -> Result<bool, SwitchError> {
        let database = self.client.snapshot();
        let (_, bridge) = bridge(&database)?;
        Ok(bridge.text("datapath_type") == Some("netdev"))
    }

    /// The address by which other hosts reach this one, as the operator told OVN.
    pub fn encapsulation(&self) -> Option<IpAddr> {
        let all = global(&self.client.snapshot(), "ovn-encap-ip")?;
        // Of several, OVN takes the first one unless it is told otherwise.
        all.split(',').next()?.trim().parse().ok()
    }

    /// The interfaces of this installation that have ports.
    pub fn ports(&self) -> BTreeMap<EniId, SwitchPort> {
        let of_interface = |(id, port): (PortId, SwitchPort)| match id {
            PortId::Interface(eni) => Some((eni, port)),
            PortId::Resolver(_) => None,
        };
        self.all_ports().into_iter().filter_map(of_interface).collect()
    }

    /// All ports of this installation.
    fn all_ports(&self) -> BTreeMap<PortId, SwitchPort> {
        let database = self.client.snapshot();
        let own = self.own(&database);
        own.into_iter().map(|(id, found)| (id, found.port)).collect()
    }

    /// Has the switch take up these links, each as a port, and no others of this
    /// installation. Says how many ports were made and removed.
    ///
    /// # Errors
    ///
    /// What kept it from that. Nothing was changed then, unless it is [`TransactError::Unknown`].
    pub fn settle(&self, wanted: &BTreeMap<PortId, String>) -> Result<usize, SwitchError> {
        let database = self.client.snapshot();
        let (bridge, about) = bridge(&database)?;
        let on_bridge = [Condition::row(bridge)];
        let mut transaction = Transaction::new();
        let mut changes = 0;
        let own = self.own(&database);
        let is_right = |id: &PortId, found: &Found| {
            found.held && wanted.get(id).is_some_and(|link| *link == found.port.link)
        };
        let right: BTreeMap<PortId, Uuid> = own
            .iter()
            .filter(|(id, found)| is_right(id, found))
            .map(|(id, found)| (*id, found.uuid))
            .collect();
        let held = about.get("ports");
        for (uuid, _) in self.own_rows(&database) {
            let kept = right.values().any(|kept| *kept == uuid);
            if !kept && held.is_some_and(|held| holds(held, uuid)) {
                changes += 1;
                transaction.mutate("Bridge", &on_bridge, &[Mutation::delete("ports", uuid)]);
            }
        }
        for (id, link) in wanted.iter().filter(|(id, _)| !right.contains_key(id)) {
            changes += 1;
            let ours = || (OWNER, self.instance.clone());
            let interface = Row::new()
                .with("name", link.as_str())
                .with("external_ids", Datum::map([ours(), (INTERFACE, names::port(*id))]));
            let interface = transaction.insert("Interface", &interface);
            let port = Row::new()
                .with("name", link.as_str())
                .with("interfaces", Atom::from(interface))
                .with("external_ids", Datum::map([ours()]));
            let port = Atom::from(transaction.insert("Port", &port));
            transaction.mutate("Bridge", &on_bridge, &[Mutation::insert("ports", port)]);
        }
        if changes > 0 {
            // The switch says by this number what it has done.
            transaction.mutate("Open_vSwitch", &[], &[Mutation::add("next_cfg", 1)]);
            transaction.comment("causeway: interfaces of this host");
            self.client.transact(transaction, self.patience)?;
        }
        Ok(changes)
    }

    /// Has the switch let go of these ports, and waits until it has.
    ///
    /// # Errors
    ///
    /// What kept it from that.
    pub fn release(&self, ports: &BTreeSet<PortId>) -> Result<(), SwitchError> {
        let had = self.all_ports();
        if !had.keys().any(|id| ports.contains(id)) {
            return Ok(());
        }
        let kept = had.into_iter().filter(|(id, _)| !ports.contains(id));
        self.settle(&kept.map(|(id, port)| (id, port.link)).collect())?;
        self.wait_done()
    }

    /// Waits until the switch has done what its database says.
    fn wait_done(&self) -> Result<(), SwitchError> {
        let number = |database: &Database, column: &str| {
            let (_, row) = database.rows("Open_vSwitch").next()?;
            match row.get(column)?.single()? {
                Atom::Integer(number) => Some(*number),
                _ => None,
            }
        };
        let wanted = number(&self.client.snapshot(), "next_cfg");
        let done = self.client.wait_until(self.patience, |database, _| {
            (number(database, "cur_cfg") >= wanted).then_some(())
        });
        done.ok_or(SwitchError::Idle)
    }

    /// Waits until OVN has the flows of these interfaces on this host, and says of which it has not.
    pub fn wait_installed(&self, enis: &BTreeSet<EniId>, patience: Duration) -> BTreeSet<EniId> {
        let missing = |database: &Database| -> BTreeSet<EniId> {
            let own = self.own(database);
            let installed = |eni: &&EniId| {
                own.get(&PortId::Interface(**eni)).is_some_and(|found| found.port.installed)
            };
            enis.iter().filter(|eni| !installed(eni)).copied().collect()
        };
        let all = self
            .client
            .wait_until(patience, |database, _| missing(database).is_empty().then_some(()));
        if all.is_some() { BTreeSet::new() } else { missing(&self.client.snapshot()) }
    }

    /// Our ports, by what each leads to.
    fn own(&self, database: &Database) -> BTreeMap<PortId, Found> {
        let mut found = BTreeMap::new();
        let held = bridge(database).ok().and_then(|(_, bridge)| bridge.get("ports").cloned());
        for (uuid, row) in self.own_rows(database) {
            let interfaces = row.get("interfaces");
            let interface = database
                .rows("Interface")
                .find(|(uuid, _)| interfaces.is_some_and(|all| holds(all, *uuid)));
            let Some((_, interface)) = interface else { continue };
            let note = |key| interface.text_of_key("external_ids", key);
            let Some(id) = note(INTERFACE).and_then(names::port_of) else { continue };
            let port = SwitchPort {
                link: interface.text("name").unwrap_or_default().to_owned(),
                installed: note(INSTALLED) == Some("true"),
                error: interface.text("error").filter(|it| !it.is_empty()).map(str::to_owned),
            };
            let held = held.as_ref().is_some_and(|held| holds(held, uuid));
            found.insert(id, Found { uuid, held, port });
        }
        found
    }

    fn own_rows<'a>(&self, database: &'a Database) -> impl Iterator<Item = (Uuid, &'a Row)> {
        let ours = |row: &Row| row.text_of_key("external_ids", OWNER) == Some(&self.instance);
        database.rows("Port").filter(move |(_, row)| ours(row))
    }
}

struct Found {
    uuid: Uuid,
    /// Whether OVN's bridge has it.
    held: bool,
    port: SwitchPort,
}

fn global(database: &Database, key: &str) -> Option<String> {
    let (_, row) = database.rows("Open_vSwitch").next()?;
    row.text_of_key("external_ids", key).map(str::to_owned)
}

/// The bridge that OVN has on this host.
fn bridge(database: &Database) -> Result<(Uuid, &Row), SwitchError> {
    let name = global(database, "ovn-bridge").unwrap_or_else(|| "br-int".to_owned());
    let mut all = database.rows("Bridge");
    let found = all.find(|(_, row)| row.text("name") == Some(name.as_str()));
    found.ok_or(SwitchError::NoBridge(name))
}

fn holds(datum: &Datum, uuid: Uuid) -> bool {
    matches!(datum, Datum::Set(atoms) if atoms.contains(&Atom::Uuid(uuid)))
}
