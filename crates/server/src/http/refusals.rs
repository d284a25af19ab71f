//! Audit rows for requests that were refused before they became commands: strangers, wrong
//! signatures, unknown keys.
//!
//! Anybody can send any number of such requests. So the first one of a kind is recorded at once,
//! further ones within a minute are counted and recorded together, and the number of kinds is
//! limited so that a flood burdens neither the disk nor the ledger. What exceeds the limit is
//! counted in one row a minute.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;
use store::AuditRow;

use crate::party::network;

/// How long refusals of one kind are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// The burst of kinds that are recorded by themselves.
const AT_ONCE: u32 = 100;
/// How often one more kind may be recorded.
const COMES_BACK: Duration = Duration::from_secs(6);

/// A request that was refused.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The client's address.
    pub source: Option<IpAddr>,
    /// The audit row. Its source and time need not be set.
    pub row: AuditRow,
}

/// Counts refused requests.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Counts>);

/// A kind: the network of the client, the actor, the action and the outcome.
type Kind = (Option<IpAddr>, String, String, String);

#[derive(Debug, Default)]
struct Counts {
    seen: BTreeMap<Kind, Seen>,
    /// The number of refusals beyond the limit, and when counting began.
    others: u64,
    others_since: Timestamp,
    /// The used part of the burst.
    spent: u32,
    spent_at: Timestamp,
}

#[derive(Debug)]
struct Seen {
    since: Timestamp,
    again: u64,
    row: AuditRow,
}

impl Refusals {
    /// Counts a refusal. Returns a row to record if it is the first of its kind.
    pub fn count(&self, refusal: Refusal, now: Timestamp) -> Option<AuditRow> {
        let Refusal { source, row } = refusal;
        let kind =
            (source.map(network), row.actor.clone(), row.action.clone(), row.outcome.clone());
        let mut kept = self.0.lock().expect("no holder panics");
        if let Some(seen) = kept.seen.get_mut(&kind) {
            seen.again += 1;
            return None;
        }
        if !kept.may_note(now) {
            if kept.others == 0 {
                kept.others_since = now;
            }
            kept.others += 1;
            return None;
        }
        let source = source.map(|address| address.to_string()).unwrap_or_default();
        let row = AuditRow { at: now.millis(), source, ..row };
        kept.seen.insert(kind, Seen { since: now, again: 0, row: row.clone() });
        Some(row)
    }

    /// The rows to record for kinds that were counted long enough, or for all kinds if `all` is
    /// set.
    pub fn counted(&self, now: Timestamp, all: bool) -> Vec<AuditRow> {
        let mut kept = self.0.lock().expect("no holder panics");
        let over = |since: Timestamp| all || now >= since + WINDOW;
        let done = kept.seen.extract_if(.., |_, seen| over(seen.since));
        let mut rows: Vec<AuditRow> = done
            .filter(|(_, seen)| seen.again > 0)
            .map(|(_, Seen { again, row, .. })| {
                let message = format!("{} (and {again} more like it)", row.message);
                AuditRow { at: now.millis(), message, ..row }
            })
            .collect();
        if kept.others > 0 && over(kept.others_since) {
            rows.push(AuditRow {
                at: now.millis(),
                actor: "nobody".to_owned(),
                action: "Several".to_owned(),
                outcome: "refused".to_owned(),
                message: format!("{} more requests of other kinds were refused", kept.others),
                ..AuditRow::default()
            });
            kept.others = 0;
        }
        rows
    }
}

impl Counts {
    /// Whether one more kind may be recorded by itself. It counts as recorded then.
    fn may_note(&mut self, now: Timestamp) -> bool {
        let back = now.since(self.spent_at).as_millis() / COMES_BACK.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        if back > 0 {
            self.spent = self.spent.saturating_sub(back);
            self.spent_at = now;
        }
        let may = self.spent < AT_ONCE;
        if may {
            self.spent += 1;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    fn refusal(source: u32, action: &str) -> Refusal {
        let row = AuditRow { action: action.to_owned(), ..AuditRow::default() };
        Refusal { source: Some(IpAddr::from(source.to_be_bytes())), row }
    }

    #[test]
    fn the_first_is_noted_at_once_and_those_like_it_are_counted() {
        let refusals = Refusals::default();
        let row = refusals.count(refusal(1, "a"), at(0)).unwrap();
        assert_eq!((row.source.as_str(), row.at), ("0.0.0.1", 0));
        for second in 1..59 {
            assert_eq!(refusals.count(refusal(1, "a"), at(second)), None);
        }
        assert!(refusals.count(refusal(2, "a"), at(5)).is_some(), "from somewhere else");
        assert!(refusals.count(refusal(1, "b"), at(5)).is_some(), "of another kind");
        assert!(refusals.counted(at(59), false).is_empty());
        let rows = refusals.counted(at(60), false);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0].message.contains("58 more"), "{rows:?}");
        assert!(refusals.count(refusal(1, "a"), at(61)).is_some(), "a minute later it is new");
        assert!(refusals.counted(at(100), true).is_empty(), "nothing was counted");
        assert!(refusals.0.lock().unwrap().seen.is_empty());
    }

    #[test]
    fn a_flood_leaves_few_rows_and_is_counted() {
        let refusals = Refusals::default();
        let (mut noted, mut together) = (0, Vec::new());
        for second in 0..600u32 {
            for n in 0..1000 {
                let refusal = refusal(second * 1000 + n, "a");
                noted += u32::from(refusals.count(refusal, at(second.into())).is_some());
            }
            together.extend(refusals.counted(at(second.into()), false));
        }
        assert_eq!(noted, 100 + 99, "a hundred, and one every six seconds");
        assert_eq!(together.len(), 9, "{together:?}");
        assert!(refusals.0.lock().unwrap().seen.len() <= 110);
        together.extend(refusals.counted(at(600), true));
        let counted: u64 = together
            .iter()
            .map(|row| row.message.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted + u64::from(noted), 600_000);
    }
}
