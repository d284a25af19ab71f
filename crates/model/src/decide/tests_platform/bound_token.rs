//! Tokens that may do less than their user: by scopes, and bound to a space or an app.

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

fn shop(town: &mut Town) -> AppId {
    let new = PlatformCommand::CreateApp { name: None, space: town.space, internal_routing: false };
    match town.bench.ok(Caller::User(town.member), new).main() {
        Some(Key::App(id)) => id,
        other => panic!("not an app: {other:?}"),
    }
}

fn bound(user: UserId, digit: &str, bound: TokenBound) -> NewToken {
    let new = NewToken::unlimited(user, digit.repeat(64), "CI".to_owned());
    NewToken { bound: Some(bound), ..new }
}

fn made(town: &mut Town, new: NewToken) -> Token {
    match town.bench.ok(Caller::User(new.user), C::CreateToken(new)).main() {
        Some(Key::Token(id)) => Token::clone(town.bench.world.token(id).unwrap()),
        other => panic!("not a token: {other:?}"),
    }
}

#[test]
fn a_bound_token_reaches_what_it_is_bound_to_and_nothing_else() {
    let mut town = Town::allocated();
    let (one, other) = (shop(&mut town), shop(&mut town));
    let (member, space) = (town.member, town.space);
    let of_app = made(&mut town, bound(member, "a", TokenBound::App(one)));
    let of_space = made(&mut town, bound(member, "b", TokenBound::Space(space)));
    let (one, other) = (town.bench.world.app(one).unwrap(), town.bench.world.app(other).unwrap());
    assert!(of_app.reaches(one) && !of_app.reaches(other));
    assert!(of_space.reaches(one) && of_space.reaches(other));
    let elsewhere = App { space: SpaceId::MAX, ..App::clone(one) };
    assert!(!of_space.reaches(&elsewhere) && of_app.reaches(&elsewhere));
    for token in [&of_app, &of_space] {
        assert!(token.allows(Need::WriteProtected));
        assert!(!token.allows(Need::Everything), "what is about the user or a team");
    }
    assert!(!TokenBound::App(one.id).has_space(space) && TokenBound::Space(space).has_space(space));
}

#[test]
fn a_token_is_bound_only_to_what_its_user_sees() {
    let mut town = Town::allocated();
    let app = shop(&mut town);
    let (stranger, space) = (town.stranger, town.space);
    for to in [TokenBound::App(app), TokenBound::Space(space), TokenBound::App(AppId::MAX)] {
        let refused =
            town.bench.refused(Caller::Operator, C::CreateToken(bound(stranger, "a", to)));
        assert_eq!(refused.code, Code::NotFound);
    }
}

#[test]
fn a_bound_token_ends_with_what_it_is_bound_to() {
    let mut town = Town::allocated();
    let app = shop(&mut town);
    let (ada, admin, space) = (town.ada, town.admin(), town.space);
    let of_app = made(&mut town, bound(ada, "a", TokenBound::App(app)));
    let of_space = made(&mut town, bound(ada, "b", TokenBound::Space(space)));
    let free = made(&mut town, NewToken::unlimited(ada, "c".repeat(64), String::new()));
    town.bench.ok(admin, PlatformCommand::DeleteApp { app });
    assert!(town.bench.world.token(of_app.id).is_none());
    assert!(town.bench.world.token(of_space.id).is_some());
    town.bench.ok(admin, PlatformCommand::DeleteSpace { space });
    assert!(town.bench.world.token(of_space.id).is_none());
    assert!(town.bench.world.token(free.id).is_some());
}

#[test]
fn a_reset_leaves_no_token_that_is_bound_to_what_is_gone() {
    let mut bench = Bench::set_up(true);
    let email = "ada@example.com".to_owned();
    let Some(Key::User(ada)) = bench.ok(Caller::Operator, C::CreateUser { email }).main() else {
        panic!("no user")
    };
    let team = C::CreateTeam { name: "acme".to_owned(), admin: ada };
    let Some(Key::Team(team)) = bench.ok(Caller::Operator, team).main() else { panic!("no team") };
    let space = PlatformCommand::CreateSpace {
        name: "alpha".to_owned(),
        team,
        region: None,
        cidr: None,
        data_cidr: None,
    };
    let Some(Key::Space(space)) = bench.ok(Caller::User(ada), space).main() else {
        panic!("no space")
    };
    bench.ok(Caller::User(ada), C::CreateToken(bound(ada, "a", TokenBound::Space(space))));
    let free = NewToken::unlimited(ada, "b".repeat(64), String::new());
    bench.ok(Caller::User(ada), C::CreateToken(free));
    bench.ok(Caller::Operator, SystemCommand::Reset);
    let left: Vec<_> = bench.world.tokens().map(|token| token.bound).collect();
    assert_eq!(left, [None]);
}

#[test]
fn a_token_has_a_scope_and_the_same_secret_stands_for_the_same_rights() {
    let mut town = Town::allocated();
    let app = shop(&mut town);
    let (ada, admin) = (town.ada, town.admin());
    let none = NewToken {
        scopes: [].into_iter().collect(),
        ..NewToken::unlimited(ada, "a".repeat(64), String::new())
    };
    let refused = town.bench.refused(admin, C::CreateToken(none));
    assert_eq!(refused.code, Code::InvalidParameterValue);
    let narrow = bound(ada, "a", TokenBound::App(app));
    made(&mut town, narrow.clone());
    town.bench.idle(admin, C::CreateToken(narrow.clone()));
    let reads = [TokenScope::Read].into_iter().collect();
    for wider in [NewToken { bound: None, ..narrow.clone() }, NewToken { scopes: reads, ..narrow }]
    {
        assert_eq!(town.bench.refused(admin, C::CreateToken(wider)).code, Code::Conflict);
    }
}

#[test]
fn what_a_token_is_made_for_stays_when_it_is_named_and_rotated() {
    let mut town = Town::allocated();
    let app = shop(&mut town);
    let (ada, admin) = (town.ada, town.admin());
    let scopes: TokenScopes = [TokenScope::Read].into_iter().collect();
    let new = NewToken { scopes: scopes.clone(), ..bound(ada, "a", TokenBound::App(app)) };
    let id = made(&mut town, new).id;
    town.bench.ok(admin, C::DescribeToken { id, description: "other".to_owned() });
    town.bench.ok(admin, C::ReplaceToken { id, hash: "f".repeat(64) });
    let now = town.bench.world.token(id).unwrap();
    assert_eq!((&now.scopes, now.bound), (&scopes, Some(TokenBound::App(app))));
}
