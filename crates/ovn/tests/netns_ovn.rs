//! OVN with real packets: a central part and three hosts, each in namespaces of its own on this machine. Needs root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fabric/tests/conformance/mod.rs"]
mod conformance;
#[path = "netns_ovn/lab.rs"]
mod lab;
#[path = "netns_ovn/room.rs"]
mod room;

#[path = "netns_ovn/reach.rs"]
mod reach;
