//! What a dyno sends that is not HTTP.

/// The most fields in a head, or in the trailers of a body.
pub(super) const FIELDS: usize = 100;

/// The bytes are not a response, or it is not certain where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotHttp;
