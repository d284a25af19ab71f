//! What goes out: events to webhooks, and logs to log drains; and events that no change brings about but
//! the passing of time.
//!
//! One thread has a runtime of its own. Each webhook and each drain has a task there, so that a receiver
//! that does not answer holds nobody else up. They are told of changes by the ledger.

mod courier;
mod dial;
mod drain;
mod frame;
mod notes;
#[cfg(test)]
mod receiver;
mod space_log;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{
    App, DrainOf, EventKind, IpCidr, LogDrain, LogDrainId, Reachable, Settings, Timestamp, Webhook,
    WebhookId, World,
};
use store::Store;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::courier::{Courier, Next, SharedStore};
use self::dial::Dialer;
use self::drain::{Buffers, Sender};
use self::notes::{Noted, logs_of, place_of};
use self::space_log::{Log, SpaceLog};
use crate::apps::log_reader::{Position, Reader, Sources};
use crate::apps::logs::{MOST_LINES, Wanted};
use crate::clock::Clock;
use crate::cluster::Duties;
use crate::ledger::Ledger;
use crate::loops::{Pulse, Supervisor};

/// How long one turn may take: a few questions to the store, and a commit that is waited for.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// How long its end waits for what is being written down.
const LONGEST_STOP: Duration = Duration::from_secs(2);
/// How often it is looked whether something has happened that nobody told of, or the clock was moved.
const EVERY: Duration = Duration::from_secs(5);
/// How long it waits after a change for others.
const MOMENT: Duration = Duration::from_millis(100);
/// How often the log of a drain's app is read.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How often it is noted how far a drain is.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// What it works with.
pub(crate) struct Parts {
    /// The worlds, and what they become.
    pub ledger: Ledger,
    /// A handle of the store.
    pub store: Box<dyn Store>,
    /// The time.
    pub clock: Arc<Clock>,
    /// What may be reached.
    pub reachable: Reachable,
    /// The logs of apps.
    pub sources: Sources,
    /// What is this server's to do, of several that share the installation.
    pub duties: Duties,
}

/// Starts it. Its supervisor knows it as `outbox`. It ends once `stop` is cancelled.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn start(
    parts: Parts,
    supervisor: &Supervisor,
    stop: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runtime = Some(runtime);
    let come_round = Arc::new(Notify::new());
    let wake = Arc::clone(&come_round);
    let mut outbox = Outbox::new(parts);
    supervisor.spawn(
        "outbox",
        LONGEST_TURN,
        move || wake.notify_one(),
        move |pulse| {
            let Some(runtime) = runtime.take() else { return };
            runtime.block_on(async {
                // Wherever it is: a store that does not answer holds no end up.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = outbox.run(pulse, &come_round) => {}
                }
            });
            // The name of a receiver may still be looked up, for as long as its servers say nothing.
            runtime.shutdown_timeout(LONGEST_STOP);
        },
    )
}

/// What an installation's webhooks and drains may reach: what the operator allows, and of all else nothing
/// that is special or the installation's. Whoever connects leaves the host's own addresses out.
pub(crate) fn reachable(allow: Vec<IpCidr>, settings: &Settings) -> Reachable {
    let outbound = settings.outbound.iter();
    let deny = outbound.flat_map(|it| it.deny.iter().copied().chain([it.pool()]));
    let deny = deny.map(IpCidr::V4).collect();
    Reachable { anything: settings.emulator, allow, deny }
}

/// The task of a webhook or a drain, which ends with this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Outbox {
    parts: Shared,
    tasks: JoinSet<()>,
    /// Those that there are, as their tasks know them.
    hooks: BTreeMap<WebhookId, (Arc<Webhook>, Task)>,
    /// A space's has one for each app, and one for what happens in the space.
    drains: BTreeMap<(LogDrainId, DrainOf), Task>,
    /// Of what the store may have notes; `None` before it was asked.
    noted: Option<Noted>,
    /// What was told that the passing of time brought about, as far as the store is known to have it.
    told: BTreeSet<(EventKind, String)>,
    /// Tells couriers that something may have happened.
    news: watch::Sender<()>,
}

/// What tasks share.
#[derive(Clone)]
struct Shared {
    ledger: Ledger,
    store: SharedStore,
    clock: Arc<Clock>,
    dialer: Dialer,
    sources: Sources,
    buffers: Buffers,
    duties: Duties,
}

/// Waits for a while, and comes round meanwhile as often as it is asked to.
async fn pause(pulse: &Pulse, come_round: &Notify, length: Duration) {
    let over = tokio::time::sleep(length);
    tokio::pin!(over);
    loop {
        pulse.idle();
        tokio::select! {
            () = &mut over => return,
            () = come_round.notified() => pulse.turn(),
        }
    }
}

impl Outbox {
    fn new(parts: Parts) -> Self {
        let Parts { ledger, store, clock, reachable, sources, duties } = parts;
        let store = Arc::new(Mutex::new(store));
        let dialer = Dialer::new(reachable);
        Self {
            parts: Shared {
                ledger,
                store,
                clock,
                dialer,
                sources,
                buffers: Buffers::default(),
                duties,
            },
            tasks: JoinSet::new(),
            hooks: BTreeMap::new(),
            drains: BTreeMap::new(),
            noted: None,
            told: BTreeSet::new(),
            news: watch::Sender::new(()),
        }
    }

    async fn run(&mut self, pulse: &Pulse, come_round: &Notify) {
        let mut changed = self.parts.ledger.watch();
        changed.mark_changed();
        let mut duties = self.parts.duties.leadership().changes();
        let mut looked: Option<Instant> = None;
        loop {
            pulse.idle();
            tokio::select! {
                () = come_round.notified() => {}
                () = changed_duties(&mut duties) => {}
                told = changed.changed() => if told.is_err() { return },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    continue;
                }
                () = tokio::time::sleep(EVERY) => {}
            }
            pulse.turn();
            // Requests that wait are many, and none of them is in a hurry.
            if looked.is_none_or(|at| at.elapsed() >= EVERY) {
                looked = Some(Instant::now());
                if let Err(error) = self.tell_by_time().await {
                    let error = os::error_chain(&error);
                    tracing::warn!(error, "what time brings about waits: the store cannot be read");
                }
            }
            self.follow().await;
            // What follows within a moment is told together.
            pause(pulse, come_round, MOMENT).await;
        }
    }

    /// Starts and ends tasks, and tells them that something may have happened.
    async fn follow(&mut self) {
        let world = self.parts.ledger.world();
        let leads = self.parts.duties.leads().is_some();
        // Logs are where the processes are, whoever leads.
        let drives = self.parts.duties.drives(&world).is_some();
        self.news.send_replace(());
        let drained: BTreeMap<_, _> = world
            .log_drains()
            .filter(|drain| drives && world.drains(drain))
            .flat_map(|drain| logs_of(&world, drain).into_iter().map(move |of| (of, drain)))
            .map(|(of, drain)| ((drain.id, of), drain))
            .collect();
        self.drains.retain(|log, _| drained.contains_key(log));
        // What is kept for somebody who is disabled is sent when they are let in again.
        let sends = |id, known: &Arc<Webhook>| {
            leads && world.webhook(id).is_some_and(|hook| hook == known && world.sends_to(hook))
        };
        self.hooks.retain(|id, (known, _)| sends(*id, known));
        // A task that could note nothing would send everything again.
        if let Err(error) = self.forget_what_is_gone(&world, leads).await {
            let error = os::error_chain(&error);
            tracing::warn!(error, "webhooks and drains wait: the store cannot be written");
            return;
        }
        for hook in world.webhooks().filter(|hook| leads && world.sends_to(hook)) {
            if self.hooks.contains_key(&hook.id) {
                continue;
            }
            let Shared { dialer, store, clock, duties, .. } = self.parts.clone();
            let (ledger, id) = (self.parts.ledger.clone(), hook.id);
            let is_there = move || ledger.world().webhook(id).is_some();
            let courier = Courier::new(Arc::clone(hook), dialer, store).noting_while(is_there);
            let task = self.tasks.spawn(deliver(courier, clock, duties, self.news.subscribe()));
            self.hooks.insert(hook.id, (Arc::clone(hook), Task(task)));
        }
        for ((id, of), drain) in drained {
            if self.drains.contains_key(&(id, of)) {
                continue;
            }
            let task = self.tasks.spawn(drain_log(self.parts.clone(), Arc::clone(drain), of));
            self.drains.insert((id, of), Task(task));
        }
    }

    /// Forgets what is noted of webhooks and drains that are gone, which may have been while this was not
    /// running, or after somebody was disabled. Of several servers, the one that leads does it.
    async fn forget_what_is_gone(&mut self, world: &World, leads: bool) -> store::Result<()> {
        if !leads {
            // Another one leads, and keeps it.
            self.noted = None;
            return Ok(());
        }
        let (before, there) = (self.noted.clone(), Noted::of(world));
        if before.as_ref() == Some(&there) {
            return Ok(());
        }
        let becomes = there.clone();
        let forgetting = self.parts.ask(move |store| {
            let before = match before {
                Some(before) => before,
                None => Noted::read(store)?,
            };
            before.become_of(&becomes, store)
        });
        forgetting.await?;
        self.noted = Some(there);
        Ok(())
    }

    /// Has the ledger keep what the passing of time brought about, once. It is known that it has it when
    /// the store says so.
    async fn tell_by_time(&mut self) -> store::Result<()> {
        // Before the store is asked what it knows: another leader's events come under another mandate.
        let Some(mandate) = self.parts.duties.leads() else { return Ok(()) };
        let world = self.parts.ledger.world();
        let events = model::events_by_time(&world, self.parts.clock.now());
        let mut new = Vec::new();
        for event in events {
            let id = (event.kind, event.resource.clone());
            if self.told.contains(&id) {
                continue;
            }
            let (kind, resource) = id.clone();
            let known =
                self.parts.ask(move |store| store.knows_event(kind.name(), &resource)).await?;
            if known {
                self.told.insert(id);
            } else {
                new.push(event);
            }
        }
        // Of what is gone there is nothing to be told any more.
        let there =
            |resource: &String| resource.parse().is_ok_and(|id| world.peering(id).is_some());
        self.told.retain(|(_, resource)| there(resource));
        if !new.is_empty() && self.parts.ledger.happened_under(mandate, &new) {
            let ledger = self.parts.ledger.clone();
            // An error means a panic there, which ends the process.
            let _ = tokio::task::spawn_blocking(move || ledger.wait_for_notes_blocking()).await;
        }
        Ok(())
    }
}

impl Shared {
    /// Asks the store on a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Store) -> store::Result<T> + Send + 'static,
    ) -> store::Result<T> {
        courier::ask(&self.store, ask).await
    }
}

/// Delivers the events of a webhook for as long as there is one.
async fn deliver(
    mut courier: Courier,
    clock: Arc<Clock>,
    duties: Duties,
    mut news: watch::Receiver<()>,
) {
    loop {
        // A process that stood still may be told late that another server leads.
        if duties.leads().is_none() {
            tokio::time::sleep(EVERY).await;
            continue;
        }
        news.mark_unchanged();
        let pause = match courier.turn(|| clock.now()).await {
            Ok(Next::Event) => EVERY,
            Ok(Next::At(at)) => until(at, clock.now()),
            Err(error) => {
                let error = os::error_chain(&error);
                tracing::warn!(error, "a webhook waits: the store cannot be read");
                EVERY
            }
        };
        tokio::select! {
            told = news.changed() => if told.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits until this server may have begun to lead, or ceased to.
async fn changed_duties(changes: &mut Option<watch::Receiver<()>>) {
    let changed = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

/// How long to sleep until a time, and no longer than it takes to see that the clock was moved.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    let millis = at.millis().saturating_sub(now.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(EVERY)
}

/// Sends one of the logs of a drain for as long as there is a drain.
async fn drain_log(shared: Shared, drain: Arc<LogDrain>, of: DrainOf) {
    let place = place_of(&drain, of);
    let key = place.clone();
    let seen = shared.ask(move |store| store.meta(&key)).await.ok().flatten();
    let seen = seen.and_then(|text| Position::read(&text));
    let log = match of {
        DrainOf::App(app) => {
            // Of an app that is newer than the drain, everything is sent.
            let newer = |app: &Arc<App>| app.created >= drain.created;
            let lines =
                if shared.ledger.world().app(app).is_some_and(newer) { MOST_LINES } else { 0 };
            let wanted = Wanted { app, lines, tail: true, source: None, process: None };
            Log::App(Reader::new(shared.sources.clone(), wanted, seen))
        }
        DrainOf::Space(space) => Log::Space(SpaceLog {
            ledger: shared.ledger.clone(),
            store: Arc::clone(&shared.store),
            space,
            since: drain.created,
            seen,
            after: 0,
        }),
    };
    let position = seen.unwrap_or_default();
    let id = drain.id;
    let buffer = shared.buffers.place(position);
    let mut sender = Sender::new(drain, shared.dialer.clone(), log, buffer);
    let mut unnoted = None;
    let mut noted = Instant::now();
    loop {
        let clock = &shared.clock;
        unnoted = sender.turn(|| clock.now()).await.or(unnoted);
        if noted.elapsed() >= NOTE_EVERY
            && let Some(position) = unnoted.take()
        {
            let (key, text) = (place.clone(), position.show());
            let ledger = shared.ledger.clone();
            let note = move |store: &mut dyn Store| {
                let world = ledger.world();
                let drain = world.log_drain(id);
                // Of what is gone, all was forgotten by now or is forgotten after this.
                match drain.is_some_and(|drain| logs_of(&world, drain).contains(&of)) {
                    true => store.set_meta(&key, &text),
                    false => Ok(()),
                }
            };
            // Where it is not noted, some lines are sent twice after a restart.
            let _ = shared.ask(note).await;
            noted = Instant::now();
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
