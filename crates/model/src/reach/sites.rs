//! What the routers of a world are told, planned once for all packets that come to them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::intent::VpcIntent;
use crate::plan::plan_vpc;
use crate::resource::Vpc;
use crate::{VpcId, World};

/// A VPC and what its router was told.
pub(super) struct Site {
    /// The VPC.
    pub vpc: Arc<Vpc>,
    /// What its router was told.
    pub intent: VpcIntent,
}

/// The VPCs of a world, each planned when the first packet comes to it.
pub(super) struct Sites<'w> {
    /// The world.
    pub world: &'w World,
    planned: RefCell<BTreeMap<VpcId, Rc<Site>>>,
}

impl<'w> Sites<'w> {
    pub(super) fn of(world: &'w World) -> Self {
        Self { world, planned: RefCell::default() }
    }

    /// A VPC; `None` if there is none of this id.
    pub(super) fn get(&self, id: VpcId) -> Option<Rc<Site>> {
        if let Some(site) = self.planned.borrow().get(&id) {
            return Some(Rc::clone(site));
        }
        let vpc = Arc::clone(self.world.vpc(id)?);
        let intent = plan_vpc(self.world, &vpc);
        let site = Rc::new(Site { vpc, intent });
        self.planned.borrow_mut().insert(id, Rc::clone(&site));
        Some(site)
    }
}
