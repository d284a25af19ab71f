//! What carries packets: the interface that every driver has, what it reports, and the driver that
//! carries none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use model::intent::{NetworksDelta, NetworksIntent};
pub use model::protocol::{Outcome, Place};
use model::{EniId, PcxId, VpcId};
use os::netns::NetworkNamespace;

/// Makes packets follow an intent.
///
/// A driver keeps nothing that it cannot find again: a new one on the same machine adopts what
/// the last one left, and traffic goes on meanwhile. Workloads are the runtime's, not a driver's.
pub trait Driver: Send {
    /// The driver's name, as `serve --fabric` takes it.
    fn name(&self) -> &'static str;

    /// Has something called, on any thread, whenever something may have drifted: then
    /// [`Driver::step`] has something to look at. For before the first sweep. The thread may have
    /// descriptors of its own, so what is called must use none: no logging, and no waker that has one.
    fn on_drift(&mut self, _alarm: Arc<dyn Fn() + Send + Sync>) {}

    /// Begins to make the kernel match the whole intent: adopts what is right, repairs what
    /// drifted and removes what no intent names. This takes note of all that is to be looked at;
    /// [`Driver::step`] looks.
    fn begin_sweep(&mut self, intent: NetworksIntent);

    /// Begins to compare everything once more with what it must be after the last sweep and all
    /// changes since; false where that is not known any more, so that a sweep must begin anew.
    fn look_again(&mut self) -> bool;

    /// Does a small part of what is to be looked at, some milliseconds of work, and reports what
    /// came of it: first what may have drifted, then what a sweep has left; `None` where nothing is
    /// left. Changes may be applied between two steps.
    fn step(&mut self) -> Option<Report>;

    /// Applies a change to the intent of the last sweep; touches only the VPCs and peerings that
    /// are named, and the VPCs at the ends of those peerings.
    fn apply(&mut self, delta: &NetworksDelta) -> Report;

    /// Has these routers tell a recorder of the flows that go through them, and no others. What may pass
    /// does not depend on it.
    fn record(&mut self, _routers: BTreeSet<VpcId>) -> Report {
        Report::default()
    }

    /// Does a whole sweep at once: begins it and takes all of its steps.
    #[cfg(any(test, feature = "test-support"))]
    fn sweep(&mut self, intent: &NetworksIntent) -> Report {
        self.begin_sweep(intent.clone());
        let mut report = Report::default();
        while let Some(part) = self.step() {
            report.add(part);
        }
        report
    }

    /// Removes everything of this instance of Causeway, and returns how many namespaces or other
    /// things that was.
    ///
    /// # Errors
    ///
    /// [`Error`], where something could not be removed; all of the rest was.
    fn purge(&mut self) -> Result<usize, Error>;
}

/// The network interfaces of this host: told by the driver that makes them to the runtime that
/// starts workloads behind them.
pub trait Interfaces: fmt::Debug + Send + Sync {
    /// The network namespace of an interface, which a workload is to be started in; `None` as long
    /// as there is none. It may be another one later, if the first had to be made anew.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    fn namespace(&self, interface: EniId) -> Result<Option<NetworkNamespace>, os::netns::Error>;
}

/// The names of the network namespaces of this host: told by the driver that makes them to whoever opens
/// sockets in them, and may not be there when they are made. They stay the same, as often as a namespace
/// is made anew.
pub trait NamespaceNames: fmt::Debug + Send + Sync {
    /// The name of the namespace that is a VPC's router.
    fn router(&self, vpc: VpcId) -> String;

    /// The name of the namespace that an interface leads into.
    fn interface(&self, eni: EniId) -> String;
}

/// Sends packets from the network interfaces of this host, as what is behind them would: so that it can
/// be seen what becomes of them.
pub trait Dialer: fmt::Debug + Send + Sync {
    /// Connects over TCP from an address of an interface, and waits for what comes of it, for as long as
    /// `patience`. A connection that comes about is closed at once.
    ///
    /// # Errors
    ///
    /// The interface is not there, or no packet can be sent from it.
    fn dial(
        &self,
        from: EniId,
        source: Ipv4Addr,
        to: SocketAddrV4,
        patience: Duration,
    ) -> Result<Dialled, Error>;
}

/// What came of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// The other end took it.
    Answered,
    /// The other end refused it: nobody listens on the port.
    Refused,
    /// Nothing came back.
    Silent,
    /// The packet could not leave, or a router said that it cannot arrive: the kernel's words.
    Unreachable(String),
}

/// What a driver did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The outcome for each VPC that was looked at.
    pub vpcs: BTreeMap<VpcId, Outcome>,
    /// The outcome for each peering that was looked at.
    pub peerings: BTreeMap<PcxId, Outcome>,
    /// The namespaces that were removed because no intent names them.
    pub removed: BTreeSet<String>,
    /// The drift that was repaired.
    pub repairs: Vec<Repair>,
    /// Messages for people about what went wrong beside the outcomes.
    pub errors: Vec<String>,
}

impl Report {
    /// Adds what a later step found. A failure stays until the next sweep.
    #[cfg(any(test, feature = "test-support"))]
    fn add(&mut self, later: Self) {
        for (id, outcome) in later.vpcs {
            if !matches!(self.vpcs.get(&id), Some(Outcome::Failed(_))) {
                self.vpcs.insert(id, outcome);
            }
        }
        for (id, outcome) in later.peerings {
            if !matches!(self.peerings.get(&id), Some(Outcome::Failed(_))) {
                self.peerings.insert(id, outcome);
            }
        }
        self.removed.extend(later.removed);
        self.repairs.extend(later.repairs);
        self.errors.extend(later.errors);
    }

    /// Whether anything failed.
    pub fn failed(&self) -> bool {
        self.vpcs
            .values()
            .chain(self.peerings.values())
            .any(|outcome| matches!(outcome, Outcome::Failed(_)))
            || !self.errors.is_empty()
    }
}

/// One piece of drift that was repaired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repair {
    /// The part of the networks that had drifted.
    pub place: Place,
    /// The drift in words.
    pub what: String,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Why a driver could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A namespace could not be made, entered or removed.
    #[error(transparent)]
    Namespace(#[from] os::netns::Error),
    /// A namespace has our name for it and another owner.
    #[error("network namespace {name} belongs to {owner}")]
    Foreign {
        /// The namespace's name.
        name: String,
        /// The owner, in words.
        owner: String,
    },
    /// A request by netlink was refused.
    #[error("netlink: {step}")]
    Netlink {
        /// The request, in words.
        step: String,
        /// The kernel's reason.
        #[source]
        source: std::io::Error,
    },
    /// libnftables is missing or refused a ruleset.
    #[error("nftables: {0}")]
    Nftables(String),
    /// A kernel setting could not be written.
    #[error("kernel setting {path}")]
    Setting {
        /// The setting's file below `/proc/sys`.
        path: String,
        /// The kernel's reason.
        #[source]
        source: std::io::Error,
    },
    /// The namespace that the server was started in, or the one of the uplink, could not be opened.
    #[error("the way out could not be opened")]
    NoHome,
    /// Nothing says where the outside is.
    #[error(
        "the host has no default route over {0}: say which gateway, as `gateway` in `[outbound]`"
    )]
    NoGateway(String),
    /// A peering's probe did not arrive.
    #[error("probe: {0}")]
    Probe(String),
    /// No packet could be sent from an interface.
    #[error("dial: {0}")]
    Dial(String),
    /// An interface is on a host that sends no packets at present.
    #[error("{0}")]
    Away(String),
    /// A thread could not be started, or ended in a defect of this program.
    #[error("worker thread: {0}")]
    Thread(String),
    /// Several things went wrong; all of the rest was done.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
}

/// One check of whether a machine can carry packets or run workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the check.
    pub name: &'static str,
    /// Whether the machine passed it.
    pub ok: bool,
    /// Whether nothing works on a machine that does not pass; otherwise only a limit is not enforced.
    pub needed: bool,
    /// The finding, in words.
    pub detail: String,
    /// What the operator can do about it; empty when `ok`.
    pub remedy: String,
}

/// The driver that carries no packets, and reports at once that everything is carried.
///
/// For machines without root, for trying the APIs, and for tests of everything above.
#[derive(Debug, Clone, Default)]
pub struct NoFabric {
    /// What must be; nothing is known of it until a sweep begins.
    told: Option<(BTreeSet<VpcId>, BTreeSet<PcxId>)>,
    /// Whether that is to be reported.
    to_report: bool,
}

impl Driver for NoFabric {
    fn name(&self) -> &'static str {
        "none"
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        let vpcs = intent.vpcs.into_keys().collect();
        self.told = Some((vpcs, intent.peerings.into_keys().collect()));
        self.to_report = true;
    }

    fn look_again(&mut self) -> bool {
        self.to_report = self.told.is_some();
        self.to_report
    }

    fn step(&mut self) -> Option<Report> {
        if !std::mem::take(&mut self.to_report) {
            return None;
        }
        let (vpcs, peerings) = self.told.as_ref()?;
        Some(Report {
            vpcs: vpcs.iter().map(|id| (*id, Outcome::Carried)).collect(),
            peerings: peerings.iter().map(|id| (*id, Outcome::Carried)).collect(),
            ..Report::default()
        })
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        if let Some((vpcs, peerings)) = &mut self.told {
            tell(vpcs, &delta.vpcs);
            tell(peerings, &delta.peerings);
        }
        let outcome = |present: bool| if present { Outcome::Carried } else { Outcome::Gone };
        Report {
            vpcs: delta.vpcs.iter().map(|(id, new)| (*id, outcome(new.is_some()))).collect(),
            peerings: delta
                .peerings
                .iter()
                .map(|(id, new)| (*id, outcome(new.is_some())))
                .collect(),
            ..Report::default()
        }
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

/// Takes note of which parts a change makes and which it removes.
fn tell<Id: Ord + Copy, Part>(told: &mut BTreeSet<Id>, changed: &BTreeMap<Id, Option<Part>>) {
    for (id, part) in changed {
        match part {
            Some(_) => told.insert(*id),
            None => told.remove(id),
        };
    }
}

#[cfg(test)]
mod tests {
    use model::intent::PeeringIntent;

    use super::*;

    #[test]
    fn no_fabric_carries_at_once() {
        let vpc: VpcId = "vpc-00000000000000001".parse().unwrap();
        let pcx: PcxId = "pcx-00000000000000001".parse().unwrap();
        let link = PeeringIntent { requester: vpc, accepter: vpc, mtu: 9001 };
        let intent = NetworksIntent { peerings: [(pcx, link)].into(), ..NetworksIntent::default() };
        let mut none = NoFabric::default();
        assert!(!none.look_again(), "nothing is known before a sweep");
        assert_eq!(none.sweep(&intent).peerings, [(pcx, Outcome::Carried)].into());
        assert!(none.look_again());
        assert_eq!(none.step().unwrap().peerings, [(pcx, Outcome::Carried)].into());
        assert_eq!(none.step(), None);

        let (vpcs, peerings) = ([(vpc, None)].into(), [(pcx, None)].into());
        let delta = NetworksDelta { vpcs, peerings, ..NetworksDelta::default() };
        let report = NoFabric::default().apply(&delta);
        assert_eq!(report.vpcs, [(vpc, Outcome::Gone)].into());
        assert_eq!(report.peerings, [(pcx, Outcome::Gone)].into());
        let beside = (report.removed.len(), report.repairs.len(), report.failed());
        assert_eq!(beside, (0, 0, false));
    }

    #[test]
    fn errors_tell_their_causes() {
        let error = Error::Setting {
            path: "/proc/sys/net/ipv4/ip_forward".into(),
            source: std::io::Error::from_raw_os_error(13),
        };
        assert_eq!(
            os::error_chain(&error),
            "kernel setting /proc/sys/net/ipv4/ip_forward: Permission denied (os error 13)"
        );
    }
}
