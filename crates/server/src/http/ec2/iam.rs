//! What clients read of IAM: the roles of an account, and how many there are of what.

use aws::percent;
use aws::xml::{Service, Xml, query_response};
use model::{IamRole, Key, Trusted, World};

use super::request::{Ec2Error, Request};

/// How many roles a page has where nothing else is asked for.
const PAGE: usize = 100;

/// `GetRole`.
pub(super) fn role(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let name = request.params.required("RoleName")?;
    let found = world.iam_role_named(request.scope.account, name).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        let message = format!("The role with name {name} cannot be found.");
        Ec2Error { status: 404, ..Ec2Error::new("NoSuchEntity", message) }
    })?;
    Ok(query_response(Service::Iam, "GetRole", request.request_id, |x| {
        x.nest("Role", |x| write(x, world, found));
    }))
}

/// `ListRoles`.
pub(super) fn roles(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let most = request.params.integer("MaxItems", 1..=1000)?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let marker = request.params.get("Marker").map(str::to_ascii_lowercase);
    // Every role has the path "/".
    let is_here = request.params.get("PathPrefix").is_none_or(|prefix| prefix == "/");
    let mut roles: Vec<_> =
        world.iam_roles_of(Key::Account(request.scope.account)).filter(|_| is_here).collect();
    roles.sort_by_key(|role| role.name.to_ascii_lowercase());
    roles.retain(|role| {
        marker.as_ref().is_none_or(|marker| role.name.to_ascii_lowercase() > *marker)
    });
    let more = roles.len() > most;
    roles.truncate(most);
    Ok(query_response(Service::Iam, "ListRoles", request.request_id, |x| {
        x.members("Roles", &roles, |x, role| write(x, world, role));
        x.el("IsTruncated", more);
        x.opt("Marker", roles.last().filter(|_| more).map(|role| &role.name));
    }))
}

/// `GetAccountSummary`.
pub(super) fn account_summary(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let account = Key::Account(request.scope.account);
    let has_keys = world.access_keys_of(account).next().is_some();
    let counts = [
        ("AccountAccessKeysPresent", usize::from(has_keys)),
        ("AccountMFAEnabled", 0),
        ("Groups", 0),
        ("InstanceProfiles", 0),
        ("MFADevices", 0),
        ("Policies", 0),
        ("Providers", 0),
        ("Roles", world.iam_roles_of(account).count()),
        ("RolesQuota", 1000),
        ("ServerCertificates", 0),
        ("Users", 0),
    ];
    Ok(query_response(Service::Iam, "GetAccountSummary", request.request_id, |x| {
        x.nest("SummaryMap", |x| {
            for (name, count) in counts {
                x.nest("entry", |x| {
                    x.el("key", name);
                    x.el("value", count);
                });
            }
        });
    }))
}

fn write(x: &mut Xml, world: &World, role: &IamRole) {
    x.el("Path", "/");
    x.el("RoleName", &role.name);
    x.el("RoleId", role.id);
    x.el("Arn", role.arn());
    x.el("CreateDate", role.created.to_seconds_string());
    x.el("AssumeRolePolicyDocument", percent::encode(&trust_policy(world, role)));
    if !role.description.is_empty() {
        x.el("Description", &role.description);
    }
    x.el("MaxSessionDuration", role.max_seconds);
}

/// Whom a role trusts, as a policy of IAM says it.
fn trust_policy(world: &World, role: &IamRole) -> String {
    let arn = |trusted: &Trusted| match trusted {
        Trusted::Account(account) => Some(format!("arn:aws:iam::{account}:root")),
        Trusted::Key(id) => {
            let account = world.access_key(*id)?.account;
            Some(format!("arn:aws:iam::{account}:access-key/{id}"))
        }
    };
    let principals: Vec<String> = role.trust.iter().filter_map(arn).collect();
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": principals },
        "Action": "sts:AssumeRole",
    });
    if let Some(external_id) = &role.external_id {
        statement["Condition"] =
            serde_json::json!({ "StringEquals": { "sts:ExternalId": external_id } });
    }
    serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}
