//! Tests of what followers are told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use model::{AccountId, VpcId};
use os::Waker;

use super::book::*;
use crate::party::Party;

fn vpc(number: u32) -> VpcId {
    format!("vpc-{number:017x}").parse().unwrap()
}

fn flows() -> Flows {
    Flows::new(PathBuf::from("nowhere"), Waker::new().unwrap())
}

fn entry(port: u16, event: api::FlowEvent) -> Entry {
    Entry::Record(Box::new(api::FlowRecord {
        time: model::Timestamp::from_millis(0),
        event,
        direction: api::FlowDirection::Egress,
        protocol: 6,
        source: [10, 1, 0, 4].into(),
        destination: [10, 2, 0, 4].into(),
        source_port: 40_000,
        destination_port: port,
        packets: None,
        bytes: None,
        packets_back: None,
        bytes_back: None,
        reason: None,
        component: api::Component::default(),
    }))
}

fn ports(records: &[api::FlowRecord]) -> Vec<u16> {
    records.iter().map(|record| record.destination_port).collect()
}

#[test]
fn each_is_told_of_what_they_ask_for_and_goes_on_where_they_were() {
    let flows = flows();
    let (one, both): (BTreeSet<_>, BTreeSet<_>) = ([vpc(1)].into(), [vpc(1), vpc(2)].into());
    assert_eq!(flows.follow(&both, &[Party::Operator]), Some(0));
    let (opened, rejected) = (api::FlowEvent::Opened, api::FlowEvent::Rejected);
    flows.keep(vec![
        (vpc(1), entry(1, opened)),
        (vpc(2), entry(2, rejected)),
        (vpc(3), entry(3, rejected)),
        (vpc(1), entry(4, rejected)),
        (vpc(2), Entry::Lost(7)),
    ]);
    let (records, lost, next) = flows.after(&one, 0, 10, |_| true);
    assert_eq!((ports(&records), lost), (vec![1, 4], 0), "nobody asked for the third");
    assert_eq!(flows.after(&one, next, 10, |_| true).0, []);
    let (records, lost, next) = flows.after(&both, 0, 10, |it| it.event == rejected);
    assert_eq!((ports(&records), lost), (vec![2, 4], 7));
    flows.keep(vec![(vpc(2), entry(5, opened))]);
    assert_eq!(ports(&flows.after(&both, next, 10, |_| true).0), [5]);

    // What does not fit one answer is in the next.
    let (records, _, next) = flows.after(&both, 0, 3, |_| true);
    assert_eq!(ports(&records), [1, 2, 4]);
    assert_eq!(ports(&flows.after(&both, next, 3, |_| true).0), [5]);
}

#[test]
fn who_reads_slowly_is_told_how_much_is_missing() {
    let flows = flows();
    let one: BTreeSet<_> = [vpc(1)].into();
    flows.follow(&one, &[Party::Operator]);
    let more = 10;
    for port in 0..MOST_RECORDS + more {
        flows.keep(vec![(vpc(1), entry(port as u16, api::FlowEvent::Opened))]);
    }
    let (records, lost, next) = flows.after(&one, 0, usize::MAX, |_| true);
    assert_eq!((records.len(), lost), (MOST_RECORDS, more as u64));
    assert_eq!(flows.after(&one, next, 10, |_| true).1, 0, "and no more");
    // Who had read some of them misses the rest alone.
    assert_eq!(flows.after(&one, 4, 10, |_| true).1, more as u64 - 4);
}

#[test]
fn nobody_takes_all_the_places_of_followers() {
    let flows = flows();
    let account = |text: &str| [Party::Account(text.parse::<AccountId>().unwrap())];
    let (one, other) = (account("111111111111"), account("222222222222"));
    let half: BTreeSet<_> = (0..MOST_FOLLOWED as u32 / 2).map(vpc).collect();
    assert!(flows.follow(&half, &one).is_some());
    assert_eq!(flows.follow(&[vpc(1_000)].into(), &one), None);
    assert!(flows.follow(&[vpc(5)].into(), &one).is_some(), "it is followed already");
    // A refusal takes nothing, not even for those that there was room for.
    let too_many: BTreeSet<_> = (500..500 + MOST_FOLLOWED as u32 / 2).map(vpc).collect();
    assert_eq!(flows.follow(&too_many, &other), None);
    assert_eq!(flows.followed(), half);
    assert!(flows.follow(&[vpc(1_000)].into(), &other).is_some(), "some are left for others");
    assert_eq!(flows.followed().len(), half.len() + 1);
}
