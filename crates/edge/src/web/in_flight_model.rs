//! Goes through the orders in which the steps of several threads can come that use [`in_flight`]: the
//! same source, on atomics whose every use is a place where another thread may come next.

#[expect(clippy::duplicate_mod, reason = "the same source on other atomics is what is tried here")]
#[path = "in_flight.rs"]
mod in_flight;

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::edge::BackendState;
use shuttle::{check_dfs, check_random_with_seed, thread};

use in_flight::{InFlight, begin_at_least};

/// How many orders are tried where there are too many to try all.
const ORDERS: usize = 20_000;
const SEED: u64 = 7;

fn check_some(test: impl Fn() + Send + Sync + 'static) {
    check_random_with_seed(test, SEED, ORDERS);
}

/// A dyno, and whether somebody found it drained. Noting that is no step of its own.
#[derive(Debug)]
struct Dyno {
    in_flight: InFlight,
    found_drained: AtomicBool,
}

impl Dyno {
    fn up() -> Arc<Self> {
        let in_flight = InFlight::new(BackendState::Up);
        Arc::new(Self { in_flight, found_drained: AtomicBool::new(false) })
    }

    fn begin(self: &Arc<Self>) -> Option<Lease> {
        let lease = Lease(Arc::clone(self));
        let begun = self.in_flight.begin();
        assert!(!begun || !self.was_found_drained(), "a request begins at a dyno that is drained");
        begun.then_some(lease)
    }

    fn drain(&self) {
        self.in_flight.set_state(BackendState::Draining);
        self.look();
    }

    fn look(&self) {
        if self.in_flight.is_drained() {
            self.found_drained.store(true, Ordering::SeqCst);
        }
    }

    fn was_found_drained(&self) -> bool {
        self.found_drained.load(Ordering::SeqCst)
    }
}

struct Lease(Arc<Dyno>);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.in_flight.end() {
            // What the edge does when it is told so.
            self.0.look();
        }
    }
}

fn serve(dyno: &Arc<Dyno>) {
    if let Some(lease) = dyno.begin() {
        thread::yield_now();
        assert!(!lease.0.was_found_drained(), "a dyno is drained while it serves");
    }
}

#[test]
fn one_request_and_a_drain_in_every_order() {
    check_dfs(
        || {
            let dyno = Dyno::up();
            let request = {
                let dyno = Arc::clone(&dyno);
                thread::spawn(move || serve(&dyno))
            };
            dyno.drain();
            request.join().unwrap();
            assert!(dyno.was_found_drained(), "nobody found that the dyno is drained");
            assert_eq!(dyno.in_flight.requests(), 0);
            assert!(dyno.begin().is_none());
        },
        None,
    );
}

#[test]
fn requests_one_after_the_other_on_two_threads_and_a_drain() {
    check_some(|| {
        let dyno = Dyno::up();
        let requests = [(); 2].map(|()| {
            let dyno = Arc::clone(&dyno);
            thread::spawn(move || {
                serve(&dyno);
                serve(&dyno);
            })
        });
        dyno.drain();
        for request in requests {
            request.join().unwrap();
        }
        assert!(dyno.was_found_drained(), "nobody found that the dyno is drained");
        assert_eq!(dyno.in_flight.requests(), 0);
    });
}

#[test]
fn whoever_chooses_finds_a_dyno_as_long_as_one_does_not_drain() {
    check_some(|| {
        let (leaving, staying) = (Dyno::up(), Dyno::up());
        let choices = [(); 2].map(|()| {
            let dynos = [Arc::clone(&leaving), Arc::clone(&staying)];
            thread::spawn(move || {
                for _ in 0..2 {
                    let lease =
                        begin_at_least(dynos.iter(), |dyno| dyno.in_flight.requests(), Dyno::begin);
                    assert!(lease.is_some(), "a request finds no dyno");
                }
            })
        });
        leaving.drain();
        for choice in choices {
            choice.join().unwrap();
        }
        assert!(leaving.was_found_drained() && !staying.was_found_drained());
        assert_eq!((leaving.in_flight.requests(), staying.in_flight.requests()), (0, 0));
    });
}

#[test]
fn the_least_busy_dyno_is_chosen() {
    check_dfs(
        || {
            let dynos = [Dyno::up(), Dyno::up(), Dyno::up()];
            let choose =
                || begin_at_least(dynos.iter(), |dyno| dyno.in_flight.requests(), Dyno::begin);
            let leases = [(); 6].map(|()| choose().unwrap());
            assert!(dynos.iter().all(|dyno| dyno.in_flight.requests() == 2));
            drop(leases);
        },
        None,
    );
}
