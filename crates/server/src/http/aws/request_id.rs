//! The ids of requests.

/// An id that no other request has.
pub(super) fn fresh_request_id() -> String {
    uuid::Uuid::from_u128(crate::clock::distinct_bits()).to_string()
}
