//! Who gets at a space.

use super::fixture::*;
use crate::PlatformCommand as C;
use crate::*;

fn allow(source: &str) -> InboundRule {
    InboundRule { action: InboundAction::Allow, source: block(source) }
}

fn deny(source: &str) -> InboundRule {
    InboundRule { action: InboundAction::Deny, source: block(source) }
}

fn team(bench: &mut Bench, name: &str, admin: UserId) -> TeamId {
    let create = IdentityCommand::CreateTeam { name: name.to_owned(), admin };
    match bench.ok(Caller::Operator, create).main() {
        Some(Key::Team(id)) => id,
        other => panic!("not a team: {other:?}"),
    }
}

fn app(space: SpaceId, name: &str) -> C {
    C::CreateApp { name: Some(name.to_owned()), space, internal_routing: false }
}

#[test]
fn a_new_space_trusts_anybody_and_so_does_a_row_from_before() {
    let town = Town::new();
    let space = town.space();
    assert_eq!(space.trusted, [Cidr::ANY]);
    assert_eq!(space.inbound_rules(), [InboundRuleset::DEFAULT]);
    let body = Record::from(space.clone()).body();
    let mut old: serde_json::Value = serde_json::from_str(&body).unwrap();
    for field in ["trusted", "inbound", "no_apps"] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    let read = Record::read("space", &space.id.to_string(), &old.to_string()).unwrap();
    assert_eq!(read, space.into());
}

#[test]
fn trusted_ranges_are_replaced_as_a_whole() {
    let mut town = Town::new();
    let (admin, space) = (town.admin(), town.space);
    let set = |rules: &[InboundRule]| C::SetInboundRules { space, rules: rules.to_vec() };
    town.bench.pass(HOUR);
    town.bench.ok(admin, set(&[allow("192.0.2.0/24"), allow("192.0.2.0/24")]));
    let after = town.space();
    assert_eq!(after.trusted, [block("192.0.2.0/24")]);
    assert_eq!(after.inbound_rules(), [allow("192.0.2.0/24")]);
    let ruleset = after.inbound.unwrap();
    assert_eq!((ruleset.since, ruleset.by), (town.bench.now, Some(town.ada)));
    town.bench.idle(admin, set(&[allow("192.0.2.0/24")]));

    town.bench.ok(admin, set(&[allow("0.0.0.0/0"), deny("8.8.4.4/32")]));
    let trusted = town.space().trusted;
    let trusts = |address: &str| trusted.iter().any(|b| b.contains(address.parse().unwrap()));
    assert!(trusts("8.8.4.5") && trusts("8.8.4.3") && !trusts("8.8.4.4"));

    town.bench.ok(admin, set(&[]));
    assert_eq!(town.space().trusted, []);
    town.bench.ok(Caller::Operator, set(&[InboundRuleset::DEFAULT]));
    assert_eq!(town.space().trusted, [Cidr::ANY]);
    assert_eq!(town.space().inbound.unwrap().by, None);
}

#[test]
fn the_edge_is_told_who_is_trusted() {
    let mut town = Town::allocated();
    let (admin, space) = (town.admin(), town.space);
    let before = town.bench.world.clone();
    let domains = edge::Domains::default();
    let rules = vec![allow("192.0.2.0/24"), deny("192.0.2.128/25")];
    let (_, changes) = town.bench.run(admin, C::SetInboundRules { space, rules }).unwrap();
    let delta = edge_delta(&before, &town.bench.world, &changes, &domains);
    let router = delta.spaces[&space].clone().unwrap();
    assert_eq!(router.trusted, [block("192.0.2.0/25")]);
    assert_eq!(plan_edge(&town.bench.world, &domains).spaces[&space], router);
}

#[test]
fn only_admins_set_trusted_ranges_and_no_more_than_twenty() {
    let mut town = Town::new();
    let space = town.space;
    let many =
        |n: u8| -> Vec<InboundRule> { (0..n).map(|n| allow(&format!("10.{n}.0.0/16"))).collect() };
    for (caller, code) in [
        (Caller::User(town.member), Code::UnauthorizedOperation),
        (Caller::User(town.stranger), Code::NotFound),
        (town.platform_key(), Code::UnauthorizedOperation),
    ] {
        let refused = town.bench.refused(caller, C::SetInboundRules { space, rules: many(1) });
        assert_eq!(refused.code, code, "{caller}");
    }
    let admin = town.admin();
    let refused = town.bench.refused(admin, C::SetInboundRules { space, rules: many(21) });
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("at most 20"), "{refused}");
    town.bench.ok(admin, C::SetInboundRules { space, rules: many(20) });
}

#[test]
fn an_admin_says_which_members_make_apps() {
    let mut town = Town::new();
    let (admin, member, space) = (town.admin(), town.member, town.space);
    let set = |user, create_apps| C::SetSpaceAccess { space, user, create_apps };
    town.bench.ok(Caller::User(member), app(space, "before"));
    town.bench.ok(admin, set(member, false));
    town.bench.idle(admin, set(member, false));
    let refused = town.bench.refused(Caller::User(member), app(space, "after"));
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    assert!(!town.bench.world.may_create_apps(&town.space(), member));
    assert!(town.bench.world.may_create_apps(&town.space(), town.ada));
    assert!(!town.bench.world.may_create_apps(&town.space(), town.stranger));
    town.bench.ok(admin, app(space, "admins"));
    town.bench.ok(Caller::Operator, app(space, "operators"));
    town.bench.ok(admin, set(member, true));
    town.bench.ok(Caller::User(member), app(space, "again"));

    assert_eq!(town.bench.refused(admin, set(town.ada, false)).code, Code::Conflict);
    town.bench.idle(admin, set(town.ada, true));
    assert_eq!(town.bench.refused(admin, set(town.stranger, true)).code, Code::NotFound);
    for (caller, code) in [
        (Caller::User(member), Code::UnauthorizedOperation),
        (Caller::User(town.stranger), Code::NotFound),
    ] {
        assert_eq!(town.bench.refused(caller, set(member, false)).code, code);
    }
}

#[test]
fn what_was_said_of_a_member_ends_with_the_membership() {
    let mut town = Town::new();
    let (admin, user, team) = (town.admin(), town.member, town.team);
    town.bench.ok(admin, C::SetSpaceAccess { space: town.space, user, create_apps: false });
    town.bench.ok(admin, IdentityCommand::SetMember { team, user, role: None });
    assert!(town.space().no_apps.is_empty());
    town.bench.ok(admin, IdentityCommand::SetMember { team, user, role: Some(Role::Member) });
    town.bench.ok(Caller::User(user), app(town.space, "back"));
}

#[test]
fn a_space_goes_to_another_team_with_its_apps() {
    let mut town = Town::new();
    let (admin, space) = (town.admin(), town.space);
    let other = team(&mut town.bench, "other", town.ada);
    town.bench.ok(admin, app(space, "shop"));
    let user = town.member;
    town.bench.ok(admin, C::SetSpaceAccess { space, user, create_apps: false });
    town.bench.pass(HOUR);
    town.bench.ok(admin, C::TransferSpace { space, team: other });
    let after = town.space();
    assert_eq!((after.team, after.updated), (other, town.bench.now));
    assert!(after.no_apps.is_empty());
    let shop = town.bench.world.app_named("shop").unwrap();
    assert_eq!(shop.team, other);
    assert_eq!(town.bench.world.spaces_of(Key::Team(town.team)).count(), 0);
    assert_eq!(town.bench.world.apps_in(Key::Team(other)).count(), 1);
    town.bench.idle(admin, C::TransferSpace { space, team: other });
    // The old team's member sees nothing of it any more.
    let refused = town.bench.refused(Caller::User(user), app(space, "late"));
    assert_eq!(refused.code, Code::NotFound);
}

#[test]
fn a_space_is_given_and_taken_by_admins_alone() {
    let mut town = Town::new();
    let space = town.space;
    let theirs = team(&mut town.bench, "theirs", town.stranger);
    let to = |team| C::TransferSpace { space, team };
    // To a team that the giver does not know.
    assert_eq!(town.bench.refused(town.admin(), to(theirs)).code, Code::NotFound);
    // By somebody who does not own it.
    assert_eq!(town.bench.refused(Caller::User(town.stranger), to(theirs)).code, Code::NotFound);
    let (team, user, role) = (theirs, town.ada, Some(Role::Member));
    town.bench.ok(Caller::Operator, IdentityCommand::SetMember { team, user, role });
    let refused = town.bench.refused(town.admin(), to(theirs));
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    let mine = self::team(&mut town.bench, "bobs", town.member);
    let refused = town.bench.refused(Caller::User(town.member), to(mine));
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    assert_eq!(town.bench.refused(town.admin(), to(TeamId::MAX)).code, Code::NotFound);
    town.bench.ok(Caller::Operator, to(theirs));
}
