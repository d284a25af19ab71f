//! OVN's northbound database: the rows that networks need there, and the transactions that bring them.
//!
//! [`vpc_part`] and [`peering_part`] say, without any IO, which rows a VPC or a peering needs. [`Central`]
//! compares them with what the database holds and changes what differs: one transaction for each VPC and
//! each peering, which does nothing once another server has taken over ([`Central::lead`]).
//!
//! OVN 25.03 is the oldest that has all of it: network ACLs need chains of router policies.

#![warn(unreachable_pub)]

mod addresses;
mod central;
mod difference;
mod driver;
mod groups;
mod host;
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
mod vpc;

pub use central::{Applied, Central, Error, watches};
pub use driver::{Alarm, Ovn};
pub use host::{Host, Settled};
pub use links::Links;
pub use observed::Observed;
pub use part::{Part, PartId, RowKey, Wanted};
pub use peering::peering_part;
pub use routers::{Routers, Written};
pub use switch::{Switch, SwitchError, SwitchPort};
pub use uptake::{Lag, Uptake};
pub use vpc::{LeftOut, Places, vpc_part};
