//! What the store has noted for webhooks and drains beside the rows of the world: deliveries, and how far a
//! drain is. It goes when the webhook or the drain goes, whether that is seen at once or after a restart.

use std::collections::BTreeSet;

use model::{DrainOf, Key, LogDrain, WebhookId, World};
use serde::{Deserialize, Serialize};
use store::Store;

/// Where it is kept of what there may be notes.
const PLACE: &str = "outbox/noted";

/// Of what there may be notes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    hooks: BTreeSet<WebhookId>,
    /// By the places of their notes.
    drains: BTreeSet<String>,
}

impl Noted {
    /// Everything of which there may be notes in a world, also of those who are disabled.
    pub(super) fn of(world: &World) -> Self {
        let logs = |drain: &LogDrain| {
            let places = logs_of(world, drain).into_iter().map(|of| place_of(drain, of));
            places.collect::<Vec<_>>()
        };
        Self {
            hooks: world.webhooks().map(|hook| hook.id).collect(),
            drains: world.log_drains().flat_map(|drain| logs(drain)).collect(),
        }
    }

    /// What the store says.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) fn read(store: &dyn Store) -> store::Result<Self> {
        let text = store.meta(PLACE)?.unwrap_or_default();
        // Versions before this one kept none of it.
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Forgets what was noted of all that is not there any more. What is new is kept before anything is noted
    /// of it, so an end in between loses nothing.
    ///
    /// # Errors
    ///
    /// The store's: it is to be called again with the same.
    pub(super) fn become_of(&self, there: &Self, store: &mut dyn Store) -> store::Result<()> {
        if self == there {
            return Ok(());
        }
        let gone = Self { hooks: &self.hooks - &there.hooks, drains: &self.drains - &there.drains };
        if !(there.hooks.is_subset(&self.hooks) && there.drains.is_subset(&self.drains)) {
            let both =
                Self { hooks: &self.hooks | &there.hooks, drains: &self.drains | &there.drains };
            both.write(store)?;
        }
        for hook in &gone.hooks {
            store.forget_deliveries(&hook.to_string())?;
        }
        for place in &gone.drains {
            store.delete_meta(place)?;
        }
        if gone == Self::default() { Ok(()) } else { there.write(store) }
    }

    fn write(&self, store: &mut dyn Store) -> store::Result<()> {
        store.set_meta(PLACE, &serde_json::to_string(self).expect("they are plain sets"))
    }
}

/// Which logs a drain sends.
pub(super) fn logs_of(world: &World, drain: &LogDrain) -> Vec<DrainOf> {
    let apps = match drain.of {
        DrainOf::App(_) => Vec::new(),
        DrainOf::Space(space) => world.apps_in(Key::Space(space)).map(|app| app.id).collect(),
    };
    let apps = apps.into_iter().map(DrainOf::App);
    apps.chain([drain.of]).collect()
}

/// Where it is noted how far one of the logs of a drain is sent.
pub(super) fn place_of(drain: &LogDrain, of: DrainOf) -> String {
    match of {
        DrainOf::App(app) if of != drain.of => format!("drain/{}/{app}", drain.id),
        DrainOf::App(_) | DrainOf::Space(_) => format!("drain/{}", drain.id),
    }
}
