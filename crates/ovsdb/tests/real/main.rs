//! The client against real servers, alone and in a cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod cluster;
mod support;
