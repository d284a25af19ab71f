//! What joins a space with a VPC in one go, and what takes that back: plans of commands that the two
//! owners give through the public APIs.
//!
//! A plan decides nothing by itself. Each of its steps is tried on a copy of the world, by whoever asks
//! and then by the owner, so it holds only what will be accepted; and what else is in the way of packets
//! is what `why` says of them. A plan adds and never replaces what somebody else made. Every step is one
//! request that is safe to repeat, and what is made is marked as made here ([`mark`]), so a plan made
//! anew after any of its steps goes on from there.

mod flows;
mod join;
mod need;
mod part;
mod planner;
mod step;

pub(crate) use flows::dyno_interface;
pub use join::plan_peer;
pub use need::{Needs, TableNeed, return_routes};
pub use part::plan_unpeer;
pub use step::{Obstacle, PeerAsk, PeerPlan, PeerSide, PeerStep, Reached, StepState, Trial};
