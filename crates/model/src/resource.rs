//! Every resource: plain data, stored as JSON, changed only by [`crate::World::decide`].
//!
//! Each kind of resource has a file. It says what a resource of the kind holds, and by its
//! `Resource` what the world needs to know of one.

mod access_key;
mod account;
mod addon;
mod app;
mod architecture;
mod client_token;
mod dhcp_options;
mod direction;
mod dyno;
mod dyno_size;
mod egress_gateway;
mod elastic_ip;
mod eni;
mod flow_log;
mod former;
mod host;
mod iam_role;
mod image;
mod images;
mod inbound;
mod instance;
mod instance_options;
mod instance_type;
mod instance_types;
mod internet_gateway;
mod join_token;
mod key_pair;
mod log_drain;
mod nat_gateway;
mod network_acl;
mod network_insights;
mod outbound;
mod peering;
mod plan;
mod prefix_list;
mod process;
mod public_image;
mod release;
mod restart;
mod route_table;
mod second_factor;
mod security_group;
mod settings;
mod slug;
mod space;
mod subnet;
mod subnet_reservation;
mod team;
mod token;
mod user;
mod vpc;
mod webhook;

pub use access_key::*;
pub use account::*;
pub use addon::*;
pub use app::*;
pub use architecture::*;
pub use client_token::*;
pub use dhcp_options::*;
pub use direction::*;
pub use dyno::*;
pub use dyno_size::*;
pub use egress_gateway::*;
pub use elastic_ip::*;
pub use eni::*;
pub use flow_log::*;
pub use former::*;
pub use host::*;
pub use iam_role::*;
pub use image::*;
pub use images::*;
pub use inbound::*;
pub use instance::*;
pub use instance_options::*;
pub use instance_type::*;
pub use instance_types::*;
pub use internet_gateway::*;
pub use join_token::*;
pub use key_pair::*;
pub use log_drain::*;
pub use nat_gateway::*;
pub use network_acl::*;
pub use network_insights::*;
pub use outbound::*;
pub use peering::*;
pub use plan::*;
pub use prefix_list::*;
pub use process::*;
pub use release::*;
pub(crate) use restart::*;
pub use route_table::*;
pub use second_factor::*;
pub use security_group::*;
pub use settings::*;
pub use slug::*;
pub use space::*;
pub use subnet::*;
pub use subnet_reservation::*;
pub use team::*;
pub use token::*;
pub use user::*;
pub use vpc::*;
pub use webhook::*;

use crate::{AccountId, Alias, AppId, Errand, Key, Part, Timestamp, VpcId};

/// A resource's tags, by key.
pub type Tags = crate::SmallMap<String, String>;

/// What the world and the store need to know of each kind of resource.
pub(crate) trait Resource {
    /// The fields that are to be read by nobody but those who may ask for them: a store is to keep
    /// them sealed.
    const SECRETS: &'static [&'static str] = &[];
    /// Whether resources of the kind stay where an emulator is reset.
    const SURVIVES_RESET: bool = false;

    /// The key of the resource.
    fn key(&self) -> Key;

    /// The owner of the resource.
    fn owner(&self) -> Owner;

    /// Calls back with every resource that this one names.
    fn mentions(&self, each: &mut dyn FnMut(Key));

    /// Calls back with every other name of it.
    fn aliases(&self, _each: &mut dyn FnMut(Alias)) {}

    /// Calls back with every part of it that has an id of its own.
    fn parts(&self, _each: &mut dyn FnMut(Part)) {}

    /// What is to be done with it because time passes, and when; `None` if nothing is.
    fn due(&self) -> Option<(Errand, Timestamp)> {
        None
    }

    /// The token of the request that made it, where it had one.
    fn client_token(&self) -> Option<&ClientToken> {
        None
    }
}

/// The owner of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Neither an account nor an app owns it.
    None,
    /// The account owns it.
    Account(AccountId),
    /// The account that owns this VPC, in which the resource lies, owns it.
    OfVpc(VpcId),
    /// The app owns it, or is it.
    App(AppId),
}
