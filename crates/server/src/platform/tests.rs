//! The whole router, in process, over a real store.

mod absent;
mod addons;
mod apps;
mod authorization;
mod bad_input;
pub(crate) mod fixture;
mod golden;
mod logs;
mod people;
mod session;
mod transport;
mod writes;
