//! The server: both APIs, the ledger, the reconcile loops.

pub mod clock;
pub mod ledger;
pub mod reconcile;
pub mod state;
