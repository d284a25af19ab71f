//! What points the `heroku` and `aws` commands at a server.

use std::path::PathBuf;

use model::Region;
use serde::{Deserialize, Serialize};

/// `POST /_causeway/env`: asks for credentials of an account and of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRequest {
    /// The name or the id of the account; without it [`FIRST_ACCOUNT`](crate::FIRST_ACCOUNT).
    pub account: Option<String>,
    /// The user's email address; without it [`FIRST_USER`](crate::FIRST_USER).
    pub user: Option<String>,
}

/// The answer to [`EnvironmentRequest`]. It holds secrets, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The id of an access key of the account. An emulator takes any, and gives the account's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// The account's id.
    pub account: String,
    /// The region of the installation.
    pub region: Region,
    /// A token of the user.
    pub token: String,
    /// The user's email address.
    pub user: String,
    /// The file on the server's machine with the certificates that `heroku run` is to trust; absent
    /// (`null`) where the server could not write it.
    pub certificates: Option<PathBuf>,
}

/// What anybody may know of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The region of requests that name none.
    pub region: Region,
}
