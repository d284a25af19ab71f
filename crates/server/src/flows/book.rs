//! What followers are told, as it is kept in memory: the newest records of each VPC.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use edge::{NoShare, Share, Shares};
use model::VpcId;
use os::Waker;
use tokio::sync::watch;

use crate::party::Party;

/// Records of a VPC that are kept for followers.
pub(super) const MOST_RECORDS: usize = 4096;
/// VPCs that can be followed at the same time. Who comes alone gets half of them, so that some are left.
pub(super) const MOST_FOLLOWED: usize = 256;
/// How long routers tell on after somebody asked last.
const LEASE: Duration = Duration::from_secs(30);

/// What followers share with the thread that hears routers.
pub(crate) struct Flows {
    book: Mutex<Book>,
    /// The number of the newest record.
    newest: watch::Sender<u64>,
    waker: Waker,
    stopped: AtomicBool,
    /// Shares of the VPCs that can be followed.
    places: Shares<Party>,
    /// Where the files of flow logs are.
    pub(crate) directory: PathBuf,
}

#[derive(Default)]
struct Book {
    vpcs: BTreeMap<VpcId, Followed>,
    /// The number of the newest record.
    newest: u64,
    /// Routers that cannot be heard, and why.
    failing: BTreeMap<VpcId, String>,
}

/// A VPC that is followed.
struct Followed {
    until: Instant,
    /// Of whoever asked first.
    _place: Share<Party>,
    /// The newest records, by their numbers.
    records: VecDeque<(u64, Entry)>,
    /// The number of the newest record that is not kept any more, and how many that were.
    forgotten: (u64, u64),
}

/// What is kept.
pub(super) enum Entry {
    /// A record.
    Record(Box<api::FlowRecord>),
    /// So many records are missing.
    Lost(u64),
}

impl Flows {
    /// Nothing is followed yet.
    pub(crate) fn new(directory: PathBuf, waker: Waker) -> Self {
        let (newest, _) = watch::channel(0);
        let stopped = AtomicBool::new(false);
        let places = Shares::new(MOST_FOLLOWED);
        Self { book: Mutex::default(), newest, waker, stopped, places, directory }
    }

    /// Has VPCs followed for a while by somebody, and says up to which record they were until now. `None`
    /// where they follow as many as they may, or all do.
    pub(crate) fn follow(&self, vpcs: &BTreeSet<VpcId>, by: &[Party]) -> Option<u64> {
        let mut book = self.lock();
        let new = || vpcs.iter().filter(|vpc| !book.vpcs.contains_key(vpc)).copied();
        let places: Result<Vec<_>, _> =
            new().map(|vpc| Ok((vpc, self.places.take(by.to_vec())?))).collect();
        let places = places.map_err(|_: NoShare| ()).ok()?;
        let until = Instant::now() + LEASE;
        for vpc in vpcs {
            if let Some(followed) = book.vpcs.get_mut(vpc) {
                followed.until = until;
            }
        }
        let any = !places.is_empty();
        book.vpcs.extend(places.into_iter().map(|(vpc, place)| {
            (vpc, Followed { until, _place: place, records: VecDeque::new(), forgotten: (0, 0) })
        }));
        let newest = book.newest;
        drop(book);
        if any {
            self.waker.wake();
        }
        Some(newest)
    }

    /// Tells of new records.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// At most so many records of VPCs after one, oldest first; how many are missing; and the number of the
    /// last that was looked at.
    pub(crate) fn after(
        &self,
        vpcs: &BTreeSet<VpcId>,
        after: u64,
        most: usize,
        wanted: impl Fn(&api::FlowRecord) -> bool,
    ) -> (Vec<api::FlowRecord>, u64, u64) {
        let book = self.lock();
        let followed = || vpcs.iter().filter_map(|vpc| book.vpcs.get(vpc));
        let mut found: Vec<(u64, &Entry)> = Vec::new();
        let mut lost = 0;
        for vpc in followed() {
            let (last, count) = vpc.forgotten;
            lost += count.min(last.saturating_sub(after));
            let begin = vpc.records.partition_point(|(number, _)| *number <= after);
            found.extend(vpc.records.range(begin..).map(|(number, entry)| (*number, entry)));
        }
        found.sort_by_key(|(number, _)| *number);
        let (mut records, mut next) = (Vec::new(), book.newest);
        for (number, entry) in found {
            match entry {
                Entry::Record(record) if wanted(record) => {
                    if records.len() == most {
                        next = number - 1;
                        break;
                    }
                    records.push((**record).clone());
                }
                Entry::Record(_) => {}
                Entry::Lost(more) => lost += more,
            }
        }
        (records, lost, next.max(after.min(book.newest)))
    }

    /// Why nothing can be told of some of these VPCs.
    pub(crate) fn failing(&self, vpcs: &BTreeSet<VpcId>) -> Vec<String> {
        let book = self.lock();
        let failing = book.failing.iter().filter(|(vpc, _)| vpcs.contains(vpc));
        failing.map(|(vpc, why)| format!("{vpc}: {why}")).collect()
    }

    /// Keeps a record of a VPC, as if it was heard.
    #[cfg(test)]
    pub(crate) fn tell(&self, vpc: VpcId, record: api::FlowRecord) {
        self.keep(vec![(vpc, Entry::Record(Box::new(record)))]);
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The VPCs that somebody follows still.
    pub(super) fn followed(&self) -> BTreeSet<VpcId> {
        let (mut book, now) = (self.lock(), Instant::now());
        book.vpcs.retain(|_, vpc| vpc.until > now);
        book.vpcs.keys().copied().collect()
    }

    pub(super) fn set_failing(&self, failing: BTreeMap<VpcId, String>) {
        self.lock().failing = failing;
    }

    /// Keeps what was heard of VPCs, and tells who follows them.
    pub(super) fn keep(&self, heard: Vec<(VpcId, Entry)>) {
        if heard.is_empty() {
            return;
        }
        let newest = {
            let mut book = self.lock();
            let book = &mut *book;
            for (vpc, entry) in heard {
                let Some(followed) = book.vpcs.get_mut(&vpc) else { continue };
                book.newest += 1;
                followed.records.push_back((book.newest, entry));
                if followed.records.len() > MOST_RECORDS
                    && let Some((number, entry)) = followed.records.pop_front()
                {
                    let count = match entry {
                        Entry::Record(_) => 1,
                        Entry::Lost(count) => count,
                    };
                    followed.forgotten = (number, followed.forgotten.1 + count);
                }
            }
            book.newest
        };
        self.newest.send_replace(newest);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
