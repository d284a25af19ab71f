//! Who acts.

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

fn user(bench: &mut Bench, email: &str) -> UserId {
    match bench.ok(Caller::Operator, C::CreateUser { email: email.to_owned() }).main() {
        Some(Key::User(id)) => id,
        other => panic!("not a user: {other:?}"),
    }
}

fn token(user: UserId, digit: &str) -> C {
    let (hash, description) = (digit.repeat(64), "laptop".to_owned());
    C::CreateToken(NewToken::unlimited(user, hash, description))
}

fn account_id(bench: &mut Bench, name: &str) -> AccountId {
    match bench.ok(Caller::Operator, C::CreateAccount { name: name.to_owned() }).main() {
        Some(Key::Account(id)) => id,
        other => panic!("not an account: {other:?}"),
    }
}

#[test]
fn an_installation_is_set_up_once() {
    let mut bench = Bench::set_up(false);
    let platform = bench.world.account(bench.platform()).unwrap();
    assert_eq!(platform.name, "platform");
    let again = C::SetUp { region: Region::DEFAULT, emulator: true, instance: "t2".to_owned() };
    assert_eq!(bench.refused(Caller::Operator, again).code, Code::Conflict);
    let bad = C::SetUp { region: Region::DEFAULT, emulator: true, instance: "T 2".to_owned() };
    let mut bench = Bench::new();
    assert_eq!(bench.refused(Caller::System, bad).code, Code::InvalidParameterValue);
    let early = C::CreateAccount { name: "acme".to_owned() };
    assert_eq!(bench.refused(Caller::Operator, early).code, Code::OperationNotPermitted);
}

#[test]
fn r4_only_the_operator_makes_identities() {
    let mut bench = Bench::set_up(true);
    let ada = user(&mut bench, "ada@example.com");
    let platform = bench.platform();
    let id = AccessKeyId::MIN;
    let commands = [
        C::SetUp { region: Region::DEFAULT, emulator: true, instance: "t2".to_owned() },
        C::AdvanceClock { seconds: 1 },
        C::CreateAccount { name: "acme".to_owned() },
        C::CreateAccessKey {
            id,
            account: platform,
            sealed_secret: "s".to_owned(),
            access: Access::Full,
            replaces: None,
        },
        C::DeleteAccessKey { id },
        C::CreateUser { email: "eve@example.com".to_owned() },
        C::SetPassword { user: ada, hash: PasswordHash("x".to_owned()), end_tokens: true },
        C::CreateTeam { name: "eves".to_owned(), admin: ada },
        C::EnsureAccount { id: platform, region: Region::DEFAULT },
        token(UserId::MIN, "a"),
    ];
    for command in commands {
        for caller in [Caller::User(ada), key(scope(111, VIRGINIA))] {
            let refused = bench.refused(caller, command.clone());
            assert_eq!(refused.code, Code::UnauthorizedOperation, "{command:?}");
        }
    }
}

#[test]
fn the_clock_s_offset_adds_up_and_has_an_end() {
    let century = 100 * 366 * 24 * 3600;
    let mut bench = Bench::set_up(false);
    let offset = |bench: &Bench| bench.world.settings().unwrap().clock_offset;
    for (seconds, sum) in [(0, 0), (60, 60), (40, 100), (century - 100, century)] {
        bench.run(Caller::Operator, C::AdvanceClock { seconds }).unwrap();
        assert_eq!(offset(&bench), sum);
    }
    for seconds in [1, u64::MAX] {
        let refused = bench.refused(Caller::Operator, C::AdvanceClock { seconds });
        assert_eq!(refused.code, Code::InvalidParameterValue);
        assert_eq!(offset(&bench), century);
    }
}

#[test]
fn settings_of_before_there_was_an_offset_are_read() {
    let bench = Bench::set_up(false);
    let settings = &**bench.world.settings().unwrap();
    let mut document = serde_json::to_value(settings).unwrap();
    document.as_object_mut().unwrap().remove("clock_offset").unwrap();
    let read: Settings = serde_json::from_value(document).unwrap();
    assert_eq!(read, *settings);
}

#[test]
fn accounts_have_names_of_their_own() {
    let mut bench = Bench::set_up(false);
    let acme = account_id(&mut bench, "acme");
    assert_eq!(bench.world.account_named("acme").unwrap().id, acme);
    for (name, code) in [
        ("acme", Code::Conflict),
        ("platform", Code::Conflict),
        ("", Code::InvalidParameterValue),
        ("1acme", Code::InvalidParameterValue),
        ("Acme", Code::InvalidParameterValue),
        ("ac--me", Code::InvalidParameterValue),
        ("acme-", Code::InvalidParameterValue),
    ] {
        let refused = bench.refused(Caller::Operator, C::CreateAccount { name: name.to_owned() });
        assert_eq!(refused.code, code, "{name}");
    }
}

#[test]
fn access_keys_come_and_go() {
    let mut bench = Bench::set_up(false);
    let acme = account_id(&mut bench, "acme");
    let id = AccessKeyId::fresh(&mut bench.ids);
    let make = |account, secret: &str| C::CreateAccessKey {
        id,
        account,
        sealed_secret: secret.to_owned(),
        access: Access::ReadOnly,
        replaces: None,
    };
    let refused = bench.refused(Caller::Operator, make(AccountId::MAX, "sealed"));
    assert_eq!(refused.code, Code::NotFound);
    assert_eq!(bench.refused(Caller::Operator, make(acme, "")).code, Code::MissingParameter);
    bench.ok(Caller::Operator, make(acme, "sealed"));
    assert_eq!(bench.world.access_key(id).unwrap().access, Access::ReadOnly);
    assert_eq!(bench.refused(Caller::Operator, make(acme, "sealed")).code, Code::Conflict);
    bench.ok(Caller::Operator, C::DeleteAccessKey { id });
    let refused = bench.refused(Caller::Operator, C::DeleteAccessKey { id });
    assert_eq!(refused.code, Code::NotFound);
}

#[test]
fn users_are_known_by_their_address_whatever_its_case() {
    let mut bench = Bench::set_up(false);
    let ada = user(&mut bench, "Ada@Example.com");
    assert_eq!(bench.world.user_named("ADA@example.com").unwrap().id, ada);
    for (email, code) in [
        ("ada@EXAMPLE.com", Code::Conflict),
        ("ada", Code::InvalidParameterValue),
        ("@example.com", Code::InvalidParameterValue),
        ("a@b@c", Code::InvalidParameterValue),
        ("a b@example.com", Code::InvalidParameterValue),
    ] {
        let refused = bench.refused(Caller::Operator, C::CreateUser { email: email.to_owned() });
        assert_eq!(refused.code, code, "{email}");
    }
}

#[test]
fn a_token_made_twice_is_one_token_and_never_two_users() {
    let mut bench = Bench::set_up(false);
    let (ada, bob) = (user(&mut bench, "ada@example.com"), user(&mut bench, "bob@example.com"));
    let made = bench.ok(Caller::User(ada), token(ada, "a"));
    assert_eq!(bench.ok(Caller::Operator, token(ada, "a")), made);
    bench.idle(Caller::User(ada), token(ada, "a"));
    assert_eq!(bench.refused(Caller::User(bob), token(bob, "a")).code, Code::Conflict);
    let refused = bench.refused(Caller::User(bob), token(ada, "b"));
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    assert_eq!(bench.refused(Caller::Operator, token(UserId::MAX, "b")).code, Code::NotFound);
    for bad in ["g", "A", "aa"] {
        let refused = bench.refused(Caller::Operator, token(ada, bad));
        assert_eq!(refused.code, Code::InvalidParameterValue);
    }
    let (hash, description) = ("b".repeat(64), "x".repeat(256));
    let long = C::CreateToken(NewToken::unlimited(ada, hash, description));
    assert_eq!(bench.refused(Caller::Operator, long).code, Code::InvalidParameterValue);
}

#[test]
fn a_team_keeps_an_admin() {
    let mut bench = Bench::set_up(false);
    let (ada, bob) = (user(&mut bench, "ada@example.com"), user(&mut bench, "bob@example.com"));
    let op = Caller::Operator;
    let create = |name: &str, admin| C::CreateTeam { name: name.to_owned(), admin };
    assert_eq!(bench.refused(op, create("acme", UserId::MAX)).code, Code::NotFound);
    assert_eq!(bench.refused(op, create("A", ada)).code, Code::InvalidParameterValue);
    let Some(Key::Team(team)) = bench.ok(op, create("acme", ada)).main() else { panic!() };
    assert_eq!(bench.refused(op, create("acme", ada)).code, Code::Conflict);
    let set = |user, role| C::SetMember { team, user, role };
    for role in [None, Some(Role::Member)] {
        assert_eq!(bench.refused(op, set(ada, role)).code, Code::Conflict);
    }
    bench.ok(op, set(bob, Some(Role::Admin)));
    bench.idle(op, set(bob, Some(Role::Admin)));
    bench.ok(op, set(ada, None));
    let members = &bench.world.team(team).unwrap().members;
    assert_eq!(members.iter().collect::<Vec<_>>(), [(&bob, &Role::Admin)]);
    assert_eq!(bench.refused(op, set(UserId::MAX, None)).code, Code::NotFound);
    let nowhere = C::SetMember { team: TeamId::MAX, user: bob, role: None };
    assert_eq!(bench.refused(op, nowhere).code, Code::NotFound);
}

#[test]
fn admins_of_a_team_choose_its_members_and_anybody_may_leave() {
    let mut town = Town::new();
    let (team, admin) = (town.team, town.admin());
    let set = |user, role| C::SetMember { team, user, role };
    let newcomer = town.stranger;
    for (caller, code) in [
        (Caller::User(town.member), Code::UnauthorizedOperation),
        (Caller::User(newcomer), Code::NotFound),
        (town.platform_key(), Code::UnauthorizedOperation),
    ] {
        let refused = town.bench.refused(caller, set(newcomer, Some(Role::Admin)));
        assert_eq!(refused.code, code, "{caller}");
    }
    let raise = set(town.member, Some(Role::Admin));
    let refused = town.bench.refused(Caller::User(town.member), raise);
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    let refused = town.bench.refused(Caller::User(town.member), set(town.ada, None));
    assert_eq!(refused.code, Code::UnauthorizedOperation);

    town.bench.ok(admin, set(newcomer, Some(Role::Member)));
    town.bench.ok(Caller::User(town.member), set(town.member, None));
    assert_eq!(town.bench.refused(admin, set(town.ada, None)).code, Code::Conflict);
    town.bench.ok(admin, set(newcomer, Some(Role::Admin)));
    town.bench.ok(admin, set(town.ada, None));
    let members = &town.bench.world.team(team).unwrap().members;
    assert_eq!(members.keys().collect::<Vec<_>>(), [&newcomer]);
}

/// Everything of a user's tokens, as those who ask see it.
fn tokens(bench: &Bench, user: UserId) -> Vec<(String, Option<Timestamp>)> {
    let tokens = bench.world.tokens_of(Key::User(user));
    tokens.map(|token| (token.description.clone(), token.expires)).collect()
}

fn made(reply: &Reply) -> TokenId {
    match reply.main() {
        Some(Key::Token(id)) => id,
        other => panic!("not a token: {other:?}"),
    }
}

#[test]
fn a_token_ends_when_it_was_said_to() {
    let mut bench = Bench::set_up(false);
    let ada = user(&mut bench, "ada@example.com");
    let lives = |lives| {
        let (hash, description) = ("c".repeat(64), "short".to_owned());
        C::CreateToken(NewToken {
            lives: Some(lives),
            ..NewToken::unlimited(ada, hash, description)
        })
    };
    for nonsense in [std::time::Duration::ZERO, std::time::Duration::MAX] {
        let refused = bench.refused(Caller::User(ada), lives(nonsense));
        assert_eq!(refused.code, Code::InvalidParameterValue);
    }
    let id = made(&bench.ok(Caller::User(ada), lives(HOUR)));
    bench.ok(Caller::User(ada), token(ada, "d"));
    assert_eq!(tokens(&bench, ada).len(), 2);
    let is_live = |bench: &Bench| bench.world.token(id).unwrap().is_live(bench.now);
    bench.pass(HOUR - std::time::Duration::from_millis(1));
    assert!(is_live(&bench));
    bench.pass(std::time::Duration::from_millis(1));
    assert!(!is_live(&bench));
    for command in [
        C::DeleteToken { id },
        C::ReplaceToken { id, hash: "e".repeat(64) },
        C::DescribeToken { id, description: String::new() },
    ] {
        assert_eq!(bench.refused(Caller::User(ada), command).code, Code::NotFound);
    }
    bench.ok(Caller::System, SystemCommand::Tick);
    assert_eq!(tokens(&bench, ada), [("laptop".to_owned(), None)]);
}

#[test]
fn a_token_is_changed_by_its_user_and_the_operator_alone() {
    let mut bench = Bench::set_up(false);
    let (ada, bob) = (user(&mut bench, "ada@example.com"), user(&mut bench, "bob@example.com"));
    let id = made(&bench.ok(Caller::User(ada), token(ada, "a")));
    bench.ok(Caller::User(bob), token(bob, "b"));
    for command in [
        C::DeleteToken { id },
        C::ReplaceToken { id, hash: "e".repeat(64) },
        C::DescribeToken { id, description: "mine".to_owned() },
    ] {
        for caller in [Caller::User(bob), key(scope(111, VIRGINIA))] {
            assert_eq!(bench.refused(caller, command.clone()).code, Code::NotFound);
        }
    }
    let replace = |digit: &str| C::ReplaceToken { id, hash: digit.repeat(64) };
    assert_eq!(bench.refused(Caller::User(ada), replace("b")).code, Code::Conflict);
    assert_eq!(bench.refused(Caller::User(ada), replace("x")).code, Code::InvalidParameterValue);
    bench.pass(HOUR);
    bench.ok(Caller::User(ada), replace("f"));
    assert_eq!(bench.world.find(&Alias::Token("a".repeat(64).into())), None);
    assert_eq!(bench.world.find(&Alias::Token("f".repeat(64).into())), Some(Key::Token(id)));
    assert_eq!(bench.world.token(id).unwrap().updated, Some(bench.now));
    bench.ok(Caller::Operator, C::DescribeToken { id, description: "desk".to_owned() });
    assert_eq!(tokens(&bench, ada), [("desk".to_owned(), None)]);
    bench.ok(Caller::User(ada), C::DeleteToken { id });
    assert_eq!(tokens(&bench, ada), []);
}

#[test]
fn a_user_has_no_more_than_five_hundred_tokens() {
    let mut bench = Bench::set_up(false);
    let ada = user(&mut bench, "ada@example.com");
    let new = |n: u32, lives| {
        let (hash, description) = (format!("{n:064x}"), String::new());
        C::CreateToken(NewToken { lives, ..NewToken::unlimited(ada, hash, description) })
    };
    for n in 0..500 {
        bench.world = bench
            .world
            .decide(Caller::User(ada), &new(n, Some(HOUR)).into(), bench.now, &mut bench.ids)
            .unwrap()
            .world;
    }
    let refused = bench.refused(Caller::User(ada), new(500, None));
    assert_eq!(refused.code, Code::LimitExceeded);
    bench.idle(Caller::User(ada), new(0, None));
    // What has ended does not count, forgotten or not.
    bench.pass(HOUR);
    bench.ok(Caller::User(ada), new(500, None));
}

#[test]
fn a_password_is_set_by_the_operator_and_shown_nowhere() {
    let mut bench = Bench::set_up(false);
    let ada = user(&mut bench, "ada@example.com");
    bench.ok(Caller::User(ada), token(ada, "a"));
    let set = |text: &str, end_tokens| {
        let hash = PasswordHash(text.to_owned());
        C::SetPassword { user: ada, hash, end_tokens }
    };
    assert!(!format!("{:?}", set("$argon2id$x", false)).contains("argon2id"));
    bench.ok(Caller::Operator, set("$argon2id$x", false));
    let stored = bench.world.user(ada).unwrap();
    assert_eq!(stored.password, Some(PasswordHash("$argon2id$x".to_owned())));
    assert!(!format!("{stored:?}").contains("argon2id"));
    assert_eq!(tokens(&bench, ada).len(), 1);
    bench.ok(Caller::Operator, set("$argon2id$y", true));
    assert_eq!(tokens(&bench, ada), []);
    let hash = PasswordHash("x".to_owned());
    let nobody = C::SetPassword { user: UserId::MAX, hash, end_tokens: false };
    assert_eq!(bench.refused(Caller::Operator, nobody).code, Code::NotFound);
}

#[test]
fn users_and_tokens_from_before_are_read() {
    let user =
        r#"{"id":"00000000-0000-0000-0000-000000000001","email":"a@b","created":0,"updated":0}"#;
    let created = serde_json::to_string(&Bench::new().now).unwrap();
    let user = user.replace(":0", &format!(":{created}"));
    let id = "00000000-0000-0000-0000-000000000001";
    let Ok(Record::User(read)) = Record::read("user", id, &user) else { panic!("{user}") };
    assert_eq!(read.password, None);
    let token = format!(
        r#"{{"id":"{id}","user":"{id}","hash":"h","description":"d","created":{created}}}"#
    );
    let Ok(Record::Token(read)) = Record::read("token", id, &token) else { panic!("{token}") };
    assert_eq!((read.expires, read.updated), (None, None));
    assert!(read.is_live(Bench::new().now));
    assert_eq!((read.scopes.to_string().as_str(), read.bound), ("global", None));
    assert!(read.allows(Need::Everything));
}
