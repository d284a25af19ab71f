//! Events, and what became of them at webhooks.

use super::{Database, puts};
use crate::batch::Limits;
use crate::{Batch, DeliveryRow, Error, EventQuery, EventRow};

fn event(at: i64, kind: &str, resource: &str, parties: &[&str]) -> EventRow {
    EventRow {
        number: 0,
        at,
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        parties: parties.iter().map(|party| (*party).to_owned()).collect(),
        body: format!("{{\"at\":{at}}}"),
    }
}

pub(crate) fn events_are_kept_with_what_brought_them_about<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits::default());
    let happened = |batch: Batch, events: &[EventRow]| Batch { events: events.to_vec(), ..batch };
    let first = [event(1, "a.x", "r1", &["team/1", "account/2"]), event(2, "b.y", "r2", &[])];
    store.commit(&happened(puts(0, &["a"]), &first)).unwrap();
    let conflict = store.commit(&happened(puts(0, &["b"]), &[event(9, "a.x", "r9", &[])]));
    assert!(matches!(conflict, Err(Error::Conflict { .. })));
    // Without any change, too.
    let alone = Batch { expected_revision: 1, revision: 1, ..Batch::default() };
    store.commit(&happened(alone, &[event(3, "a.x", "r3", &["team/1"])])).unwrap();
    let numbers = |query: EventQuery| {
        let events = store.events(&EventQuery { limit: 10, ..query }).unwrap();
        assert_eq!((events.oldest, events.newest), (1, 3));
        events.rows.iter().map(|row| row.number).collect::<Vec<_>>()
    };
    let texts = |list: &[&str]| Some(list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    assert_eq!(numbers(EventQuery::default()), [1, 2, 3]);
    assert_eq!(numbers(EventQuery { after: Some(1), ..EventQuery::default() }), [2, 3]);
    assert_eq!(numbers(EventQuery { after: Some(u64::MAX), ..EventQuery::default() }), []);
    assert_eq!(numbers(EventQuery { since: Some(2), ..EventQuery::default() }), [2, 3]);
    let of = |kinds: &[&str]| EventQuery { kinds: texts(kinds), ..EventQuery::default() };
    assert_eq!(numbers(of(&["a.x"])), [1, 3]);
    assert_eq!(numbers(of(&[])), []);
    let seen_by =
        |parties: &[&str]| EventQuery { parties: texts(parties), ..EventQuery::default() };
    assert_eq!(numbers(seen_by(&["team/1"])), [1, 3]);
    assert_eq!(numbers(seen_by(&["account/2", "team/9"])), [1]);
    for nobody in [&["team/"][..], &["eam/1"], &["team/1 "], &[""], &[]] {
        assert_eq!(numbers(seen_by(nobody)), [], "{nobody:?}");
    }
    let newest = store.events(&EventQuery { limit: 1, ..EventQuery::default() }).unwrap();
    assert_eq!(newest.rows, [EventRow { number: 3, ..event(3, "a.x", "r3", &["team/1"]) }]);
    let next = store.events(&EventQuery { limit: 1, after: Some(0), ..EventQuery::default() });
    assert_eq!(next.unwrap().rows, [EventRow { number: 1, ..first[0].clone() }]);
    assert!(store.knows_event("a.x", "r3").unwrap());
    assert!(!store.knows_event("b.y", "r3").unwrap());
}

pub(crate) fn events_keep_the_newest_and_their_numbers<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { events: 2, ..Limits::default() });
    for at in 1..=5 {
        let events = vec![event(at, "a.x", "r", &[])];
        store.commit(&Batch { events, ..Batch::default() }).unwrap();
    }
    let events = store.events(&EventQuery { limit: 10, ..EventQuery::default() }).unwrap();
    assert_eq!(events.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((events.oldest, events.newest), (4, 5));
}

pub(crate) fn deliveries_are_kept_for_each_webhook<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { deliveries: 3, ..Limits::default() });
    let row = |hook: &str, event, settled, body: &str| DeliveryRow {
        hook: hook.to_owned(),
        event,
        settled,
        body: body.to_owned(),
    };
    assert_eq!(store.last_settled("h").unwrap(), None);
    store.note_delivery(&row("h", 1, false, "tried")).unwrap();
    assert_eq!(store.last_settled("h").unwrap(), None);
    store.note_delivery(&row("h", 1, true, "done")).unwrap();
    store.note_delivery(&row("h", 2, true, "done")).unwrap();
    store.note_delivery(&row("h", 5, false, "tried")).unwrap();
    store.note_delivery(&row("other", 7, true, "done")).unwrap();
    assert_eq!(store.last_settled("h").unwrap(), Some(2));
    store.note_delivery(&row("h", 6, false, "tried")).unwrap();
    let kept = store.deliveries("h", 10).unwrap();
    assert_eq!(kept.iter().map(|row| row.event).collect::<Vec<_>>(), [6, 5, 2]);
    assert_eq!(store.deliveries("h", 1).unwrap(), [row("h", 6, false, "tried")]);
    store.forget_deliveries("h").unwrap();
    assert_eq!(store.deliveries("h", 10).unwrap(), []);
    assert_eq!(store.last_settled("other").unwrap(), Some(7));
}
