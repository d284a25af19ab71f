//! Every action, in process, over worlds made by the actions themselves.

mod actions;
mod filters;
mod input;
mod peering;
mod stage;
mod table;
mod visibility;
