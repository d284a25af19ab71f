//! Certificates from an ACME server (RFC 8555), such as Let's Encrypt.
//!
//! Names are proved on the listener itself (TLS-ALPN-01, RFC 8737), so it needs no other port. The account
//! and the certificate are kept in the data directory: a start asks for nothing that is there. What fails
//! is tried again, with the certificate before it in use meanwhile.

mod backoff;
mod certificates;
mod client;
mod failure;
mod keep;
mod offer;
mod order;

pub(crate) use self::certificates::Certificates;
pub(crate) use self::offer::{Alert, Offer, PROOF};

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::backoff::Refusals;
use self::failure::{Error, is_refusal, words};
use crate::clock::Clock;
use crate::loops::{Pulse, Supervisor};

/// How often the clock is looked at while a certificate is good: somebody may set it.
const LOOK: Duration = Duration::from_secs(3600);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(300);
/// How long one turn may take: an attempt, and files that are written.
const LONGEST_TURN: Duration = ATTEMPT.saturating_add(Duration::from_secs(60));

/// Starts what sees to it that there is a certificate, until it is told to stop. Its supervisor knows it as
/// `acme`.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn start(
    certificates: Arc<Certificates>,
    clock: Arc<Clock>,
    runtime: Handle,
    supervisor: &Supervisor,
    stop: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let come_round = Arc::new(Notify::new());
    let wake = Arc::clone(&come_round);
    let body = move |pulse: &Pulse| {
        runtime.block_on(async {
            tokio::select! {
                () = run(&certificates, &clock, pulse, &come_round) => {}
                () = stop.cancelled() => {}
            }
        });
    };
    supervisor.spawn("acme", LONGEST_TURN, move || wake.notify_one(), body)
}

async fn run(certificates: &Certificates, clock: &Clock, pulse: &Pulse, come_round: &Notify) {
    let (config, keep) = (&certificates.config, &certificates.keep);
    // What was refused before this start counts.
    let mut refused = keep.refusals().filter(|refused| refused.are_of(config));
    let mut failures = refused.as_ref().map_or(0, |refused| refused.count);
    let mut rest = refused.as_ref().map_or(Duration::ZERO, |refused| refused.wait(clock.wall()));
    if !rest.is_zero()
        && let Some(refused) = &refused
    {
        certificates.failed(refused.error.clone());
    }
    let mut since = Instant::now();
    let names = config.names.join(", ");
    loop {
        let now = clock.wall().millis();
        let due = certificates.due().map_or(0, |due| due.millis().saturating_sub(now));
        let wait = backoff::millis(due).max(rest.saturating_sub(since.elapsed()));
        if !wait.is_zero() {
            pulse.idle();
            tokio::select! {
                () = tokio::time::sleep(wait.min(LOOK)) => {}
                () = come_round.notified() => {}
            }
            continue;
        }
        pulse.turn();
        // It is noted before it is asked: an end in between counts, as what the server allows is used up.
        let chance = chance();
        let noted = |error: &str| {
            Refusals::noted(config, failures.saturating_add(1), error, clock.wall(), chance)
        };
        told(keep.set_refusals(Some(&noted("the last attempt did not come to its end"))));
        let outcome = renew(certificates).await;
        refused = match &outcome {
            Ok(_) => None,
            Err(error) if is_refusal(error) => Some(noted(&words(&**error))),
            // Whoever could not be reached has refused nothing.
            Err(_) => refused,
        };
        told(keep.set_refusals(refused.as_ref()));
        rest = match outcome {
            Ok(lifetime) => {
                failures = 0;
                tracing::info!(names, "there is a new certificate");
                // By a clock that is wrong it may be due already: nobody is asked without end.
                lifetime / 3
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let (error, pause) = (words(&*error), backoff::pause(failures, chance));
                let seconds = pause.as_secs();
                tracing::error!(names, error, seconds, "no new certificate; it is tried again");
                certificates.failed(error);
                pause
            }
        };
        since = Instant::now();
    }
}

/// What cannot be kept is known until the next start.
fn told(kept: Result<(), Error>) {
    if let Err(error) = kept {
        tracing::warn!(error = words(&*error), "what an ACME server refused cannot be kept");
    }
}

fn chance() -> u8 {
    let mut byte = [0];
    // Without chance all wait for the same time, which is no harm.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// Asks for a certificate once, keeps it and shows it. Gives back for how long it is valid.
async fn renew(certificates: &Certificates) -> Result<Duration, Error> {
    let asked = tokio::time::timeout(ATTEMPT, order::obtain(certificates)).await;
    certificates.forget_proofs();
    certificates.replace(&asked.map_err(|_| "the ACME server takes too long")??)
}

#[cfg(test)]
mod tests;
