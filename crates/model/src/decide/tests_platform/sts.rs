//! Roles, and who may act in them.

use std::time::Duration;

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

/// Two accounts with an access key each.
struct Accounts {
    bench: Bench,
    ours: (AccountId, AccessKeyId),
    theirs: (AccountId, AccessKeyId),
}

impl Accounts {
    fn new() -> Self {
        let mut bench = Bench::set_up(false);
        let [ours, theirs] = ["ours", "theirs"].map(|name| {
            let made = bench.ok(Caller::Operator, C::CreateAccount { name: name.to_owned() });
            let Some(Key::Account(id)) = made.main() else { panic!("no account") };
            (id, make_key(&mut bench, id, Access::Full, None))
        });
        Self { bench, ours, theirs }
    }

    /// Makes a role of theirs.
    fn role(&mut self, change: impl FnOnce(&mut NewIamRole)) -> RoleId {
        let mut new = new_role(self.theirs.0, "deployer", [Trusted::Account(self.ours.0)]);
        change(&mut new);
        match self.bench.ok(Caller::Operator, C::CreateIamRole(new)).main() {
            Some(Key::IamRole(id)) => id,
            other => panic!("not a role: {other:?}"),
        }
    }

    fn us(&self) -> Principal {
        Principal::of_key(self.ours.0, Some(self.ours.1), false)
    }

    fn ask(&mut self, command: StsCommand) -> Result<Principal, Refused> {
        let by = match &command {
            StsCommand::AssumeRole(asked) => &asked.by,
            StsCommand::GetSessionToken { by, .. } => by,
        };
        let scope = Scope { account: by.account, region: Region::DEFAULT };
        let caller = Caller::Account { scope, read_only: by.read_only };
        let (reply, changes) = self.bench.run(caller, command)?;
        assert_eq!(changes, []);
        match reply {
            Reply::Credentials(of) => Ok(of),
            other => panic!("no credentials: {other:?}"),
        }
    }

    /// Asks for the role of theirs.
    fn assume(
        &mut self,
        by: Principal,
        change: impl FnOnce(&mut AssumeRole),
    ) -> Result<Principal, Refused> {
        let mut asked = AssumeRole {
            by,
            account: self.theirs.0,
            role: "deployer".to_owned(),
            session: "ci".to_owned(),
            external_id: None,
            seconds: None,
        };
        change(&mut asked);
        self.ask(StsCommand::AssumeRole(asked))
    }

    fn denied(&mut self, by: Principal, change: impl FnOnce(&mut AssumeRole)) -> String {
        let refused = self.assume(by, change).unwrap_err();
        assert_eq!(refused.code, Code::AccessDenied, "{refused}");
        refused.message
    }

    fn holds(&self, of: &Principal) -> Result<(), CredentialsEnded> {
        of.check(&self.bench.world, self.bench.now)
    }
}

fn make_key(
    bench: &mut Bench,
    account: AccountId,
    access: Access,
    replaces: Option<AccessKeyId>,
) -> AccessKeyId {
    let id = AccessKeyId::fresh(&mut bench.ids);
    let sealed_secret = "sealed".to_owned();
    let create = C::CreateAccessKey { id, account, sealed_secret, access, replaces };
    bench.ok(Caller::Operator, create);
    id
}

fn new_role(
    account: AccountId,
    name: &str,
    trust: impl IntoIterator<Item = Trusted>,
) -> NewIamRole {
    NewIamRole {
        account,
        name: name.to_owned(),
        trust: trust.into_iter().collect(),
        external_id: None,
        access: Access::Full,
        max_seconds: None,
        description: String::new(),
    }
}

#[test]
fn a_trusted_account_acts_in_a_role_for_an_hour() {
    let mut accounts = Accounts::new();
    let role = accounts.role(|_| ());
    let us = accounts.us();
    let of = accounts.assume(us, |_| ()).unwrap();
    let theirs = accounts.theirs.0;
    assert_eq!((of.account, of.key, of.read_only), (theirs, Some(accounts.ours.1), false));
    assert_eq!(of.arn(), format!("arn:aws:sts::{theirs}:assumed-role/deployer/ci"));
    assert_eq!(of.user_id(), format!("{role}:ci"));
    assert_eq!(accounts.holds(&of), Ok(()));
    accounts.bench.pass(Duration::from_secs(3599));
    assert_eq!(accounts.holds(&of), Ok(()));
    accounts.bench.pass(Duration::from_secs(1));
    assert_eq!(accounts.holds(&of), Err(CredentialsEnded::Expired));
}

#[test]
fn nobody_else_acts_in_it_and_nobody_hears_whether_it_is_there() {
    let mut accounts = Accounts::new();
    let key = accounts.ours.1;
    accounts.role(|new| {
        new.trust = [Trusted::Key(key)].into();
        new.external_id = Some("7421".to_owned());
    });
    let (us, theirs) = (accounts.us(), accounts.theirs);
    let heard = |asked: &mut AssumeRole| asked.external_id = Some("7421".to_owned());
    accounts.assume(us.clone(), heard).unwrap();
    assert_eq!(
        accounts.denied(us.clone(), |_| ()),
        format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: sts:AssumeRole on resource: \
             arn:aws:iam::{}:role/deployer",
            us.account, theirs.0
        )
    );
    accounts.denied(us.clone(), |asked| asked.external_id = Some("7422".to_owned()));
    // Another key of the trusted key's account, and the role's own account.
    let other = make_key(&mut accounts.bench, us.account, Access::Full, None);
    accounts.denied(Principal { key: Some(other), ..us.clone() }, heard);
    accounts.denied(Principal::of_key(theirs.0, Some(theirs.1), false), heard);
    // What there is not is told apart by the name alone.
    let there = accounts.denied(us.clone(), |_| ());
    let absent = accounts.denied(us.clone(), |asked| asked.role = "nothing".to_owned());
    assert_eq!(absent, there.replace("deployer", "nothing"));
    // Nobody asks in another's name, or with a key that is another's or gone.
    let scope = Scope { account: theirs.0, region: Region::DEFAULT };
    let asked = StsCommand::GetSessionToken { by: us.clone(), seconds: None };
    let refused = accounts.bench.refused(key_of(scope), asked.clone());
    assert_eq!(refused.code, Code::AccessDenied);
    assert_eq!(accounts.bench.refused(Caller::Operator, asked).code, Code::AccessDenied);
    accounts.denied(Principal { key: Some(theirs.1), ..us.clone() }, heard);
    accounts.denied(Principal { key: None, ..us.clone() }, heard);
    accounts.denied(Principal { key: Some(AccessKeyId::MAX), ..us }, heard);
}

fn key_of(scope: Scope) -> Caller {
    key(scope)
}

#[test]
fn what_is_gone_ends_its_credentials_at_once() {
    let mut accounts = Accounts::new();
    let role = accounts.role(|_| ());
    let us = accounts.us();
    let session = StsCommand::GetSessionToken { by: us.clone(), seconds: None };
    let session = accounts.ask(session).unwrap();
    let in_role = accounts.assume(session.clone(), |_| ()).unwrap();
    // A role that is made again under the same name is another one.
    accounts.bench.ok(Caller::Operator, C::DeleteIamRole { id: role });
    assert_eq!(accounts.holds(&in_role), Err(CredentialsEnded::Revoked));
    accounts.role(|_| ());
    assert_eq!(accounts.holds(&in_role), Err(CredentialsEnded::Revoked));
    let in_role = accounts.assume(us, |_| ()).unwrap();
    accounts.bench.ok(Caller::Operator, C::DeleteAccessKey { id: accounts.ours.1 });
    for of in [&in_role, &session] {
        assert_eq!(accounts.holds(of), Err(CredentialsEnded::Revoked));
    }
}

#[test]
fn a_key_that_comes_in_the_place_of_another_is_trusted_as_that_was() {
    let mut accounts = Accounts::new();
    let (account, old) = accounts.ours;
    let role = accounts.role(|new| new.trust = [Trusted::Key(old)].into());
    let of_old = accounts.assume(accounts.us(), |_| ()).unwrap();
    let new = make_key(&mut accounts.bench, account, Access::Full, Some(old));
    let world = &accounts.bench.world;
    assert_eq!(world.access_key(old), None);
    assert_eq!(world.iam_role(role).unwrap().trust, [Trusted::Key(new)].into());
    assert_eq!(accounts.holds(&of_old), Err(CredentialsEnded::Revoked));
    accounts.ours.1 = new;
    accounts.assume(accounts.us(), |_| ()).unwrap();
    // A role that trusted a key alone trusts nobody once that is gone.
    accounts.bench.ok(Caller::Operator, C::DeleteAccessKey { id: new });
    assert!(accounts.bench.world.iam_role(role).unwrap().trust.is_empty());
    // A key of another account is not to be replaced.
    let create = C::CreateAccessKey {
        id: AccessKeyId::MAX,
        account,
        sealed_secret: "sealed".to_owned(),
        access: Access::Full,
        replaces: Some(accounts.theirs.1),
    };
    assert_eq!(accounts.bench.refused(Caller::Operator, create).code, Code::NotFound);
}

#[test]
fn who_may_change_nothing_changes_nothing_by_way_of_a_role() {
    let mut accounts = Accounts::new();
    accounts.role(|_| ());
    let key = make_key(&mut accounts.bench, accounts.ours.0, Access::ReadOnly, None);
    let looks = Principal::of_key(accounts.ours.0, Some(key), true);
    assert!(accounts.assume(looks.clone(), |_| ()).unwrap().read_only);
    let session = StsCommand::GetSessionToken { by: looks, seconds: None };
    assert!(accounts.ask(session).unwrap().read_only);
    accounts.role(|new| {
        new.name = "auditor".to_owned();
        new.access = Access::ReadOnly;
    });
    let us = accounts.us();
    let audits = accounts.assume(us, |asked| asked.role = "AUDITOR".to_owned()).unwrap();
    assert!(audits.read_only, "a name's case does not matter");
    assert_eq!(audits.role().unwrap().name, "auditor");
}

#[test]
fn sessions_are_short_where_they_come_from_sessions() {
    let mut accounts = Accounts::new();
    accounts.role(|new| new.max_seconds = Some(12 * 3600));
    let theirs = accounts.theirs.0;
    accounts.role(|new| {
        new.name = "next".to_owned();
        new.trust = [Trusted::Account(theirs)].into();
        new.max_seconds = Some(12 * 3600);
    });
    let us = accounts.us();
    let long = |asked: &mut AssumeRole| asked.seconds = Some(12 * 3600);
    let first = accounts.assume(us.clone(), long).unwrap();
    let next = |seconds| {
        move |asked: &mut AssumeRole| {
            asked.role = "next".to_owned();
            asked.seconds = seconds;
        }
    };
    let refused = accounts.assume(first.clone(), next(Some(3601))).unwrap_err();
    assert_eq!(refused.code, Code::ValidationError);
    assert!(refused.message.contains("1 hour session limit"), "{refused}");
    let mut of = accounts.assume(first.clone(), next(Some(3600))).unwrap();
    assert_eq!(of.roles.len(), 2);
    // No chain is longer than a token can say.
    while of.roles.len() < 8 {
        of = accounts.assume(of, next(None)).unwrap();
    }
    accounts.denied(of, next(None));
    // No credentials that end give out others of the same.
    let session = accounts.ask(StsCommand::GetSessionToken { by: us, seconds: None }).unwrap();
    for by in [session, first] {
        let refused = accounts.ask(StsCommand::GetSessionToken { by, seconds: None }).unwrap_err();
        assert_eq!(refused.code, Code::AccessDenied);
        assert_eq!(refused.message, "Cannot call GetSessionToken with session credentials");
    }
}

#[test]
fn all_values_that_are_wrong_are_named_at_once() {
    let mut accounts = Accounts::new();
    accounts.role(|_| ());
    let us = accounts.us();
    let mut refused = |change: fn(&mut AssumeRole)| {
        let refused = accounts.assume(us.clone(), change).unwrap_err();
        assert_eq!(refused.code, Code::ValidationError, "{refused}");
        refused.message
    };
    assert_eq!(
        refused(|asked| asked.session = "?".to_owned()),
        "2 validation errors detected: Value '?' at 'roleSessionName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [\\w+=,.@-]*; Value '?' at \
         'roleSessionName' failed to satisfy constraint: Member must have length greater than or \
         equal to 2"
    );
    assert_eq!(
        refused(|asked| asked.seconds = Some(899)),
        "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy \
         constraint: Member must have value greater than or equal to 900"
    );
    assert!(refused(|asked| asked.seconds = Some(43_201)).contains("less than or equal to 43200"));
    assert!(refused(|asked| asked.external_id = Some("x".to_owned())).contains("'externalId'"));
    assert!(refused(|asked| asked.session = "n".repeat(65)).contains("or equal to 64"));
    assert_eq!(
        refused(|asked| asked.seconds = Some(3601)),
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    for seconds in [899, 129_601] {
        let asked = StsCommand::GetSessionToken { by: us.clone(), seconds: Some(seconds) };
        assert_eq!(accounts.ask(asked).unwrap_err().code, Code::ValidationError);
    }
}

#[test]
fn what_no_role_can_be_called_is_no_role_even_in_an_emulator() {
    let mut accounts = Accounts::new();
    accounts.role(|_| ());
    let us = accounts.us();
    let wrong = [String::new(), "a b".to_owned(), "\u{1b}[31m".to_owned(), "n".repeat(1 << 20)];
    for name in &wrong {
        let refused = accounts.assume(us.clone(), |asked| asked.role.clone_from(name)).unwrap_err();
        assert_eq!(refused.code, Code::ValidationError, "{refused}");
        assert!(refused.message.ends_with(" is invalid"), "{refused}");
        assert!(refused.message.len() < 200, "{refused}");
    }
    let mut bench = Bench::set_up(true);
    let (account, region) = (account(7), Region::DEFAULT);
    bench.ok(Caller::Operator, C::EnsureAccount { id: account, region });
    for role in wrong {
        let asked = StsCommand::AssumeRole(AssumeRole {
            by: Principal::of_key(account, None, false),
            account,
            role,
            session: "test".to_owned(),
            external_id: None,
            seconds: None,
        });
        let refused = bench.refused(key(Scope { account, region }), asked);
        assert_eq!(refused.code, Code::ValidationError, "{refused}");
    }
}

#[test]
fn an_emulator_believes_whoever_says_to_have_a_role() {
    let mut bench = Bench::set_up(true);
    let account = account(7);
    let region = Region::DEFAULT;
    bench.ok(Caller::Operator, C::EnsureAccount { id: account, region });
    let by = Principal::of_key(account, None, false);
    let asked = |role: &str| {
        StsCommand::AssumeRole(AssumeRole {
            by: by.clone(),
            account: AccountId::EMULATED,
            role: role.to_owned(),
            session: "test".to_owned(),
            external_id: None,
            seconds: None,
        })
    };
    let caller = key(Scope { account, region });
    let Reply::Credentials(of) = bench.ok(caller, asked("any")) else { panic!("no credentials") };
    assert_eq!(of.account, AccountId::EMULATED);
    assert_eq!(of.check(&bench.world, bench.now), Ok(()));
    // A role that is there trusts whom it trusts there, too.
    let new = new_role(account, "any", [Trusted::Account(account)]);
    let ensure = C::EnsureAccount { id: AccountId::EMULATED, region };
    bench.ok(Caller::Operator, ensure);
    bench.ok(
        Caller::Operator,
        C::CreateIamRole(NewIamRole {
            account: AccountId::EMULATED,
            trust: [Trusted::Account(AccountId::EMULATED)].into(),
            ..new
        }),
    );
    assert_eq!(bench.refused(caller, asked("any")).code, Code::AccessDenied);
}

#[test]
fn roles_are_made_by_the_operator_as_iam_takes_them() {
    let mut accounts = Accounts::new();
    let (theirs, ours) = (accounts.theirs.0, accounts.ours.0);
    let good = || new_role(theirs, "deployer", [Trusted::Account(ours)]);
    let mut refused =
        |caller, new: NewIamRole| accounts.bench.refused(caller, C::CreateIamRole(new)).code;
    let scope = Scope { account: theirs, region: Region::DEFAULT };
    assert_eq!(refused(key(scope), good()), Code::UnauthorizedOperation);
    let invalid = Code::InvalidParameterValue;
    for (new, code) in [
        (NewIamRole { account: AccountId::MAX, ..good() }, Code::NotFound),
        (NewIamRole { name: String::new(), ..good() }, invalid),
        (NewIamRole { name: "a/b".to_owned(), ..good() }, invalid),
        (NewIamRole { name: "n".repeat(65), ..good() }, invalid),
        (NewIamRole { max_seconds: Some(3599), ..good() }, invalid),
        (NewIamRole { max_seconds: Some(43_201), ..good() }, invalid),
        (NewIamRole { external_id: Some("x".to_owned()), ..good() }, invalid),
        (NewIamRole { external_id: Some("a b".to_owned()), ..good() }, invalid),
        (NewIamRole { description: "a\nb".to_owned(), ..good() }, invalid),
        (NewIamRole { trust: Default::default(), ..good() }, invalid),
        (NewIamRole { trust: [Trusted::Account(AccountId::MAX)].into(), ..good() }, Code::NotFound),
        (NewIamRole { trust: [Trusted::Key(AccessKeyId::MAX)].into(), ..good() }, Code::NotFound),
    ] {
        assert_eq!(refused(Caller::Operator, new.clone()), code, "{new:?}");
    }
    let id = accounts.role(|_| ());
    let again = NewIamRole { name: "Deployer".to_owned(), ..good() };
    let refused = accounts.bench.refused(Caller::Operator, C::CreateIamRole(again));
    assert_eq!(refused.code, Code::Conflict);
    assert_eq!(
        accounts.bench.world.iam_role(id).unwrap().arn(),
        format!("arn:aws:iam::{theirs}:role/deployer")
    );
    let delete = C::DeleteIamRole { id };
    assert_eq!(
        accounts.bench.refused(key(scope), delete.clone()).code,
        Code::UnauthorizedOperation
    );
    accounts.bench.ok(Caller::Operator, delete.clone());
    assert_eq!(accounts.bench.refused(Caller::Operator, delete).code, Code::NotFound);
}
