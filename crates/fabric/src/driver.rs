//! What every data plane does, and what it reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::intent::{Intent, IntentDelta};
use model::{PcxId, VpcId};

/// Makes packets follow an intent.
///
/// A driver keeps nothing that it cannot find again: a new one on the same machine adopts what
/// the last one left, and traffic goes on meanwhile. Workloads are the runtime's, not a driver's.
pub trait Driver: Send {
    /// Its name, as `serve --fabric` takes it.
    fn name(&self) -> &'static str;

    /// Makes the kernel match the whole intent: adopts what is right, repairs what drifted and
    /// removes what no intent names.
    fn sweep(&mut self, intent: &Intent) -> Report;

    /// Applies a change to the intent of the last sweep; touches only the VPCs and peerings that
    /// are named, and the VPCs at the ends of those peerings.
    fn apply(&mut self, delta: &IntentDelta) -> Report;

    /// Removes everything of this instance of Causeway, and says how many things that was.
    fn purge(&mut self) -> Result<usize, Error>;
}

/// What a driver did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How each VPC fares that was looked at.
    pub vpcs: BTreeMap<VpcId, Outcome>,
    /// How each peering fares that was looked at.
    pub peerings: BTreeMap<PcxId, Outcome>,
    /// What was removed because no intent names it.
    pub removed: BTreeSet<String>,
    /// What had drifted and was put right.
    pub repairs: Vec<Repair>,
    /// What went wrong beside the outcomes.
    pub errors: Vec<String>,
}

impl Report {
    /// Whether all went well and the kernel was found exactly as it must be.
    pub fn is_quiet(&self) -> bool {
        self.removed.is_empty()
            && self.repairs.is_empty()
            && self.errors.is_empty()
            && !self.failed()
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

/// How one thing fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The data plane carries it. A peering is carried once a probe went both ways.
    Carried,
    /// The data plane has nothing of it.
    Gone,
    /// Neither, and why. The next sweep tries again.
    Failed(String),
}

/// Something that had drifted and was put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repair {
    /// The VPC that it belongs to.
    pub vpc: VpcId,
    /// What had drifted, for people.
    pub what: String,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.vpc, self.what)
    }
}

/// Why a driver could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A namespace could not be made, entered or removed.
    #[error("network namespace {name}: {step}")]
    Namespace {
        /// Its name.
        name: String,
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A namespace has our name for it and another owner.
    #[error("network namespace {name} belongs to {owner}")]
    Foreign {
        /// Its name.
        name: String,
        /// Whose it is.
        owner: String,
    },
    /// A request by netlink was refused.
    #[error("netlink: {step}")]
    Netlink {
        /// What was asked for.
        step: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// libnftables is missing or refused a ruleset.
    #[error("nftables: {0}")]
    Nftables(String),
    /// A kernel setting could not be written.
    #[error("kernel setting {path}")]
    Setting {
        /// Its file.
        path: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A peering's probe did not arrive.
    #[error("probe: {0}")]
    Probe(String),
    /// A thread could not be started, or ended in a defect of this program.
    #[error("worker thread: {0}")]
    Thread(String),
    /// Several things went wrong; all of the rest was done.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
}

impl Error {
    /// The message with those of its sources, for reports.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// One look at whether a machine can carry packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// Whether nothing works without it; or else only a limit is not enforced.
    pub needed: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when `ok`.
    pub remedy: String,
}

/// The fabric that carries no packets: says at once that everything is as it must be.
///
/// For machines without root, for trying the APIs, and for tests of everything above.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFabric;

impl Driver for NoFabric {
    fn name(&self) -> &'static str {
        "none"
    }

    fn sweep(&mut self, intent: &Intent) -> Report {
        Report {
            vpcs: intent.vpcs.keys().map(|id| (*id, Outcome::Carried)).collect(),
            peerings: intent.peerings.keys().map(|id| (*id, Outcome::Carried)).collect(),
            ..Report::default()
        }
    }

    fn apply(&mut self, delta: &IntentDelta) -> Report {
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

#[cfg(test)]
mod tests {
    use model::intent::PeeringIntent;

    use super::*;

    #[test]
    fn no_fabric_carries_at_once() {
        let vpc: VpcId = "vpc-00000000000000001".parse().unwrap();
        let pcx: PcxId = "pcx-00000000000000001".parse().unwrap();
        let link = PeeringIntent { requester: vpc, accepter: vpc, mtu: 9001 };
        let intent = Intent { peerings: [(pcx, link)].into(), ..Intent::default() };
        assert_eq!(NoFabric.sweep(&intent).peerings, [(pcx, Outcome::Carried)].into());

        let delta = IntentDelta {
            vpcs: [(vpc, None)].into(),
            peerings: [(pcx, None)].into(),
            ..IntentDelta::default()
        };
        let report = NoFabric.apply(&delta);
        assert_eq!(report.vpcs, [(vpc, Outcome::Gone)].into());
        assert_eq!(report.peerings, [(pcx, Outcome::Gone)].into());
        assert!(report.is_quiet());
    }

    #[test]
    fn errors_tell_their_causes() {
        let error = Error::Setting {
            path: "/proc/sys/net/ipv4/ip_forward".into(),
            source: std::io::Error::from_raw_os_error(13),
        };
        assert_eq!(
            error.chain(),
            "kernel setting /proc/sys/net/ipv4/ip_forward: Permission denied (os error 13)"
        );
    }
}
