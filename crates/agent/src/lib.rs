//! The agent of one host: control loops that make its networks, workloads and edge match the plan.
//!
//! There is one [`ControlLoop`], and an instance of it for each [`model::protocol::Subject`]:
//! networks, workloads and the edge. A loop is given orders ([`model::protocol::Order`]) by its
//! [`Handle`] and answers with reports ([`model::protocol::Report`]). It has a thread, merges the
//! changes that queue up, applies them before anything else, compares everything with what it must
//! be from time to time, in steps that give way to changes, and tries again what failed. What differs
//! from one subject to the next is its [`Actuator`]: how one change is made, one step looked at, and
//! what happens by itself heard of.
//!
//! Whoever gives the orders may be in the same process or on another machine: nothing here knows the
//! ledger, and nothing that is said depends on where it is heard.

mod actuator;
mod control_loop;
mod edge;
mod networks;
mod progress;
mod retries;
mod wait;
mod workloads;

pub use actuator::{Actuator, Fate, Found};
pub use control_loop::{ControlLoop, Handle, Orders, Pace, Pulse, Tell};
pub use edge::{EdgeActuator, NoEdge};
pub use networks::{NetworksActuator, Part as NetworksPart};
pub use progress::Progress;
pub use wait::Wake;
pub use workloads::WorkloadsActuator;
