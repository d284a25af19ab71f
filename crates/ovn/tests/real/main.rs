//! Rows of networks in a real server that holds OVN's northbound schema.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod networks;
mod northbound;
