//! What makes networks, processes and the edge follow the world.
//!
//! The [`planner`](UnstartedPlanner) orders what each commit changes; a control loop for each of the three
//! makes it so ([`agent`]) and reports what it sees; and what of that is news goes back to the ledger
//! as an observation. That makes a peering `active`, not the request (R13).

mod control;
pub(crate) mod edge;
pub(crate) mod files;
mod fleet;
mod health;
mod hears;
pub(crate) mod host;
mod plan;
mod planner;
mod progress_file;
pub(crate) mod reports;
pub(crate) mod workloads;

pub(crate) use self::control::Stop;
pub(crate) use self::fleet::Fleet;
pub(crate) use self::health::Health;
pub(crate) use self::hears::Hears;
pub(crate) use self::planner::{Parts, PlannerHandle, UnstartedPlanner};
pub(crate) use self::progress_file::CarriedRevision;
pub(crate) use self::reports::Reporter;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_rest;
