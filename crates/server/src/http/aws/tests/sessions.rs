//! Temporary credentials: how they are given out, what they sign, and how they end.

use model::{AccountId, NewIamRole, RoleId, Subject, Trusted};

use super::*;

pub(super) const ME: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// A server with two accounts and a role in the other one that trusts the first.
pub(super) struct Two {
    pub server: Fixture,
    pub key: Key,
    pub other: AccountId,
    pub role: RoleId,
}

/// Temporary credentials as a client keeps them.
pub(super) struct Temporary {
    pub key: Key,
    pub token: String,
}

pub(super) async fn two(change: impl FnOnce(&mut NewIamRole)) -> Two {
    let (server, key) = with_key().await;
    let ours = server.state.world().access_key(key.id.parse().unwrap()).unwrap().account;
    let create = IdentityCommand::CreateAccount { name: "other".to_owned() };
    let made = server.command(Caller::Operator, create).await;
    let model::Key::Account(other) = made else { panic!("{made:?}") };
    let mut new = NewIamRole {
        account: other,
        name: "deployer".to_owned(),
        trust: [Trusted::Account(ours)].into(),
        external_id: None,
        access: Access::Full,
        max_seconds: None,
        description: String::new(),
    };
    change(&mut new);
    let made = server.command(Caller::Operator, IdentityCommand::CreateIamRole(new)).await;
    let model::Key::IamRole(role) = made else { panic!("{made:?}") };
    Two { server, key, other, role }
}

impl Two {
    pub(super) async fn ask(
        &self,
        service: &str,
        key: &Key,
        token: Option<&str>,
        query: &str,
    ) -> Got {
        let request = signed_for(service, &self.server, key, "POST", token, &[], query);
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn with(&self, of: &Temporary, service: &str, query: &str) -> Got {
        self.ask(service, &of.key, Some(&of.token), query).await
    }

    pub(super) fn role_query(&self) -> String {
        format!(
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A{}%3Arole%2Fdeployer\
             &RoleSessionName=ci&Version=2011-06-15",
            self.other
        )
    }

    pub(super) async fn assume(&self) -> Temporary {
        let got = self.ask("sts", &self.key, None, &self.role_query()).await;
        assert_eq!(got.status, 200, "{}", got.text);
        temporary(&got.text)
    }
}

pub(super) fn temporary(text: &str) -> Temporary {
    let key = Key {
        id: element(text, "AccessKeyId").to_owned(),
        secret: element(text, "SecretAccessKey").to_owned(),
    };
    Temporary { key, token: element(text, "SessionToken").to_owned() }
}

/// The code of an error, in EC2's form or in the other one.
pub(super) fn refusal(got: &Got) -> (u16, &str) {
    (got.status.as_u16(), element(&got.text, "Code"))
}

#[tokio::test]
async fn a_role_of_another_account_is_acted_in() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    assert!(of.key.id.starts_with("ASIA"), "{}", of.key.id);
    let me = two.with(&of, "sts", ME).await;
    let other = two.other;
    assert_eq!(element(&me.text, "Account"), other.to_string());
    assert_eq!(element(&me.text, "UserId"), format!("{}:ci", two.role));
    let arn = format!("arn:aws:sts::{other}:assumed-role/deployer/ci");
    assert_eq!(element(&me.text, "Arn"), arn);
    let create = "Action=CreateVpc&CidrBlock=10.1.0.0%2F16&Version=2016-11-15";
    let made = two.with(&of, "ec2", create).await;
    assert_eq!(element(&made.text, "ownerId"), other.to_string(), "{}", made.text);
    // Who acts in a role is no user.
    let user = two.with(&of, "iam", "Action=GetUser&Version=2010-05-08").await;
    assert_eq!(refusal(&user), (400, "ValidationError"), "{}", user.text);
    let role = "Action=GetRole&RoleName=deployer&Version=2010-05-08";
    let role = two.with(&of, "iam", role).await;
    assert_eq!(element(&role.text, "RoleId"), two.role.to_string(), "{}", role.text);
}

#[tokio::test]
async fn nothing_but_the_token_goes_with_temporary_credentials() {
    let two = two(|_| ()).await;
    let (of, another) = (two.assume().await, two.assume().await);
    let forged = changed(&of.token);
    let wrong_secret = Key { id: of.key.id.clone(), secret: another.key.secret.clone() };
    let cut = &of.token[..of.token.len() - 4];
    let cases: [(&str, &Key, Option<&str>, bool); 7] = [
        ("no token", &of.key, None, false),
        ("the token of others", &of.key, Some(&another.token), false),
        ("a token that was cut", &of.key, Some(cut), false),
        ("a token that was changed", &of.key, Some(&forged), false),
        ("no token at all", &of.key, Some("FwoGZXIvYXdzE"), false),
        ("a token beside an access key", &two.key, Some(&of.token), false),
        ("another secret", &wrong_secret, Some(&of.token), true),
    ];
    for (what, key, token, mismatch) in cases {
        for (service, query, status, code) in [
            ("ec2", LOOK, 401, "AuthFailure"),
            ("sts", ME, 403, "InvalidClientTokenId"),
            ("iam", "Action=ListRoles&Version=2010-05-08", 403, "InvalidClientTokenId"),
        ] {
            let got = two.ask(service, key, token, query).await;
            let expected = if mismatch { (403, "SignatureDoesNotMatch") } else { (status, code) };
            assert_eq!(refusal(&got), expected, "{what} {service}: {}", got.text);
            assert!(!got.text.contains(&of.token) && !got.text.contains(&of.key.secret));
        }
    }
}

/// A token with one character changed in its middle.
fn changed(token: &str) -> String {
    let middle = token.len() / 2;
    let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..middle], &token[middle + 1..])
}

#[tokio::test]
async fn temporary_credentials_end_when_their_time_is_over() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    two.server.state.clock.advance(Duration::from_secs(3590));
    assert_eq!(two.with(&of, "ec2", LOOK).await.status, 200);
    two.server.state.clock.advance(Duration::from_secs(10));
    let got = two.with(&of, "ec2", LOOK).await;
    assert_eq!(refusal(&got), (400, "RequestExpired"), "{}", got.text);
    for (service, query) in [("sts", ME), ("iam", "Action=ListRoles&Version=2010-05-08")] {
        let got = two.with(&of, service, query).await;
        assert_eq!(refusal(&got), (403, "ExpiredToken"), "{}", got.text);
    }
}

#[tokio::test]
async fn a_role_or_a_key_that_goes_takes_its_credentials_along_at_once() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    let session = "Action=GetSessionToken&DurationSeconds=900&Version=2011-06-15";
    let got = two.ask("sts", &two.key, None, session).await;
    let session = temporary(&got.text);
    assert!(!got.text.contains("AssumedRoleUser"), "{}", got.text);
    for of in [&of, &session] {
        assert_eq!(two.with(of, "ec2", LOOK).await.status, 200);
    }
    let delete = IdentityCommand::DeleteIamRole { id: two.role };
    two.server.command(Caller::Operator, delete).await;
    assert_eq!(refusal(&two.with(&of, "ec2", LOOK).await), (401, "AuthFailure"));
    assert_eq!(refusal(&two.with(&of, "sts", ME).await), (403, "InvalidClientTokenId"));
    assert_eq!(two.with(&session, "ec2", LOOK).await.status, 200);
    let delete = IdentityCommand::DeleteAccessKey { id: two.key.id.parse().unwrap() };
    two.server.command(Caller::Operator, delete).await;
    assert_eq!(refusal(&two.with(&session, "ec2", LOOK).await), (401, "AuthFailure"));
}

#[tokio::test]
async fn whoever_is_disabled_signs_nothing_until_that_is_undone() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    let key = two.key.id.parse().unwrap();
    let ours = two.server.state.world().access_key(key).unwrap().account;
    for subject in [Subject::AccessKey(key), Subject::Account(ours), Subject::Account(two.other)] {
        let command = |disable: bool| match disable {
            true => IdentityCommand::Disable { subject },
            false => IdentityCommand::Enable { subject },
        };
        two.server.command(Caller::Operator, command(true)).await;
        assert_eq!(refusal(&two.with(&of, "ec2", LOOK).await), (401, "AuthFailure"), "{subject:?}");
        let me = two.with(&of, "sts", ME).await;
        assert_eq!(refusal(&me), (403, "InvalidClientTokenId"), "{subject:?}");
        let of_other = subject == Subject::Account(two.other);
        let own = two.ask("ec2", &two.key, None, LOOK).await;
        let assumed = two.ask("sts", &two.key, None, &two.role_query()).await;
        if of_other {
            assert_eq!(own.status, 200, "{}", own.text);
            assert_eq!(refusal(&assumed), (403, "AccessDenied"));
        } else {
            assert_eq!(refusal(&own), (401, "AuthFailure"), "{subject:?}");
            assert_eq!(refusal(&assumed), (403, "InvalidClientTokenId"), "{subject:?}");
        }
        two.server.command(Caller::Operator, command(false)).await;
        assert_eq!(two.with(&of, "ec2", LOOK).await.status, 200, "{subject:?}");
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_told_as_aws_does_and_the_audit_knows() {
    let two = two(|new| new.external_id = Some("7421".to_owned())).await;
    let got = two.ask("sts", &two.key, None, &two.role_query()).await;
    assert_eq!(refusal(&got), (403, "AccessDenied"), "{}", got.text);
    assert!(got.text.contains("is not authorized to perform: sts:AssumeRole"), "{}", got.text);
    let heard = format!("{}&ExternalId=7421", two.role_query());
    let got = two.ask("sts", &two.key, None, &heard).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let of = temporary(&got.text);
    let chained = two.with(&of, "sts", &heard).await;
    assert_eq!(refusal(&chained), (403, "AccessDenied"), "{}", chained.text);
    let query = store::AuditQuery::default();
    let rows = two.server.state.store.lock().unwrap().audit(&query).unwrap();
    let ours: Vec<_> = rows.iter().filter(|row| row.action == "Sts.AssumeRole").collect();
    let outcomes: Vec<_> = ours.iter().map(|row| (&*row.outcome, &*row.resource)).collect();
    let role = two.role.to_string();
    assert_eq!(outcomes, [("AccessDenied", ""), ("ok", &*role), ("AccessDenied", "")]);
    // Neither the token nor the secret is written down anywhere.
    let all = format!("{rows:?} {:?}", two.server.state.world());
    assert!(!all.contains(&of.token) && !all.contains(&of.key.secret));
}

#[tokio::test]
async fn wrong_requests_for_credentials_are_refused_in_the_form_of_sts() {
    let two = two(|_| ()).await;
    let role = two.role_query();
    let without = |part: &str| role.replace(part, "");
    for (query, status, code) in [
        (without("&RoleSessionName=ci"), 400, "MissingParameter"),
        (role.replace("arn%3Aaws", "arn%3Aaws-cn"), 400, "ValidationError"),
        (role.replace("%3Arole%2Fdeployer", "%3Arole%2F"), 400, "ValidationError"),
        (role.replace("deployer", "a%0Ab"), 400, "ValidationError"),
        (role.replace("deployer", &"n".repeat(65)), 400, "ValidationError"),
        (role.replace("deployer", &"n".repeat(2048)), 400, "ValidationError"),
        (role.replace("%3Arole%2Fdeployer", "%3Auser%2Fdeployer"), 400, "ValidationError"),
        (format!("{role}&DurationSeconds=10"), 400, "ValidationError"),
        (format!("{role}&DurationSeconds=x"), 400, "MalformedInput"),
        (format!("{role}&Policy=%7B%7D"), 400, "UnsupportedOperation"),
        (format!("{role}&TokenCode=123456"), 400, "UnsupportedOperation"),
        (format!("{role}&Nonsense=1"), 400, "UnknownParameter"),
        ("Action=GetFederationToken&Version=2011-06-15".to_owned(), 400, "InvalidAction"),
    ] {
        let got = two.ask("sts", &two.key, None, &query).await;
        assert_eq!(refusal(&got), (status, code), "{query}: {}", got.text);
        assert!(got.text.contains("<ErrorResponse xmlns=\"https://sts.amazonaws.com/"));
        assert!(got.text.len() < 1024, "{}", got.text);
    }
    let tagged =
        format!("{role}&Tags.member.1.Key=a&Tags.member.1.Value=b&TransitiveTagKeys.member.1=a");
    assert_eq!(two.ask("sts", &two.key, None, &tagged).await.status, 200);
    let got = two.ask("iam", &two.key, None, "Action=CreateRole&Version=2010-05-08").await;
    assert_eq!(refusal(&got), (400, "InvalidAction"), "{}", got.text);
    assert!(got.text.contains("Could not find operation CreateRole for version 2010-05-08"));
}

#[tokio::test]
async fn a_role_that_may_only_look_changes_nothing() {
    let two = two(|new| new.access = Access::ReadOnly).await;
    let of = two.assume().await;
    assert_eq!(two.with(&of, "ec2", LOOK).await.status, 200);
    let create = "Action=CreateVpc&CidrBlock=10.1.0.0%2F16&Version=2016-11-15";
    let got = two.with(&of, "ec2", create).await;
    assert_eq!(refusal(&got), (403, "UnauthorizedOperation"), "{}", got.text);
}
