//! OVN's northbound database: the rows that networks need there, and the transactions that bring them.
//!
//! [`vpc_part`] and [`peering_part`] say, without any IO, which rows a VPC or a peering needs. [`Central`]
//! compares them with what the database holds and changes what differs: one transaction for each VPC and
//! each peering, which does nothing once another server has taken over ([`Central::lead`]).
//!
//! A server that leads has a [`Writer`] of them; a host, where packets are, a [`HostDriver`], which makes the interfaces
//! of its own processes and gives them to its Open vSwitch.
//!
//! OVN 25.03 is the oldest that has all of it: network ACLs need chains of router policies.

#![warn(unreachable_pub)]

mod addresses;
mod central;
mod connection;
mod difference;
mod doctor;
mod driver;
mod groups;
mod host;
mod host_driver;
mod links;
mod members;
mod names;
mod observed;
mod part;
mod peering;
mod policies;
mod routers;
mod switch;
mod text;
mod uptake;
mod version;
mod vpc;
mod writer;

pub use central::{Applied, Central, Error, watches};
pub use connection::{Database, chassis};
pub use doctor::{doctor, doctor_of_host};
pub use driver::{Alarm, Ovn};
pub use host::{Host, Settled};
pub use host_driver::HostDriver;
pub use links::Links;
pub use observed::Observed;
pub use part::{Part, PartId, RowKey, Wanted};
pub use peering::peering_part;
pub use routers::{Routers, Written};
pub use switch::{Switch, SwitchError, SwitchPort};
pub use uptake::{Lag, Uptake};
pub use vpc::{LeftOut, Places, vpc_part};
pub use writer::{Whereabouts, Writer, WriterParts, purge};

/// The label of a host that says by which name OVN knows it.
pub const CHASSIS_LABEL: &str = "ovn-chassis";
