//! Hosts and servers together, over sockets.

mod fences;
mod joins;
mod kit;
mod links;
mod streams;
