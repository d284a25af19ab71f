//! What the changes of worlds are told as.

use super::fixture::*;
use super::shop::Shop;
use crate::*;

/// What a step brings about.
fn happened(bench: &mut Bench, step: impl FnOnce(&mut Bench)) -> Vec<Event> {
    let before = bench.world.clone();
    step(bench);
    let after = &bench.world;
    let put = after.records().filter(|record| before.get(record.key()) != Some(*record));
    let gone = before.records().map(Record::key).filter(|key| after.get(*key).is_none());
    let changes: Vec<Change> =
        put.cloned().map(Change::Put).chain(gone.map(Change::Delete)).collect();
    events_of(&before, after, &changes, bench.now)
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    kinds.sort_unstable();
    kinds
}

fn delete(peering: PcxId) -> Ec2Command {
    Ec2Command::DeletePeering { peering }
}

#[test]
fn each_step_of_a_peering_is_told_to_both_sides() {
    let mut bench = Bench::new();
    let (a, b) = (scope(111, VIRGINIA), scope(222, VIRGINIA));
    let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.2.0.0/16"]));
    let mut pcx = None;
    let events = happened(&mut bench, |bench| pcx = Some(bench.request((a, va), (b, vb))));
    let pcx = pcx.unwrap();
    assert_eq!(kinds(&events), ["peering.requested"]);
    let [requested] = &events[..] else { panic!("{events:?}") };
    assert_eq!(requested.audience.accounts, [a.account, b.account]);
    assert!(requested.audience.teams.is_empty() && requested.space.is_none());
    assert_eq!(requested.resource, pcx.to_string());
    assert_eq!(requested.details["requester_vpc"], va.to_string());
    assert_eq!(requested.details["accepter_cidrs"], "10.2.0.0/16");
    let expires = (bench.now + 7 * DAY).to_seconds_string();
    assert_eq!(requested.details["expires"], expires);
    let seen = |carried, gone| {
        SystemCommand::Observe(Observation { carried, gone, ..Observation::default() })
    };
    let accept = Ec2Command::AcceptPeering { peering: pcx };
    let steps: [(Caller, Command, &[&str]); 4] = [
        (key(b), accept.into(), &["peering.accepted"]),
        (Caller::System, seen([pcx].into(), [].into()).into(), &["peering.active"]),
        (key(a), delete(pcx).into(), &[]),
        (Caller::System, seen([].into(), [pcx].into()).into(), &["peering.deleted"]),
    ];
    for (caller, command, expected) in steps {
        let events = happened(&mut bench, |bench| drop(bench.ok(caller, command)));
        assert_eq!(kinds(&events), expected);
        for event in &events {
            assert_eq!(event.audience.accounts, [a.account, b.account]);
        }
        if let [deleted] = &events[..]
            && deleted.kind == EventKind::PeeringDeleted
        {
            assert_eq!(deleted.details["by"], a.account.to_string());
        }
    }
}

#[test]
fn whom_a_request_never_reached_is_not_told_that_it_failed() {
    let mut bench = Bench::new();
    let (a, b) = (scope(111, VIRGINIA), scope(222, VIRGINIA));
    let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.1.0.0/16"]));
    let events = happened(&mut bench, |bench| {
        bench.request((a, va), (b, vb));
    });
    assert_eq!(kinds(&events), ["peering.failed"]);
    assert_eq!(events[0].audience.accounts, [a.account]);
}

#[test]
fn a_space_is_told_to_its_team_and_by_its_account_to_nobody() {
    let mut town = Town::allocated();
    let (team, platform) = (town.team, town.bench.platform());
    let mut events = Vec::new();
    let before = town.bench.world.clone();
    let pcx = town.request(1);
    let changes = [Change::Put(town.bench.world.get(Key::Peering(pcx)).unwrap().clone())];
    events.extend(events_of(&before, &town.bench.world, &changes, town.bench.now));
    assert_eq!(kinds(&events), ["peering.requested"]);
    let event = &events[0];
    assert_eq!(event.audience.teams, [team]);
    assert!(!event.audience.accounts.contains(&platform) && event.audience.accounts.len() == 1);
    assert_eq!(event.space.as_deref(), Some(town.space().name.as_str()));
    assert!(!event.text.contains(&town.space().name), "the requester reads it: {}", event.text);
    assert!(event.details.values().all(|value| !value.contains(&town.space().name)));
}

#[test]
fn the_platforms_own_peerings_are_told_to_nobody() {
    let mut town = Town::new();
    let before = town.bench.world.clone();
    town.allocate();
    let after = &town.bench.world;
    let changes: Vec<_> = after.records().cloned().map(Change::Put).collect();
    let events = events_of(&before, after, &changes, town.bench.now);
    assert_eq!(kinds(&events), ["space.allocated"]);
    assert_eq!(events[0].audience.teams, [town.team]);
}

#[test]
fn a_request_is_told_of_a_day_before_it_expires_and_when_it_has() {
    let mut town = Town::allocated();
    let pcx = town.request(1);
    let expires = town.bench.peering(pcx).expires;
    let told = |at: Timestamp| {
        let events = events_by_time(&town.bench.world, at);
        events.iter().map(|event| (event.kind.name(), event.at)).collect::<Vec<_>>()
    };
    let second = std::time::Duration::from_secs(1);
    let notice = expires - EXPIRY_NOTICE;
    assert_eq!(told(notice - second), []);
    assert_eq!(told(notice), [("peering.expiring", notice)]);
    assert_eq!(told(expires - second), [("peering.expiring", notice)]);
    assert_eq!(told(expires), [("peering.expired", expires)]);
    // Who was answered does not expire.
    let admin = town.admin();
    let space = town.space;
    town.bench.ok(admin, PlatformCommand::AcceptPeering { space, peering: pcx });
    assert!(events_by_time(&town.bench.world, expires).is_empty());
}

#[test]
fn apps_tell_their_team_of_releases_and_crashes() {
    let mut shop = Shop::new();
    let team = shop.town.team;
    let admin = shop.town.admin();
    let (app, slug) = (shop.app, shop.slug(&[("web", "serve")]));
    let release = PlatformCommand::CreateRelease { app, slug, description: None };
    let events = happened(&mut shop.town.bench, |bench| drop(bench.ok(admin, release)));
    assert_eq!(kinds(&events), ["app.released"]);
    assert_eq!(events[0].audience.teams, [team]);
    assert_eq!(events[0].details["release"], format!("v{}", shop.release().version));
    let dyno = shop.holder("web.1").id;
    let crash = WorkloadReport::Ended(Exit::Code(7));
    let seen = Observation {
        workloads: [(WorkloadId::Dyno(dyno), crash)].into(),
        ..Observation::default()
    };
    let seen = SystemCommand::Observe(seen);
    let events = happened(&mut shop.town.bench, |bench| drop(bench.ok(Caller::System, seen)));
    assert_eq!(kinds(&events), ["dyno.crashed"]);
    assert_eq!(events[0].text, "The dyno shop/web.1 crashed (exit status 7).");
    assert_eq!(events[0].audience.teams, [team]);
    let delete = PlatformCommand::DeleteApp { app };
    let events = happened(&mut shop.town.bench, |bench| drop(bench.ok(admin, delete)));
    assert_eq!(kinds(&events), ["app.destroyed"]);
    assert_eq!(events[0].space.as_deref(), Some(shop.town.space().name.as_str()));
}
