//! The listener for clients of `heroku run`: TLS on the same port as HTTP, a secret as the first
//! line, and then the terminal or the pipes of a dyno.

mod listener;
mod pump;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::{DynoId, DynoSelection, PlatformCommand};

pub(crate) use self::listener::serve;
use crate::apps::rendezvous::{GOOD_FOR, Requester, Target};
use crate::http::state::State;
use crate::ledger::Request;

/// Issues a secret that is valid once, for one minute. If no client uses it, its dyno is stopped.
/// `None` if there are too many sessions. `name` is how its client will name the server, unless it has but an
/// IP address.
pub(crate) fn issue(
    state: &Arc<State>,
    who: Requester,
    dyno: DynoId,
    target: Target,
    name: Option<String>,
) -> Option<String> {
    let secret = state.rendezvous.issue(who, dyno, target, name)?;
    let (state, issued) = (Arc::clone(state), secret.clone());
    tokio::spawn(async move {
        tokio::time::sleep(GOOD_FOR).await;
        if let Some(ticket) = state.rendezvous.claim(&issued)
            && ticket.target == Target::Dyno
        {
            session::stop(&state, ticket.requester.app, ticket.dyno).await;
        }
    });
    Some(secret)
}

/// Stops the dynos that clients were attached to when the previous server ended, because their
/// input and output are gone.
pub(crate) fn stop_left(state: &State) {
    let world = state.world();
    let left = world.dynos().filter(|dyno| !dyno.stdio.is_log() && dyno.state.wants_to_run());
    for dyno in left {
        let which = DynoSelection::One(dyno.id);
        let request = Request::system(PlatformCommand::StopDynos { app: dyno.app, which });
        if let Err(error) = state.ledger.submit_blocking(request) {
            tracing::warn!(dyno = %dyno.id, %error, "a dyno without its client is not stopped");
        }
    }
}
