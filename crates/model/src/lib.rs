//! The pure model of Causeway: every resource, every rule, the peering life cycle, what the fabric
//! must look like and what a packet meets on its way.
//!
//! No IO, no clock, no chance: `now` and new identifiers are arguments. Whatever is allowed or
//! refused is decided here and nowhere else.

mod cidr;
mod id;
pub mod intent;
mod region;
mod time;
mod traffic;

pub use cidr::{Cidr, MalformedCidr, RFC1918};
pub use id::*;
pub use region::{Region, RegionFacts, UnknownRegion, Zone};
pub use time::{MalformedTimestamp, Timestamp};
pub use traffic::{IpProtocol, Packet, PortRange, Traffic};
