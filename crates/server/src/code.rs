//! The code of apps: where it is kept as it was uploaded, and how it comes to the host that runs it.
//!
//! A slug's code is a blob, which is found by its digest. With a database of this server's own, blobs are files in the
//! data directory ([`Kept`]); servers that share a database share them too. What runs needs files: they are unpacked
//! where they are needed ([`Cache`]), and may be taken away again, as the blob stays.

mod cache;
mod keeper;
mod kept;
pub(crate) mod over_link;

pub(crate) use self::cache::{Cache, Parts as CacheParts, Unused};
pub(crate) use self::keeper::{Keeper, Parts as KeeperParts, move_all};
pub(crate) use self::kept::{CODE, Kept};
