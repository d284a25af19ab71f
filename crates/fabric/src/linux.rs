//! The Linux fabric: a namespace for each VPC's router, a routed veth pair for each interface, a
//! veth pair for each peering, nftables for what may pass.

mod conntrack;
mod dial;
mod doctor;
mod exits;
mod filter;
mod firewalls;
mod flows;
mod home;
mod message;
mod monitor;
mod names;
mod namespace;
mod netfilter;
mod netlink;
mod nft;
mod offload;
mod pending;
mod plan;
mod port;
mod probe;
mod router;
mod rule_text;
mod ruleset;
mod state;
mod sysctl;
mod told;
mod translation;
mod uplink;
mod watch;
mod ways;
mod worker;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use model::intent::{NetworksDelta, NetworksIntent};
use model::{EniId, VpcId};
use os::error_chain;
use os::netns::NetworkNamespace;

pub use self::doctor::{can_record, doctor, doctor_of_ports};
pub use self::flows::Recorder;
pub use self::home::{host_addresses, mtu_at};
pub use self::offload::complete_checksums;
pub use self::port::{Port, PortId, Ports};
use self::watch::Alarm;
use self::worker::Worker;
use crate::driver::{Dialer, Dialled, Driver, Error, Interfaces, NamespaceNames, Report};

/// The driver of the Linux fabric.
///
/// Everything that it makes bears the mark of its instance of Causeway, and it touches nothing
/// else. It works on a thread of its own, with namespaces and descriptors of its own, so neither
/// the namespace nor the number of open files of its caller matters or changes.
pub struct Linux {
    instance: String,
    worker: Option<Thread>,
    /// Told of drift; without it nothing is watched, and only sweeps find any.
    alarm: Option<Alarm>,
    /// Why the sweep that was asked for did not begin, for the next step to say.
    broken: Option<Error>,
    /// The routers of whose flows somebody asked for records.
    recorded: BTreeSet<VpcId>,
}

/// The name of a router's link to an interface, in what a [`Recorder`] tells.
pub fn interface_link(eni: EniId) -> String {
    names::eni_link(eni)
}

/// Finds the namespaces of interfaces by the names that the worker gives them.
#[derive(Debug)]
struct ByName {
    instance: String,
}

impl Interfaces for ByName {
    fn namespace(&self, interface: EniId) -> Result<Option<NetworkNamespace>, os::netns::Error> {
        NetworkNamespace::open(&names::workload(&self.instance, interface))
    }
}

impl NamespaceNames for ByName {
    fn router(&self, vpc: VpcId) -> String {
        names::router(&self.instance, vpc)
    }

    fn interface(&self, eni: EniId) -> String {
        names::workload(&self.instance, eni)
    }
}

impl Dialer for ByName {
    fn dial(
        &self,
        from: EniId,
        source: Ipv4Addr,
        to: SocketAddrV4,
        patience: Duration,
    ) -> Result<Dialled, Error> {
        dial::dial(&names::workload(&self.instance, from), source, to, patience)
    }
}

struct Thread {
    jobs: Sender<Job>,
    handle: JoinHandle<()>,
}

/// Work for the thread; it answers by the channel.
enum Job {
    BeginSweep(Box<NetworksIntent>, Sender<Result<(), Error>>),
    LookAgain(Sender<bool>),
    Step(Sender<Option<Report>>),
    Apply(Box<NetworksDelta>, Sender<Report>),
    Record(BTreeSet<VpcId>, Sender<Report>),
    Purge(Sender<Result<usize, Error>>),
}

impl Linux {
    /// Makes a driver for one instance of Causeway, named by a short text that no other instance
    /// on the machine has. Looks at nothing yet.
    pub fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            worker: None,
            alarm: None,
            broken: None,
            recorded: BTreeSet::new(),
        }
    }

    /// The interfaces that this driver makes, for the runtime that starts workloads behind them.
    pub fn interfaces(&self) -> Arc<dyn Interfaces> {
        Arc::new(ByName { instance: self.instance.clone() })
    }

    /// The names of the namespaces that this driver makes, for the edge that answers in them.
    pub fn namespace_names(&self) -> Arc<dyn NamespaceNames> {
        Arc::new(ByName { instance: self.instance.clone() })
    }

    /// What sends packets from the interfaces that this driver makes.
    pub fn dialer(&self) -> Arc<dyn Dialer> {
        Arc::new(ByName { instance: self.instance.clone() })
    }

    /// Removes everything of an instance of Causeway, running or not.
    pub fn purge_instance(instance: &str) -> Result<usize, Error> {
        Self::new(instance).purge()
    }

    /// The namespaces of every instance of Causeway on this machine, running or not.
    ///
    /// # Errors
    ///
    /// What keeps them from being looked at.
    pub fn namespaces() -> Result<BTreeMap<String, Vec<String>>, Error> {
        namespace::on_own_thread(|| {
            let mut by_instance: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for name in namespace::all()? {
                if let Some(owner) = namespace::owner(&name)? {
                    by_instance.entry(owner).or_default().push(name);
                }
            }
            by_instance.values_mut().for_each(|names| names.sort());
            Ok(by_instance)
        })
        .flatten()
    }

    /// Gives the thread a job and awaits the answer. A thread that ended in a defect is replaced
    /// at the next call, and what it knew is found again by the next sweep.
    fn ask<T>(&mut self, job: impl FnOnce(Sender<T>) -> Job) -> Result<T, Error> {
        let thread = match self.worker.take() {
            Some(thread) => thread,
            None => {
                let (alarm, recorded) = (self.alarm.clone(), self.recorded.clone());
                Thread::start(self.instance.clone(), alarm, recorded)?
            }
        };
        let (answer, answered) = channel();
        let sent = thread.jobs.send(job(answer));
        match sent.ok().and_then(|()| answered.recv().ok()) {
            Some(answer) => {
                self.worker = Some(thread);
                Ok(answer)
            }
            None => {
                thread.join();
                Err(Error::Thread("it ended in a defect".into()))
            }
        }
    }
}

impl Thread {
    fn start(
        instance: String,
        alarm: Option<Alarm>,
        recorded: BTreeSet<VpcId>,
    ) -> Result<Self, Error> {
        let (jobs, queue) = channel();
        let work = move || {
            let mut worker = Worker::new(instance, alarm, recorded);
            // Nothing that has a descriptor of the caller's may be used from here on: no logging.
            let alone = namespace::own_descriptors();
            worker.note_home();
            for job in queue {
                serve(&mut worker, job, &alone);
            }
        };
        let builder = std::thread::Builder::new().name("fabric".into());
        let handle = builder.spawn(work).map_err(|error| Error::Thread(error.to_string()))?;
        Ok(Self { jobs, handle })
    }

    fn join(self) {
        drop(self.jobs);
        // What it ended with was told to whoever waited for its answer.
        let _ = self.handle.join();
    }
}

impl Drop for Linux {
    fn drop(&mut self) {
        if let Some(thread) = self.worker.take() {
            thread.join();
        }
    }
}

impl Driver for Linux {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn on_drift(&mut self, alarm: Alarm) {
        self.alarm = Some(alarm);
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        let begun = self.ask(|answer| Job::BeginSweep(Box::new(intent), answer));
        self.broken = begun.flatten().err();
    }

    fn look_again(&mut self) -> bool {
        // A thread that ended in a defect took with it what it knew.
        self.ask(Job::LookAgain).unwrap_or(false)
    }

    fn step(&mut self) -> Option<Report> {
        match self.broken.take() {
            Some(error) => Some(broken(&error)),
            None => self.ask(Job::Step).unwrap_or_else(|error| Some(broken(&error))),
        }
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        let delta = Box::new(delta.clone());
        self.ask(|answer| Job::Apply(delta, answer)).unwrap_or_else(|error| broken(&error))
    }

    fn record(&mut self, routers: BTreeSet<VpcId>) -> Report {
        self.recorded.clone_from(&routers);
        self.ask(|answer| Job::Record(routers, answer)).unwrap_or_else(|error| broken(&error))
    }

    fn purge(&mut self) -> Result<usize, Error> {
        self.ask(Job::Purge)?
    }
}

fn broken(error: &Error) -> Report {
    Report { errors: vec![error_chain(error)], ..Report::default() }
}

fn serve(worker: &mut Worker, job: Job, alone: &Result<(), Error>) {
    let lame = || alone.as_ref().err().map(|error| Error::Thread(error_chain(error)));
    // Whoever does not wait for the answer does not miss it.
    let _ = match job {
        Job::BeginSweep(intent, answer) => {
            let lame = lame();
            if lame.is_none() {
                worker.begin_sweep(*intent);
            }
            answer.send(lame.map_or(Ok(()), Err)).is_ok()
        }
        Job::LookAgain(answer) => answer.send(worker.look_again()).is_ok(),
        Job::Step(answer) => answer.send(worker.step()).is_ok(),
        Job::Apply(delta, answer) => {
            let report = lame().map_or_else(|| worker.apply(&delta), |error| broken(&error));
            answer.send(report).is_ok()
        }
        Job::Record(routers, answer) => {
            let report = lame().map_or_else(|| worker.record(routers), |error| broken(&error));
            answer.send(report).is_ok()
        }
        Job::Purge(answer) => answer.send(lame().map_or_else(|| worker.purge(), Err)).is_ok(),
    };
}
