//! A doorbell that the database rings.

use std::sync::Arc;
use std::time::Duration;

use super::handle::{Engine, Shared, in_time};
use super::link::Link;
use crate::{Doorbell, Result};

/// A connection of its own that listens.
pub(super) struct Bell {
    link: Option<Link>,
    shared: Arc<Shared>,
    heard: u64,
    engine: Engine,
}

impl Bell {
    /// Listens from now on.
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self> {
        let engine = Engine::new(&shared.place)?;
        let mut bell = Self { link: None, shared, heard: 0, engine };
        bell.listen()?;
        Ok(bell)
    }

    fn listen(&mut self) -> Result<()> {
        let place = &self.shared.place;
        let listening = async {
            let link = self.shared.connect().await?;
            let listening = in_time(link.execute("LISTEN causeway")).await;
            listening.map_err(|fail| fail.at("listen to", place))?;
            Ok(link)
        };
        let link = self.engine.block_on(listening)?;
        self.heard = link.rung();
        self.link = Some(link);
        Ok(())
    }
}

impl Doorbell for Bell {
    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let newest = self.shared.guard.timeline();
        let Some(link) = self.link.take().filter(|link| link.timeline >= newest) else {
            self.listen()?;
            // Nobody knows what happened meanwhile.
            return Ok(true);
        };
        let heard = self.heard;
        let waiting = async { tokio::time::timeout(timeout, link.rings(heard)).await };
        match self.engine.block_on(waiting) {
            // The next call connects again.
            Ok(true) => Ok(true),
            Ok(false) => {
                self.heard = link.rung();
                self.link = Some(link);
                Ok(true)
            }
            Err(_) => {
                self.link = Some(link);
                Ok(false)
            }
        }
    }
}
