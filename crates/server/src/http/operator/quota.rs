//! Quotas of accounts and teams.

use axum::extract::State as Shared;
use model::{IdentityCommand, Quota, QuotaHolder, QuotaOf, World};

use super::answer::{Answer, Problem, Reply, invalid, missing};
use super::context::Operator;
use super::input::{Asked, Fields, Segment};

pub(super) async fn quotas(
    Shared(operator): Shared<Operator>,
    Asked(asked): Asked<api::QuotaQuery>,
) -> Answer<Vec<api::QuotaLimit>> {
    let of = whose(&operator, asked.account.as_deref(), asked.team.as_deref())?;
    let wanted = |quota: &&Quota| match of {
        QuotaOf::All => true,
        QuotaOf::Account(_) => quota.holder() == QuotaHolder::Account,
        QuotaOf::Team(_) => quota.holder() == QuotaHolder::Team,
    };
    let world = operator.state.world();
    let quotas = Quota::ALL.iter().filter(wanted);
    Ok(Reply(quotas.map(|quota| limit(&operator, &world, of, *quota)).collect()))
}

pub(super) async fn set(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Fields(body): Fields<api::SetQuota>,
) -> Answer<api::QuotaLimit> {
    let quota: Quota =
        name.parse().map_err(|error| missing(format!("{error}; `causeway quotas` lists them.")))?;
    let of = whose(&operator, body.account.as_deref(), body.team.as_deref())?;
    let set = IdentityCommand::SetQuota { of, quota, most: body.limit };
    let done = operator.run(set).await?;
    Ok(Reply(limit(&operator, &done.after, of, quota)))
}

fn whose(
    operator: &Operator,
    account: Option<&str>,
    team: Option<&str>,
) -> Result<QuotaOf, Problem> {
    match (account, team) {
        (None, None) => Ok(QuotaOf::All),
        (Some(account), None) => operator.account(account).map(QuotaOf::Account),
        (None, Some(team)) => operator.team(team).map(QuotaOf::Team),
        (Some(_), Some(_)) => Err(invalid("Name an account or a team, not both.".to_owned())),
    }
}

fn limit(operator: &Operator, world: &World, of: QuotaOf, quota: Quota) -> api::QuotaLimit {
    let own = match of {
        QuotaOf::All => None,
        QuotaOf::Account(id) => world.account(id).and_then(|it| it.quotas.get(&quota).copied()),
        QuotaOf::Team(id) => world.team(id).and_then(|it| it.quotas.get(&quota).copied()),
    };
    let used = match of {
        QuotaOf::Team(id) => Some(world.team_usage(id, quota)),
        QuotaOf::Account(id) => Some(world.account_usage(id, quota, operator.state.clock.now())),
        QuotaOf::All => None,
    };
    // What this start says of code holds where nothing is set.
    let of_start = || match quota {
        Quota::Code => u32::try_from(operator.state.slugs.room.team >> 20).ok(),
        _ => None,
    };
    let common = world.settings().is_some_and(|all| all.quotas.set.contains_key(&quota));
    api::QuotaLimit {
        name: quota,
        of: quota.holder().name().to_owned(),
        code: quota.code().ec2().to_owned(),
        limit: own.or_else(|| world.common_quota(quota)).or_else(of_start),
        used,
        set: own.is_some() || common,
        aws_default: quota.of_aws(),
    }
}
