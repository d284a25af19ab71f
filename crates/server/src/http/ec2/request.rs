//! The request that every action takes, and the errors that it returns.

use std::borrow::Cow;

use aws::params::{ParamError, Params};
use aws::xml::{self, Xml};
use model::{InstanceId, Refused, Scope, Timestamp};

/// A request whose signature was verified.
pub struct Request<'a> {
    /// The account and the region.
    pub scope: Scope,
    /// Whether the access key may only read.
    pub read_only: bool,
    /// The id of the access key.
    pub access_key: &'a str,
    /// The parameters.
    pub params: &'a Params,
    /// The time of the request.
    pub now: Timestamp,
    /// The request id in the answer.
    pub request_id: &'a str,
    /// Returns the console output of an instance, if any is kept.
    pub console: &'a dyn Fn(InstanceId) -> Option<Vec<u8>>,
}

impl Request<'_> {
    /// Writes an answer in the element of the request's action.
    pub(super) fn respond(&self, inside: impl FnOnce(&mut Xml)) -> String {
        xml::response(self.params.get("Action").unwrap_or_default(), self.request_id, inside)
    }
}

/// An error in EC2's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ec2Error {
    /// The error code.
    pub code: Cow<'static, str>,
    /// The message for people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl Ec2Error {
    /// An error with the status 400.
    pub fn new(code: &'static str, message: impl std::fmt::Display) -> Self {
        Self { code: code.into(), message: message.to_string(), status: 400 }
    }
}

impl From<Refused> for Ec2Error {
    fn from(refused: Refused) -> Self {
        let status = refused.code.ec2_status();
        Self { code: refused.code.ec2().into(), message: refused.message, status }
    }
}

impl From<ParamError> for Ec2Error {
    fn from(error: ParamError) -> Self {
        Self::new(error.code(), &error)
    }
}
