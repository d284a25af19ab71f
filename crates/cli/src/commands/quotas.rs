//! Quotas of accounts and teams.

use hyper::Method;

use super::print::say;
use crate::arguments::quotas::QuotaCommand;
use crate::client::{As, query, segment};
use crate::output::Out;

const QUOTAS: &str = "/_causeway/quotas";

/// Does what a command about quotas says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: QuotaCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        QuotaCommand::Quotas { account, team, common } => {
            let client = common.connection.client(As::Operator)?;
            let asked = query(&api::QuotaQuery { account, team })?;
            let quotas: Vec<api::QuotaLimit> = client.read(&format!("{QUOTAS}?{asked}"))?;
            if common.json {
                out.json(&quotas);
                return Ok(());
            }
            let row = |quota: &api::QuotaLimit| {
                let set = if quota.set { "set" } else { "" };
                vec![
                    quota.name.to_string(),
                    quota.used.map(|used| used.to_string()).unwrap_or_default(),
                    words(quota.limit),
                    set.to_owned(),
                    quota.aws_default.map(|most| most.to_string()).unwrap_or_default(),
                    quota.code.clone(),
                ]
            };
            let rows: Vec<_> = quotas.iter().map(row).collect();
            out.table(&["Quota", "Used", "Limit", "", "AWS", "Code"], &rows);
            Ok(())
        }
        QuotaCommand::QuotasSet { name, limit, account, team, common } => {
            let client = common.connection.client(As::Operator)?;
            let path = format!("{QUOTAS}/{}", segment(&name));
            let own = match (&account, &team) {
                (Some(account), _) => Some(format!("the account {account}")),
                (None, Some(team)) => Some(format!("the team {team}")),
                (None, None) => None,
            };
            let request = api::SetQuota { limit: limit.0, account, team };
            let set: api::QuotaLimit = client.write(&Method::PUT, &path, &request)?;
            let all = || format!("all {}s that have none of their own", set.of);
            let whose = own.unwrap_or_else(all);
            let text = format!("{} is {} for {whose}", set.name, words(set.limit));
            say(&common, out, &set, &text);
            Ok(())
        }
    }
}

fn words(limit: Option<u32>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}
