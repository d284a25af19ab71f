//! The control socket: how a controller tells an edge what to serve, and how one edge takes over from
//! another.

pub(crate) mod client;
#[cfg(test)]
mod fuzz;
mod handle;
pub(crate) mod handover;
mod lines;
pub(crate) mod serve;

pub(crate) use handle::Handle;
