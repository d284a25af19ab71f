//! Every action, in process, over worlds made by the actions themselves.

mod actions;
mod authorization;
mod filters;
mod fuzz;
mod input;
mod instance_ownership;
mod network;
mod nothing;
mod observing;
mod order;
mod ownership;
mod peer;
mod peering;
mod remedies;
mod stage;
mod table;
mod visibility;

pub(super) use stage::fill;
