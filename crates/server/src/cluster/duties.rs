//! What of that which one server alone may do is this server's.

use std::sync::Arc;

use model::World;

use super::leadership::Leadership;
use crate::fabric_kind::FabricKind;
use crate::ledger::{Mandate, OnlyIf};

/// What of that which one server alone may do is this server's to do.
///
/// There are two such things. What time changes, and what goes out, is the leader's. The networks and
/// workloads of an installation are one machine's, which its settings name, whoever leads: they do not move
/// with the lease. Where none is named, the leader has hosts carry packets, if it was started so. Or else they
/// are carried nowhere, and it says that all is done, but never of what hosts do.
#[derive(Clone, Debug)]
pub(crate) struct Duties {
    leadership: Leadership,
    beside_others: Option<BesideOthers>,
}

#[derive(Clone, Debug)]
struct BesideOthers {
    /// The id of this server's data directory.
    id: Arc<str>,
    /// Whether this server was started to carry packets.
    carries: bool,
    /// Whether it was started to have hosts do so.
    by_hosts: bool,
}

impl Duties {
    /// Those of a server with a database of its own: all.
    pub(crate) fn alone() -> Self {
        Self { leadership: Leadership::alone(), beside_others: None }
    }

    /// Those of one server of several, by the id of its data directory. `carries` says whether it was
    /// started to carry packets, or to have hosts do so.
    pub(crate) fn beside_others(leadership: Leadership, id: &str, fabric: FabricKind) -> Self {
        let carries = fabric == FabricKind::Linux;
        let by_hosts = fabric == FabricKind::Ovn;
        Self { leadership, beside_others: Some(BesideOthers { id: id.into(), carries, by_hosts }) }
    }

    /// Whether this server leads.
    pub(crate) fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    /// The right to do what the leader does, if this server leads.
    pub(crate) fn leads(&self) -> Option<Mandate> {
        self.leadership.mandate()
    }

    /// The right to drive networks and workloads and to say how they fare, if it is this server's.
    pub(crate) fn drives(&self, world: &World) -> Option<Mandate> {
        let Some(own) = &self.beside_others else { return Some(Mandate::ALONE) };
        if !own.may_drive(world) {
            return None;
        }
        if own.carries { Some(Mandate::ALONE) } else { self.leads() }
    }

    /// What must hold of the world on which it is decided what this server says of networks and workloads.
    pub(crate) fn drives_still(&self) -> Option<OnlyIf> {
        let own = self.beside_others.clone()?;
        Some(OnlyIf::new(move |world| own.may_drive(world)))
    }

    /// Whether the settings name another server as the one that carries packets, though this one was
    /// started to.
    pub(crate) fn lost_the_fabric(&self, world: &World) -> bool {
        self.beside_others.as_ref().is_some_and(|own| own.carries && !own.may_drive(world))
    }
}

impl BesideOthers {
    fn may_drive(&self, world: &World) -> bool {
        if world.has_hosts() && !self.by_hosts {
            return false;
        }
        let driver = world.settings().and_then(|settings| settings.fabric.as_ref());
        match driver {
            Some(driver) => self.carries && *driver.id == *self.id,
            None => !self.carries,
        }
    }
}
