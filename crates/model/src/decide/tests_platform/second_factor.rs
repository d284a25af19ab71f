//! Second factors.

use std::collections::BTreeSet;

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

fn recovery(digits: &str) -> BTreeSet<String> {
    digits.chars().map(|digit| digit.to_string().repeat(64)).collect()
}

fn enable(user: UserId, step: u64) -> C {
    let (sealed_secret, recovery) = ("sealed".to_owned(), recovery("ab"));
    C::EnableSecondFactor { user, sealed_secret, step, recovery }
}

fn code(step: u64) -> FactorProof {
    FactorProof::Code { step }
}

fn recovers(digit: &str) -> FactorProof {
    FactorProof::Recovery { hash: digit.repeat(64) }
}

fn signs_in(user: UserId, proof: FactorProof) -> C {
    C::UseSecondFactor { user, proof }
}

fn factor(town: &Town, user: UserId) -> Option<SecondFactor> {
    town.bench.world.user(user).unwrap().second_factor.clone()
}

#[test]
fn a_second_factor_is_its_users_own() {
    let mut town = Town::new();
    let (ada, member) = (town.ada, Caller::User(town.member));
    for caller in [member, Caller::Operator, Caller::System, town.platform_key()] {
        let refused = town.bench.refused(caller, enable(ada, 7));
        assert_eq!(refused.code, Code::UnauthorizedOperation, "{caller}");
    }
    let (admin, proof) = (town.admin(), code(8));
    town.bench.ok(admin, enable(ada, 7));
    assert_eq!(town.bench.refused(admin, enable(ada, 9)).code, Code::Conflict, "no second one");
    for command in [
        C::ReplaceRecoveryCodes { user: ada, recovery: recovery("c"), proof: proof.clone() },
        C::DisableSecondFactor { user: ada, proof: Some(proof) },
        C::DisableSecondFactor { user: ada, proof: None },
    ] {
        assert_eq!(town.bench.refused(member, command).code, Code::UnauthorizedOperation);
    }
    let without = C::DisableSecondFactor { user: ada, proof: None };
    assert_eq!(town.bench.refused(admin, without).code, Code::UnauthorizedOperation);
    let made = factor(&town, ada).unwrap();
    assert_eq!((made.last_step, made.recovery), (7, recovery("ab")));
}

#[test]
fn no_code_is_taken_twice_and_none_that_is_older() {
    let mut town = Town::new();
    let (ada, admin) = (town.ada, town.admin());
    town.bench.ok(admin, enable(ada, 7));
    // The one that enabled it is used as well.
    for step in [0, 6, 7] {
        let refused = town.bench.refused(Caller::System, signs_in(ada, code(step)));
        assert_eq!(refused.code, Code::Conflict, "{step}");
    }
    town.bench.ok(Caller::System, signs_in(ada, code(9)));
    for step in [8, 9] {
        let again = signs_in(ada, code(step));
        assert_eq!(town.bench.refused(Caller::System, again).code, Code::Conflict, "{step}");
    }
    town.bench.ok(Caller::System, signs_in(ada, code(10)));
    for step in [9, 10] {
        let disable = C::DisableSecondFactor { user: ada, proof: Some(code(step)) };
        assert_eq!(town.bench.refused(admin, disable).code, Code::Conflict, "{step}");
    }
    let signs = signs_in(ada, code(11));
    assert_eq!(town.bench.refused(admin, signs).code, Code::UnauthorizedOperation);
}

#[test]
fn each_recovery_code_is_good_once_and_the_new_ones_end_the_old() {
    let mut town = Town::new();
    let (ada, admin) = (town.ada, town.admin());
    town.bench.ok(admin, enable(ada, 7));
    town.bench.ok(Caller::System, signs_in(ada, recovers("a")));
    for digit in ["a", "c", ""] {
        let refused = town.bench.refused(Caller::System, signs_in(ada, recovers(digit)));
        assert_eq!(refused.code, Code::Conflict, "{digit}");
    }
    let replace = |codes: &str, proof| {
        let recovery = recovery(codes);
        C::ReplaceRecoveryCodes { user: ada, recovery, proof }
    };
    assert_eq!(town.bench.refused(admin, replace("de", recovers("a"))).code, Code::Conflict);
    let many = "0123456789abcdef".chars();
    let many: BTreeSet<_> =
        many.flat_map(|a| ["0", "1"].map(|b| format!("{a}{b}").repeat(32))).collect();
    for bad in [BTreeSet::new(), ["x".to_owned()].into(), ["A".repeat(64)].into(), many] {
        let proof = recovers("b");
        let command = C::ReplaceRecoveryCodes { user: ada, recovery: bad, proof };
        assert_eq!(town.bench.refused(admin, command).code, Code::InvalidParameterValue);
    }
    town.bench.ok(admin, replace("de", recovers("b")));
    assert_eq!(factor(&town, ada).unwrap().recovery, recovery("de"));
    // Codes by time go on as before.
    assert_eq!(factor(&town, ada).unwrap().last_step, 7);
}

#[test]
fn the_operator_takes_one_away_from_whoever_has_lost_it() {
    let mut town = Town::new();
    let (ada, admin) = (town.ada, town.admin());
    let disable = C::DisableSecondFactor { user: ada, proof: None };
    town.bench.idle(Caller::Operator, disable.clone());
    town.bench.ok(admin, enable(ada, 7));
    town.bench.ok(Caller::Operator, disable);
    assert_eq!(factor(&town, ada), None);
    assert_eq!(town.bench.refused(Caller::System, signs_in(ada, code(9))).code, Code::Conflict);
    let nobody = C::DisableSecondFactor { user: UserId::MAX, proof: None };
    assert_eq!(town.bench.refused(Caller::Operator, nobody).code, Code::NotFound);
}

#[test]
fn a_team_demands_one_of_its_members_by_an_admin_who_has_one() {
    let mut town = Town::new();
    let (ada, team, admin) = (town.ada, town.team, town.admin());
    let (member, stranger) = (town.member, town.stranger);
    let demand = |demanded| C::DemandSecondFactor { team, demanded };
    assert_eq!(town.bench.refused(admin, demand(true)).code, Code::Conflict);
    town.bench.ok(admin, enable(ada, 7));
    let refused = town.bench.refused(Caller::User(member), demand(true));
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    let refused = town.bench.refused(Caller::User(stranger), demand(true));
    assert_eq!(refused.code, Code::NotFound);
    let wants = |town: &Town, user| town.bench.world.wants_second_factor(user).map(|team| team.id);
    // A member without one would be shut out of everything, so the member enables it first.
    let refused = town.bench.refused(admin, demand(true));
    assert_eq!(refused.code, Code::Conflict);
    let email = town.bench.world.user(member).unwrap().email.clone();
    assert!(refused.message.contains(&email), "{}", refused.message);
    town.bench.ok(Caller::User(member), enable(member, 7));
    town.bench.ok(admin, demand(true));
    assert_eq!(wants(&town, member), None, "who has one");
    // Nor is anybody made a member without one, as nobody is asked before.
    let joins = C::SetMember { team, user: stranger, role: Some(Role::Member) };
    assert_eq!(town.bench.refused(admin, joins.clone()).code, Code::Conflict);
    assert_eq!(wants(&town, stranger), None, "who is in another team");
    town.bench.ok(Caller::Operator, joins);
    assert_eq!(wants(&town, stranger), Some(team));
    // A team that is disabled demands nothing.
    let subject = Subject::Team(team);
    town.bench.ok(Caller::Operator, C::Disable { subject });
    assert_eq!(wants(&town, stranger), None);
    town.bench.ok(Caller::Operator, C::Enable { subject });
    let disable = C::DisableSecondFactor { user: ada, proof: Some(code(8)) };
    assert_eq!(town.bench.refused(admin, disable).code, Code::Conflict);
    town.bench.ok(admin, demand(false));
    assert_eq!(wants(&town, stranger), None);
    let disable = C::DisableSecondFactor { user: ada, proof: Some(code(8)) };
    town.bench.ok(admin, disable);
    assert_eq!(factor(&town, ada), None);
}
