//! The files of flow logs: what went by at each interface is summed up, and written when the log's
//! interval is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::FlowDirection;
use fabric::flows::{Amount, Connection, Dropped, Ends};
use model::{
    Eni, EniId, FlowLog, FlowLogId, FlowLogSubject, FlowLogTraffic, Timestamp, VpcId, World,
};
use os::bounded_log::BoundedLog;

use super::line::{self, Line, Sum};

/// Bytes of each of the two files of a flow log.
const FILE_BYTES: u64 = 4 << 20;
/// Flows that are summed up at the same time, of one flow log and in all.
const MOST_SUMS: usize = 8192;
const MOST_SUMS_IN_ALL: usize = 65_536;
/// Connections whose amounts are remembered.
const MOST_CONNECTIONS: usize = 65_536;
const SUFFIX: &str = ".log";

/// What went by at an interface, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    eni: EniId,
    direction: FlowDirection,
    ends: Ends,
    accepted: bool,
}

/// What is added to it.
pub(super) struct Noted {
    side: Side,
    sum: Sum,
}

impl Noted {
    /// What was let pass.
    pub(super) fn accepted(
        eni: &Eni,
        direction: FlowDirection,
        ends: Ends,
        amount: Amount,
        (start, end): (Timestamp, Timestamp),
    ) -> Self {
        let Amount { packets, bytes } = amount;
        Self {
            side: Side { eni: eni.id, direction, ends, accepted: true },
            sum: Sum { packets, bytes, start, end, tcp_flags: 0 },
        }
    }

    /// A packet that was stopped.
    pub(super) fn rejected(
        eni: &Eni,
        direction: FlowDirection,
        it: &Dropped,
        now: Timestamp,
    ) -> Self {
        let (bytes, tcp_flags) = (it.bytes.into(), it.tcp_flags);
        Self {
            side: Side { eni: eni.id, direction, ends: it.ends, accepted: false },
            sum: Sum { packets: 1, bytes, start: now, end: now, tcp_flags },
        }
    }
}

/// A flow log whose records are kept.
struct Open {
    log: Arc<FlowLog>,
    vpc: VpcId,
    sums: BTreeMap<Side, Sum>,
    /// How many packets or records are missing.
    skipped: u64,
    begun: Option<Timestamp>,
    due: Instant,
}

/// All flow logs.
pub(super) struct LogFiles {
    directory: PathBuf,
    open: BTreeMap<FlowLogId, Open>,
    /// What went over connections when they were counted last, and when that was.
    connections: HashMap<(VpcId, u32), ([Amount; 2], Timestamp)>,
    sums: usize,
    has_failed: bool,
}

impl LogFiles {
    /// Those of a directory, which is made when something is written.
    pub(super) fn at(directory: PathBuf) -> Self {
        Self {
            directory,
            open: BTreeMap::new(),
            connections: HashMap::new(),
            sums: 0,
            has_failed: false,
        }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// Removes the files of flow logs that there are not any more.
    pub(super) fn clean(&self, world: &World) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let id = name.split(SUFFIX).next().and_then(|id| id.parse::<FlowLogId>().ok());
            if id.is_some_and(|id| world.flow_log(id).is_none()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Whether the interval of one of them is over.
    pub(super) fn are_due(&self) -> bool {
        let now = Instant::now();
        self.open.values().any(|open| open.due <= now)
    }

    /// Takes in which flow logs there are, and removes the files of others. Returns the VPCs that they
    /// are about.
    pub(super) fn settle(&mut self, world: &World) -> BTreeSet<VpcId> {
        let gone: Vec<FlowLogId> =
            self.open.keys().filter(|id| world.flow_log(**id).is_none()).copied().collect();
        for id in gone {
            self.open.remove(&id);
            // What cannot be removed now is found again when the server starts.
            let _ = file(&self.directory, id).remove();
        }
        for log in world.flow_logs().take(FlowLog::MOST) {
            let Some(vpc) = vpc_of(world, log.of) else { continue };
            let due = Instant::now() + Duration::from_secs(log.settings.interval.into());
            self.open.entry(log.id).or_insert_with(|| Open {
                log: Arc::clone(log),
                vpc,
                sums: BTreeMap::new(),
                skipped: 0,
                begun: None,
                due,
            });
        }
        if self.open.is_empty() {
            self.connections.clear();
        }
        self.vpcs()
    }

    /// The VPCs that they are about.
    pub(super) fn vpcs(&self) -> BTreeSet<VpcId> {
        self.open.values().map(|open| open.vpc).collect()
    }

    /// Takes note of a connection, so that all that goes over it counts.
    pub(super) fn opened(&mut self, vpc: VpcId, it: &Connection, now: Timestamp) {
        if self.any() && self.connections.len() < MOST_CONNECTIONS {
            self.connections.insert((vpc, it.id), ([Amount::default(); 2], now));
        }
    }

    /// What went over a connection since it was counted last, and when that was. Of one that was there
    /// before nobody knows when that went.
    pub(super) fn more(
        &mut self,
        vpc: VpcId,
        it: &Connection,
        ends: bool,
        now: Timestamp,
    ) -> Option<([Amount; 2], Timestamp)> {
        if !self.open.values().any(|open| open.vpc == vpc) {
            return None;
        }
        let counted = it.amounts?;
        let last = (counted, now);
        let key = (vpc, it.id);
        let before = match ends {
            true => self.connections.remove(&key),
            false if self.connections.len() < MOST_CONNECTIONS => {
                self.connections.insert(key, last)
            }
            false => self.connections.get_mut(&key).map(|before| std::mem::replace(before, last)),
        };
        let ([sent, answered], since) = before?;
        let less = |now: Amount, before: Amount| Amount {
            packets: now.packets.saturating_sub(before.packets),
            bytes: now.bytes.saturating_sub(before.bytes),
        };
        Some(([less(counted[0], sent), less(counted[1], answered)], since))
    }

    /// Adds something to all logs that it is for.
    pub(super) fn note(&mut self, world: &World, eni: &Eni, noted: Noted) {
        let Noted { side, sum } = noted;
        for open in self.open.values_mut().filter(|open| open.vpc == eni.vpc) {
            let wanted = match open.log.settings.traffic {
                FlowLogTraffic::All => true,
                FlowLogTraffic::Accept => side.accepted,
                FlowLogTraffic::Reject => !side.accepted,
            };
            if !wanted || !is_about(open.log.of, eni) || world.flow_log(open.log.id).is_none() {
                continue;
            }
            open.begun.get_or_insert(sum.start);
            if let Some(before) = open.sums.get_mut(&side) {
                before.packets += sum.packets;
                before.bytes += sum.bytes;
                before.end = sum.end;
                before.tcp_flags |= sum.tcp_flags;
            } else if open.sums.len() < MOST_SUMS && self.sums < MOST_SUMS_IN_ALL {
                open.sums.insert(side, sum);
                self.sums += 1;
            } else {
                open.skipped += 1;
            }
        }
    }

    /// Takes note that something of a VPC is missing.
    pub(super) fn skipped(&mut self, vpc: VpcId, count: u64) {
        for open in self.open.values_mut().filter(|open| open.vpc == vpc) {
            open.skipped += count;
        }
    }

    /// Writes the records of all logs whose interval is over, or of all.
    pub(super) fn flush(&mut self, world: &World, now: Timestamp, all: bool) {
        let moment = Instant::now();
        for (id, open) in &mut self.open {
            if !all && open.due > moment {
                continue;
            }
            let interval = Duration::from_secs(open.log.settings.interval.into());
            open.due = moment + interval;
            let start = open.begun.take().unwrap_or(now);
            let sums = std::mem::take(&mut open.sums);
            self.sums = self.sums.saturating_sub(sums.len());
            let mut text = String::new();
            for (side, sum) in sums {
                let Side { eni, direction, ends, accepted } = side;
                let Some(eni) = world.eni(eni) else { continue };
                let log = &open.log;
                let line = Line { world, log, eni, ends, direction, accepted, sum };
                text.push_str(&format!("{now} {}\n", line.show()));
            }
            if std::mem::take(&mut open.skipped) > 0 {
                text.push_str(&format!("{now} {}\n", line::skipped(&open.log, start, now)));
            }
            if text.is_empty() {
                continue;
            }
            let mut directory = DirBuilder::new();
            directory.mode(0o700).recursive(true);
            let written = directory
                .create(&self.directory)
                .and_then(|()| file(&self.directory, *id).append(text.as_bytes()));
            match written {
                Ok(()) => self.has_failed = false,
                Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                    tracing::warn!(%error, flow_log = %id, "cannot write records of flows");
                }
                Err(_) => {}
            }
        }
    }
}

/// What is kept of one flow log.
pub(crate) struct Kept {
    /// Each record with the time when it was written, oldest first.
    pub(crate) lines: Vec<(Timestamp, String)>,
}

/// Reads what is kept of a flow log.
///
/// # Errors
///
/// The kernel's error.
pub(crate) fn read(directory: &Path, id: FlowLogId) -> io::Result<Kept> {
    let bytes = file(directory, id).read()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| {
        let (time, record) = line.split_once(' ')?;
        Some((time.parse().ok()?, record.to_owned()))
    };
    Ok(Kept { lines: text.lines().filter_map(line).collect() })
}

fn file(directory: &Path, id: FlowLogId) -> BoundedLog {
    BoundedLog::new(directory.join(format!("{id}{SUFFIX}")), FILE_BYTES)
}

fn vpc_of(world: &World, of: FlowLogSubject) -> Option<VpcId> {
    match of {
        FlowLogSubject::Vpc(id) => Some(id),
        FlowLogSubject::Subnet(id) => world.subnet(id).map(|subnet| subnet.vpc),
        FlowLogSubject::Eni(id) => world.eni(id).map(|eni| eni.vpc),
    }
}

fn is_about(of: FlowLogSubject, eni: &Eni) -> bool {
    match of {
        FlowLogSubject::Vpc(id) => eni.vpc == id,
        FlowLogSubject::Subnet(id) => eni.subnet == id,
        FlowLogSubject::Eni(id) => eni.id == id,
    }
}
