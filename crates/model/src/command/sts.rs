//! Requests for temporary credentials. They change nothing: what comes of them is what the credentials
//! stand for, and the server makes those.

use crate::{AccountId, Principal};

/// Requests for temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum StsCommand {
    /// Acts in a role, of the same account or of another one.
    AssumeRole(AssumeRole),
    /// Acts as before, with credentials that end by themselves.
    GetSessionToken {
        /// Who asks.
        by: Principal,
        /// How many seconds they are to hold; `None` for twelve hours.
        seconds: Option<u32>,
    },
}

/// A role to be acted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Who asks.
    pub by: Principal,
    /// The account of the role.
    pub account: AccountId,
    /// The name of the role.
    pub role: String,
    /// The name that the caller gives to the session.
    pub session: String,
    /// What the role wants to hear, if anything.
    pub external_id: Option<String>,
    /// How many seconds the credentials are to hold; `None` for an hour.
    pub seconds: Option<u32>,
}
