//! The machine as workloads need it: programs, directories, networks and limits.

use std::path::PathBuf;
use std::sync::Arc;

use model::intent::{Disk, WorkloadIntent};
use model::{AddonId, WorkloadId};

use super::Error;
use super::bounded::{self, Bounded, Holds};
use super::code::{CodeSource, CodeState};
use super::files::Files;
use super::layers::{Image, Layers};
use super::user::user_of;
use crate::driver::Interfaces;

/// Bytes that a home may hold that outlives the process: as many as the disk of a small instance of EC2's.
const HOME_BYTES: u64 = 8 << 30;

/// What all workloads of one runtime have in common.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// Causeway's own program, which is the first process of every workload.
    pub(super) self_exe: PathBuf,
    /// The instance of Causeway whose workloads these are.
    pub(super) instance: String,
    /// The network interfaces that workloads are started behind.
    pub(super) interfaces: Arc<dyn Interfaces>,
    /// The control group controllers that this machine has.
    pub(super) controllers: Vec<String>,
    /// Whether all controllers are in one hierarchy (version 2 of control groups).
    pub(super) one_hierarchy: bool,
    /// How many processes and threads a workload may have.
    pub(super) tasks: u64,
    /// Where the files of slugs come from.
    pub(super) code: Option<Arc<dyn CodeSource>>,
    /// The directory of the disks of data services, each in one by its id.
    pub(super) disks: Option<PathBuf>,
}

impl Machine {
    /// The layers of a dyno's home. Homes of other workloads outlive the process.
    pub(super) fn layers(
        &self,
        id: WorkloadId,
        intent: &WorkloadIntent,
    ) -> Result<Option<Layers>, Error> {
        let user = user_of(id);
        let Some(slug) = intent.slug else {
            let is_dyno = matches!(id, WorkloadId::Dyno(_));
            return Ok(is_dyno.then_some(Layers { slug: None, user }));
        };
        let Some(code) = &self.code else {
            return Err(Error::Refused(format!("the files of slug {slug} are not here")));
        };
        match code.find(slug, intent.blob.as_deref()) {
            CodeState::Here(files) => Ok(Some(Layers { slug: Some(files), user })),
            CodeState::Coming => Err(Error::CodeComing),
            CodeState::Missing(why) => Err(Error::Refused(why)),
        }
    }

    /// The image of a workload's root, if it has one.
    pub(super) fn image(
        &self,
        id: WorkloadId,
        intent: &WorkloadIntent,
    ) -> Result<Option<Image>, Error> {
        let Some(image) = &intent.image else { return Ok(None) };
        let files = PathBuf::from(image);
        match files.is_dir() {
            true => Ok(Some(Image { files, user: user_of(id) })),
            false => Err(Error::Refused(format!("the image {image} is no directory here"))),
        }
    }

    /// A data service's disk, if it has a bound.
    pub(super) fn bounded(
        &self,
        id: WorkloadId,
        intent: &WorkloadIntent,
    ) -> Result<Option<Bounded>, Error> {
        let Some(Disk { addon, bytes: Some(bytes), .. }) = &intent.disk else { return Ok(None) };
        let (disk, user) = (self.disk(*addon)?, user_of(id));
        Ok(Some(Bounded { disk, bytes: *bytes, user, holds: Holds::Data }))
    }

    /// A home that outlives the process; `None` for one of layers.
    pub(super) fn home(
        &self,
        files: &Files,
        id: WorkloadId,
        layers: Option<&Layers>,
    ) -> Option<Bounded> {
        let (disk, user) = (files.root.clone(), user_of(id));
        layers.is_none().then_some(Bounded { disk, bytes: HOME_BYTES, user, holds: Holds::Home })
    }

    /// Where a data service's data is.
    pub(super) fn data(&self, disk: &Disk) -> Result<PathBuf, Error> {
        let dir = self.disk(disk.addon)?;
        Ok(if disk.bytes.is_some() { bounded::data(&dir) } else { dir })
    }

    /// The directory of a data service's disk.
    pub(super) fn disk(&self, id: AddonId) -> Result<PathBuf, Error> {
        match &self.disks {
            Some(disks) => Ok(disks.join(id.to_string())),
            None => Err(Error::Refused("there is no directory for disks".to_owned())),
        }
    }
}
