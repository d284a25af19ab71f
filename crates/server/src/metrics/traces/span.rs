//! What a collector is told of.

use std::time::Instant;

/// Something that was done within a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace: u128,
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    pub(super) name: String,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// Names and values.
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) failed: bool,
}
