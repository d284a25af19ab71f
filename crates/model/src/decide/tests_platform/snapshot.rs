//! What an emulator takes back: what one account has, and what came after a snapshot.

use super::fixture::*;
use crate::*;

/// What every record is, but for the settings.
fn content(world: &World) -> Vec<Record> {
    let settings = Key::Settings(SettingsKey);
    world.records().filter(|record| record.key() != settings).cloned().collect()
}

fn saved(bench: &Bench) -> SystemCommand {
    let records = bench.world.records().cloned().collect();
    SystemCommand::LoadSnapshot { records, saved: bench.now }
}

/// Loads what another emulator saved, and gives what there is then.
pub(super) fn loaded_elsewhere(from: &Bench) -> Bench {
    let mut other = Bench::set_up(true);
    other.now = from.now;
    other.ids = from.ids.clone();
    other.ok(Caller::Operator, saved(from));
    other
}

/// A town with a customer whose VPC asks to be peered with the space's, and a second customer.
fn neighbours() -> (Town, Scope, Scope, PcxId) {
    let mut town = Town::allocated();
    let (one, two) = (scope(701, VIRGINIA), scope(702, VIRGINIA));
    for owner in [one, two] {
        let ensure = IdentityCommand::EnsureAccount { id: owner.account, region: owner.region };
        town.bench.ok(Caller::System, ensure);
    }
    let vpc = first_vpc(&town.bench, one);
    let pcx = town.request_from((one, vpc));
    let accept = PlatformCommand::AcceptPeering { space: town.space, peering: pcx };
    town.bench.ok(town.admin(), accept);
    let carried = Observation { carried: [pcx].into(), ..Observation::default() };
    town.bench.ok(Caller::System, SystemCommand::Observe(carried));
    (town, one, two, pcx)
}

fn first_vpc(bench: &Bench, owner: Scope) -> VpcId {
    bench.world.vpcs_of(Key::Account(owner.account)).next().unwrap().id
}

#[test]
fn an_account_is_emptied_and_others_keep_what_they_have() {
    let (mut town, one, two, pcx) = neighbours();
    let theirs = first_vpc(&town.bench, two);
    let space = town.space();
    let table = |town: &Town| {
        let vpc = town.bench.world.vpc(space.vpc).unwrap();
        RouteTable::clone(town.bench.world.route_table(vpc.main_route_table).unwrap())
    };
    assert!(table(&town).routes.values().any(|to| *to == RouteTo::Peering(pcx)));
    town.bench.ok(Caller::Operator, SystemCommand::ResetAccount { account: one.account });
    town.bench.world.check();
    let world = &town.bench.world;
    let left: Vec<_> = world
        .records()
        .filter(|record| world.owner(record) == Some(one.account))
        .map(|record| record.key().kind())
        .collect();
    assert_eq!(left, [Kind::Account]);
    assert!(world.peering(pcx).is_none() && world.vpc(theirs).is_some());
    assert!(world.space(town.space).is_some());
    assert!(!table(&town).routes.values().any(|to| *to == RouteTo::Peering(pcx)));
    // It finds a default VPC again, as at the first time.
    let ensure = IdentityCommand::EnsureAccount { id: one.account, region: one.region };
    town.bench.ok(Caller::System, ensure);
    assert!(town.bench.world.vpc(first_vpc(&town.bench, one)).unwrap().is_default);
    let nobody = SystemCommand::ResetAccount { account: account(799) };
    town.bench.idle(Caller::Operator, nobody);
}

#[test]
fn an_account_is_emptied_by_the_operator_of_an_emulator_alone_and_the_platforms_never() {
    let (mut town, one, _, _) = neighbours();
    let reset = |account| SystemCommand::ResetAccount { account };
    for caller in [town.admin(), key(one), town.platform_key()] {
        let refused = town.bench.refused(caller, reset(one.account));
        assert_eq!(refused.code, Code::UnauthorizedOperation);
        let refused = town.bench.refused(caller, saved(&town.bench));
        assert_eq!(refused.code, Code::UnauthorizedOperation);
    }
    let platform = town.bench.platform();
    let refused = town.bench.refused(Caller::Operator, reset(platform));
    assert_eq!(refused.code, Code::OperationNotPermitted);
    let mut real = Bench::set_up(false);
    for command in [reset(one.account), saved(&town.bench)] {
        let refused = real.refused(Caller::Operator, command);
        assert_eq!(refused.code, Code::OperationNotPermitted);
    }
}

#[test]
fn a_snapshot_brings_back_what_was_there_and_touches_nothing_else() {
    let (mut town, one, two, pcx) = neighbours();
    let before = content(&town.bench.world);
    let snapshot = saved(&town.bench);
    town.bench.idle(Caller::Operator, snapshot.clone());
    town.bench.ok(Caller::Operator, SystemCommand::ResetAccount { account: one.account });
    let ensure = IdentityCommand::EnsureAccount { id: account(703), region: one.region };
    town.bench.ok(Caller::System, ensure);
    let untouched = first_vpc(&town.bench, two);
    let (_, changes) = town.bench.run(Caller::Operator, snapshot).unwrap();
    assert_eq!(content(&town.bench.world), before);
    town.bench.world.check();
    assert!(town.bench.world.peering(pcx).unwrap().carries());
    assert!(changes.iter().all(|change| change.key() != Key::Vpc(untouched)));
}

#[test]
fn a_snapshot_is_loaded_by_another_emulator_whose_name_and_clock_stay() {
    let (town, ..) = neighbours();
    let mut other = Bench::set_up(true);
    let ours = Settings::clone(other.world.settings().unwrap());
    let rename = IdentityCommand::SetInstance { instance: "t2".to_owned() };
    other.ok(Caller::Operator, rename);
    other.pass(HOUR);
    other.ok(Caller::Operator, saved(&town.bench));
    assert_eq!(content(&other.world), content(&town.bench.world));
    let settings = Settings::clone(other.world.settings().unwrap());
    let platform_account = town.bench.platform();
    assert_eq!(settings, Settings { instance: "t2".to_owned(), platform_account, ..ours });
    other.world.check();
}

#[test]
fn a_clock_that_is_behind_a_snapshot_catches_up_with_it() {
    let (mut town, ..) = neighbours();
    town.bench.pass(DAY);
    let snapshot = saved(&town.bench);
    let mut other = Bench::set_up(true);
    let behind = town.bench.now.since(other.now).as_secs();
    other.ok(Caller::Operator, snapshot);
    assert_eq!(other.world.settings().unwrap().clock_offset, behind);
}

#[test]
fn what_is_no_snapshot_is_refused_and_changes_nothing() {
    let (town, one, ..) = neighbours();
    let whole: Vec<Record> = town.bench.world.records().cloned().collect();
    let without = |key: Key| -> Vec<Record> {
        whole.iter().filter(|record| record.key() != key).cloned().collect()
    };
    let with = |record: Record| [whole.clone(), vec![record]].concat();
    let vpc = Vpc::clone(town.bench.world.vpc(first_vpc(&town.bench, one)).unwrap());
    let settings = Settings::clone(town.bench.world.settings().unwrap());
    let replaced = |record: Record| [without(record.key()), vec![record]].concat();
    let cases = [
        ("no settings", without(Key::Settings(SettingsKey))),
        ("not an emulator's", replaced(Settings { emulator: false, ..settings }.into())),
        ("a VPC without its account", without(Key::Account(one.account))),
        ("subnets without their VPC", without(Key::Vpc(vpc.id))),
        ("a space without its team", without(Key::Team(town.team))),
        ("the same twice", with(vpc.clone().into())),
        ("a VPC without a block", replaced(Vpc { cidrs: Vec::new(), ..vpc }.into())),
    ];
    for (what, records) in cases {
        let mut other = Bench::set_up(true);
        let load = SystemCommand::LoadSnapshot { records, saved: other.now };
        let refused = other.refused(Caller::Operator, load);
        assert_eq!(refused.code, Code::InvalidParameterValue, "{what}");
        assert!(refused.message.starts_with("The snapshot"), "{what}: {refused}");
    }
}
