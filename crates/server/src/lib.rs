//! The server: both APIs, the ledger, the reconcile loops.

pub mod clock;
pub mod ec2;
pub mod ledger;
pub mod platform;
pub mod reconcile;
pub mod state;
