//! The audit: who asked for what, when, from where, and what came of it.

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// The query of `GET /_causeway/audit`: which rows are wanted. A row has to match every filter that
/// is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// Not before this: a time such as `2026-01-31T12:00:00Z`, or how long ago, such as `90m` or `7d2h`.
    pub since: Option<String>,
    /// Before this, in the same form as `since`.
    pub until: Option<String>,
    /// Who asked: a user's email address, an account, `operator`, `system` or `nobody`.
    pub who: Option<String>,
    /// What was asked for, such as `Platform.CreateSpace`. A star stands for any letters.
    pub action: Option<String>,
    /// How it ended: `ok`, `refused` for every refusal, or the code of one.
    pub outcome: Option<String>,
    /// The name or the id of the account that was spoken for.
    pub account: Option<String>,
    /// The name or the id of the team that it was about.
    pub team: Option<String>,
    /// The name of the space that it was about; a space that is gone by its id.
    pub space: Option<String>,
    /// How many rows there are to be, from 1 to 1000; without it 100.
    pub limit: Option<u32>,
    /// Only rows whose number is smaller than this: how a client reads backwards, page by page.
    pub before: Option<u64>,
    /// Only rows whose number is greater than this, oldest first: how a client follows the audit.
    pub after: Option<u64>,
}

/// The answer to [`AuditQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The rows, newest last.
    pub rows: Vec<AuditRow>,
    /// What to give as [`AuditQuery::before`] for older rows; absent (`null`) where there are none.
    pub before: Option<u64>,
}

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// The row's number. Numbers grow with time.
    pub number: u64,
    /// When it was asked for.
    pub time: Timestamp,
    /// Who asked, by the name that people know, or as `actor` where there is none.
    pub who: String,
    /// Who asked, by id: `user/ID`, `account/ID`, `operator`, `system` or `nobody`.
    pub actor: String,
    /// The id of the account that was spoken for; empty where there was none.
    pub account: String,
    /// What was asked for, such as `Platform.CreateSpace`.
    pub action: String,
    /// The id of what it was about; empty where that is not known.
    pub resource: String,
    /// What it was about, by its name where it is still there and has one, or as `resource`.
    pub what: String,
    /// The id of the team that it was about; empty where it was about none.
    pub team: String,
    /// The id of the space that it was about; empty where it was about none.
    pub space: String,
    /// The address that the request came from; empty where it came from the server itself.
    pub source: String,
    /// `ok`, or the code of the refusal.
    pub outcome: String,
    /// The refusal in words; empty where there was none.
    pub message: String,
    /// The id that the client was given for the request.
    pub request_id: String,
    /// The revision of the ledger that the request made, or met where it was refused.
    pub revision: u64,
}
