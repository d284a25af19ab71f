//! The whole router, in process, over a real store.

mod absent;
mod addons;
pub(crate) mod apps;
mod authorization;
mod bad_input;
pub(crate) mod fixture;
pub(crate) mod fuzz;
mod golden;
mod log_drain;
mod logs;
mod peering_check;
mod people;
mod release_output;
mod scopes;
mod second_factor;
mod session;
mod transport;
mod webhook;
mod writes;
