//! What a connection of the control socket has of the edge.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

use crate::core::Input;
use crate::web::Web;

/// The edge, as connections of its control socket reach it.
#[derive(Clone)]
pub(crate) struct Handle {
    /// Takes what the core is told.
    pub(crate) core: Sender<Input>,
    /// The routers, from which a successor may take over.
    pub(crate) web: Arc<Web>,
    /// Notified once a successor took over.
    pub(crate) replaced: Arc<Notify>,
}
