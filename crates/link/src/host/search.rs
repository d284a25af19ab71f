//! Which server a host tries next, and when.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a host waits after the first failure. Each time that all servers have failed it waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest wait. A host that finds nobody within half a minute is taken for lost, and another server leads
/// some seconds after one is gone, so several tries fit in between.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long a connection lasts at least that was one.
const SERVED: Duration = Duration::from_secs(10);

/// A search for the server that leads.
#[derive(Debug, Default)]
pub(super) struct Search {
    failures: usize,
    /// Which of the known ones is next.
    turn: usize,
    /// Who leads, as a server that does not said.
    leader: Option<String>,
    /// How often it went at once to a server that another one named, one after the other.
    referrals: usize,
    /// The last one that could not be reached.
    unreachable: Option<String>,
    /// What each said last, so that the log has it once.
    said: BTreeMap<String, String>,
}

impl Search {
    /// The address to try next; `None` where none is known.
    pub(super) fn next(&mut self, known: &[String]) -> Option<String> {
        let turn = || known.get(self.turn % known.len().max(1)).cloned();
        self.leader.take().or_else(turn)
    }

    /// A server was followed for a while. Returns how long to wait.
    pub(super) fn served(&mut self, lasted: Duration) -> Duration {
        self.said.clear();
        self.referrals = 0;
        self.unreachable = None;
        // One that is served and left again and again is not served.
        self.failures = if lasted < SERVED { self.failures + 1 } else { 1 };
        pause_after(self.failures)
    }

    /// A server says that it does not lead, and perhaps who does. Returns how long to wait: nothing where it
    /// names one; but servers that name each other, or one that is gone, keep nobody busy.
    pub(super) fn elsewhere(
        &mut self,
        address: &str,
        named: Option<String>,
        known: usize,
    ) -> Duration {
        self.turn += 1;
        let is_new = |it: &String| it != address && self.unreachable.as_ref() != Some(it);
        self.leader = named.filter(is_new);
        if self.leader.is_some() && self.referrals < known.max(2) {
            self.referrals += 1;
            return Duration::ZERO;
        }
        self.leader = None;
        self.referrals = 0;
        self.wait(known)
    }

    /// A server could not be reached. Returns how long to wait.
    pub(super) fn failed(&mut self, address: String, known: usize) -> Duration {
        self.turn += 1;
        self.unreachable = Some(address);
        self.wait(known)
    }

    fn wait(&mut self, known: usize) -> Duration {
        self.failures += 1;
        pause_after(self.failures.div_ceil(known.max(1)))
    }

    /// Whether a server says something else than it did before.
    pub(super) fn is_news(&mut self, address: &str, why: &str) -> bool {
        self.said.insert(address.to_owned(), why.to_owned()).as_deref() != Some(why)
    }
}

fn pause_after(failures: usize) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: [&str; 3] = ["a:1", "b:1", "c:1"];

    /// The leader `a` is killed; for 7 seconds the others name it still, and then `c` leads.
    #[test]
    fn the_next_leader_is_found_soon_after_it_leads() {
        let known = SERVERS.map(str::to_owned);
        let mut search = Search::default();
        let mut now = search.served(Duration::from_secs(60));
        let leads_at = Duration::from_secs(7);
        for _ in 0..100 {
            let address = search.next(&known).unwrap();
            let led = now >= leads_at;
            now += match &*address {
                "a:1" => search.failed(address, known.len()),
                "c:1" if led => {
                    assert!(now < leads_at + LONGEST_PAUSE + FIRST_PAUSE, "{now:?}");
                    return;
                }
                _ => {
                    let named = if led { "c:1" } else { "a:1" };
                    search.elsewhere(&address, Some(named.to_owned()), known.len())
                }
            };
        }
        panic!("never found");
    }

    #[test]
    fn nobody_is_busy_with_servers_that_name_each_other() {
        let known = SERVERS[..2].iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut search = Search::default();
        let mut waited = Duration::ZERO;
        for _ in 0..60 {
            let address = search.next(&known).unwrap();
            let other = known.iter().find(|it| **it != address).cloned();
            waited += search.elsewhere(&address, other, known.len());
        }
        assert!(waited > Duration::from_secs(30), "{waited:?}");
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_a_connection() {
        let mut search = Search::default();
        let waits: Vec<_> = (0..8).map(|_| search.failed("a:1".to_owned(), 1)).collect();
        assert_eq!(waits[..3], [250, 500, 1000].map(Duration::from_millis));
        assert_eq!(waits[7], LONGEST_PAUSE);
        assert_eq!(search.served(Duration::from_secs(60)), FIRST_PAUSE);
        assert_eq!(Search::default().next(&[]), None);
    }

    #[test]
    fn what_a_server_says_is_news_once() {
        let mut search = Search::default();
        assert!(search.is_news("a:1", "refused"));
        assert!(!search.is_news("a:1", "refused"));
        assert!(search.is_news("b:1", "refused") && search.is_news("a:1", "timed out"));
        search.served(Duration::from_secs(60));
        assert!(search.is_news("a:1", "timed out"));
    }
}
