//! The atomics that [`in_flight`](super::in_flight) counts with. Its model has others.

pub(crate) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
