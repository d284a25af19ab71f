//! Several machines on one: each a [`Node`] of network and mount namespaces of its own, joined by OVN as machines of
//! their own would be. The demo of several hosts runs on them. Nothing of the real machine's network is touched, and
//! all of it ends with the process that made it.

mod node;
mod ovn;
mod postgres;
mod programs;

pub use node::Node;
pub use ovn::{CENTRAL, Lab};
pub use postgres::Postgres;
pub use programs::Programs;

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often is looked again whether something has come about that nothing tells of.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until a program of others is ready.
///
/// # Errors
///
/// It is not ready in time, or the look itself fails.
fn until(what: &str, mut ready: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    /// Longer than anything here takes.
    const LONG: Duration = Duration::from_secs(30);
    let started = Instant::now();
    while !ready()? {
        if started.elapsed() > LONG {
            bail!("{what} within {LONG:?}");
        }
        #[expect(clippy::disallowed_methods, reason = "a program of others wakes nobody")]
        std::thread::sleep(LOOK);
    }
    Ok(())
}
