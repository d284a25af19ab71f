//! What a host was last told, in memory and on its disk.
//!
//! An order is carried out at once and kept soon after: what queued up meanwhile is written in one go. The
//! server is told once it is. Which leader gave it is on the disk before anything of it is done
//! ([`Intents::follow`]), so no leader before that is heard any more, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::Orders;
use model::intent::WorkloadsDelta;
use model::protocol::{Edge, Networks, Order, Subject, Workloads};
use model::{Host, WorkloadId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hub::HostOrders;
use crate::keep::{Keep, KeepError, KeptIntent};
use crate::message::{AnyOrder, Carried, Held, Of, Stamp};
use crate::reports::Reports;

/// How long after a failure it is tried again to keep something.
const RETRY: Duration = Duration::from_secs(1);

/// What a host was last told.
pub(super) struct Intents {
    keep: Keep,
    reports: Reports,
    state: Mutex<State>,
    /// There is something to keep.
    changed: Notify,
    /// Something was kept.
    pub kept: Notify,
}

struct State {
    loops: HostOrders,
    epoch: u64,
    networks: Told<Networks>,
    workloads: Told<Workloads>,
    edge: Told<Edge>,
    /// Whether nothing that is fenced may run.
    fenced: bool,
    /// What is on the disk.
    kept: Held,
}

struct Told<S: Subject> {
    last: Option<KeptIntent<S>>,
    dirty: bool,
}

/// Why an order is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotDone {
    /// It is older than what was seen.
    Older { given: Stamp, seen: Stamp },
    /// It is a change of something that is not known.
    Unknown,
}

impl<S: Subject> Told<S> {
    fn open(keep: &Keep) -> Self {
        Self { last: keep.intent::<S>(), dirty: false }
    }

    fn stamp(&self) -> Option<Stamp> {
        self.last.as_ref().map(|last| last.stamp)
    }

    /// Takes an order in. A question is none of its business.
    fn take(&mut self, epoch: u64, order: &Order<S>) -> Result<(), NotDone> {
        let (Order::Sync { revision, .. } | Order::Change { revision, .. }) = order else {
            return Ok(());
        };
        let given = Stamp { epoch, revision: *revision };
        if let Some(seen) = self.stamp().filter(|seen| given < *seen) {
            return Err(NotDone::Older { given, seen });
        }
        match order {
            Order::Sync { intent, .. } => {
                self.last = Some(KeptIntent { stamp: given, intent: intent.clone() });
            }
            Order::Change { delta, .. } => {
                let last = self.last.as_mut().ok_or(NotDone::Unknown)?;
                S::change(&mut last.intent, delta.clone());
                last.stamp = given;
            }
            Order::Settle(_) => {}
        }
        self.dirty = true;
        Ok(())
    }

    fn sync(&self) -> Option<Order<S>> {
        let KeptIntent { stamp, intent } = self.last.as_ref()?;
        Some(Order::Sync { intent: intent.clone(), revision: stamp.revision })
    }

    /// What is to be written, if anything.
    fn written(&mut self) -> Option<(Stamp, Vec<u8>)> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let last = self.last.as_ref()?;
        Some((last.stamp, serde_json::to_vec(last).expect("its keys are texts")))
    }
}

impl Intents {
    /// Reads what was kept. The control loops are told nothing of it.
    /// Nothing that is fenced begins where `fenced` says so.
    pub(super) fn open(
        keep: &Keep,
        loops: HostOrders,
        reports: Reports,
        fenced: bool,
    ) -> Result<Self, KeepError> {
        let (networks, workloads, edge) =
            (Told::open(keep), Told::open(keep), Told::<Edge>::open(keep));
        let kept = Held {
            networks: Told::<Networks>::stamp(&networks),
            workloads: Told::<Workloads>::stamp(&workloads),
            edge: edge.stamp(),
        };
        if fenced {
            reports.mask(&fenced_of(workloads.last.as_ref()));
        }
        let epoch = keep.epoch()?;
        let state = State { loops, epoch, networks, workloads, edge, fenced, kept };
        Ok(Self {
            keep: keep.clone(),
            reports,
            state: Mutex::new(state),
            changed: Notify::new(),
            kept: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The greatest epoch that was seen, and how far this host was told.
    pub(super) fn seen(&self) -> (u64, Held) {
        let state = self.state();
        let held = Held {
            networks: state.networks.stamp(),
            workloads: state.workloads.stamp(),
            edge: state.edge.stamp(),
        };
        (state.epoch, held)
    }

    /// What is on the disk.
    pub(super) fn held(&self) -> Held {
        self.state().kept
    }

    /// Follows a leader, and none before it any more. False where it is one before.
    pub(super) async fn follow(self: &Arc<Self>, epoch: u64) -> Result<bool, KeepError> {
        let seen = self.state().epoch;
        if epoch <= seen {
            return Ok(epoch == seen);
        }
        let keep = self.keep.clone();
        let kept = tokio::task::spawn_blocking(move || keep.set_epoch(epoch)).await;
        kept.map_err(|error| unwritten(&error))??;
        let mut state = self.state();
        state.epoch = state.epoch.max(epoch);
        Ok(true)
    }

    /// Takes an order in, and has it carried out.
    pub(super) fn take(&self, epoch: u64, order: AnyOrder) -> Result<(), NotDone> {
        let mut state = self.state();
        match order {
            Of::Networks(order) => {
                state.networks.take(epoch, &order)?;
                state.loops.networks.give(order);
            }
            Of::Workloads(order) => {
                state.workloads.take(epoch, &order)?;
                let fenced = fenced_of(state.workloads.last.as_ref());
                self.reports.mask_only(&fenced);
                state.loops.workloads.give(if state.fenced {
                    without_fenced(order)
                } else {
                    order
                });
            }
            Of::Edge(order) => {
                state.edge.take(epoch, &order)?;
                state.loops.edge.give(order);
            }
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Has everything that is known compared with what there is, and reported.
    pub(super) fn tell_all(&self) {
        let state = self.state();
        let loops = &state.loops;
        state.networks.sync().into_iter().for_each(|order| loops.networks.give(order));
        state.edge.sync().into_iter().for_each(|order| loops.edge.give(order));
        state.workloads.sync().into_iter().for_each(|order| {
            loops.workloads.give(if state.fenced { without_fenced(order) } else { order });
        });
    }

    /// Ends what is fenced, until [`Self::unfence`]. What ended so is to run again for all that servers know,
    /// and is reported as interrupted.
    pub(super) fn fence(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.fenced, true) {
            return;
        }
        let Some(told) = &state.workloads.last else { return };
        let fenced = fenced_of(Some(told));
        if fenced.is_empty() {
            return;
        }
        tracing::warn!(
            processes = fenced.len(),
            "no server was reached for {} s: what is fenced is ended, as it may run elsewhere soon",
            Host::FENCE.as_secs()
        );
        self.reports.mask(&fenced);
        let delta = WorkloadsDelta(fenced.into_iter().map(|id| (id, None)).collect());
        state.loops.workloads.give(Order::Change { delta, revision: told.stamp.revision });
    }

    /// Has what is fenced run again, as far as it is to.
    pub(super) fn unfence(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.fenced, false) {
            return;
        }
        let Some(told) = &state.workloads.last else { return };
        let runs = told.intent.0.iter().filter(|(_, intent)| intent.fenced);
        let runs: BTreeMap<_, _> = runs.map(|(id, intent)| (*id, Some(intent.clone()))).collect();
        if !runs.is_empty() {
            tracing::info!(
                processes = runs.len(),
                "servers are reached: what is fenced runs again"
            );
            let revision = told.stamp.revision;
            state.loops.workloads.give(Order::Change { delta: WorkloadsDelta(runs), revision });
        }
    }

    /// Has everything ended, and a question answered once it is. Nothing must be here from now on.
    pub(super) fn clear(&self, question: u64) {
        fn empty<S: Subject>(told: &mut Told<S>, loops: &dyn Orders<S>, question: u64) {
            let revision = told.last.as_mut().map_or(0, |last| {
                last.intent = S::Intent::default();
                last.stamp.revision
            });
            told.dirty = true;
            loops.give(Order::Sync { intent: S::Intent::default(), revision });
            loops.give(Order::Settle(question));
        }
        let state = &mut *self.state();
        empty(&mut state.networks, &*state.loops.networks, question);
        empty(&mut state.edge, &*state.loops.edge, question);
        empty(&mut state.workloads, &*state.loops.workloads, question);
        self.changed.notify_one();
    }

    /// Keeps what it is told, until it is told to stop and all is kept.
    pub(super) async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let ends = tokio::select! {
                () = self.changed.notified() => false,
                () = stop.cancelled() => true,
            };
            let this = Arc::clone(&self);
            let kept = tokio::task::spawn_blocking(move || this.keep_now()).await;
            match kept {
                Ok(Ok(())) => self.kept.notify_one(),
                Ok(Err(error)) => {
                    let error = os::error_chain(&error);
                    tracing::error!(
                        error,
                        "what this host was told is not kept; it is tried again"
                    );
                    if !ends {
                        tokio::time::sleep(RETRY).await;
                        self.changed.notify_one();
                    }
                }
                Err(error) => tracing::error!(%error, "what this host was told is not kept"),
            }
            if ends {
                return;
            }
        }
    }

    fn keep_now(&self) -> Result<(), KeepError> {
        let written = self.state().networks.written();
        self.write::<Networks>(written, |state| &mut state.networks)?;
        let written = self.state().edge.written();
        self.write::<Edge>(written, |state| &mut state.edge)?;
        let written = self.state().workloads.written();
        self.write::<Workloads>(written, |state| &mut state.workloads)
    }

    fn write<S: Carried>(
        &self,
        written: Option<(Stamp, Vec<u8>)>,
        told: fn(&mut State) -> &mut Told<S>,
    ) -> Result<(), KeepError> {
        let Some((stamp, bytes)) = written else { return Ok(()) };
        let done = self.keep.set_intent::<S>(&bytes);
        let mut state = self.state();
        match &done {
            Ok(()) => *S::held(&mut state.kept) = Some(stamp),
            Err(_) => told(&mut state).dirty = true,
        }
        done
    }
}

/// What is fenced of all that a host was told.
fn fenced_of(told: Option<&KeptIntent<Workloads>>) -> BTreeSet<WorkloadId> {
    let all = told.into_iter().flat_map(|told| &told.intent.0);
    all.filter(|(_, intent)| intent.fenced).map(|(id, _)| *id).collect()
}

/// An order without what may not run while no server is reached.
fn without_fenced(order: Order<Workloads>) -> Order<Workloads> {
    match order {
        Order::Sync { mut intent, revision } => {
            intent.0.retain(|_, intent| !intent.fenced);
            Order::Sync { intent, revision }
        }
        Order::Change { mut delta, revision } => {
            for part in delta.0.values_mut() {
                if part.as_ref().is_some_and(|intent| intent.fenced) {
                    *part = None;
                }
            }
            Order::Change { delta, revision }
        }
        Order::Settle(number) => Order::Settle(number),
    }
}

fn unwritten(error: &tokio::task::JoinError) -> KeepError {
    let source = std::io::Error::other(error.to_string());
    KeepError::Read { path: "fence.json".into(), source }
}
