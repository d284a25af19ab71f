//! The machine as workloads need it: programs, directories, networks and limits.

use std::path::PathBuf;
use std::sync::Arc;

use model::intent::WorkloadIntent;
use model::{AddonId, WorkloadId};

use super::Error;
use super::layers::{Image, Layers};
use super::user::user_of;
use crate::driver::Interfaces;
use crate::slug;

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
    /// The directory of unpacked slugs, each in one by its id.
    pub(super) slugs: Option<PathBuf>,
    /// The directory of the disks of data services, each in one by its id.
    pub(super) disks: Option<PathBuf>,
}

impl Machine {
    /// The layers of a workload's home, if it has a slug.
    pub(super) fn layers(
        &self,
        id: WorkloadId,
        intent: &WorkloadIntent,
    ) -> Result<Option<Layers>, Error> {
        let Some(slug) = intent.slug else { return Ok(None) };
        let here = self.slugs.as_ref().map(|slugs| slug::path(slugs, slug));
        match here.filter(|path| path.is_dir()) {
            Some(slug) => Ok(Some(Layers { slug, user: user_of(id) })),
            None => Err(Error::Refused(format!("the files of slug {slug} are not here"))),
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

    /// The directory of a data service's disk.
    pub(super) fn disk(&self, id: AddonId) -> Result<PathBuf, Error> {
        match &self.disks {
            Some(disks) => Ok(disks.join(id.to_string())),
            None => Err(Error::Refused("there is no directory for disks".to_owned())),
        }
    }
}
