//! The errors that actions return.

use std::borrow::Cow;

use aws::params::ParamError;
use model::Refused;

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
