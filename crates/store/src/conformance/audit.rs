//! The audit.

use super::{Database, fresh, noted, puts, rows};
use crate::batch::Limits;
use crate::{AuditQuery, AuditRow, AuditSight, Batch, Store, Tail};

pub(crate) fn audit_alone_keeps_the_revision<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a"])).unwrap();
    let refusal = AuditRow { revision: 1, ..noted(9, "1", "VpcLimitExceeded") };
    let batch = Batch {
        expected_revision: 1,
        revision: 1,
        audit: vec![refusal.clone()],
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    let kept = store.audit(&AuditQuery::default()).unwrap();
    assert_eq!(kept, [AuditRow { number: 1, ..refusal }]);
    assert_eq!(rows(&mut *store).0, 1);
    assert_eq!(store.tail(1).unwrap(), Tail { revision: 1, changes: Vec::new() });
}

pub(crate) fn audit_query_filters_and_pages<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let audit = (0..20)
        .map(|at| noted(at, ["1", "2"][at as usize % 2], ["ok", "DryRun"][at as usize / 10]))
        .collect();
    store.commit(&Batch { audit, ..Batch::default() }).unwrap();
    let all = AuditQuery::default();
    let times = |query: &AuditQuery| -> Vec<i64> {
        store.audit(query).unwrap().iter().map(|row| row.at).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(times(&all), (0..20).rev().collect::<Vec<_>>());
    let first = AuditQuery { account: some("2"), limit: 3, ..all.clone() };
    assert_eq!(times(&first), [19, 17, 15]);
    let last_number = store.audit(&first).unwrap()[2].number;
    assert_eq!(times(&AuditQuery { before: Some(last_number), ..first }), [13, 11, 9]);
    let window = AuditQuery { since: Some(8), until: Some(12), ..all.clone() };
    assert_eq!(times(&window), [11, 10, 9, 8]);
    assert_eq!(times(&AuditQuery { outcome: some("ok"), ..window }), [9, 8]);
    assert_eq!(times(&AuditQuery { resource: some("vpc-7"), ..all.clone() }), [7]);
    assert_eq!(times(&AuditQuery { request_id: some("request-6"), ..all.clone() }), [6]);
    let both = AuditQuery { actor: some("user-1"), resource: some("vpc-7"), ..all.clone() };
    assert!(times(&both).is_empty());
    assert!(times(&AuditQuery { action: some("DeleteVpc"), ..all.clone() }).is_empty());
    for (pattern, matches) in [
        ("CreateVpc", 20),
        ("Create*", 20),
        ("*Vpc", 20),
        ("*", 20),
        ("create*", 0),
        ("CreateVp?", 0),
        ("[C]reateVpc", 0),
        ("Delete*", 0),
    ] {
        let query = AuditQuery { action: some(pattern), ..all.clone() };
        assert_eq!(times(&query).len(), matches, "{pattern}");
    }
    let refused = AuditQuery { refused: true, ..all.clone() };
    assert_eq!(times(&refused), (10..20).rev().collect::<Vec<_>>());
    assert_eq!(times(&AuditQuery { team: some("team-2"), limit: 2, ..all.clone() }), [19, 17]);
    assert_eq!(times(&AuditQuery { space: some("space-4"), ..all.clone() }), [4]);
    let newer = AuditQuery { after: Some(last_number), limit: 3, ..all.clone() };
    assert_eq!(times(&newer), [16, 17, 18], "oldest first, so that none is passed over");
    assert!(times(&AuditQuery { account: some("' OR true --"), ..all.clone() }).is_empty());
    assert!(times(&AuditQuery { limit: 0, ..all }).is_empty());
}

pub(crate) fn audit_shows_each_what_is_theirs<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let row = |at: i64, actor: &str, account: &str, team: &str| AuditRow {
        at,
        actor: actor.to_owned(),
        account: account.to_owned(),
        team: team.to_owned(),
        outcome: "ok".to_owned(),
        ..AuditRow::default()
    };
    let audit = vec![
        row(0, "user/ada", "", ""),
        row(1, "user/bob", "", "acme"),
        row(2, "user/bob", "", "other"),
        row(3, "account/1", "1", "acme"),
        row(4, "account/2", "2", ""),
        row(5, "operator", "", "acme"),
        row(6, "system", "", "acme"),
        row(7, "nobody", "", ""),
        row(8, "user/ada", "", "other"),
    ];
    store.commit(&Batch { audit, ..Batch::default() }).unwrap();
    let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let times = |actors: &[&str], accounts: &[&str], teams: &[&str]| -> Vec<i64> {
        let (actors, accounts, teams) = (list(actors), list(accounts), list(teams));
        let sight = Some(AuditSight { actors, accounts, teams });
        let query = AuditQuery { sight, ..AuditQuery::default() };
        store.audit(&query).unwrap().iter().map(|row| row.at).collect()
    };
    assert!(times(&[], &[], &[]).is_empty());
    assert_eq!(times(&["user/ada"], &[], &["acme"]), [8, 5, 1, 0]);
    assert_eq!(times(&["account/1"], &["1"], &[]), [3]);
    assert_eq!(times(&["user/ada", "account/2"], &["2"], &["acme", "other"]), [8, 5, 4, 2, 1, 0]);
    assert!(times(&["' OR true --"], &["') OR ('' = '"], &["*"]).is_empty());
    let by_people = AuditQuery { by_people: true, ..AuditQuery::default() };
    let seen: Vec<i64> = store.audit(&by_people).unwrap().iter().map(|row| row.at).collect();
    assert_eq!(seen, [8, 7, 5, 4, 3, 2, 1, 0]);
    // The other conditions hold besides, and pages are of what is seen.
    let sight = Some(AuditSight { teams: list(&["acme"]), ..AuditSight::default() });
    let first = AuditQuery { sight, limit: 1, ..AuditQuery::default() };
    let newest = store.audit(&first).unwrap();
    assert_eq!(newest[0].at, 5);
    let next = AuditQuery { before: Some(newest[0].number), ..first.clone() };
    assert_eq!(store.audit(&next).unwrap()[0].at, 1);
    let by_nobody = AuditQuery { actor: Some("nobody".to_owned()), ..first };
    assert!(store.audit(&by_nobody).unwrap().is_empty());
}

pub(crate) fn audit_keeps_the_newest<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { audit: 5, ..Limits::default() });
    let note = |from: i64, to: i64| Batch {
        audit: (from..to).map(|at| noted(at, "1", "ok")).collect(),
        ..Batch::default()
    };
    store.commit(&note(0, 4)).unwrap();
    store.commit(&note(4, 6)).unwrap();
    store.commit(&note(6, 7)).unwrap();
    let times = |store: &dyn Store| -> Vec<i64> {
        store.audit(&AuditQuery::default()).unwrap().iter().map(|row| row.at).collect()
    };
    assert_eq!(times(&*store), [6, 5, 4, 3, 2]);
    store.commit(&note(100, 120)).unwrap();
    assert_eq!(times(&*store), [119, 118, 117, 116, 115]);
}
