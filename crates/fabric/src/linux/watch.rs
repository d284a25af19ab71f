//! Notices drift when it happens: one thread listens to the kernel's notifications from all our
//! namespaces, and to changes of the mount table, in which their names are.
//!
//! The thread's sockets are in a namespace of their own in which all others have numbers. It leaves
//! out what this process itself does. Whatever else changed, the worker compares with what it must
//! be; so a notification is never more than a hint of where to look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{EniId, VpcId};
use os::Waker;
use os::netns::NetworkNamespace;
use os::poll::{Interest, readable};

use super::monitor::{Monitor, Notification};
use super::namespace::{self, failed};
use super::netlink::Netlink;
use crate::driver::{Error, Place, Repair};

/// How long notifications are gathered before the worker is told: one act makes several changes.
const GATHER: Duration = Duration::from_millis(50);
/// As [`GATHER`], where names of namespaces may have changed: each container that starts mounts
/// something.
const GATHER_NAMES: Duration = Duration::from_millis(200);
/// Namespaces are held by descriptors from here on, so that those below 1024 stay free:
/// libnftables takes no others.
const HELD_FROM: i32 = 2048;
/// How often the same thing of a VPC or of the uplink is repaired within [`PATIENCE`] before it is left
/// to the next sweep: somebody else changes it back.
const MOST_REPAIRS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a namespace is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The router of a VPC.
    Router(VpcId),
    /// An interface of a VPC, behind which a workload lives.
    Interface(VpcId, EniId),
    /// The uplink, or the host that it leads out by.
    Uplink,
}

/// Called, on any thread, when something may have drifted.
pub(super) type Alarm = Arc<dyn Fn() + Send + Sync>;

/// Watches over namespaces. All of it belongs to the worker's thread, but what is shared.
pub(super) struct Watch {
    shared: Arc<Shared>,
    /// Gives namespaces their numbers, in the namespace that the monitors are in.
    numbers: Netlink,
    /// The number that the next namespace gets.
    next: i32,
    held: BTreeMap<String, Watched>,
    /// The number of the host's namespace, while something depends on it.
    host: Option<i32>,
    roles: BTreeMap<i32, Role>,
    repairs: BTreeMap<Repair, (Instant, u32)>,
    /// The error because of which a namespace is not watched, until it was reported.
    failed: Option<Error>,
    has_failed: bool,
    /// Ends the thread.
    stop: Waker,
    thread: Option<JoinHandle<()>>,
}

/// A namespace that is watched over.
struct Watched {
    /// Keeps it alive when it loses its name, so that the name can be given back.
    namespace: NetworkNamespace,
    number: i32,
}

#[derive(Default)]
struct Shared(Mutex<Suspects>);

/// What may have drifted.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    numbers: BTreeSet<i32>,
    /// Whether names of namespaces may have changed.
    pub names: bool,
    /// Whether notifications were lost, so that anything may have changed.
    pub everything: bool,
    /// Whether nobody listens any more, and why.
    pub deaf: Option<String>,
}

impl Watch {
    /// Starts to watch. Leaves the calling thread in another namespace.
    pub(super) fn start(alarm: Alarm) -> Result<Self, Error> {
        // Each namespace that is watched over is an open file.
        os::open_files::raise_limit(0);
        let broken = |step| move |source| failed("(watch)", step, source);
        namespace::enter_new("(watch)")?;
        let numbers = Netlink::open()?;
        let routes = Monitor::of_routes().map_err(broken("listen to routes in"))?;
        let firewalls = Monitor::of_firewalls().map_err(broken("listen to firewalls in"))?;
        let mounts = File::open("/proc/self/mountinfo").map_err(broken("read mounts from"))?;
        let stop = Waker::new().map_err(broken("end"))?;
        let shared = Arc::new(Shared::default());
        let listener = Listener {
            routes,
            firewalls,
            mounts,
            stop: stop.clone(),
            shared: Arc::clone(&shared),
            alarm,
        };
        let thread = std::thread::Builder::new()
            .name("fabric-watch".into())
            .spawn(move || listener.run_to_its_end())
            .map_err(|error| Error::Thread(error.to_string()))?;
        Ok(Self {
            shared,
            numbers,
            next: 1,
            held: BTreeMap::new(),
            host: None,
            roles: BTreeMap::new(),
            repairs: BTreeMap::new(),
            failed: None,
            has_failed: false,
            stop,
            thread: Some(thread),
        })
    }

    /// Watches over a namespace from now on. Where that cannot be, sweeps still find its drift.
    pub(super) fn add(&mut self, namespace: &NetworkNamespace, role: Role) {
        if let Err(error) = self.try_add(namespace, role)
            && !std::mem::replace(&mut self.has_failed, true)
        {
            self.failed = Some(error);
        }
    }

    /// Why some namespaces are not watched over; said once.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failed.take()
    }

    fn try_add(&mut self, namespace: &NetworkNamespace, role: Role) -> Result<(), Error> {
        if let Some(held) = self.held.get(namespace.name()) {
            if held.namespace.identity()? == namespace.identity()? {
                self.roles.insert(held.number, role);
                return Ok(());
            }
            self.remove(namespace.name());
        }
        let held = namespace.hold(HELD_FROM)?;
        let number = self.numbers.number_namespace(held.as_fd(), self.next)?;
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.held.insert(namespace.name().to_owned(), Watched { namespace: held, number });
        self.roles.insert(number, role);
        Ok(())
    }

    /// Watches over the host as far as the uplink depends on it: its links, its routes and its firewall.
    pub(super) fn add_host(&mut self, host: BorrowedFd<'_>) {
        match self.try_add_host(host) {
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                self.failed = Some(error);
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn try_add_host(&mut self, host: BorrowedFd<'_>) -> Result<(), Error> {
        if self.host.is_none() {
            let number = self.numbers.number_namespace(host, self.next)?;
            self.next = self.next.checked_add(1).unwrap_or(1);
            self.host = Some(number);
            self.roles.insert(number, Role::Uplink);
        }
        Ok(())
    }

    /// Leaves the host alone: nothing depends on it any more.
    pub(super) fn remove_host(&mut self) {
        if let Some(number) = self.host.take() {
            self.roles.remove(&number);
        }
    }

    /// Lets go of a namespace.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(held) = self.held.remove(name) {
            self.roles.remove(&held.number);
        }
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.roles.clear();
        self.host = None;
    }

    /// Gives a namespace its name back if it has lost it, and says whether it had.
    pub(super) fn restore(&self, name: &str) -> Result<bool, Error> {
        match self.held.get(name) {
            Some(held) if NetworkNamespace::open(name)?.is_none() => {
                held.namespace.restore_name()?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// The namespaces whose names do not lead to them any more.
    pub(super) fn lost(&self) -> Vec<Role> {
        let lost = self.held.values().filter(|held| !held.namespace.is_current());
        lost.filter_map(|held| self.roles.get(&held.number)).copied().collect()
    }

    /// Takes out what may have drifted.
    pub(super) fn suspects(&self) -> Suspects {
        std::mem::take(&mut *self.shared.lock())
    }

    /// The namespaces among the suspects that are watched over, without those that somebody changes
    /// again and again.
    pub(super) fn roles(&self, suspects: &Suspects, now: Instant) -> Vec<Role> {
        let recent = self.repairs.iter().filter(|(_, (since, count))| {
            *count >= MOST_REPAIRS && now.duration_since(*since) <= PATIENCE
        });
        let contested: BTreeSet<Place> = recent.map(|(repair, _)| repair.place).collect();
        let roles = suspects.numbers.iter().filter_map(|number| self.roles.get(number));
        roles.copied().filter(|role| !contested.contains(&role.place())).collect()
    }

    /// Takes note of what was repaired because something was heard of it.
    pub(super) fn note_repairs(&mut self, repairs: &[Repair], now: Instant) {
        self.repairs.retain(|_, (since, _)| now.duration_since(*since) <= PATIENCE);
        for repair in repairs {
            self.repairs.entry(repair.clone()).or_insert((now, 0)).1 += 1;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.wake();
        if let Some(thread) = self.thread.take() {
            // It only listens; whatever it ended with, nothing waits for it.
            let _ = thread.join();
        }
    }
}

impl Role {
    /// The part of the networks that it belongs to.
    fn place(self) -> Place {
        match self {
            Self::Router(vpc) | Self::Interface(vpc, _) => Place::Vpc(vpc),
            Self::Uplink => Place::Uplink,
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Suspects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the listening thread.
struct Listener {
    routes: Monitor,
    firewalls: Monitor,
    mounts: File,
    stop: Waker,
    shared: Arc<Shared>,
    alarm: Alarm,
}

impl Listener {
    /// Listens until it is told to end. However else it ends, that is told: what is heard by nobody would
    /// wait for a sweep, for ever and without a word.
    fn run_to_its_end(self) {
        let (shared, alarm) = (Arc::clone(&self.shared), Arc::clone(&self.alarm));
        let why = match catch_unwind(AssertUnwindSafe(move || self.run())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_panic) => "the thread that listens ended in a defect".to_owned(),
        };
        {
            let mut suspects = shared.lock();
            suspects.everything = true;
            suspects.deaf = Some(why);
        }
        alarm();
    }

    fn run(mut self) -> io::Result<()> {
        let mut heard = Suspects::default();
        // When the gathered notifications are handed over.
        let mut due: Option<Instant> = None;
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.report(std::mem::take(&mut heard));
                due = None;
                continue;
            }
            match self.listen(left, &mut heard)? {
                None => return Ok(()),
                Some(pause) if !heard.is_empty() => {
                    let soon = Instant::now() + pause;
                    due = Some(due.map_or(soon, |due| due.min(soon)));
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for something to be said; `None` when told to end.
    fn listen(
        &mut self,
        left: Option<Duration>,
        heard: &mut Suspects,
    ) -> io::Result<Option<Duration>> {
        let fds = [
            (self.routes.as_fd(), Interest::Readable),
            (self.firewalls.as_fd(), Interest::Readable),
            readable(&self.stop),
            // A change of the mount table is an exceptional condition of this file.
            (self.mounts.as_fd(), Interest::Exceptional),
        ];
        let ready = os::poll::wait(&fds, left)?;
        if ready[2] {
            return Ok(None);
        }
        let mut take = |notification| match notification {
            Notification::Change(number) => drop(heard.numbers.insert(number)),
            Notification::Overrun => heard.everything = true,
        };
        self.routes.read(&mut take)?;
        self.firewalls.read(&mut take)?;
        heard.names |= ready[3];
        let only_names = heard.names && heard.numbers.is_empty() && !heard.everything;
        Ok(Some(if only_names { GATHER_NAMES } else { GATHER }))
    }

    fn report(&self, heard: Suspects) {
        {
            let mut shared = self.shared.lock();
            shared.numbers.extend(heard.numbers);
            shared.names |= heard.names;
            shared.everything |= heard.everything;
        }
        (self.alarm)();
    }
}

impl Suspects {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && !self.names && !self.everything && self.deaf.is_none()
    }
}
