//! Every action, in process, over worlds made by the actions themselves.

mod actions;
mod filters;
mod forms;
mod fuzz;
mod input;
mod ipv6;
mod kit;
mod matrix;
mod nat_address;
mod network;
mod nothing;
mod observing;
mod order;
mod peer;
mod peering;
mod reference;
mod remedies;
mod roles;
mod selection;
mod stage;
mod surface;
mod table;
mod visibility;

pub(super) use stage::fill;
