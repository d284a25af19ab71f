//! In whose name, and where, a request of the VPC's side asks.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Region};

/// An account in a region: what scopes every EC2 request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The account that asks.
    pub account: AccountId,
    /// The region that it asks in.
    pub region: Region,
}
