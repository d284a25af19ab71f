//! Quotas: of what accounts and teams may have how much.

use model::Quota;
use serde::{Deserialize, Serialize};

/// How much of something an account or a team may have. `GET /_causeway/quotas` answers with all quotas, for
/// all who have none of their own, or with those of the account or the team that a [`QuotaQuery`] names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLimit {
    /// The quota's name.
    pub name: Quota,
    /// Whose it is: `account` or `team`.
    #[serde(default)]
    pub of: String,
    /// EC2's code of what is refused by it.
    pub code: String,
    /// How much there may be; `null` for as much as there is room for.
    pub limit: Option<u32>,
    /// How much of it the account or the team has that was asked about: of an account, in the region, the VPC,
    /// the group or whatever else is counted in which there is most of it.
    #[serde(default)]
    pub used: Option<u64>,
    /// Whether the operator has set it, for who was asked about or for all.
    pub set: bool,
    /// How much AWS lets an account have that has not asked for more; `null` for what is a team's.
    pub aws_default: Option<u32>,
}

/// Whose quotas are meant, in the query string: of one account, of one team, or of all who have none of their
/// own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaQuery {
    /// The name or the id of an account.
    #[serde(default)]
    pub account: Option<String>,
    /// The name or the id of a team.
    #[serde(default)]
    pub team: Option<String>,
}

/// `PUT /_causeway/quotas/NAME`: sets how much there may be. The answer is a [`QuotaLimit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuota {
    /// How much there may be; `null` for what is so of itself.
    pub limit: Option<u32>,
    /// The name or the id of the account whose quota it is. Without it and without a team, it is that of all
    /// who have none of their own.
    #[serde(default)]
    pub account: Option<String>,
    /// The name or the id of the team whose quota it is.
    #[serde(default)]
    pub team: Option<String>,
}
