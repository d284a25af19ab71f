use super::fixture::*;
use crate::command::{CreatePrefixList, Ec2Command as C, ModifyPrefixList, RulePeerSpec, RuleSpec};
use crate::resource::*;
use crate::*;

fn block(text: &str) -> IpCidr {
    text.parse().map(IpCidr::V4).unwrap_or_else(|_| IpCidr::V6(text.parse().unwrap()))
}

fn entries(blocks: &[&str]) -> Vec<(IpCidr, Option<String>)> {
    blocks.iter().map(|text| (block(text), None)).collect()
}

fn create(blocks: &[&str]) -> CreatePrefixList {
    CreatePrefixList {
        name: "offices".to_owned(),
        family: AddressFamily::Ipv4,
        max_entries: 3,
        entries: entries(blocks),
        client_token: None,
        tags: Tags::new(),
    }
}

fn made(f: &mut Fixture, create: CreatePrefixList) -> PrefixListId {
    match f.run(C::CreatePrefixList(create)).main() {
        Some(Key::PrefixList(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn modify(list: PrefixListId) -> ModifyPrefixList {
    ModifyPrefixList {
        list,
        current: None,
        name: None,
        max_entries: None,
        add: Vec::new(),
        remove: Vec::new(),
    }
}

fn blocks(f: &Fixture, list: PrefixListId, version: u64) -> Vec<String> {
    let list = f.world.prefix_list(list).unwrap();
    list.entries_of(version).map(|entry| entry.cidr.to_string()).collect()
}

fn route(route_table: RouteTableId, list: PrefixListId, target: RouteTo) -> C {
    C::CreateRoute { route_table, destination: list.into(), target }
}

fn authorize(group: SecurityGroupId, list: PrefixListId) -> C {
    let peer = RulePeerSpec::PrefixList(list);
    let rules = vec![RuleSpec { traffic: Traffic::All, peer, description: None }];
    C::AuthorizeSecurityGroup { group, direction: Direction::Ingress, rules, tags: Tags::new() }
}

#[test]
fn lists_are_made_in_their_bounds() {
    let mut f = Fixture::new();
    for (wrong, code) in [
        (CreatePrefixList { name: String::new(), ..create(&[]) }, Code::MissingParameter),
        (
            CreatePrefixList { name: "com.amazonaws.mine".to_owned(), ..create(&[]) },
            Code::InvalidParameterValue,
        ),
        (CreatePrefixList { max_entries: 0, ..create(&[]) }, Code::InvalidParameterValue),
        (CreatePrefixList { max_entries: 1001, ..create(&[]) }, Code::InvalidParameterValue),
        (create(&["10.0.0.0/8", "10.0.0.0/8"]), Code::InvalidParameterValue),
        (create(&["::/0"]), Code::InvalidParameterValue),
        (
            create(&["10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]),
            Code::PrefixListMaxEntries,
        ),
    ] {
        assert_eq!(f.refused(C::CreatePrefixList(wrong.clone())), code, "{wrong:?}");
    }
    let once = CreatePrefixList { client_token: token("once", "a"), ..create(&["10.0.0.0/8"]) };
    let list = made(&mut f, once.clone());
    assert_eq!(made(&mut f, once.clone()), list);
    let other = CreatePrefixList { client_token: token("once", "b"), ..once };
    assert_eq!(f.refused(C::CreatePrefixList(other)), Code::IdempotentParameterMismatch);
    for _ in 1..100 {
        made(&mut f, create(&[]));
    }
    assert_eq!(f.refused(C::CreatePrefixList(create(&[]))), Code::LimitExceeded);
    f.run_as(elsewhere(), C::CreatePrefixList(create(&[])));
    f.run_as(theirs(), C::CreatePrefixList(create(&[])));
    for (scope, command) in [
        (theirs(), C::DeletePrefixList { list }),
        (elsewhere(), C::DeletePrefixList { list }),
        (theirs(), C::ModifyPrefixList(ModifyPrefixList { max_entries: Some(9), ..modify(list) })),
        (theirs(), C::RestorePrefixList { list, previous: 1, current: 1 }),
    ] {
        let (code, message) = f.refused_as(scope, command);
        assert_eq!(code, Code::PrefixListNotFound);
        assert_eq!(message, format!("The prefix list ID '{list}' does not exist"));
    }
}

#[test]
fn each_change_of_the_entries_is_a_version() {
    let mut f = Fixture::new();
    let list = made(&mut f, create(&["10.2.0.0/16", "10.1.0.0/16"]));
    let first = ["10.1.0.0/16", "10.2.0.0/16"];
    assert_eq!(blocks(&f, list, 1), first);
    let change = ModifyPrefixList {
        current: Some(1),
        add: entries(&["10.0.0.0/16"]),
        remove: vec![block("10.1.0.0/16")],
        ..modify(list)
    };
    f.run(C::ModifyPrefixList(change.clone()));
    let second = ["10.0.0.0/16", "10.2.0.0/16"];
    assert_eq!(blocks(&f, list, 1), first);
    assert_eq!(blocks(&f, list, 2), second);

    let with = |add: &[&str], remove: &[&str]| ModifyPrefixList {
        add: entries(add),
        remove: remove.iter().map(|text| block(text)).collect(),
        ..modify(list)
    };
    for (wrong, code, said) in [
        (change, Code::PrefixListVersion, "The prefix list has the incorrect version number."),
        (modify(list), Code::MissingParameter, "prefixListName"),
        (
            ModifyPrefixList { max_entries: Some(9), ..with(&["10.9.0.0/16"], &[]) },
            Code::InvalidParameterCombination,
            "You cannot modify the entries and the maximum entries",
        ),
        (
            with(&["10.2.0.0/16"], &["10.2.0.0/16"]),
            Code::InvalidParameterValue,
            "Request cannot contain Cidr 10.2.0.0/16 in both",
        ),
        (with(&[], &["10.1.0.0/16"]), Code::PrefixListModification, "no entry"),
        (
            with(&["10.7.0.0/16", "10.8.0.0/16"], &[]),
            Code::PrefixListMaxEntries,
            "maximum number of entries",
        ),
        (
            ModifyPrefixList { max_entries: Some(1), ..modify(list) },
            Code::InvalidParameterValue,
            "has 2 entries",
        ),
        (
            ModifyPrefixList { name: Some("com.amazonaws".to_owned()), ..modify(list) },
            Code::InvalidParameterValue,
            "name is not valid",
        ),
    ] {
        let (refused, message) = f.refused_as(ours(), C::ModifyPrefixList(wrong.clone()));
        assert_eq!(refused, code, "{wrong:?}");
        assert!(message.contains(said), "{message}");
    }
    // A name and a size are no version.
    let name = Some("branches".to_owned());
    f.run(C::ModifyPrefixList(ModifyPrefixList { name, max_entries: Some(2), ..modify(list) }));
    let there = f.world.prefix_list(list).unwrap();
    assert_eq!((there.version, there.max_entries, there.name.as_str()), (2, 2, "branches"));
    // A block that is there gets another description, and that is one.
    let described = vec![(block("10.2.0.0/16"), Some("two".to_owned()))];
    f.run(C::ModifyPrefixList(ModifyPrefixList { add: described, ..modify(list) }));
    let words = |version| {
        let list = f.world.prefix_list(list).unwrap();
        list.entries_of(version).filter_map(|entry| entry.description.clone()).collect::<Vec<_>>()
    };
    assert_eq!((words(2), words(3)), (vec![], vec!["two".to_owned()]));
    assert_eq!(blocks(&f, list, 3), second);
}

#[test]
fn an_earlier_version_comes_back_as_a_new_one() {
    let mut f = Fixture::new();
    let list = made(&mut f, create(&["10.1.0.0/16", "10.2.0.0/16"]));
    let restore = |previous, current| C::RestorePrefixList { list, previous, current };
    let only = |remove: &str| {
        C::ModifyPrefixList(ModifyPrefixList { remove: vec![block(remove)], ..modify(list) })
    };
    f.run(only("10.1.0.0/16"));
    assert_eq!(f.refused(restore(1, 1)), Code::PrefixListVersion);
    for wrong in [0, 2, 3, u64::MAX] {
        assert_eq!(f.refused(restore(wrong, 2)), Code::InvalidParameterValue);
    }
    f.run(restore(1, 2));
    assert_eq!(blocks(&f, list, 3), ["10.1.0.0/16", "10.2.0.0/16"]);
    assert_eq!(blocks(&f, list, 2), ["10.2.0.0/16"]);
    let there = f.world.prefix_list(list).unwrap();
    assert_eq!((there.version, &there.state), (3, &PrefixListState::Restored));
    f.run(only("10.1.0.0/16"));
    f.run(C::ModifyPrefixList(ModifyPrefixList { max_entries: Some(1), ..modify(list) }));
    assert_eq!(f.refused(restore(1, 4)), Code::PrefixListMaxEntries);
}

#[test]
fn a_thousand_versions_are_kept() {
    let mut f = Fixture::new();
    let list = made(&mut f, create(&["10.1.0.0/16"]));
    let old = PrefixList::clone(f.world.prefix_list(list).unwrap());
    let until = Some(2);
    let two = vec![
        PrefixEntry { until, ..old.entries[0].clone() },
        PrefixEntry { since: 2, ..old.entries[0].clone() },
    ];
    f.put(PrefixList { version: 1000, entries: two, ..old });
    assert_eq!(blocks(&f, list, 1), ["10.1.0.0/16"]);
    let add = entries(&["10.2.0.0/16"]);
    f.run(C::ModifyPrefixList(ModifyPrefixList { add, ..modify(list) }));
    let there = f.world.prefix_list(list).unwrap();
    assert_eq!((there.version, there.oldest_version()), (1001, 2));
    assert!(!there.has_version(1) && there.has_version(2) && there.entries.len() == 2);
    let back = C::RestorePrefixList { list, previous: 1, current: 1001 };
    assert_eq!(f.refused(back), Code::InvalidParameterValue);
}

#[test]
fn a_list_in_use_stays_and_grows_as_far_as_there_is_room() {
    let mut f = Fixture::new();
    let (vpc, other) = (f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    let pcx = f.peering(vpc, other, PeeringState::Active);
    let group = f.group(vpc, "web");
    let table = f.get_vpc(vpc).main_route_table;
    let list = made(&mut f, create(&["10.3.0.0/16"]));
    f.run(authorize(group, list));
    f.run(route(table, list, RouteTo::Peering(pcx)));
    let target = RouteTo::Peering(PcxId::MIN);
    assert_eq!(f.refused(route(table, list, target)), Code::PeeringNotFound);
    let foreign = route(table, PrefixListId::MIN, RouteTo::Peering(pcx));
    assert_eq!(f.refused(foreign), Code::PrefixListNotFound);
    let there = f.world.route_table(table).unwrap().route(list);
    assert_eq!(there, Some(RouteTo::Peering(pcx)));

    let (code, message) = f.refused_as(ours(), C::DeletePrefixList { list });
    assert_eq!(code, Code::DependencyViolation);
    assert!(message.contains(&group.to_string()) && message.contains(&table.to_string()));
    let resize = |n| C::ModifyPrefixList(ModifyPrefixList { max_entries: Some(n), ..modify(list) });
    f.run(resize(60));
    assert_eq!(f.world.prefix_list(list).unwrap().max_entries, 60);
    // As EC2 has it, this is no refusal: the list says that it was not modified, and why.
    f.run(resize(61));
    let there = f.world.prefix_list(list).unwrap();
    let PrefixListState::NotModified { message } = &there.state else { panic!("{there:?}") };
    assert!(message.contains(&group.to_string()) && !message.contains(&table.to_string()));
    assert_eq!((there.max_entries, there.version), (60, 1));
    f.run(resize(59));
    assert_eq!(f.world.prefix_list(list).unwrap().state, PrefixListState::Modified);

    let rule = *f.world.group(group).unwrap().rules.keys().next_back().unwrap();
    let (direction, rules, ids) = (Direction::Ingress, Vec::new(), vec![rule]);
    f.run(C::RevokeSecurityGroup { group, direction, rules, ids });
    assert_eq!(f.refused(C::DeletePrefixList { list }), Code::DependencyViolation);
    f.run(resize(501));
    assert!(matches!(
        &f.world.prefix_list(list).unwrap().state,
        PrefixListState::NotModified { message } if message.contains(&table.to_string())
    ));
    f.run(C::DeleteRoute { route_table: table, destination: list.into() });
    f.run(C::DeletePrefixList { list });
    assert_eq!(f.refused(C::DeletePrefixList { list }), Code::PrefixListNotFound);
}

#[test]
fn routes_to_a_list_count_as_many_as_it_may_have() {
    let mut f = Fixture::new();
    let (vpc, other) = (f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    let pcx = f.peering(vpc, other, PeeringState::Active);
    let table = f.get_vpc(vpc).main_route_table;
    let sized = |n| CreatePrefixList { max_entries: n, ..create(&[]) };
    let (large, small) = (made(&mut f, sized(499)), made(&mut f, sized(2)));
    let target = RouteTo::Peering(pcx);
    f.run(route(table, large, target));
    assert_eq!(f.refused(route(table, small, target)), Code::RouteLimitExceeded);
    let six = CreatePrefixList { family: AddressFamily::Ipv6, ..sized(500) };
    let six = made(&mut f, six);
    f.run(route(table, six, target));
    let one =
        C::CreateRoute { route_table: table, destination: cidr("10.3.0.0/16").into(), target };
    f.run(one);
    let two =
        C::CreateRoute { route_table: table, destination: cidr("10.4.0.0/16").into(), target };
    assert_eq!(f.refused(two), Code::RouteLimitExceeded);
    let again = route(table, large, target);
    f.run(again);
    let absent = C::DeleteRoute { route_table: table, destination: small.into() };
    let (code, message) = f.refused_as(ours(), absent);
    assert_eq!(code, Code::RouteNotFound);
    assert!(message.starts_with(&format!("no route with destination-prefix-list-id {small}")));
}
