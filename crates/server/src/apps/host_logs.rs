//! What processes and routers on other hosts wrote.

use std::collections::BTreeMap;
use std::io;

use fabric::runtime::{LogPart, LogPosition};
use model::{AppId, HostId, WorkloadId};

/// What is asked of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostAsk {
    /// The output of these processes.
    pub processes: Vec<ProcessAsk>,
    /// The request log of an app.
    pub router: Option<RouterAsk>,
}

/// The output of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessAsk {
    /// Which process.
    pub workload: WorkloadId,
    /// The position after which it is wanted.
    pub from: Option<LogPosition>,
    /// Whether a last line that has not ended is wanted, too.
    pub whole: bool,
    /// The last lines alone.
    pub most: usize,
}

/// The request log of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterAsk {
    /// Whose.
    pub app: AppId,
    /// The last lines alone.
    pub most: usize,
    /// What comes after this line, if it is there.
    pub after: Option<String>,
}

/// What a host has of what was asked for.
#[derive(Debug, Default)]
pub(crate) struct HostAnswer {
    /// In the order of the question.
    pub processes: Vec<io::Result<LogPart>>,
    /// Lines of the request log.
    pub router: Vec<String>,
}

/// Asks other hosts.
pub(crate) trait HostLogs: Send + Sync {
    /// Whether a host is another one than this server's.
    fn is_other(&self, host: HostId) -> bool;

    /// Asks several at once, and waits some seconds at most. A host that does not answer has a reason why
    /// not, in words.
    fn read(&self, asks: BTreeMap<HostId, HostAsk>)
    -> BTreeMap<HostId, Result<HostAnswer, String>>;
}

/// All is on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoOtherHosts;

impl HostLogs for NoOtherHosts {
    fn is_other(&self, _: HostId) -> bool {
        false
    }

    fn read(
        &self,
        asks: BTreeMap<HostId, HostAsk>,
    ) -> BTreeMap<HostId, Result<HostAnswer, String>> {
        asks.into_keys().map(|host| (host, Err("there are no other hosts".to_owned()))).collect()
    }
}
