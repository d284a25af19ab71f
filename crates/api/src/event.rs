//! Events: what happened, as everybody is told what concerns them.

use std::collections::BTreeMap;

use model::{EventKind, Timestamp};
use serde::{Deserialize, Serialize};

/// The query of `GET /_causeway/events`. The operator is told all, a user what concerns their teams, an
/// account what concerns it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQuery {
    /// Only events with a higher number, oldest first: how a follower goes on. Without it the newest
    /// events are told.
    pub after: Option<u64>,
    /// Only events from this time on: `2026-01-31T12:00:00Z`, or how long ago, such as `6h`.
    pub since: Option<String>,
    /// Only events of these kinds or groups of kinds, such as `peering` or `dyno.crashed`, with commas
    /// between them.
    pub kind: Option<String>,
    /// How many events at most; without it 100. There are 1,000 at most.
    pub limit: Option<u32>,
}

/// Events, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The number after which a follower goes on.
    pub last: u64,
    /// The number of the oldest event that is kept; 0 where there is none. Who has seen less than the one
    /// before it has missed some.
    pub oldest: u64,
}

/// Something that happened. A webhook is sent it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place among all events. Numbers grow, and some are not for everybody to see.
    pub number: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The id of what it happened to.
    pub resource: String,
    /// What happened, in a sentence.
    pub text: String,
    /// The space that it is about; `null` for others than its team and the operator.
    pub space: Option<String>,
    /// The facts, by name.
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// An event as the operator is told it, or everybody else; `knows_space` says whether they may know
    /// the space's name.
    pub fn told(number: u64, event: model::Event, knows_space: bool) -> Self {
        Self {
            number,
            time: event.at,
            kind: event.kind,
            resource: event.resource,
            text: event.text,
            space: event.space.filter(|_| knows_space),
            details: event.details,
        }
    }
}
