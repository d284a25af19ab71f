//! Certificates from an ACME server (RFC 8555), such as Let's Encrypt.
//!
//! Names are proved on the listener itself (TLS-ALPN-01, RFC 8737), so it needs no other port. The account
//! and the certificate are kept in the data directory: a start asks for nothing that is there. What fails
//! is tried again, with the certificate before it in use meanwhile.

mod certificates;
mod client;
mod failure;
mod keep;
mod offer;
mod order;
mod validity;

pub(crate) use self::certificates::Certificates;
pub(crate) use self::offer::{Alert, Offer, PROOF};

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::failure::{Error, words};
use self::validity::millis;
use crate::clock::Clock;

/// How often the clock is looked at while a certificate is good: somebody may set it.
const LOOK: Duration = Duration::from_secs(3600);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(300);

/// Sees to it that there is a certificate, until it is told to stop.
pub(crate) async fn run(
    certificates: Arc<Certificates>,
    clock: Arc<Clock>,
    stop: CancellationToken,
) {
    let renewing = async {
        let mut failures = 0;
        loop {
            let wait = certificates
                .due()
                .map_or(0, |due| due.millis().saturating_sub(clock.wall().millis()));
            if wait > 0 {
                tokio::time::sleep(millis(wait).min(LOOK)).await;
                continue;
            }
            let names = certificates.config.names.join(", ");
            let pause = match renew(&certificates).await {
                Ok(lifetime) => {
                    failures = 0;
                    tracing::info!(names, "there is a new certificate");
                    // By a clock that is wrong it may be due already: nobody is asked without end.
                    lifetime / 3
                }
                Err(error) => {
                    failures += 1;
                    let (error, pause) = (words(&*error), pause(failures, chance()));
                    let seconds = pause.as_secs();
                    tracing::error!(names, error, seconds, "no new certificate; it is tried again");
                    certificates.failed(error);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = renewing => {}
        () = stop.cancelled() => {}
    }
}

/// How long to wait after some failures: from a minute to six hours, and up to a quarter more by chance, so
/// that many servers do not come back at once.
fn pause(failures: u32, chance: u8) -> Duration {
    const FIRST: u64 = 60;
    const LONGEST: u64 = 6 * 3600;
    let factor = 4u64.saturating_pow(failures.saturating_sub(1));
    let pause = Duration::from_secs(FIRST.saturating_mul(factor).min(LONGEST));
    pause + pause * u32::from(chance) / 1024
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
