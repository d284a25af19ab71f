//! The orders of one subject that wait to be sent to a host, and what changed lately.
//!
//! However slow a host is, and however long it is away, what is kept for it is one intent and three changes
//! at most: those that wait are made one.

use model::protocol::{Order, Subject};

use crate::message::Stamp;

/// How many changes are made one before all is told anew instead: in a change, what is gone takes
/// room, too.
const MOST_MERGED: u32 = 4096;
/// How many questions wait at most.
const MOST_SETTLES: usize = 64;

/// The orders of one subject that wait.
pub(crate) struct Mailbox<S: Subject> {
    change: Option<Waits<S::Delta>>,
    sync: Option<Waits<S::Intent>>,
    settles: Vec<u64>,
    history: Option<History<S>>,
    /// Whether the host cannot be told what changed before it was told all that there is.
    lacks_sync: bool,
    /// Whether somebody was asked for that.
    asked: bool,
}

struct Waits<T> {
    what: T,
    revision: u64,
    /// How many changes are in it.
    merged: u32,
}

/// What changed since a host was last heard to have been told, in two parts: the older one is let go of once
/// the host has come as far as the younger one begins.
struct History<S: Subject> {
    /// The leader whose orders these are.
    epoch: u64,
    older: Option<(u64, S::Delta)>,
    younger: (u64, S::Delta),
    latest: u64,
    merged: u32,
}

impl<S: Subject> Default for Mailbox<S> {
    fn default() -> Self {
        let (change, sync, settles, history) = (None, None, Vec::new(), None);
        Self { change, sync, settles, history, lacks_sync: true, asked: false }
    }
}

impl<S: Subject> Mailbox<S> {
    /// Takes an order that a leader gives.
    pub(crate) fn give(&mut self, epoch: u64, order: Order<S>) {
        match order {
            Order::Sync { intent, revision } => {
                self.history = Some(History::new(epoch, revision));
                // Changes that wait are made first, as they are where no host is in between.
                self.sync = Some(Waits { what: intent, revision, merged: 0 });
                self.lacks_sync = false;
            }
            // What it lacks will have this, too.
            Order::Change { .. } if self.lacks_sync => {}
            Order::Change { delta, revision } => {
                self.note(epoch, &delta, revision);
                if let Some(sync) = &mut self.sync {
                    S::change(&mut sync.what, delta);
                    sync.revision = revision;
                } else if let Some(change) = &mut self.change {
                    S::merge(&mut change.what, delta);
                    (change.revision, change.merged) = (revision, change.merged + 1);
                    if change.merged > MOST_MERGED {
                        self.forget();
                    }
                } else {
                    self.change = Some(Waits { what: delta, revision, merged: 1 });
                }
            }
            Order::Settle(number) => {
                self.settles.push(number);
                let surplus = self.settles.len().saturating_sub(MOST_SETTLES);
                self.settles.drain(..surplus);
            }
        }
    }

    fn note(&mut self, epoch: u64, delta: &S::Delta, revision: u64) {
        let Some(history) = &mut self.history else { return };
        if history.epoch != epoch || history.merged > MOST_MERGED {
            self.history = None;
            return;
        }
        S::merge(&mut history.younger.1, delta.clone());
        history.latest = revision;
        history.merged += 1;
    }

    /// Nothing is known any more but that all must be told.
    fn forget(&mut self) {
        (self.change, self.history) = (None, None);
        (self.lacks_sync, self.asked) = (true, false);
    }

    /// The host is there, and has come so far with what it was told.
    pub(crate) fn connect(&mut self, epoch: u64, held: Option<Stamp>) {
        let known = self.history.as_ref().filter(|history| history.epoch == epoch);
        if self.sync.is_some() && known.is_some() {
            self.change = None;
            return;
        }
        self.sync = None;
        let missed = known.zip(held).and_then(|(history, held)| history.since(held));
        match missed {
            Some(missed) => self.change = Some(missed),
            None => self.forget(),
        }
    }

    /// The host has kept what it was told up to here.
    pub(crate) fn held(&mut self, held: Stamp) {
        if let Some(history) = &mut self.history
            && history.epoch == held.epoch
        {
            history.held(held.revision);
        }
    }

    /// Whether whoever plans is to be asked for all that there is. Says so once.
    pub(crate) fn asks(&mut self) -> bool {
        self.lacks_sync && !std::mem::replace(&mut self.asked, true)
    }

    /// Whether all was sent that the host is to be told.
    pub(crate) fn is_empty(&self) -> bool {
        !self.lacks_sync && self.sync.is_none() && self.change.is_none()
    }

    /// What is to be sent now.
    pub(crate) fn take(&mut self) -> Vec<Order<S>> {
        let change = self.change.take();
        let change = change.map(|it| Order::Change { delta: it.what, revision: it.revision });
        let sync = self.sync.take();
        let sync = sync.map(|it| Order::Sync { intent: it.what, revision: it.revision });
        let settles = if self.lacks_sync { Vec::new() } else { std::mem::take(&mut self.settles) };
        change.into_iter().chain(sync).chain(settles.into_iter().map(Order::Settle)).collect()
    }
}

impl<S: Subject> History<S> {
    fn new(epoch: u64, revision: u64) -> Self {
        let younger = (revision, S::Delta::default());
        Self { epoch, older: None, younger, latest: revision, merged: 0 }
    }

    fn held(&mut self, revision: u64) {
        let (begins, _) = self.younger;
        if revision >= begins && self.latest > begins {
            let fresh = (self.latest, S::Delta::default());
            self.older = Some(std::mem::replace(&mut self.younger, fresh));
            self.merged = 0;
        }
        if revision >= self.latest {
            self.older = None;
        }
    }

    /// What changed since; `None` where that is not known any more.
    fn since(&self, held: Stamp) -> Option<Waits<S::Delta>> {
        let (begins, younger) = &self.younger;
        let what = if held.epoch != self.epoch || held.revision > self.latest {
            return None;
        } else if held.revision >= *begins {
            younger.clone()
        } else {
            let (_, older) = self.older.as_ref().filter(|(from, _)| held.revision >= *from)?;
            let mut both = older.clone();
            S::merge(&mut both, younger.clone());
            both
        };
        Some(Waits { what, revision: self.latest, merged: 1 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::edge::{EdgeDelta, EdgeIntent, ResolverIntent};
    use model::protocol::Edge;
    use model::{PrefixedId, VpcId};
    use proptest::prelude::*;

    use super::*;

    fn vpc(n: u8) -> VpcId {
        VpcId::fresh(&mut model::Sequence(u128::from(n)))
    }

    fn part(n: u8) -> ResolverIntent {
        ResolverIntent { addresses: vec![[10, 0, 0, n].into()], ..Default::default() }
    }

    fn delta(n: u8, value: Option<u8>) -> EdgeDelta {
        EdgeDelta { vpcs: [(vpc(n), value.map(part))].into(), spaces: BTreeMap::new() }
    }

    /// A host, which may be away, and what is kept of it on its disk.
    #[derive(Default)]
    struct Host {
        intent: Option<EdgeIntent>,
        stamp: Option<Stamp>,
    }

    impl Host {
        fn take(&mut self, orders: Vec<Order<Edge>>) {
            for order in orders {
                let revision = match order {
                    Order::Sync { intent, revision } => {
                        self.intent = Some(intent);
                        revision
                    }
                    Order::Change { delta, revision } => {
                        Edge::change(self.intent.as_mut().expect("it was told all"), delta);
                        revision
                    }
                    Order::Settle(_) => continue,
                };
                let stamp = Stamp { epoch: 1, revision };
                assert!(
                    self.stamp.is_none_or(|seen| seen <= stamp),
                    "it is never told older things"
                );
                self.stamp = Some(stamp);
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Change(u8, Option<u8>),
        Sync,
        /// What waits arrives, and is kept if this is so.
        Arrive(bool),
        /// What waits is sent, and is lost.
        Lose,
        /// The connection is cut, and made anew.
        Reconnect,
        /// Its process is gone, with all that it had not kept.
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6u8, proptest::option::of(0..9u8)).prop_map(|(n, v)| Step::Change(n, v)),
            1 => Just(Step::Sync),
            4 => any::<bool>().prop_map(Step::Arrive),
            1 => Just(Step::Lose),
            1 => Just(Step::Reconnect),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        /// However connections break and processes end, a host that is there again comes to have what it
        /// must have, and is never told older things.
        #[test]
        fn a_host_comes_to_have_what_it_must(steps in prop::collection::vec(step(), 1..60)) {
            let (mut truth, mut revision) = (EdgeIntent::default(), 1);
            let mut mailbox = Mailbox::<Edge>::default();
            let (mut host, mut kept) = (Host::default(), Host::default());
            let reconnect = |mailbox: &mut Mailbox<Edge>, truth: &EdgeIntent, revision, kept: &Host| {
                mailbox.connect(1, kept.stamp);
                if mailbox.lacks_sync {
                    mailbox.give(1, Order::Sync { intent: truth.clone(), revision });
                }
                Host { intent: kept.intent.clone(), stamp: kept.stamp }
            };
            host = { let _ = host; reconnect(&mut mailbox, &truth, revision, &kept) };
            for step in steps {
                match step {
                    Step::Change(n, value) => {
                        revision += 1;
                        Edge::change(&mut truth, delta(n, value));
                        mailbox.give(1, Order::Change { delta: delta(n, value), revision });
                    }
                    Step::Sync => {
                        mailbox.give(1, Order::Sync { intent: truth.clone(), revision });
                    }
                    Step::Arrive(keeps) => {
                        host.take(mailbox.take());
                        if keeps {
                            kept = Host { intent: host.intent.clone(), stamp: host.stamp };
                            if let Some(stamp) = kept.stamp {
                                mailbox.held(stamp);
                            }
                        }
                    }
                    Step::Lose => {
                        mailbox.take();
                        let same = Host { intent: host.intent.clone(), stamp: host.stamp };
                        host = reconnect(&mut mailbox, &truth, revision, &same);
                    }
                    Step::Reconnect => {
                        let same = Host { intent: host.intent.clone(), stamp: host.stamp };
                        host = reconnect(&mut mailbox, &truth, revision, &same);
                    }
                    Step::Restart => host = reconnect(&mut mailbox, &truth, revision, &kept),
                }
            }
            let same = Host { intent: host.intent.clone(), stamp: host.stamp };
            host = reconnect(&mut mailbox, &truth, revision, &same);
            host.take(mailbox.take());
            prop_assert_eq!(host.intent, Some(truth));
        }
    }

    #[test]
    fn a_host_that_was_away_for_a_moment_is_told_what_changed_and_no_more() {
        let mut mailbox = Mailbox::<Edge>::default();
        mailbox.give(1, Order::Sync { intent: EdgeIntent::default(), revision: 5 });
        mailbox.connect(1, None);
        assert_eq!(mailbox.take().len(), 1);
        mailbox.held(Stamp { epoch: 1, revision: 5 });
        for n in 6..9 {
            let delta = delta(n, Some(n));
            mailbox.give(1, Order::Change { delta, revision: u64::from(n) });
        }
        mailbox.connect(1, Some(Stamp { epoch: 1, revision: 7 }));
        let [Order::Change { delta, revision: 8 }] = &mailbox.take()[..] else { panic!() };
        assert_eq!(delta.vpcs.len(), 3);
        // Another leader's host, or one that is ahead, or one that is far behind.
        for held in [(2, 8), (1, 9), (1, 4)] {
            let (epoch, revision) = held;
            mailbox.connect(1, Some(Stamp { epoch, revision }));
            assert!(mailbox.lacks_sync, "{held:?}");
            mailbox.give(1, Order::Sync { intent: EdgeIntent::default(), revision: 8 });
            mailbox.take();
        }
        mailbox.connect(2, Some(Stamp { epoch: 1, revision: 8 }));
        assert!(mailbox.lacks_sync, "the server has not led before");
    }

    #[test]
    fn what_waits_for_a_host_is_bounded() {
        let mut mailbox = Mailbox::<Edge>::default();
        mailbox.give(1, Order::Sync { intent: EdgeIntent::default(), revision: 1 });
        mailbox.take();
        for revision in 2..u64::from(MOST_MERGED) * 2 {
            mailbox.give(1, Order::Change { delta: delta(1, None), revision });
            mailbox.give(1, Order::Settle(revision));
        }
        assert!(mailbox.asks() && !mailbox.asks(), "it asks once");
        assert!(mailbox.change.is_none() && mailbox.sync.is_none());
        assert_eq!(mailbox.settles.len(), MOST_SETTLES);
        assert!(mailbox.take().is_empty(), "a question is answered after what it is about");
        mailbox.give(1, Order::Sync { intent: EdgeIntent::default(), revision: 9999 });
        for revision in 10_000..20_000 {
            mailbox.give(1, Order::Change { delta: delta(1, None), revision });
        }
        assert!(!mailbox.lacks_sync, "changes go into what waits as a whole");
        let [Order::Sync { revision: 19_999, .. }, ..] = &mailbox.take()[..] else { panic!() };
    }

    #[test]
    fn changes_that_wait_come_before_all_that_there_is_and_questions_after_it() {
        let mut mailbox = Mailbox::<Edge>::default();
        let sync = |revision| Order::Sync { intent: EdgeIntent::default(), revision };
        mailbox.give(1, sync(1));
        mailbox.take();
        mailbox.give(1, Order::Change { delta: delta(1, Some(1)), revision: 2 });
        mailbox.give(1, sync(3));
        mailbox.give(1, Order::Settle(7));
        mailbox.give(1, Order::Change { delta: delta(2, Some(2)), revision: 4 });
        let orders = mailbox.take();
        let [
            Order::Change { revision: 2, .. },
            Order::Sync { intent, revision: 4 },
            Order::Settle(7),
        ] = &orders[..]
        else {
            panic!("{orders:?}")
        };
        assert_eq!(intent.vpcs.len(), 1);
    }
}
