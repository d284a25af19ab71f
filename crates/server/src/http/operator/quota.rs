//! Quotas of accounts.

use axum::extract::State as Shared;
use model::{AccountId, IdentityCommand, Quota, World};

use super::answer::{Answer, Reply, missing};
use super::context::Operator;
use super::input::{Asked, Fields, Segment};

pub(super) async fn quotas(
    Shared(operator): Shared<Operator>,
    Asked(asked): Asked<api::QuotaQuery>,
) -> Answer<Vec<api::QuotaLimit>> {
    let account = asked.account.map(|name| operator.account(&name)).transpose()?;
    let world = operator.state.world();
    Ok(Reply(Quota::ALL.iter().map(|quota| limit(&world, account, *quota)).collect()))
}

pub(super) async fn set(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Fields(body): Fields<api::SetQuota>,
) -> Answer<api::QuotaLimit> {
    let quota: Quota =
        name.parse().map_err(|error| missing(format!("{error}; `causeway quotas` lists them.")))?;
    let account = body.account.map(|name| operator.account(&name)).transpose()?;
    let set = IdentityCommand::SetQuota { account, quota, most: body.limit };
    let done = operator.run(set).await?;
    Ok(Reply(limit(&done.after, account, quota)))
}

fn limit(world: &World, account: Option<AccountId>, quota: Quota) -> api::QuotaLimit {
    let own = account
        .and_then(|id| world.account(id))
        .and_then(|account| account.quotas.get(&quota).copied());
    let common = world.settings().is_some_and(|all| all.quotas.set.contains_key(&quota));
    api::QuotaLimit {
        name: quota,
        code: quota.code().ec2().to_owned(),
        limit: own.or_else(|| world.common_quota(quota)),
        set: own.is_some() || common,
        aws_default: quota.of_aws(),
    }
}
