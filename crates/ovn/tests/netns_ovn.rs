//! OVN with real packets: a central part and three hosts, each in namespaces of its own on this machine. Needs root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fabric/tests/conformance/mod.rs"]
mod conformance;
#[path = "netns_ovn/lab.rs"]
mod lab;
#[path = "netns_ovn/machines.rs"]
mod machines;
#[expect(dead_code, reason = "steps at random are for the rows alone")]
#[path = "real/networks.rs"]
mod networks;
#[path = "netns_ovn/packets.rs"]
mod packets;
#[path = "netns_ovn/room.rs"]
mod room;
#[path = "netns_ovn/town.rs"]
mod town;

#[path = "netns_ovn/daemons.rs"]
mod daemons;
#[path = "netns_ovn/host.rs"]
mod host;
#[path = "netns_ovn/reach.rs"]
mod reach;
#[path = "netns_ovn/uptake.rs"]
mod uptake;
#[path = "netns_ovn/ways.rs"]
mod ways;
