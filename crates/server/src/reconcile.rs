//! The loop that makes the fabric follow the world.
//!
//! Woken by every commit and by a timer. What the fabric was seen to carry goes back to the
//! ledger as an observation: it makes a peering `active`, not the request (R13).

use std::sync::Mutex;

use model::Timestamp;
use serde::Serialize;

/// How the fabric fares, as `causeway status` shows it.
#[derive(Debug, Default)]
pub struct Health(Mutex<Fabric>);

/// How the fabric fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fabric {
    /// The driver's name.
    pub driver: &'static str,
    /// Whether everything is as it must be.
    pub healthy: bool,
    /// When it was last looked at or changed.
    pub last_run: Option<Timestamp>,
    /// When all of it was last compared with what it must be.
    pub last_sweep: Option<Timestamp>,
    /// How many runs there were.
    pub runs: u64,
    /// How much drift was repaired so far.
    pub repairs: u64,
    /// The last repairs, newest last.
    pub last_repairs: Vec<String>,
    /// What is wrong now.
    pub problems: Vec<String>,
}

impl Health {
    /// How it fares now.
    pub fn get(&self) -> Fabric {
        self.0.lock().expect("no holder panics").clone()
    }

    fn change(&self, change: impl FnOnce(&mut Fabric)) {
        change(&mut self.0.lock().expect("no holder panics"));
    }
}
