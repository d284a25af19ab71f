//! What every endpoint answers, to the letter. Clients read these answers, some of them with `jq`.

use super::{ask, server};

/// Requests in their order: method, path and body.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "status", ""),
    ("POST", "accounts", r#"{"name": "partner"}"#),
    ("GET", "accounts", ""),
    ("POST", "keys", r#"{"account": "partner", "read_only": true}"#),
    ("GET", "keys", ""),
    (
        "POST",
        "roles",
        r#"{"name": "deployer", "account": "partner", "trust": ["partner"], "external_id": "7421"}"#,
    ),
    ("POST", "roles", r#"{"name": "deployer", "account": "partner", "trust": ["nobody"]}"#),
    ("POST", "roles", r#"{"name": "a/b", "account": "partner", "trust": ["partner"]}"#),
    ("GET", "roles", ""),
    ("GET", "roles/deployer?account=partner", ""),
    ("DELETE", "roles/deployer", ""),
    ("GET", "roles/deployer", ""),
    ("PUT", "quotas/vpcs-per-region", r#"{"limit": 7, "account": "partner"}"#),
    ("PUT", "quotas/vpcs-per-region", r#"{"limit": null}"#),
    ("PUT", "quotas/vpcs", r#"{"limit": 7}"#),
    ("PUT", "quotas/vpcs-per-region", r#"{"limit": 1000001}"#),
    ("GET", "quotas?account=partner", ""),
    ("GET", "quotas?team=acme", ""),
    ("PUT", "quotas/apps-per-team", r#"{"limit": 7, "team": "acme"}"#),
    ("PUT", "quotas/apps-per-team", r#"{"limit": 7, "team": "acme", "account": "partner"}"#),
    ("GET", "users", ""),
    ("POST", "users", r#"{"email": "Ada@example.com"}"#),
    ("PUT", "users/ada@example.com/password", r#"{"password": "correct horse battery"}"#),
    ("PUT", "users/ada@example.com/password", r#"{"generate": true, "end_tokens": true}"#),
    ("POST", "tokens", r#"{"user": "ada@example.com", "description": "laptop", "expires_in": 60}"#),
    ("GET", "teams", ""),
    ("POST", "teams", r#"{"name": "web", "admin": "ada@example.com"}"#),
    ("PUT", "teams/web/members", r#"{"user": "alice@example.com", "role": "member"}"#),
    ("PUT", "teams/web/members", r#"{"user": "alice@example.com", "role": null}"#),
    ("POST", "env", r#"{"account": "partner", "user": "ada@example.com"}"#),
    ("GET", "tokens?user=alice@example.com", ""),
    ("GET", "users/ada@example.com/dependents?for=destroy", ""),
    ("GET", "teams/acme/dependents?for=disable", ""),
    ("GET", "users/alice@example.com/dependents?for=disable", ""),
    ("PUT", "teams/web/disabled", r#"{"disabled": true}"#),
    ("DELETE", "teams/web", "{}"),
    ("DELETE", "users/ada@example.com", "{}"),
    ("DELETE", "users/ada@example.com", "{}"),
    ("DELETE", "tokens/nothing", "{}"),
    ("PUT", "accounts/partner/disabled", r#"{"disabled": true}"#),
    ("PUT", "accounts/partner/disabled", r#"{"disabled": false}"#),
    ("DELETE", "accounts/partner", "{}"),
    ("GET", "audit?limit=3", ""),
    ("PUT", "spaces/alpha/limits", r#"{"peerings": 7}"#),
    ("GET", "workloads/shop/run.0002?tty=false&arg=ls&arg=-l", ""),
    ("GET", "logs/shop/run.0002?bytes=100", ""),
    ("GET", "audit?limit=2", ""),
    ("GET", "audit?before=2", ""),
    ("POST", "clock", r#"{"advance_seconds": 60}"#),
    ("POST", "reset", "{}"),
    ("POST", "reset?account=partner", "{}"),
    ("GET", "snapshot", ""),
    ("PUT", "snapshot", "{}"),
    ("POST", "sweep", "{}"),
    ("GET", "lost", ""),
    ("DELETE", "lost/slugs/none", "{}"),
    ("POST", "backup", r#"{"path": "relative"}"#),
    ("GET", "why?from=shop/run.0002&to=shop/run.0002&port=80", ""),
    ("GET", "why?from=shop/run.0002&to=shop/run.0002&proto=icmp", ""),
    ("GET", "why?from=shop/run.0002&to=nothing&port=80", ""),
    ("GET", "peer-plan?space=alpha&vpc=vpc-0123456789abcdef0&ports=80", ""),
    ("POST", "probe", r#"{"from": "shop/run.0002", "to": "shop/run.0002", "port": 80}"#),
    ("GET", "nothing", ""),
    ("GET", "overview/vpcs", ""),
    ("GET", "overview/peerings", ""),
    ("GET", "overview/instances", ""),
    ("GET", "overview/spaces", ""),
    ("GET", "overview/apps", ""),
    ("GET", "usage", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_to_the_letter() {
    let server = server();
    server.script.runs(&["runc", "exec", "it"]);
    let mut transcript = String::new();
    for (method, path, body) in REQUESTS {
        let got = ask(&server, method, path, "application/json", body.as_bytes()).await;
        transcript.push_str(&format!("{method} {path} {body}\n{} {}\n\n", got.status, got.text));
    }
    server.script.runs(&[]);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.backup");
    let body = format!(r#"{{"path": "{}", "skip_unavailable": true}}"#, path.display());
    let got = ask(&server, "POST", "backup", "application/json", body.as_bytes()).await;
    // How many lines say how far it is, is a matter of time.
    for line in [got.text.lines().next(), got.text.lines().last()].into_iter().flatten() {
        transcript.push_str(&line.replace(place.path().to_str().unwrap(), "[place]"));
        transcript.push('\n');
    }
    // Secrets are chance, and so are the ids of access keys and requests.
    insta::with_settings!({ filters => [
        (r#""(secret_access_key|token|request_id)":"[^"]+""#, r#""$1":"[chance]""#),
        (r#""password":"[^"]+""#, r#""password":"[chance]""#),
        ("AKIA[0-9A-Z]+", "AKIA[chance]"),
        (r#""read_at_micros":\d+"#, r#""read_at_micros":"[time]""#),
        (r#""(database_bytes|bytes)":[1-9]\d*"#, r#""$1":"[size]""#),
    ] }, {
        insta::assert_snapshot!(transcript);
    });
}
