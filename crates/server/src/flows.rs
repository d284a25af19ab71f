//! Records of flows: for those who follow them now, and for EC2's flow logs.
//!
//! Routers tell of flows only where somebody asked ([`fabric::linux::Recorder`]). One thread hears all of
//! them, finds out what decided, and keeps the records: for followers in memory, the newest of each VPC;
//! for flow logs in files of bounded size. Whatever there is no room for is counted.

mod book;
mod explain;
mod line;
mod listen;
mod log;

#[cfg(test)]
mod tests;

pub(crate) use self::book::Flows;
pub(crate) use self::listen::{Parts, start};
pub(crate) use self::log::read;
