//! The request that every action takes.

use aws::params::Params;
use aws::xml::{self, Xml};
use model::{InstanceId, Principal, Scope, Timestamp};

pub use super::failure::Ec2Error;
use super::key_material::KeyMaker;
use crate::credentials::TemporaryCredentials;

/// A request whose signature was verified.
pub struct Request<'a> {
    /// The account and the region.
    pub scope: Scope,
    /// Whether the access key may only read.
    pub read_only: bool,
    /// Who signed it.
    pub principal: &'a Principal,
    /// The parameters.
    pub params: &'a Params,
    /// The time of the request.
    pub now: Timestamp,
    /// The request id in the answer.
    pub request_id: &'a str,
    /// Makes the key of a request that asks for a new one.
    pub keys: &'a KeyMaker,
    /// Makes temporary credentials.
    pub credentials: &'a dyn Fn(&Principal) -> TemporaryCredentials,
    /// Returns the console output of an instance, if any is kept; an error where another server has it.
    pub console: &'a dyn Fn(InstanceId) -> Result<Option<Vec<u8>>, Ec2Error>,
}

impl Request<'_> {
    /// Writes an answer in the element of the request's action.
    pub(super) fn respond(&self, inside: impl FnOnce(&mut Xml)) -> String {
        xml::response(self.params.get("Action").unwrap_or_default(), self.request_id, inside)
    }
}
