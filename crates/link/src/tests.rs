//! Hosts and servers together, over sockets.

mod fences;
mod joins;
mod kit;
mod leaders;
mod links;
mod members;
mod streams;
