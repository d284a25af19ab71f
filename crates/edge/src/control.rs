//! How an edge is told what to answer, and how one edge takes over from another.

pub mod client;
pub mod handover;
pub mod message;
pub mod serve;
