//! The Linux fabric with real packets (R12, R15–R17, R20, R21, R23, and the promises of no leak,
//! no loss, adoption and repair). Needs root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
#[path = "netns_linux/lab.rs"]
mod lab;

#[path = "netns_linux/change.rs"]
mod change;
#[path = "netns_linux/drift.rs"]
mod drift;
#[path = "netns_linux/flood.rs"]
mod flood;
#[path = "netns_linux/flows.rs"]
mod flows;
#[path = "netns_linux/forwarded.rs"]
mod forwarded;
#[path = "netns_linux/fragments.rs"]
mod fragments;
#[path = "netns_linux/members.rs"]
mod members;
#[path = "netns_linux/middlebox.rs"]
mod middlebox;
#[path = "netns_linux/mtu.rs"]
mod mtu;
#[path = "netns_linux/outside.rs"]
mod outside;
#[path = "netns_linux/packets.rs"]
mod packets;
#[path = "netns_linux/peering.rs"]
mod peering;
#[path = "netns_linux/reach.rs"]
mod reach;
#[path = "netns_linux/refused.rs"]
mod refused;
#[path = "netns_linux/removed.rs"]
mod removed;
#[path = "netns_linux/resolver.rs"]
mod resolver;
#[path = "netns_linux/tracking.rs"]
mod tracking;
#[path = "netns_linux/uplink_drift.rs"]
mod uplink_drift;
