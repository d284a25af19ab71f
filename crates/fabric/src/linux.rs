//! The Linux fabric: a namespace for each VPC's router, a routed veth pair for each interface, a
//! veth pair for each peering, nftables for what may pass.

mod conntrack;
mod doctor;
mod names;
mod namespace;
mod netlink;
mod nft;
mod plan;
mod probe;
mod router;
mod ruleset;
mod state;
mod sysctl;
mod worker;

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use model::intent::{Intent, IntentDelta};

pub use self::doctor::doctor;
use self::worker::Worker;
use crate::driver::{Driver, Error, Report};

/// The driver of the Linux fabric.
///
/// Everything that it makes bears the mark of its instance of Causeway, and it touches nothing
/// else. It works on a thread of its own, with namespaces and descriptors of its own, so neither
/// the namespace nor the number of open files of its caller matters or changes.
pub struct Linux {
    instance: String,
    worker: Option<Thread>,
}

struct Thread {
    jobs: Sender<Job>,
    handle: JoinHandle<()>,
}

/// Work for the thread; it answers by the channel.
enum Job {
    Sweep(Box<Intent>, Sender<Report>),
    Apply(Box<IntentDelta>, Sender<Report>),
    Purge(Sender<Result<usize, Error>>),
}

impl Linux {
    /// Makes a driver for one instance of Causeway, named by a short text that no other instance
    /// on the machine has. Looks at nothing yet.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), worker: None }
    }

    /// Removes everything of an instance of Causeway, running or not.
    pub fn purge_instance(instance: &str) -> Result<usize, Error> {
        Self::new(instance).purge()
    }

    /// Gives the thread a job and awaits the answer. A thread that ended in a defect is replaced
    /// at the next call, and what it knew is found again by the next sweep.
    fn ask<T>(&mut self, job: impl FnOnce(Sender<T>) -> Job) -> Result<T, Error> {
        let thread = match self.worker.take() {
            Some(thread) => thread,
            None => Thread::start(self.instance.clone())?,
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
    fn start(instance: String) -> Result<Self, Error> {
        let (jobs, queue) = channel();
        let work = move || {
            let mut worker = Worker::new(instance);
            // Nothing that has a descriptor of the caller's may be used from here on: no logging.
            let alone = namespace::own_descriptors();
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

    fn sweep(&mut self, intent: &Intent) -> Report {
        let intent = Box::new(intent.clone());
        self.ask(|answer| Job::Sweep(intent, answer)).unwrap_or_else(|error| broken(&error))
    }

    fn apply(&mut self, delta: &IntentDelta) -> Report {
        let delta = Box::new(delta.clone());
        self.ask(|answer| Job::Apply(delta, answer)).unwrap_or_else(|error| broken(&error))
    }

    fn purge(&mut self) -> Result<usize, Error> {
        self.ask(Job::Purge)?
    }
}

fn broken(error: &Error) -> Report {
    Report { errors: vec![error.chain()], ..Report::default() }
}

fn serve(worker: &mut Worker, job: Job, alone: &Result<(), Error>) {
    // Whoever does not wait for the answer does not miss it.
    let _ = match (job, alone) {
        (Job::Sweep(_, answer) | Job::Apply(_, answer), Err(error)) => {
            answer.send(broken(error)).is_ok()
        }
        (Job::Purge(answer), Err(error)) => answer.send(Err(Error::Thread(error.chain()))).is_ok(),
        (Job::Sweep(intent, answer), Ok(())) => answer.send(worker.sweep(*intent)).is_ok(),
        (Job::Apply(delta, answer), Ok(())) => answer.send(worker.apply(&delta)).is_ok(),
        (Job::Purge(answer), Ok(())) => answer.send(worker.purge()).is_ok(),
    };
}
