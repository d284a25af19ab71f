//! Finds out when a starting dyno takes connections.

use std::sync::Arc;

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
