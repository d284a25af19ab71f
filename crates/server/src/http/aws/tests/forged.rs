//! Temporary credentials in the hands of somebody who wants more of them than they give.

use model::{AccountId, NewIamRole, Trusted};

use super::sessions::{ME, Temporary, Two, refusal, temporary, two};
use super::*;
use crate::credentials::replacing_access_key;

const TOKEN: &str = "x-amz-security-token";
const SESSION: &str = "Action=GetSessionToken&Version=2011-06-15";
const CREATE: &str = "Action=CreateVpc&CidrBlock=10.1.0.0%2F16&Version=2016-11-15";

impl Two {
    /// A request for [`ME`] that is signed with a token and changed afterwards.
    async fn changed(
        &self,
        of: &Temporary,
        token: Option<&str>,
        query: &str,
        change: impl FnOnce(&mut http::HeaderMap),
    ) -> Got {
        let request = signed_for("sts", &self.server, &of.key, "POST", token, &[], query);
        let mut request = request.body(Body::empty()).unwrap();
        change(request.headers_mut());
        self.server.send(request).await
    }

    async fn refused_rows(&self) -> Vec<store::AuditRow> {
        // A command that follows them in the writer's queue.
        let name = "after".to_owned();
        self.server.command(Caller::Operator, IdentityCommand::CreateAccount { name }).await;
        let query = store::AuditQuery { refused: true, ..Default::default() };
        self.server.state.store.lock().unwrap().audit(&query).unwrap()
    }

    fn role_of_other(&self, name: &str, trusted: AccountId) -> NewIamRole {
        NewIamRole {
            account: self.other,
            name: name.to_owned(),
            trust: [Trusted::Account(trusted)].into(),
            external_id: None,
            access: Access::Full,
            max_seconds: None,
            description: String::new(),
        }
    }
}

fn text(value: &str) -> http::HeaderValue {
    value.parse().unwrap()
}

#[tokio::test]
async fn a_token_is_in_one_place_and_signed_there() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    let token = text(&of.token);
    let signed = Some(of.token.as_str());
    assert_eq!(two.changed(&of, signed, ME, |_| ()).await.status, 200);
    let incomplete = (400, "IncompleteSignature");
    // In a header that the signature does not cover.
    let unsigned = two.changed(&of, None, ME, |headers| {
        headers.insert(TOKEN, token.clone());
    });
    let unsigned = unsigned.await;
    assert_eq!(refusal(&unsigned), incomplete, "{}", unsigned.text);
    assert!(unsigned.text.contains("x-amz-security-token"), "{}", unsigned.text);
    // Twice, and once more in the query.
    let twice = two.changed(&of, signed, ME, |headers| {
        headers.append(TOKEN, token.clone());
    });
    assert_eq!(refusal(&twice.await), incomplete);
    let escaped = of.token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let both = format!("{ME}&X-Amz-Security-Token={escaped}");
    for header in [signed, None] {
        assert_eq!(refusal(&two.changed(&of, header, &both, |_| ()).await), incomplete);
    }
    // Signed, and gone or empty or another one on the way.
    let gone = two.changed(&of, signed, ME, |headers| drop(headers.remove(TOKEN))).await;
    assert_eq!(refusal(&gone), (403, "InvalidClientTokenId"));
    let another = two.assume().await;
    for (value, expected) in [
        ("", (403, "InvalidClientTokenId")),
        (another.token.as_str(), (403, "InvalidClientTokenId")),
    ] {
        let got = two.changed(&of, signed, ME, |headers| {
            headers.insert(TOKEN, text(value));
        });
        assert_eq!(refusal(&got.await), expected, "{value}");
    }
    // The id of others, after it was signed.
    let claims = two.changed(&of, signed, ME, |headers| {
        let claim = headers["authorization"].to_str().unwrap().replace(&of.key.id, &another.key.id);
        headers.insert("authorization", text(&claim));
    });
    assert_eq!(refusal(&claims.await), (403, "InvalidClientTokenId"));
}

#[tokio::test]
async fn a_token_of_any_length_is_refused_and_never_said_again() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    for length in [1, 4095, 4096, 4097, 1 << 20] {
        let long = Temporary { key: of.key.clone(), token: "A".repeat(length) };
        let got = two.with(&long, "sts", ME).await;
        assert_eq!(refusal(&got), (403, "InvalidClientTokenId"), "{length}");
        assert!(got.text.len() < 1024, "{}", got.text);
    }
    let rows = two.refused_rows().await;
    assert!(rows.iter().all(|row| row.message.len() < 256 && !row.message.contains("AAAA")));
}

#[tokio::test]
async fn credentials_hold_to_the_last_millisecond() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    let clock = &two.server.state.clock;
    clock.advance(Duration::from_millis(3_599_999));
    assert_eq!(two.with(&of, "sts", ME).await.status, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(refusal(&two.with(&of, "sts", ME).await), (403, "ExpiredToken"));
    // With the wrong secret nobody learns that they were ever good.
    let guessed = Key { id: of.key.id.clone(), secret: "guessed".to_owned() };
    let got = two.ask("sts", &guessed, Some(&of.token), ME).await;
    assert_eq!(refusal(&got), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn the_sessions_of_a_key_that_was_replaced_are_over() {
    let two = two(|_| ()).await;
    let session = temporary(&two.ask("sts", &two.key, None, SESSION).await.text);
    let by_session = temporary(&two.with(&session, "sts", &two.role_query()).await.text);
    assert_eq!(two.with(&by_session, "sts", ME).await.status, 200);
    let state = &two.server.state;
    let old = two.key.id.parse().unwrap();
    let old = state.world().access_key(old).unwrap().as_ref().clone();
    let (id, secret, replace) = replacing_access_key(&state.secret, &old).unwrap();
    two.server.command(Caller::Operator, replace).await;
    for of in [&session, &by_session] {
        for query in [ME, SESSION, &two.role_query()] {
            let got = two.with(of, "sts", query).await;
            assert_eq!(refusal(&got), (403, "InvalidClientTokenId"), "{query}: {}", got.text);
        }
    }
    let new = Key { id: id.to_string(), secret };
    assert_eq!(two.ask("sts", &new, None, &two.role_query()).await.status, 200);
}

#[tokio::test]
async fn a_role_that_is_made_again_does_not_bring_its_sessions_back() {
    let two = two(|_| ()).await;
    let of = two.assume().await;
    let ours = two.server.state.world().access_key(two.key.id.parse().unwrap()).unwrap().account;
    let delete = IdentityCommand::DeleteIamRole { id: two.role };
    two.server.command(Caller::Operator, delete).await;
    let again = IdentityCommand::CreateIamRole(two.role_of_other("deployer", ours));
    two.server.command(Caller::Operator, again).await;
    assert_eq!(refusal(&two.with(&of, "sts", ME).await), (403, "InvalidClientTokenId"));
    assert_eq!(two.with(&two.assume().await, "sts", ME).await.status, 200);
}

#[tokio::test]
async fn roles_are_assumed_from_roles_eight_times_and_who_looks_goes_on_looking() {
    let two = two(|_| ()).await;
    let next = two.role_of_other("next", two.other);
    two.server.command(Caller::Operator, IdentityCommand::CreateIamRole(next)).await;
    let query = two.role_query().replace("deployer", "next");
    let mut of = two.assume().await;
    for _ in 1..8 {
        let got = two.with(&of, "sts", &query).await;
        assert_eq!(got.status, 200, "{}", got.text);
        of = temporary(&got.text);
    }
    assert_eq!(two.with(&of, "ec2", CREATE).await.status, 200);
    let long = format!("{query}&DurationSeconds=3601");
    assert_eq!(refusal(&two.with(&of, "sts", &query).await), (403, "AccessDenied"));
    assert_eq!(refusal(&two.with(&of, "sts", SESSION).await), (403, "AccessDenied"));
    let first = two.assume().await;
    assert_eq!(refusal(&two.with(&first, "sts", &long).await), (400, "ValidationError"));
    // A key that may only look gets no more by any way.
    let state = &two.server.state;
    let ours = state.world().access_key(two.key.id.parse().unwrap()).unwrap().account;
    let (id, secret, create) = new_access_key(&state.secret, ours, Access::ReadOnly).unwrap();
    two.server.command(Caller::Operator, create).await;
    let looks = Key { id: id.to_string(), secret };
    let session = temporary(&two.ask("sts", &looks, None, SESSION).await.text);
    let role = temporary(&two.with(&session, "sts", &two.role_query()).await.text);
    let chained = temporary(&two.with(&role, "sts", &query).await.text);
    for of in [&session, &role, &chained] {
        assert_eq!(two.with(of, "ec2", LOOK).await.status, 200);
        assert_eq!(refusal(&two.with(of, "ec2", CREATE).await), (403, "UnauthorizedOperation"));
    }
}

#[tokio::test]
async fn what_is_refused_costs_nobody_requests_and_the_audit_says_whose_it_was() {
    let mut two = two(|_| ()).await;
    let of = two.assume().await;
    two.server = with_endpoint(two.server.limited_to(0, 1));
    let guessed = Temporary {
        key: Key { id: of.key.id.clone(), secret: "guessed".to_owned() },
        token: of.token.clone(),
    };
    for _ in 0..50 {
        assert_eq!(refusal(&two.with(&guessed, "sts", ME).await), (403, "SignatureDoesNotMatch"));
    }
    for _ in 0..20 {
        assert_eq!(two.with(&of, "sts", ME).await.status, 200);
    }
    // The requests of all sessions of a role are its account's.
    assert_eq!(refusal(&two.with(&of, "sts", ME).await), (503, "RequestLimitExceeded"));
    two.server.state.clock.advance(Duration::from_secs(3600));
    assert_eq!(refusal(&two.with(&of, "sts", ME).await), (403, "ExpiredToken"));
    let stolen = Temporary { key: of.key.clone(), token: "stolen".to_owned() };
    assert_eq!(refusal(&two.with(&stolen, "sts", ME).await), (403, "InvalidClientTokenId"));
    let rows = two.refused_rows().await;
    let rows: Vec<_> = rows.iter().filter(|row| row.action == "Ec2.Authenticate").collect();
    let other = two.other.to_string();
    let seen: Vec<_> = rows.iter().map(|row| (&*row.outcome, &*row.account)).collect();
    let expected = [
        ("InvalidClientTokenId", ""),
        ("ExpiredToken", &*other),
        ("SignatureDoesNotMatch", &*other),
    ];
    assert_eq!(seen, expected, "{rows:?}");
    assert!(rows.iter().all(|row| row.resource == of.key.id), "{rows:?}");
}

#[tokio::test]
async fn an_emulator_tells_accounts_apart_in_addresses_that_were_signed_too() {
    let server = with_endpoint(Fixture::emulator());
    let account = |credential: &str| {
        let address = format!(
            "/?{ME}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}\
             &X-Amz-Signature=x"
        );
        http::Request::get(address).body(Body::empty()).unwrap()
    };
    let got = server.send(account("300000000003%2F20260131%2Fus-east-1%2Fsts%2Faws4_request"));
    let got = got.await;
    assert_eq!(element(&got.text, "Account"), "300000000003", "{}", got.text);
    let got = server.send(account("300000000003%2F20260131%2Fnowhere%2Fsts%2Faws4_request")).await;
    assert_eq!(refusal(&got), (401, "AuthFailure"), "{}", got.text);
}
