//! The pure model of Causeway: every resource, every rule, the peering life cycle, what the fabric
//! must look like and what a packet meets on its way.
//!
//! No IO, no clock, no chance: `now` and new identifiers are arguments. Whatever is allowed or
//! refused is decided here and nowhere else.

#![warn(unreachable_pub)]

mod admission;
mod allowance;
mod app_entity;
mod app_event;
mod cidr;
mod cidr6;
mod command;
mod decide;
mod dependents;
mod destination;
pub mod edge;
mod event;
mod event_kind;
pub mod fit;
mod free_addresses;
mod id;
mod insights;
pub mod intent;
mod key;
mod kinds;
mod load;
mod mac;
pub mod names;
mod peer;
mod place;
mod placed;
mod plan;
pub mod preview;
mod principal;
mod procfile;
pub mod protocol;
mod public;
mod quota;
mod reach;
mod record;
mod refused;
mod region;
mod resource;
mod rights;
mod scope;
mod small_map;
mod space_peerings;
mod time;
mod token_scope;
mod traffic;
mod usage;
mod world;

pub use app_entity::{AppEntity, NoAppEntity};
pub use app_event::{AppAction, AppChange, AppPart, app_changes, party_of_app, party_of_hook};
pub use cidr::{Cidr, MalformedCidr, RFC1918};
pub use cidr6::{IpCidr, Ipv6Cidr, MalformedIpCidr, MalformedIpv6Cidr};
pub use command::*;
pub use decide::Decided;
pub use dependents::{Dependent, Measure};
pub use destination::{Destination, MalformedDestination, Reachable, Scheme};
pub use event::{
    Audience, EXPIRY_NOTICE, Event, certificate_renewed, drift_repaired, events_by_time, events_of,
    party_of_account, party_of_team,
};
pub use event_kind::{EventKind, UnknownEventKind};
pub use id::*;
pub use insights::analyse;
pub use key::{Alias, BadRow, Key, Kind, Part, SettingsKey};
pub(crate) use key::{Errand, reversed_labels};
pub use peer::{
    Needs, Obstacle, PeerAsk, PeerPlan, PeerSide, PeerStep, Reached, StepState, TableNeed, Trial,
    plan_peer, plan_unpeer, return_routes,
};
pub use place::Unplaced;
pub use plan::{
    dyno_command, dyno_host, edge_delta, edge_delta_by_host, host_of_interface, is_stale, plan,
    plan_awaited_ends, plan_delta, plan_delta_by_host, plan_edge, plan_edge_on, plan_on, plan_vpc,
};
pub use principal::{AssumedRole, CredentialsEnded, Principal};
pub use procfile::{MalformedProcfile, parse_procfile};
pub use public::PublicOf;
pub use quota::{Quota, QuotaHolder, Quotas, UnknownQuota};
pub use reach::{
    Act, Component, Endpoint, ExplanationCode, Flow, Hop, Leg, Phrase, PhrasePart, Reach, Ruling,
    SourcePorts, Verdict, Wording, explain, reach,
};
pub use record::Record;
pub use refused::{Code, PlatformError, Refused};
pub use region::{Region, RegionFacts, UnknownRegion, Zone};
pub use resource::*;
pub use rights::Rights;
pub use scope::Scope;
pub use small_map::SmallMap;
pub use time::{MalformedDuration, MalformedTimestamp, Timestamp, parse_duration};
pub use token_scope::{Need, TokenScope, TokenScopes};
pub use traffic::{IpProtocol, Packet, PortRange, Traffic};
pub use world::{Change, World};
