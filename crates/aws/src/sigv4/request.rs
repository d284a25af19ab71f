//! A signed request, and why one is refused.

/// A request as it is on the wire, as far as signatures care.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The path as sent, not decoded.
    pub path: &'a str,
    /// What follows `?`, as sent, not decoded; empty if there is none.
    pub query: &'a str,
    /// All headers, in the order sent, names in any case. `host` must be among them: HTTP/2
    /// carries it as `:authority`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// SHA-256 of the body, as [`sha256`](super::sha256) gives it.
    pub body_sha256: [u8; 32],
}

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// It is not signed at all.
    #[error("Request is missing Authentication Token")]
    MissingToken,
    /// The signature's fields are absent, malformed or contradict each other.
    #[error("{why}")]
    Incomplete {
        /// What is wrong with them.
        why: &'static str,
    },
    /// No access key has the identifier that the signature names.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The key exists, but not for this: it is disabled, or the scope is another region's or
    /// service's.
    #[error("AWS was not able to validate the provided access credentials: {why}")]
    Refused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature is another than the secret makes of this request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
    /// The body is another than `x-amz-content-sha256` says.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    BodyMismatch,
    /// The date of the scope is not that of the request.
    #[error("Date in Credential scope does not match the date of the request")]
    ScopeDate,
    /// It was signed too long ago, or in the future.
    #[error("Request has expired.")]
    Expired,
}

impl SigError {
    /// The error code that EC2, STS and IAM give for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "MissingAuthenticationToken",
            Self::Incomplete { .. } => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::Refused { .. } => "AuthFailure",
            Self::Mismatch | Self::BodyMismatch | Self::ScopeDate => "SignatureDoesNotMatch",
            Self::Expired => "RequestExpired",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Incomplete { .. } | Self::Expired => 400,
            Self::Refused { .. } => 401,
            Self::MissingToken
            | Self::UnknownKey
            | Self::Mismatch
            | Self::BodyMismatch
            | Self::ScopeDate => 403,
        }
    }
}
