//! What STS and IAM answer: of one's own roles, of others', of those that there are not, and of what is none.

use model::{
    Access, AccessKeyId, Caller, IdentityCommand, NewIamRole, Principal, Sequence, Trusted,
};

use super::stage::{Stage, alice, bob};

/// A stage on which Alice has a key, and Bob two roles of which the first trusts her.
fn stage() -> Stage {
    let mut stage = Stage::new();
    let id = AccessKeyId::fresh(&mut Sequence(0x1234_5678_9abc_def0));
    let account = alice().account;
    let create = IdentityCommand::CreateAccessKey {
        id,
        account,
        sealed_secret: "sealed".to_owned(),
        access: Access::Full,
        replaces: None,
    };
    stage.decide(Caller::Operator, create);
    for (name, trusted, external_id) in [
        ("deployer", Trusted::Account(account), None),
        ("auditor", Trusted::Account(bob().account), Some("7421")),
        ("by-key", Trusted::Key(id), None),
    ] {
        let new = NewIamRole {
            account: bob().account,
            name: name.to_owned(),
            trust: [trusted].into(),
            external_id: external_id.map(str::to_owned),
            access: Access::Full,
            max_seconds: None,
            description: format!("what {name} is for"),
        };
        stage.decide(Caller::Operator, IdentityCommand::CreateIamRole(new));
    }
    stage.principal = Some(Principal::of_key(account, Some(id), false));
    stage
}

const ROLE: &str = "RoleArn=arn:aws:iam::222222222222:role/deployer&RoleSessionName=ci";

#[test]
fn temporary_credentials_and_roles() {
    let mut stage = stage();
    for form in [
        format!("Action=AssumeRole&{ROLE}&DurationSeconds=900"),
        format!("Action=AssumeRole&{ROLE}&DurationSeconds=3601"),
        format!("Action=AssumeRole&{ROLE}&Policy=x"),
        "Action=AssumeRole&RoleArn=arn:aws:iam::222222222222:role/auditor&RoleSessionName=?".into(),
        "Action=AssumeRole&RoleArn=role&RoleSessionName=ci".into(),
        "Action=GetSessionToken".into(),
        "Action=GetRole&RoleName=deployer".into(),
        "Action=GetAccountSummary".into(),
    ] {
        stage.show(alice(), &form);
    }
    stage.principal = None;
    for form in [
        "Action=GetRole&RoleName=Auditor",
        "Action=GetRole&RoleName=by-key",
        "Action=ListRoles&MaxItems=2",
        "Action=ListRoles&Marker=by-key",
        "Action=ListRoles&PathPrefix=/other/",
        "Action=GetAccountSummary",
    ] {
        stage.show(bob(), form);
    }
    // Who acts in the role.
    let mut acts = Principal::of_key(bob().account, None, false);
    acts.roles.push(model::AssumedRole {
        id: stage.world.iam_role_named(bob().account, "deployer").unwrap().id,
        name: "deployer".to_owned(),
        session: "ci".to_owned(),
    });
    stage.principal = Some(acts);
    for form in ["Action=GetCallerIdentity", "Action=GetUser"] {
        stage.show(bob(), form);
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("roles", stage.transcript());
    });
}

#[test]
fn a_role_is_its_accounts_alone_and_is_assumed_by_whom_it_trusts_alone() {
    let mut stage = stage();
    // GetRole: one's own, another's, none, and what cannot be a name.
    let get = |name: &str| format!("Action=GetRole&RoleName={name}");
    let no_such = |name: &str| format!("The role with name {name} cannot be found.");
    for name in ["deployer", "nothing", "a/b"] {
        let error = stage.call(alice(), &get(name)).unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("NoSuchEntity", 404));
        assert_eq!(error.message, no_such(name));
    }
    // AssumeRole: one that trusts, one that does not, and one that there is not, are told apart by the
    // name alone.
    let assume = |name: &str| {
        format!(
            "Action=AssumeRole&RoleArn=arn:aws:iam::222222222222:role/{name}&RoleSessionName=ci"
        )
    };
    for name in ["deployer", "by-key", "some/path/deployer"] {
        stage.call(alice(), &assume(name)).unwrap();
    }
    let closed = stage.call(alice(), &assume("auditor")).unwrap_err();
    let absent = stage.call(alice(), &assume("nothing")).unwrap_err();
    assert_eq!((closed.code.as_ref(), closed.status), ("AccessDenied", 403));
    assert_eq!((closed.code, closed.status), (absent.code, absent.status));
    assert_eq!(closed.message.replace("auditor", "nothing"), absent.message);
    let malformed = stage.call(alice(), &assume("")).unwrap_err();
    assert_eq!(malformed.code, "ValidationError");
    // Bob's own key is not trusted with Bob's own role by being his.
    let id = AccessKeyId::fresh(&mut Sequence(0x4321));
    let create = IdentityCommand::CreateAccessKey {
        id,
        account: bob().account,
        sealed_secret: "sealed".to_owned(),
        access: Access::Full,
        replaces: None,
    };
    stage.decide(Caller::Operator, create);
    stage.principal = Some(Principal::of_key(bob().account, Some(id), false));
    let own = stage.call(bob(), &assume("deployer")).unwrap_err();
    assert_eq!(own.code, "AccessDenied");
}

#[test]
fn a_reply_about_something_else_gives_out_nothing() {
    let stage = stage();
    let params = aws::params::Params::parse(b"Action=AssumeRole").unwrap();
    let request = stage.request(alice(), &params);
    let world = &stage.world;
    for reply in [model::Reply::Done, model::Key::Settings(model::SettingsKey).into()] {
        let text = crate::http::ec2::issued(world, world, &reply, &request);
        assert!(!text.contains("AccessKeyId") && text.contains("<RequestId>"), "{text}");
    }
}
