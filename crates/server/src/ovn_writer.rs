//! What writes all networks to OVN's databases, in the server that leads.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use fabric::driver::Driver;
use model::{EniId, World};
use ovn::{Places, Writer, WriterParts};

use crate::config::OvnConfig;
use crate::hosts::Leads;
use crate::ledger::Ledger;

/// By which epoch this server leads, if it does. It is known later than whoever asks is made.
#[derive(Clone, Default)]
pub(crate) struct Epoch(Arc<OnceLock<Leads>>);

impl Epoch {
    /// Says how it is found out.
    pub(crate) fn set(&self, leads: Leads) {
        // It is said once, at the start.
        let _ = self.0.set(leads);
    }

    fn get(&self) -> Option<u64> {
        self.0.get().and_then(|leads| leads())
    }
}

/// The driver of a server whose packets OVN carries.
pub(crate) fn driver(
    config: &OvnConfig,
    instance: &str,
    ledger: Ledger,
    epoch: Epoch,
) -> Box<dyn Driver> {
    Box::new(Writer::new(WriterParts {
        northbound: config.northbound.clone(),
        southbound: config.southbound.clone(),
        instance: instance.to_owned(),
        epoch: Box::new(move || epoch.get()),
        whereabouts: Box::new(move |enis| places(&ledger.world(), enis)),
    }))
}

/// The hosts of interfaces, by the names that their agents said OVN knows them by.
fn places(world: &World, enis: &BTreeSet<EniId>) -> Places {
    let place = |eni: &EniId| {
        let host = world.host(model::host_of_interface(world, *eni)?)?;
        Some((*eni, host.labels.get(ovn::CHASSIS_LABEL)?.clone()))
    };
    enis.iter().filter_map(place).collect()
}
