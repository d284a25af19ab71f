//! What happens in a space, as lines of its log: the events that its team is told of.

use std::sync::PoisonError;

use model::{Event, SpaceId, Timestamp, party_of_team};
use store::EventQuery;

use super::courier::SharedStore;
use crate::apps::log_reader::{Position, Reader};
use crate::apps::logs::{Line, Source};
use crate::ledger::Ledger;

/// How many events are read at a time.
const MOST: u32 = 256;

/// What a log drain sends.
pub(super) enum Log {
    /// The log of an app.
    App(Reader),
    /// What happens in a space.
    Space(SpaceLog),
}

impl Log {
    /// The lines since the last call. It reads files.
    pub(super) fn read(&mut self) -> Vec<Line> {
        match self {
            Self::App(reader) => reader.read(),
            Self::Space(log) => log.read(),
        }
    }
}

/// Reads what happens in a space in parts.
pub(super) struct SpaceLog {
    pub(super) ledger: Ledger,
    pub(super) store: SharedStore,
    pub(super) space: SpaceId,
    /// Nothing that happened before is read.
    pub(super) since: Timestamp,
    /// How far it was read before a restart.
    pub(super) seen: Option<Position>,
    /// The number of the last event that was read.
    pub(super) after: u64,
}

impl SpaceLog {
    fn read(&mut self) -> Vec<Line> {
        let world = self.ledger.world();
        let Some(space) = world.space(self.space) else { return Vec::new() };
        let query = EventQuery {
            after: Some(self.after),
            since: Some(self.since.max(self.seen.map_or(self.since, Position::time)).millis()),
            kinds: None,
            parties: Some(vec![party_of_team(space.team)]),
            limit: MOST,
        };
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match store.events(&query) {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(space = %self.space, %error, "what happened in it cannot be read");
                return Vec::new();
            }
        };
        drop(store);
        let Some(last) = events.rows.last().map(|row| row.number) else { return Vec::new() };
        self.after = last;
        let told = events.rows.iter().filter_map(|row| serde_json::from_str(&row.body).ok());
        let own = told.filter(|event: &Event| event.space.as_ref() == Some(&space.name));
        let mut lines: Vec<Line> = own.map(line).collect();
        if let Some(position) = self.seen.take() {
            position.skip(&mut lines);
        }
        lines
    }
}

fn line(event: Event) -> Line {
    let Event { at, kind, text, .. } = event;
    let text = format!("{kind}: {text}");
    Line { at, source: Source::Heroku, process: "space".to_owned(), text }
}
