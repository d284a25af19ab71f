//! What Linux gives to several crates of Causeway: network namespaces by name, processes that are
//! found again and outlive their parents, what a panic does to a process, logs within bounds, waiting
//! for descriptors, and the waker of a thread that does.
//!
//! It is a leaf: it knows nothing of networks, workloads or requests, only of the kernel's own
//! objects. The system calls are those of `rustix`, which also has the ones that `nix` lacks (pidfds).

#![warn(unreachable_pub)]

mod error;
mod waker;

pub mod bounded_log;
pub mod detached;
pub mod netns;
pub mod open_files;
pub mod panics;
pub mod poll;
pub mod process;
pub mod service_manager;
pub mod tcp;

pub use error::error_chain;
pub use waker::Waker;
