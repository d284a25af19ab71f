//! Quotas: of what accounts may have how much.

use model::Quota;
use serde::{Deserialize, Serialize};

/// How much of something an account may have. `GET /_causeway/quotas` answers with all of them, for all
/// accounts that have no quota of their own, or for the one that a [`QuotaQuery`] names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLimit {
    /// The quota's name.
    pub name: Quota,
    /// EC2's code of what is refused by it.
    pub code: String,
    /// How much there may be; `null` for as much as there is room for.
    pub limit: Option<u32>,
    /// Whether the operator has set it, for the account that was asked about or for all.
    pub set: bool,
    /// How much AWS lets an account have that has not asked for more.
    pub aws_default: u32,
}

/// Whose quotas are meant, in the query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaQuery {
    /// The name or the id of an account; all that have no quota of their own if it is absent.
    #[serde(default)]
    pub account: Option<String>,
}

/// `PUT /_causeway/quotas/NAME`: sets how much there may be. The answer is a [`QuotaLimit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuota {
    /// How much there may be; `null` for what is so of itself.
    pub limit: Option<u32>,
    /// The name or the id of an account; all that have no quota of their own if it is absent.
    #[serde(default)]
    pub account: Option<String>,
}
