//! Roles of accounts.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Shared;
use model::{Access, AccessKeyId, IamRole, IdentityCommand, Key, NewIamRole, RoleId, Trusted};

use super::answer::{Answer, Problem, Reply, internal, invalid, missing};
use super::context::{Operator, oldest_first};
use super::input::{Asked, Fields, Segment};

pub(super) async fn roles(Shared(operator): Shared<Operator>) -> Answer<Vec<api::IamRole>> {
    let world = operator.state.world();
    let roles = oldest_first(world.iam_roles(), |role| (role.created, role.id));
    Ok(Reply(roles.map(|role| shown(role)).collect()))
}

pub(super) async fn create(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateRole>,
) -> Answer<api::IamRole> {
    let account = operator.account(&body.account)?;
    let trust: Result<BTreeSet<_>, _> =
        body.trust.iter().map(|name| trusted(&operator, name)).collect();
    let new = NewIamRole {
        account,
        name: body.name,
        trust: trust?,
        external_id: body.external_id,
        access: if body.read_only { Access::ReadOnly } else { Access::Full },
        max_seconds: body.max_duration,
        description: body.description,
    };
    let made = operator.run(IdentityCommand::CreateIamRole(new)).await?;
    let role = match made.reply.main() {
        Some(Key::IamRole(id)) => made.after.iam_role(id),
        _ => None,
    };
    let role = role.ok_or_else(|| internal("the role was made, but the reply does not name it"))?;
    Ok(Reply(shown(role)))
}

pub(super) async fn role(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Asked(asked): Asked<api::RoleQuery>,
) -> Answer<api::IamRole> {
    Ok(Reply(shown(&*find(&operator, &name, asked.account.as_deref())?)))
}

pub(super) async fn delete(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Asked(asked): Asked<api::RoleQuery>,
) -> Answer<api::IamRole> {
    let role = find(&operator, &name, asked.account.as_deref())?;
    operator.run(IdentityCommand::DeleteIamRole { id: role.id }).await?;
    Ok(Reply(shown(&role)))
}

/// The role that is meant by its name, its id or its ARN.
fn find(operator: &Operator, name: &str, account: Option<&str>) -> Result<Arc<IamRole>, Problem> {
    let account = account.map(|account| operator.account(account)).transpose()?;
    let world = operator.state.world();
    let by_id = name.parse::<RoleId>().ok();
    let is_it = |role: &&Arc<IamRole>| {
        account.is_none_or(|account| role.account == account)
            && (by_id == Some(role.id)
                || role.arn() == name
                || role.name.eq_ignore_ascii_case(name))
    };
    let mut found = world.iam_roles().filter(is_it);
    let role = found.next().cloned().ok_or_else(|| {
        missing(format!("There is no role '{name}'; `causeway roles` lists them."))
    })?;
    if found.next().is_some() {
        return Err(invalid(format!(
            "Several accounts have a role '{name}': say which one is meant, as --account {}, or name \
             the role by its ARN.",
            role.account
        )));
    }
    Ok(role)
}

fn trusted(operator: &Operator, name: &str) -> Result<Trusted, Problem> {
    if let Ok(id) = name.parse::<AccessKeyId>() {
        return Ok(Trusted::Key(id));
    }
    let whole = name.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    operator.account(whole.unwrap_or(name)).map(Trusted::Account)
}

fn shown(role: &IamRole) -> api::IamRole {
    let trusted = |trusted: &Trusted| match trusted {
        Trusted::Account(id) => id.to_string(),
        Trusted::Key(id) => id.to_string(),
    };
    api::IamRole {
        id: role.id,
        arn: role.arn(),
        name: role.name.clone(),
        account: role.account,
        trust: role.trust.iter().map(trusted).collect(),
        external_id: role.external_id.clone(),
        access: role.access,
        max_duration: role.max_seconds,
        description: role.description.clone(),
        created: role.created,
    }
}
