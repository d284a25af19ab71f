//! Whether two VPCs can be peered: the one rule that requests and acceptance are decided by, and
//! that a check before the request answers from (R2, R3, R8, R24).
//!
//! A [`Side`] says all of one side that decides, be it a VPC that there is, one that is only planned,
//! or what the owner of a space hands out of it. [`Fit::of`] compares two of them and says every
//! [`Misfit`] at once.

mod free;
mod need;
mod remedy;
mod rule;
mod side;
mod taken;
#[cfg(test)]
mod tests;
mod words;

pub use need::{Need, NeedKind};
pub use rule::{Fit, Misfit};
pub use side::{HandedOut, Peer, Routes, Side, SideKind};
pub(crate) use side::{peers, waiting_of};
pub use taken::{Taken, Whose, taken_beside};
