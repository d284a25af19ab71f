//! How networks and processes fare, as `causeway status` shows it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use api::Fabric;
use model::protocol::{Subject, Workloads};
use model::{HostId, Timestamp};

/// How many repairs are kept for `causeway status`.
const REPAIRS_SHOWN: usize = 20;

/// How the fabric fares, for whoever wants to know.
#[derive(Debug, Default)]
pub struct Health(Mutex<Kept>);

/// What is known of how things fare.
#[derive(Debug, Default)]
struct Kept {
    /// On this machine, and of all networks together.
    own: Fabric,
    hosts: BTreeMap<HostId, OfHost>,
}

/// What is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OfHost {
    /// The revision that its networks were last reported to follow.
    pub revision: Option<u64>,
    /// What cannot be done there, and why, by subject.
    pub failing: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Health {
    /// How it fares now.
    pub fn get(&self) -> Fabric {
        let kept = self.0.lock().expect("no holder panics");
        let mut fabric = kept.own.clone();
        for (host, known) in &kept.hosts {
            for (subject, failing) in &known.failing {
                fabric.healthy &= failing.is_empty();
                if *subject == Workloads::NAME {
                    fabric.failing.extend(failing.clone());
                } else {
                    let of = |(what, why): (&String, &String)| {
                        (format!("host {host}: {what}"), why.clone())
                    };
                    fabric.problems.extend(failing.iter().map(of));
                }
            }
        }
        fabric
    }

    /// What is known of a host.
    pub(crate) fn of_host(&self, host: HostId) -> OfHost {
        let kept = self.0.lock().expect("no holder panics");
        kept.hosts.get(&host).cloned().unwrap_or_default()
    }

    /// Takes note of what a host reported. One that was removed is no host.
    pub(super) fn note_host(&self, host: HostId, note: impl FnOnce(&mut OfHost)) {
        note(self.0.lock().expect("no holder panics").hosts.entry(host).or_default());
    }

    /// Forgets a host that was removed.
    pub(super) fn forget(&self, host: HostId) {
        self.0.lock().expect("no holder panics").hosts.remove(&host);
    }

    /// Says which driver there is.
    pub(crate) fn set_driver(&self, name: &'static str) {
        self.change(|health| name.clone_into(&mut health.driver));
    }

    /// Says which workloads cannot be started, and why.
    pub(crate) fn set_failing(&self, failing: BTreeMap<String, String>) {
        self.change(|health| {
            health.failing = failing;
            judge(health);
        });
    }

    /// Takes note of what networks reported.
    pub(super) fn note(&self, noted: Noted) {
        let Noted { now, ran, swept, repairs, problems } = noted;
        self.change(|health| {
            health.last_run = Some(now);
            health.runs += u64::from(ran);
            if swept {
                health.last_sweep = Some(now);
            }
            health.repairs += repairs.len() as u64;
            health.last_repairs.extend(repairs);
            let old = health.last_repairs.len().saturating_sub(REPAIRS_SHOWN);
            health.last_repairs.drain(..old);
            if let Some(problems) = problems {
                health.problems = problems;
            }
            judge(health);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fabric)) {
        change(&mut self.0.lock().expect("no holder panics").own);
    }
}

fn judge(fabric: &mut Fabric) {
    fabric.healthy = fabric.problems.is_empty() && fabric.failing.is_empty();
}

/// What networks reported.
pub(super) struct Noted {
    pub now: Timestamp,
    /// Whether a change was made or everything was compared.
    pub ran: bool,
    /// Whether everything was compared.
    pub swept: bool,
    /// The drift that was repaired.
    pub repairs: Vec<String>,
    /// Everything that is wrong, if that is news.
    pub problems: Option<BTreeMap<String, String>>,
}
