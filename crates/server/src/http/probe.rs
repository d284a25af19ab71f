//! Packets that are really sent, for whoever may ask `why` about them.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::driver::{Dialer, Dialled, Error};
use model::{EniId, Flow, Key, World};

use super::state::State;
use crate::party::Party;

/// How long a packet and its answer may take. What the fabric drops never comes.
const PATIENCE: Duration = Duration::from_millis(700);
/// For how long packets are sent again while what becomes of them is not what `why` says: the fabric
/// follows a change some milliseconds later.
const SETTLED: Duration = Duration::from_secs(3);
/// How long to wait before a packet is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why no packet was sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// Nothing that could send it has the address.
    NobodyThere,
    /// The server carries no packets at all.
    NoPackets,
    /// The host of what would send it cannot be asked, in words.
    Away(String),
    /// The limit of packets that are sent at the same time is reached.
    TooMany,
    /// It did not work.
    Failed(String),
}

/// Sends TCP packets of a flow until one fares as `why` says, which is whether it is `allowed`, or
/// it is clear that none does.
///
/// # Errors
///
/// No packet could be sent.
pub(crate) async fn probe(
    state: &State,
    parties: impl Into<Vec<Party>>,
    world: &World,
    flow: &Flow,
    allowed: bool,
) -> Result<Dialled, NotSent> {
    let from = interface_of(world, flow).ok_or(NotSent::NobodyThere)?;
    let dialer = state.dialer.clone().ok_or(NotSent::NoPackets)?;
    let _share = state.dials.take(parties).map_err(|_| NotSent::TooMany)?;
    let (source, to) =
        (flow.from.address, SocketAddrV4::new(flow.to.address, flow.destination_port));
    let begun = Instant::now();
    loop {
        let dialer: Arc<dyn Dialer> = Arc::clone(&dialer);
        let dial = move || dialer.dial(from, source, to, PATIENCE);
        let dialled = tokio::task::spawn_blocking(dial)
            .await
            .map_err(|error| NotSent::Failed(error.to_string()))?
            .map_err(|error| match error {
                Error::Away(why) => NotSent::Away(why),
                error => NotSent::Failed(os::error_chain(&error)),
            })?;
        if has_passed(&dialled) == allowed || begun.elapsed() >= SETTLED {
            return Ok(dialled);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether packets got there and back: also a refusal is an answer of the other end.
pub(crate) fn has_passed(dialled: &Dialled) -> bool {
    matches!(dialled, Dialled::Answered | Dialled::Refused)
}

/// The interface from which a flow begins.
fn interface_of(world: &World, flow: &Flow) -> Option<EniId> {
    let mut all = world.enis_in(Key::Vpc(flow.from.vpc));
    let found =
        all.find(|eni| eni.attachment.is_some() && eni.addresses.contains(&flow.from.address))?;
    Some(found.id)
}
