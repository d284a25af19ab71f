//! What an edge and its controller say to each other: a line of JSON each.

use model::DynoId;
use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent};
use serde::{Deserialize, Serialize};

use crate::core::listening::Spot;

/// What an edge is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Who speaks. Whoever says it is the controller from now on.
    Hello(Hello),
    /// Everything.
    Sync(EdgeIntent),
    /// What changed.
    Change(EdgeDelta),
    /// To be answered with the same number once everything before it was done.
    Ping(u64),
    /// Another edge takes over: it is given the table and the sockets.
    Handover,
    /// It wants more of them.
    Next,
    /// It has them and serves.
    Taken,
    /// What the edge that took over was told, for what is still under way here.
    Heir(u64, Box<Self>),
    /// The end, at once.
    Stop,
}

/// What an edge tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Who it is.
    Hello(Hello),
    /// Everything before that number was done. Sockets whose namespace is not there yet are
    /// waited for: how many.
    Pong(u64, usize),
    /// What it found out.
    Event(EdgeEvent),
    /// What it was told last, for the edge that takes over.
    Table(Box<EdgeIntent>),
    /// Which sockets come along with this line.
    Sockets(Vec<Spot>),
    /// To which dynos requests are still under way in the edge that was replaced, after it heard
    /// so many orders.
    Busy(u64, Vec<DynoId>),
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which build of the program.
    pub build: String,
    /// Which configuration.
    pub config: String,
    /// Its process.
    pub pid: u32,
}
