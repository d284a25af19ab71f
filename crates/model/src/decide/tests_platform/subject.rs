//! Who is disabled and destroyed, and what comes of it.

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

const OP: Caller = Caller::Operator;

fn disable(subject: Subject) -> C {
    C::Disable { subject }
}

fn enable(subject: Subject) -> C {
    C::Enable { subject }
}

fn destroy(subject: Subject) -> C {
    C::Destroy { subject }
}

fn token(town: &mut Town, user: fn(&Town) -> UserId, digit: char) -> TokenId {
    let user = user(town);
    let (hash, description) = (digit.to_string().repeat(64), "laptop".to_owned());
    let new = NewToken { user, hash, description, lives: None };
    match town.bench.ok(OP, C::CreateToken(new)).main() {
        Some(Key::Token(id)) => id,
        other => panic!("not a token: {other:?}"),
    }
}

fn create_app(town: &Town) -> PlatformCommand {
    PlatformCommand::CreateApp { name: None, space: town.space, internal_routing: false }
}

fn set_member(town: &Town, user: UserId, role: Option<Role>) -> C {
    C::SetMember { team: town.team, user, role }
}

fn create_key(bench: &mut Bench, account: AccountId) -> C {
    let id = AccessKeyId::fresh(&mut bench.ids);
    let sealed_secret = "sealed".to_owned();
    C::CreateAccessKey { id, account, sealed_secret, access: Access::Full, replaces: None }
}

/// An account with a key.
fn partner(bench: &mut Bench, name: &str) -> (AccountId, AccessKeyId) {
    let made = bench.ok(OP, C::CreateAccount { name: name.to_owned() }).main();
    let Some(Key::Account(account)) = made else { panic!("no account") };
    let create = create_key(bench, account);
    let Some(Key::AccessKey(id)) = bench.ok(OP, create).main() else { panic!("no key") };
    (account, id)
}

#[test]
fn a_disabled_user_is_locked_out_at_once_and_comes_back_with_everything() {
    let mut town = Town::allocated();
    let (bob, subject) = (Caller::User(town.member), Subject::User(town.member));
    let id = token(&mut town, |town| town.member, 'a');
    let lets_in = |town: &Town| {
        let world = &town.bench.world;
        world.lets_in_token(world.token(id).unwrap(), town.bench.now)
    };
    assert!(lets_in(&town));
    town.bench.ok(OP, disable(subject));
    assert!(!lets_in(&town));
    // Also a request that was let in a moment before.
    let create = create_app(&town);
    let refused = town.bench.refused(bob, create.clone());
    assert_eq!(refused.code.platform(), PlatformError::Suspended);
    assert_eq!(
        (refused.code.platform().status(), refused.code.platform().id()),
        (403, "suspended")
    );
    // Nobody is let in by a new token.
    let new = NewToken {
        user: town.member,
        hash: "b".repeat(64),
        description: String::new(),
        lives: None,
    };
    assert_eq!(town.bench.refused(OP, C::CreateToken(new)).code, Code::Conflict);
    town.bench.pass(HOUR);
    town.bench.idle(OP, disable(subject));
    town.bench.ok(OP, enable(subject));
    town.bench.idle(OP, enable(subject));
    assert!(lets_in(&town));
    town.bench.ok(bob, create);
}

#[test]
fn a_team_is_never_without_an_admin_who_is_let_in() {
    let mut town = Town::new();
    let (ada, bob) = (Subject::User(town.ada), Subject::User(town.member));
    for command in [disable(ada), destroy(ada)] {
        let refused = town.bench.refused(OP, command);
        assert_eq!(refused.code, Code::Conflict);
        assert!(refused.message.contains("teams:members:set acme EMAIL --role admin"), "{refused}");
    }
    let promote = set_member(&town, town.member, Some(Role::Admin));
    town.bench.ok(OP, promote);
    town.bench.ok(OP, disable(ada));
    // Who is disabled does not count.
    for command in [disable(bob), destroy(bob), set_member(&town, town.member, None)] {
        assert_eq!(town.bench.refused(OP, command).code, Code::Conflict);
    }
    let demote = set_member(&town, town.member, Some(Role::Member));
    assert_eq!(town.bench.refused(OP, demote).code, Code::Conflict);
    let create = C::CreateTeam { name: "ops".to_owned(), admin: town.ada };
    assert!(town.bench.refused(OP, create).message.contains("users:enable ada@example.com"));
    town.bench.ok(OP, destroy(ada));
    assert_eq!(town.bench.world.team(town.team).unwrap().members.len(), 1);
}

#[test]
fn a_destroyed_user_is_gone_but_for_the_name() {
    let mut town = Town::allocated();
    let (bob, subject) = (town.member, Subject::User(town.member));
    let id = token(&mut town, |town| town.member, 'a');
    let create = create_app(&town);
    let Some(Key::App(app)) = town.bench.ok(Caller::User(bob), create.clone()).main() else {
        panic!("no app")
    };
    let forbid =
        PlatformCommand::SetSpaceAccess { space: town.space, user: bob, create_apps: false };
    town.bench.ok(town.admin(), forbid);
    town.bench.ok(OP, destroy(subject));
    let world = &town.bench.world;
    assert!(world.user(bob).is_none() && world.token(id).is_none());
    assert!(world.space(town.space).unwrap().no_apps.is_empty());
    assert_eq!(world.teams_of(Key::User(bob)).count(), 0);
    assert_eq!(world.email_of(bob), Some("bob@example.com"));
    assert_eq!(world.app(app).unwrap().owner, bob, "the app is the team's, and goes on");
    world.check();
    // What was on its way is refused, and the address can be had again, by somebody else.
    assert_eq!(town.bench.refused(Caller::User(bob), create).code, Code::Suspended);
    let again = C::CreateUser { email: "bob@example.com".to_owned() };
    assert_ne!(town.bench.ok(OP, again).main(), Some(Key::User(bob)));
    assert_eq!(town.bench.refused(OP, destroy(subject)).code, Code::NotFound);
}

#[test]
fn a_disabled_team_locks_its_members_out_and_what_it_has_goes_on() {
    let mut town = Town::allocated();
    let subject = Subject::Team(town.team);
    let create = create_app(&town);
    town.bench.ok(OP, disable(subject));
    let refused = town.bench.refused(town.admin(), create.clone());
    assert_eq!(refused.code, Code::Suspended);
    // To others it is not there, as before.
    let stranger = Caller::User(town.stranger);
    assert_eq!(town.bench.refused(stranger, create.clone()).code, Code::NotFound);
    assert_eq!(town.space().state, SpaceState::Allocated);
    town.bench.ok(OP, create.clone());
    town.bench.ok(OP, enable(subject));
    town.bench.ok(town.admin(), create);
}

#[test]
fn a_team_is_destroyed_once_nothing_is_its() {
    let mut town = Town::allocated();
    let subject = Subject::Team(town.team);
    let create = create_app(&town);
    let Some(Key::App(app)) = town.bench.ok(town.admin(), create).main() else { panic!("no app") };
    for (command, what) in [
        (PlatformCommand::DeleteApp { app }, "spaces"),
        (PlatformCommand::DeleteSpace { space: town.space }, "spaces"),
    ] {
        let refused = town.bench.refused(OP, destroy(subject));
        assert_eq!(refused.code, Code::DependencyViolation);
        assert!(refused.message.contains(what), "{refused}");
        town.bench.ok(town.admin(), command);
    }
    town.bench.ok(OP, destroy(subject));
    assert_eq!(town.bench.world.former_team(town.team).unwrap().name, "acme");
    assert!(town.bench.world.team_named("acme").is_none());
    town.bench.world.check();
}

#[test]
fn a_disabled_account_and_a_disabled_key_sign_nothing() {
    let mut bench = Bench::set_up(false);
    let (account, id) = partner(&mut bench, "partner");
    let of = Principal::of_key(account, Some(id), false);
    let caller = key(Scope { account, region: region(VIRGINIA) });
    let create = Ec2Command::create_vpc(block("10.1.0.0/16"), Tags::new());
    for subject in [Subject::Account(account), Subject::AccessKey(id)] {
        assert!(bench.world.signing_key(id).is_some());
        assert_eq!(of.check(&bench.world, bench.now), Ok(()));
        bench.ok(OP, disable(subject));
        assert!(bench.world.signing_key(id).is_none());
        assert_eq!(of.check(&bench.world, bench.now), Err(CredentialsEnded::Revoked));
        if subject == Subject::Account(account) {
            assert_eq!(bench.refused(caller, create.clone()).code, Code::Suspended);
            let more = create_key(&mut bench, account);
            assert!(bench.refused(OP, more).message.contains("accounts:enable partner"));
        } else {
            let create = create_key(&mut bench, account);
            let C::CreateAccessKey { id: new, account, sealed_secret, access, .. } = create else {
                panic!("not a key")
            };
            let replaces = Some(id);
            let rotate = C::CreateAccessKey { id: new, account, sealed_secret, access, replaces };
            assert!(bench.refused(OP, rotate).message.contains("keys:enable"));
        }
        bench.ok(OP, enable(subject));
    }
    bench.ok(caller, create);
}

#[test]
fn who_acts_in_a_role_is_locked_out_with_either_account() {
    let mut bench = Bench::set_up(false);
    let (ours, id) = partner(&mut bench, "ours");
    let (theirs, _) = partner(&mut bench, "theirs");
    let role = NewIamRole {
        account: theirs,
        name: "deployer".to_owned(),
        trust: [Trusted::Account(ours)].into(),
        external_id: None,
        access: Access::Full,
        max_seconds: None,
        description: String::new(),
    };
    let Some(Key::IamRole(role)) = bench.ok(OP, C::CreateIamRole(role)).main() else {
        panic!("no role")
    };
    let ask = |bench: &mut Bench| {
        let by = Principal::of_key(ours, Some(id), false);
        let (name, session) = ("deployer".to_owned(), "ci".to_owned());
        let asked = AssumeRole {
            by,
            account: theirs,
            role: name,
            session,
            external_id: None,
            seconds: None,
        };
        let caller = key(Scope { account: ours, region: region(VIRGINIA) });
        bench.run(caller, StsCommand::AssumeRole(asked)).map(|(reply, _)| reply)
    };
    let Ok(Reply::Credentials(of)) = ask(&mut bench) else { panic!("no credentials") };
    for subject in [Subject::Account(ours), Subject::Account(theirs), Subject::AccessKey(id)] {
        assert_eq!(of.check(&bench.world, bench.now), Ok(()));
        bench.ok(OP, disable(subject));
        assert_eq!(of.check(&bench.world, bench.now), Err(CredentialsEnded::Revoked), "{subject}");
        assert!(ask(&mut bench).is_err(), "{subject}");
        bench.ok(OP, enable(subject));
    }
    // With an account go its keys and roles, and what others' roles trust of it.
    bench.ok(OP, destroy(Subject::Account(ours)));
    assert_eq!(of.check(&bench.world, bench.now), Err(CredentialsEnded::Revoked));
    assert!(bench.world.access_key(id).is_none());
    assert!(bench.world.iam_role(role).unwrap().trust.is_empty());
    assert_eq!(bench.world.former_account(ours).unwrap().name, "ours");
    bench.ok(OP, destroy(Subject::Account(theirs)));
    assert!(bench.world.iam_role(role).is_none());
    bench.world.check();
}

#[test]
fn an_account_is_destroyed_once_nothing_is_its_and_the_platforms_never() {
    let mut bench = Bench::set_up(false);
    let platform = bench.platform();
    for command in [disable(Subject::Account(platform)), destroy(Subject::Account(platform))] {
        assert_eq!(bench.refused(OP, command).code, Code::OperationNotPermitted);
    }
    let (account, _) = partner(&mut bench, "partner");
    let scope = Scope { account, region: region(VIRGINIA) };
    let create = Ec2Command::create_vpc(block("10.1.0.0/16"), Tags::new());
    let Some(Key::Vpc(vpc)) = bench.ok(key(scope), create.clone()).main() else { panic!("no VPC") };
    let refused = bench.refused(OP, destroy(Subject::Account(account)));
    assert_eq!(refused.code, Code::DependencyViolation);
    assert!(refused.message.contains(&vpc.to_string()), "{refused}");
    bench.ok(key(scope), Ec2Command::DeleteVpc { vpc });
    bench.ok(OP, destroy(Subject::Account(account)));
    assert_eq!(bench.refused(key(scope), create).code, Code::Suspended);
}

#[test]
fn an_emulator_makes_an_account_anew_that_was_destroyed() {
    let mut bench = Bench::set_up(true);
    let (account, region) = (account(7), region(VIRGINIA));
    let made = bench.ok(OP, C::CreateAccount { name: "seven".to_owned() }).main();
    let Some(Key::Account(other)) = made else { panic!("no account") };
    bench.ok(OP, destroy(Subject::Account(other)));
    bench.ok(OP, C::EnsureAccount { id: other, region });
    assert!(bench.world.former_account(other).is_none());
    bench.ok(OP, C::EnsureAccount { id: account, region });
    bench.ok(OP, disable(Subject::Account(account)));
    let of = Principal::of_key(account, None, false);
    assert_eq!(of.check(&bench.world, bench.now), Err(CredentialsEnded::Revoked));
    bench.world.check();
}

#[test]
fn a_disabled_token_speaks_for_nobody_and_only_the_operator_sees_it() {
    let mut town = Town::new();
    let id = token(&mut town, |town| town.ada, 'a');
    let subject = Subject::Token(id);
    town.bench.ok(OP, disable(subject));
    let describe = C::DescribeToken { id, description: "mine".to_owned() };
    assert_eq!(town.bench.refused(town.admin(), describe).code, Code::NotFound);
    // What `causeway env` asks for again is not given out in silence.
    let again = NewToken {
        user: town.ada,
        hash: "a".repeat(64),
        description: "laptop".to_owned(),
        lives: None,
    };
    assert_eq!(town.bench.refused(OP, C::CreateToken(again)).code, Code::Conflict);
    town.bench.ok(OP, enable(subject));
    town.bench.ok(OP, disable(subject));
    town.bench.ok(OP, destroy(subject));
    assert!(town.bench.world.token(id).is_none());
}

#[test]
fn only_the_operator_disables_and_destroys() {
    let mut town = Town::new();
    let subject = Subject::User(town.member);
    for command in [disable(subject), enable(subject), destroy(subject)] {
        assert_eq!(town.bench.refused(town.admin(), command).code, Code::UnauthorizedOperation);
    }
}

#[test]
fn what_depends_on_somebody_is_told() {
    let mut town = Town::allocated();
    let id = token(&mut town, |town| town.member, 'a');
    let create = create_app(&town);
    town.bench.ok(Caller::User(town.member), create);
    let told = |of, measure| {
        let found = town.bench.world.dependents(of, measure, town.bench.now);
        found.into_iter().map(|it| (it.what, it.names, it.then)).collect::<Vec<_>>()
    };
    let user = told(Subject::User(town.member), Measure::Disable);
    assert_eq!(user[0], ("tokens", vec![format!("laptop ({id})")], "speak for nobody"));
    assert_eq!(user[1], ("teams", vec!["acme (member)".to_owned()], "keep the member"));
    assert_eq!((user[2].0, user.len()), ("apps made by the user", 3));
    let team = told(Subject::Team(town.team), Measure::Destroy);
    let whats: Vec<_> =
        team.iter().map(|(what, names, then)| (*what, names.len(), *then)).collect();
    let expected = [
        ("members", 2, "are in it no longer"),
        ("spaces", 1, "must go first"),
        ("apps", 1, "must go first"),
    ];
    assert_eq!(whats, expected);
    assert_eq!(told(Subject::Token(id), Measure::Destroy)[0].1, ["bob@example.com"]);
}

#[test]
fn records_of_older_versions_are_not_disabled_and_such_say_nothing_of_it() {
    let user = r#"{"id":"01234567-89ab-4def-8123-456789abcdef","email":"ada@example.com","created":"2026-01-31T12:00:00Z","updated":"2026-01-31T12:00:00Z"}"#;
    let read = Record::read("user", "01234567-89ab-4def-8123-456789abcdef", user).unwrap();
    let Record::User(found) = &read else { panic!() };
    assert_eq!(found.disabled, None);
    assert!(!read.body().contains("disabled"), "{}", read.body());
}

#[test]
fn a_webhook_is_silent_with_its_owner_and_goes_with_it() {
    let mut town = Town::new();
    let (account, _) = partner(&mut town.bench, "partner");
    let team = C::CreateTeam { name: "ops".to_owned(), admin: town.ada };
    let Some(Key::Team(team)) = town.bench.ok(OP, team).main() else { panic!("no team") };
    for (owner, subject) in [
        (WebhookOwner::Account(account), Subject::Account(account)),
        (WebhookOwner::Team(team), Subject::Team(team)),
    ] {
        let create = C::CreateWebhook(NewWebhook {
            owner,
            url: "https://hooks.example.com/".to_owned(),
            include: vec!["peering".to_owned()],
            secret: "0123456789abcdef0123456789abcdef".to_owned(),
            authorization: None,
        });
        let Some(Key::Webhook(id)) = town.bench.ok(OP, create).main() else { panic!("no hook") };
        let sends = |town: &Town| {
            let world = &town.bench.world;
            world.webhook(id).is_some_and(|hook| world.sends_to(hook))
        };
        assert!(sends(&town));
        town.bench.ok(OP, disable(subject));
        assert!(!sends(&town));
        town.bench.ok(OP, enable(subject));
        assert!(sends(&town));
        town.bench.ok(OP, destroy(subject));
        assert!(town.bench.world.webhook(id).is_none());
    }
}
