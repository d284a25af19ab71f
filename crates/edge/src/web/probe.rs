//! Finds out when a starting dyno takes connections, and when one answers again whose machine was silent.

use std::io;
use std::sync::{Arc, Weak};

use model::edge::BackendState;
use tokio::time::{sleep, timeout};

use super::Web;
use super::dyno::Dyno;
use crate::sockets::Namespace;

/// Connects to a dyno again and again, at growing intervals, until it takes a connection.
pub(crate) async fn until_bound(web: Arc<Web>, dyno: Arc<Dyno>, exits: Arc<[Namespace]>) {
    let (mut pause, longest) = web.limits.probe;
    loop {
        let tried = timeout(web.limits.connect, web.stream(dyno.address, &exits)).await;
        if matches!(tried, Ok(Ok(_))) {
            dyno.set_bound(true);
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Connects to a dyno whose machine is silent again and again, until it answers or nobody is to ask it any more.
pub(crate) async fn until_heard(web: Arc<Web>, dyno: Weak<Dyno>, exits: Arc<[Namespace]>) {
    let (mut pause, longest) = web.limits.probe;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(longest);
        let Some(dyno) = dyno.upgrade() else { return };
        if dyno.state() == BackendState::Draining || !dyno.is_silent() {
            return;
        }
        let answers = match timeout(web.limits.connect, web.stream(dyno.address, &exits)).await {
            Ok(Ok(_)) => true,
            // The machine says that nobody listens.
            Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
            Err(_) => false,
        };
        if answers {
            return dyno.answers();
        }
    }
}
