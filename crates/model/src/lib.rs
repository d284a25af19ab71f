//! The pure model of Causeway: every resource, every rule, the peering life cycle, what the fabric
//! must look like and what a packet meets on its way.
//!
//! No IO, no clock, no chance: `now` and new identifiers are arguments. Whatever is allowed or
//! refused is decided here and nowhere else.

mod cidr;
mod command;
mod decide;
pub mod edge;
mod id;
pub mod intent;
mod plan;
mod procfile;
mod reach;
mod record;
mod refused;
mod region;
mod resource;
mod small_map;
mod time;
mod traffic;
mod world;

pub use cidr::{Cidr, MalformedCidr, RFC1918};
pub use command::*;
pub use decide::Decided;
pub use id::*;
pub use plan::{dyno_host, edge_delta, plan, plan_delta, plan_edge, plan_vpc};
pub use procfile::{MalformedProcfile, parse_procfile};
pub use reach::{Endpoint, ExplanationCode, Flow, Hop, Leg, Ruling, Verdict, reach};
pub use record::{Alias, BadRow, Key, Kind, Only, Part, Record};
pub use refused::{Code, PlatformError, Refused};
pub use region::{Region, RegionFacts, UnknownRegion, Zone};
pub use resource::*;
pub use small_map::SmallMap;
pub use time::{MalformedTimestamp, Timestamp};
pub use traffic::{IpProtocol, Packet, PortRange, Traffic};
pub use world::{Change, Scope, World};
