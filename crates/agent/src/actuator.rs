//! What a control loop needs of its subject.

use std::fmt::Display;
use std::time::Duration;

use model::protocol::Subject;

use crate::wait::Wake;

/// What differs from one subject to the next: how it is changed, and how its state is observed.
pub trait Actuator: Send + 'static {
    /// The subject: networks, workloads or the edge.
    type Subject: Subject;
    /// What can fail by itself and is tried again. Its text is its name in reports.
    type Part: Ord + Clone + Display + Send;

    /// Whether what failed is tried again by comparing everything, and not by [`Actuator::retry`]. Such a comparison
    /// says of every part how it fares.
    const RETRIES_BY_SWEEP: bool;

    /// What ends [`Actuator::wait`] early.
    fn wake(&self) -> Wake;

    /// Begins a sweep: keeps the whole intent, and marks every part to be compared with it.
    fn begin_sweep(&mut self, intent: <Self::Subject as Subject>::Intent);

    /// Marks every part to be compared again; false if the intent is not known any more.
    fn look_again(&mut self) -> bool;

    /// Compares a few of the marked parts, which takes some milliseconds, and repairs what differs;
    /// `None` if no marked part is left.
    fn step(&mut self) -> Option<Found<Self::Subject>>;

    /// Makes a change.
    fn change(&mut self, delta: <Self::Subject as Subject>::Delta) -> Found<Self::Subject>;

    /// Tries again what failed. Not called if [`Actuator::RETRIES_BY_SWEEP`] is set.
    fn retry(&mut self) -> Found<Self::Subject>;

    /// Waits until an event happens on the host, it is woken, or the time is over.
    fn wait(&mut self, timeout: Duration) -> Found<Self::Subject>;

    /// Waits until the changes that were made have taken effect, as far as they can.
    fn settle(&mut self) -> Found<Self::Subject> {
        Found::default()
    }

    /// The fate of each part that was found, in order.
    fn fates(found: &Found<Self::Subject>) -> Vec<(Self::Part, Fate)>;

    /// The parts that need nothing any more after a change, so that it does not matter whether they
    /// failed.
    fn at_rest(_delta: &<Self::Subject as Subject>::Delta) -> Vec<Self::Part> {
        Vec::new()
    }

    /// Whether a part needs anything.
    fn needs(_intent: &<Self::Subject as Subject>::Intent, _part: &Self::Part) -> bool {
        true
    }

    /// Whether nothing is to be changed and reported any more, as the host may be about to stop.
    fn is_closing(&self) -> bool {
        false
    }
}

/// What a step or a change found and did.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<S: Subject> {
    /// What happened before the parts came into the state of `outcomes`, in order.
    pub events: Vec<S::Event>,
    /// The state of parts that were looked at or changed.
    pub outcomes: S::Outcomes,
}

impl<S: Subject> Default for Found<S> {
    fn default() -> Self {
        Self { events: Vec::new(), outcomes: S::Outcomes::default() }
    }
}

/// The state of a part, as far as it decides whether the part is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It needs no other try.
    Fine,
    /// It failed, and why.
    Failed(String),
    /// Something outside ended it.
    Interrupted,
}
