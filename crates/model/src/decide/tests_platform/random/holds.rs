//! What holds after each step of random play.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::fixture::Bench;
use super::domains;
use crate::PlatformCommand as C;
use crate::edge::EdgeIntent;
use crate::intent::Intent;
use crate::plan::lab::apply_delta;
use crate::*;

/// The longest that anything may have to wait for.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) fn after_step(before: &World, after: &World, now: Timestamp, command: &Command) {
    after.check();
    nothing_dangles(after);
    check_owners(after);
    after.apps().for_each(|app| check_app(after, app));
    after.dynos().for_each(|dyno| check_dyno(after, dyno));
    after.addons().for_each(|addon| check_addon(after, addon));
    after.slugs().for_each(|slug| assert!(after.app(slug.app).is_some()));
    for space in after.spaces().filter(|space| space.state == SpaceState::Allocated) {
        after.apps_in(Key::Space(space.id)).for_each(|app| check_formation(after, app));
    }
    check_deadlines(after, now);
    check_hosts(after);
    check_sending(after);
    check_handover(before, after, command);
}

/// What names another resource names one that is there.
fn nothing_dangles(world: &World) {
    for record in world.records() {
        record.mentions(&mut |named| {
            let outlives = match (record, named) {
                // A peering outlives its VPCs for a while, a route what it leads to, and a rule
                // the group that it names.
                (Record::Peering(_), Key::Vpc(_)) => true,
                (Record::RouteTable(_), Key::Peering(_) | Key::Eni(_)) => true,
                (Record::SecurityGroup(_), Key::SecurityGroup(_)) => true,
                // What has ended is kept for its output; its release may have gone.
                (Record::Dyno(dyno), Key::Release(_)) => dyno.state.ended(),
                _ => false,
            };
            let there = world.get(named).is_some();
            assert!(there || outlives, "{:?} names {named:?}, which is gone", record.key());
        });
    }
}

/// A snapshot of it brings all of it back elsewhere.
pub(super) fn can_be_saved(bench: &Bench) {
    let other = super::super::snapshot::loaded_elsewhere(bench);
    let settings = Key::Settings(SettingsKey);
    let content = |world: &World| -> Vec<Record> {
        world.records().filter(|record| record.key() != settings).cloned().collect()
    };
    assert_eq!(content(&other.world), content(&bench.world));
}

/// What is of an app is found to be, and nothing else.
fn check_owners(world: &World) {
    for record in world.records() {
        let expected = match record {
            Record::App(r) => Some(r.id),
            Record::Slug(r) => Some(r.app),
            Record::Release(r) => Some(r.app),
            Record::Dyno(r) => Some(r.app),
            Record::Addon(r) => Some(r.app),
            Record::LogDrain(r) => match r.of {
                DrainOf::App(app) => Some(app),
                DrainOf::Space(_) => None,
            },
            Record::Webhook(r) => match r.owner {
                WebhookOwner::App(app) => Some(app),
                _ => None,
            },
            _ => None,
        };
        assert_eq!(world.app_of(record.key()).map(|app| app.id), expected, "{:?}", record.key());
        assert!(expected.is_none() || world.owner(record).is_none(), "{:?}", record.key());
    }
}

fn check_app(world: &World, app: &App) {
    let release = world.release(app.release).expect("an app has its release");
    assert_eq!(release.app, app.id);
    assert!(release.slug.is_none_or(|slug| world.slug(slug).is_some()));
    check_releases(world, app, release);
    let size: usize = app.config.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= 32 * 1024, "{size}");
    assert!(app.formation.values().all(|formation| formation.quantity <= 100));
    assert!(app.label.len() <= 63);
    let mut names = BTreeSet::new();
    for addon in world.addons_of(Key::App(app.id)) {
        for (name, variables) in addon.attachments_to(app.id) {
            assert!(names.insert(name), "two attachments are called {name}");
            assert_eq!(variables.len(), addon.plan.config.len());
        }
        let variables = addon.attachments_to(app.id).flat_map(|(_, variables)| variables);
        for variable in variables {
            let value = app.config.get(variable);
            let address = world.eni(addon.eni).map(|eni| eni.primary().to_string());
            assert_eq!(value, address.as_ref(), "{variable} is what {} says", addon.name);
        }
    }
    assert!(release.description.chars().count() <= 255);
}

/// Releases become current in the order of their numbers, one release command at a time.
fn check_releases(world: &World, app: &App, current: &Release) {
    let mut all: Vec<_> = world.releases_of(Key::App(app.id)).collect();
    all.sort_by_key(|release| release.version);
    let last = all.last().expect("an app has a release");
    assert_eq!(last.config, app.config, "what is shown is what the last release has");
    let with = |status: &'static str| {
        let named = move |release: &&&std::sync::Arc<Release>| release.status.name() == status;
        all.iter().filter(named).map(|release| release.version)
    };
    assert_eq!(with("succeeded").max(), Some(current.version), "the last that succeeded");
    assert!(with("pending").all(|version| version > current.version), "it was overtaken");
    let dynos = world.dynos_in(Key::App(app.id));
    let running: Vec<_> =
        dynos.filter(|dyno| dyno.is_release_command() && !dyno.state.ended()).collect();
    let turn = all.iter().find(|release| release.status == ReleaseStatus::Pending);
    let space = world.space(app.space).expect("an app has its space");
    match turn {
        Some(turn) if space.state == SpaceState::Allocated => {
            assert_eq!(running.len(), 1, "v{} waits for nothing", turn.version);
            assert_eq!((Some(running[0].id), running[0].release), (turn.command, turn.id));
        }
        Some(_) | None => assert!(running.is_empty(), "{running:?} runs for nobody"),
    }
}

fn check_dyno(world: &World, dyno: &Dyno) {
    let Some(eni) = world.eni(dyno.eni) else {
        assert!(dyno.state.ended(), "a dyno keeps its interface until it has ended");
        return;
    };
    let owner = eni.attachment.as_ref().map(|attachment| attachment.workload);
    assert_eq!(owner, Some(WorkloadId::Dyno(dyno.id)));
    let space = world.space(dyno.space).unwrap();
    assert!(space.dyno_subnets.contains(&eni.subnet), "R7");
    assert!(eni.requester_managed);
    assert_eq!(world.app(dyno.app).unwrap().space, dyno.space);
    if !dyno.state.ended() {
        let release = world.release(dyno.release).expect("what runs has its release");
        assert_eq!(release.app, dyno.app);
        assert!(release.slug.is_none_or(|slug| world.slug(slug).is_some()), "and its code");
    }
    if dyno.superseded {
        let early = matches!(dyno.state, DynoState::Starting | DynoState::Booting);
        assert!(!early, "nobody waits for what was superseded before it came up");
        let holder = world.dyno_named(dyno.app, &dyno.name);
        let both = dyno.state == DynoState::Up
            && holder.is_none_or(|holder| holder.state == DynoState::Up);
        assert!(!both, "{} has two that are up, or one without a place", dyno.name);
    }
    if dyno.state == DynoState::Draining {
        assert!(dyno.is_web() && dyno.superseded);
    }
    let same = |other: &&std::sync::Arc<Dyno>| {
        other.name == dyno.name && other.state == dyno.state && other.superseded == dyno.superseded
    };
    if dyno.state == DynoState::Up || !dyno.superseded {
        assert_eq!(world.dynos_in(Key::App(dyno.app)).filter(same).count(), 1, "{}", dyno.name);
    }
}

fn check_addon(world: &World, addon: &Addon) {
    let eni = world.eni(addon.eni).expect("a data service has its interface");
    for attachment in &addon.attachments {
        let app = world.app(attachment.app).expect("a service is attached to what there is");
        assert_eq!(app.space, addon.space, "R22");
    }
    let owner = eni.attachment.as_ref().map(|attachment| attachment.workload);
    assert_eq!(owner, Some(WorkloadId::Service(addon.id)));
    assert_eq!(eni.vpc, world.space(addon.space).unwrap().data_vpc, "R22");
    assert!(eni.requester_managed);
}

/// Every place has one holder, and every holder has a place.
fn check_formation(world: &World, app: &App) {
    let release = world.release(app.release).unwrap();
    let slug = release.slug.and_then(|slug| world.slug(slug));
    let types = slug.map(|slug| slug.process_types.clone()).unwrap_or_default();
    let mut places = BTreeMap::new();
    for (name, command) in types.iter().filter(|(name, _)| *name != Dyno::RELEASE) {
        let formation = app.formation.get(name).expect("what was deployed has a formation");
        for number in 1..=formation.quantity {
            places.insert(format!("{name}.{number}"), (command.clone(), formation.size));
        }
    }
    let dynos = world.dynos_in(Key::App(app.id));
    for holder in dynos.filter(|dyno| dyno.number.is_some() && !dyno.superseded) {
        assert_eq!(holder.release, app.release, "{} runs another release", holder.name);
        let place = places.remove(&holder.name);
        assert_eq!(place, Some((holder.command.clone(), holder.size)), "{}", holder.name);
        // One that was told to stop keeps its place until it has.
        let gone = matches!(holder.state, DynoState::Draining | DynoState::Down);
        assert!(!gone, "{} is {:?} and has a place", holder.name, holder.state);
    }
    assert!(places.is_empty(), "nobody has {:?} of {}", places.keys(), app.name);
}

/// What waits for time is what the next deadline is of.
fn check_deadlines(world: &World, now: Timestamp) {
    const RELEASE_COMMAND: Duration = Duration::from_secs(3600);
    let waits = |dyno: &Dyno| match dyno.state {
        DynoState::Booting | DynoState::Draining => true,
        DynoState::Crashed => dyno.number.is_some() && !dyno.superseded,
        DynoState::Starting | DynoState::Up | DynoState::Stopping | DynoState::Down => false,
    };
    let commands = world.dynos().filter(|dyno| dyno.is_release_command());
    let commands =
        commands.filter(|dyno| matches!(dyno.state, DynoState::Starting | DynoState::Up));
    let ends = commands.map(|dyno| dyno.created + RELEASE_COMMAND).min();
    let dynos = world.dynos().filter(|dyno| waits(dyno)).map(|dyno| dyno.updated);
    let addons = world.addons().filter(|addon| addon.state == AddonState::Crashed);
    let first = dynos.chain(addons.map(|addon| addon.updated)).min();
    // How long a host has had to end what is fenced counts from when it was heard last, which may be long ago.
    let fenced = world.dynos().any(|dyno| waits(dyno) && dyno.fenced_until.is_some());
    match (first, super::holds_hosts::deadline_beside_hosts(world)) {
        (None, due) => assert_eq!(due, ends),
        (Some(first), Some(due)) if Some(due) != ends => {
            assert!((due > first || fenced) && due <= first + LONGEST, "{first} {due}");
            assert!(due <= now + LONGEST && ends.is_none_or(|ends| due < ends));
        }
        (Some(first), Some(due)) => assert!(due <= first + LONGEST, "{first} {due}"),
        other => panic!("{other:?}"),
    }
}

/// No two apps are served under one name.
fn check_hosts(world: &World) {
    let intent = plan_edge(world, &domains());
    let mut seen = BTreeMap::new();
    for (id, app) in intent.spaces.values().flat_map(|space| &space.apps) {
        let own = domains().host(world.app(*id).unwrap());
        assert!(app.hosts.contains(&own));
        for host in &app.hosts {
            assert_eq!(*host, host.to_ascii_lowercase());
            assert_eq!(seen.insert(host.clone(), *id), None, "{host} is served twice");
        }
    }
}

/// A dyno that is up is not ended before its successor is up, unless it was told to stop.
/// No owner has more than may be, no address is there twice, and what is sent is somebody's who is let in.
fn check_sending(world: &World) {
    let (mut hooks, mut drains, mut places) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for hook in world.webhooks() {
        *hooks.entry(hook.owner).or_insert(0) += 1;
        assert!(world.sends_to(hook) && hook.url.parse::<Destination>().is_ok(), "{:?}", hook.id);
        assert!(!hook.include.is_empty() && hook.secret.len() >= 16, "{:?}", hook.id);
    }
    for drain in world.log_drains() {
        *drains.entry(drain.of).or_insert(0) += 1;
        assert!(world.drains(drain) && drain.url.parse::<Destination>().is_ok(), "{:?}", drain.id);
        assert!(places.insert((drain.of, drain.url.clone())), "{:?} is there twice", drain.id);
    }
    assert!(hooks.values().all(|count| *count <= 20), "{hooks:?}");
    for (of, count) in drains {
        let most = if matches!(of, DrainOf::Space(_)) { 1 } else { 5 };
        assert!(count <= most, "{of:?} has {count}");
    }
}

fn check_handover(before: &World, after: &World, command: &Command) {
    let told = matches!(command, Command::Platform(C::StopDynos { .. } | C::DeleteApp { .. }));
    for old in before.dynos().filter(|dyno| dyno.state == DynoState::Up && !told) {
        let state = after.dyno(old.id).map(|dyno| dyno.state);
        let has_place = old.number.is_some();
        match state {
            Some(DynoState::Up) => {}
            Some(DynoState::Draining | DynoState::Stopping) if has_place => {
                let holder = after.dyno_named(old.app, &old.name);
                // What came up at the same time may have lost its place again, to a new release.
                let ready = holder.is_none_or(|holder| holder.state == DynoState::Up)
                    || after.predecessor(old.app, &old.name).is_some_and(|dyno| dyno.id != old.id);
                assert!(ready, "{} ends too soon by {command:?}", old.name);
            }
            Some(DynoState::Stopping) => {
                let restart = matches!(command, Command::Platform(C::RestartDynos { .. }));
                let time = matches!(command, Command::System(SystemCommand::Tick));
                assert!(
                    restart || time && old.is_release_command(),
                    "{} is stopped by {command:?}",
                    old.name
                );
            }
            Some(DynoState::Crashed | DynoState::Down) => {
                let seen = matches!(command, Command::System(SystemCommand::Observe(_)));
                let lost = super::holds_hosts::gone_with_its_host(after, old);
                assert!(seen || lost, "{} ends by {command:?}", old.name);
            }
            Some(DynoState::Starting | DynoState::Booting | DynoState::Draining) | None => {
                panic!("{} was up and is {state:?} by {command:?}", old.name)
            }
        }
    }
}

/// What was told of the changes adds up to what is to be.
pub(super) fn follows(
    told: &mut Intent,
    told_edge: &mut EdgeIntent,
    (before, after, now): (&World, &World, Timestamp),
    changes: &[Change],
) {
    apply_delta(told, plan_delta(before, after, changes, now), after);
    assert_eq!(*told, plan(after, now));
    let delta = edge_delta(before, after, changes, &domains());
    for (id, plan) in delta.vpcs {
        match plan {
            Some(plan) => drop(told_edge.vpcs.insert(id, plan)),
            None => drop(told_edge.vpcs.remove(&id)),
        }
    }
    for (id, plan) in delta.spaces {
        match plan {
            Some(plan) => drop(told_edge.spaces.insert(id, plan)),
            None => drop(told_edge.spaces.remove(&id)),
        }
    }
    assert_eq!(*told_edge, plan_edge(after, &domains()));
    // What has ended has none.
    let living = told.workloads.0.values().filter(|workload| !workload.addresses.is_empty());
    let addresses: Vec<_> = living.map(|workload| (workload.vpc, &workload.addresses)).collect();
    let unique: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(unique.len(), addresses.len(), "two processes share an address");
}

/// The audit says what a command was about.
pub(super) fn reply_names(command: &Command, reply: &Reply, before: &World, after: &World) {
    let Command::Platform(command) = command else { return };
    let main = reply.main();
    if let Some(main) = main {
        assert!(after.get(main).is_some() || before.get(main).is_some(), "{main:?}");
    }
    let about = Command::from(command.clone()).about();
    assert!(about.is_some_and(|key| before.get(key).is_some()), "{command:?} is about {about:?}");
    let is_new = |key: Key| before.get(key).is_none() && after.get(key).is_some();
    match (command, main) {
        (C::CreateApp { .. }, Some(key @ Key::App(_)))
        | (C::CreateSlug { .. }, Some(key @ Key::Slug(_)))
        | (C::CreateRelease { .. } | C::Rollback { .. }, Some(key @ Key::Release(_)))
        | (C::StartDyno { .. }, Some(key @ Key::Dyno(_)))
        | (C::CreateAddon { .. }, Some(key @ Key::Addon(_))) => assert!(is_new(key)),
        (C::AttachAddon { addon, .. } | C::DetachAddon { addon, .. }, Some(key)) => {
            assert_eq!(key, Key::Addon(*addon));
        }
        (C::RunInside { dyno, .. }, Some(key)) => assert_eq!(key, Key::Dyno(*dyno)),
        (C::SetConfig { .. }, Some(Key::Release(_))) => {}
        (
            C::SetConfig { app, .. }
            | C::SetFenceStop { app, .. }
            | C::Scale { app, .. }
            | C::AddDomain { app, .. }
            | C::RemoveDomain { app, .. },
            Some(key),
        ) => assert_eq!(key, Key::App(*app)),
        (C::RestartDynos { app, which } | C::StopDynos { app, which }, Some(key)) => match which {
            DynoSelection::One(id) => assert_eq!(key, Key::Dyno(*id)),
            DynoSelection::All | DynoSelection::Type(_) => assert_eq!(key, Key::App(*app)),
        },
        (C::DeleteApp { .. } | C::DeleteAddon { .. } | C::DeleteSpace { .. }, None) => {}
        (C::RenameSpace { space, .. } | C::SetPeeringLimit { space, .. }, Some(key)) => {
            assert_eq!(key, Key::Space(*space));
        }
        (C::AcceptPeering { peering, .. } | C::DeletePeering { peering, .. }, Some(key)) => {
            assert_eq!(key, Key::Peering(*peering));
        }
        (C::AddLogDrain { .. }, Some(key @ Key::LogDrain(_)))
        | (C::CreateAppWebhook { .. }, Some(key @ Key::Webhook(_))) => assert!(is_new(key)),
        // The same drain again is the one that there is.
        (C::SetSpaceLogDrain { .. }, Some(Key::LogDrain(_))) => {}
        (C::UpdateAppWebhook { id, .. }, Some(key)) => assert_eq!(key, Key::Webhook(*id)),
        (C::RemoveLogDrain { drain, .. }, None) => assert!(after.log_drain(*drain).is_none()),
        (C::DeleteAppWebhook { id, .. }, None) => assert!(after.webhook(*id).is_none()),
        other => panic!("{other:?}"),
    }
}

/// Nothing of what the platform made is another after a request of EC2's side, but for the routes
/// that come with a peering.
pub(super) fn untouched(before: &World, after: &World, command: &Ec2Command) {
    let ours = |world: &World, record: &Record| {
        let vpc = match record {
            Record::Vpc(r) => Some(r.id),
            Record::Subnet(r) => Some(r.vpc),
            Record::RouteTable(r) => Some(r.vpc),
            Record::SecurityGroup(r) => Some(r.vpc),
            Record::NetworkAcl(r) => Some(r.vpc),
            Record::Eni(r) => Some(r.vpc),
            Record::Instance(r) => Some(r.vpc),
            _ => None,
        };
        vpc.and_then(|id| world.vpc(id)).is_some_and(|vpc| vpc.role.is_some())
    };
    let by_peering = matches!(
        command,
        Ec2Command::AcceptPeering { .. }
            | Ec2Command::DeletePeering { .. }
            | Ec2Command::RejectPeering { .. }
    );
    let is_table = |record: &Record| matches!(record, Record::RouteTable(_));
    for record in before.records().filter(|record| ours(before, record)) {
        let same = after.get(record.key()) == Some(record);
        assert!(same || by_peering && is_table(record), "{command:?} changed {record:?}");
    }
    for record in after.records().filter(|record| ours(after, record)) {
        assert!(before.get(record.key()).is_some(), "{command:?} made {record:?}");
    }
    for space in before.spaces() {
        assert_eq!(after.space(space.id), Some(space));
        let own = after.peering(space.data_peering);
        assert_eq!(own, before.peering(space.data_peering), "R14: {command:?}");
    }
}

/// Nothing is under way.
pub(super) fn at_rest(world: &World) {
    for dyno in world.dynos() {
        let fine = match dyno.state {
            DynoState::Up => !dyno.superseded,
            DynoState::Down => true,
            DynoState::Crashed => dyno.superseded || dyno.number.is_none(),
            DynoState::Starting
            | DynoState::Booting
            | DynoState::Draining
            | DynoState::Stopping => false,
        };
        assert!(fine, "{} is {:?}", dyno.name, dyno.state);
    }
    assert!(world.addons().all(|addon| addon.state == AddonState::Provisioned));
}

/// What ended, and what nobody released, is forgotten after a day.
pub(super) fn aged(world: &World) {
    assert!(world.dynos().all(|dyno| !dyno.state.ended()));
    for slug in world.slugs() {
        assert!(world.releases_of(Key::Slug(slug.id)).next().is_some(), "nobody has {}", slug.id);
    }
}

/// Nothing of any app is left.
pub(super) fn no_apps(world: &World) {
    let kinds = [Kind::App, Kind::Slug, Kind::Release, Kind::Dyno, Kind::Addon, Kind::Webhook];
    let left = world.records().map(Record::key).find(|key| kinds.contains(&key.kind()));
    assert_eq!(left, None);
    for eni in world.enis() {
        let workload = eni.attachment.as_ref().map(|attachment| attachment.workload);
        let expected = matches!(workload, Some(WorkloadId::Router(_) | WorkloadId::Instance(_)));
        assert!(expected, "{workload:?}");
    }
    assert_eq!(super::holds_hosts::deadline_beside_hosts(world), None);
}

/// Nothing of a space is left but what its peers see of a peering that was.
pub(super) fn no_space(world: &World, space: &Space) {
    for vpc in [space.vpc, space.data_vpc] {
        let left: Vec<_> =
            Kind::ALL.iter().flat_map(|kind| world.naming(Key::Vpc(vpc), *kind)).collect();
        assert!(left.iter().all(|key| matches!(key, Key::Peering(_))), "{left:?}");
        assert!(world.vpc(vpc).is_none());
    }
    assert!(world.peering(space.data_peering).is_none());
    for kind in Kind::ALL {
        assert_eq!(world.naming(Key::Space(space.id), *kind).next(), None);
    }
}
