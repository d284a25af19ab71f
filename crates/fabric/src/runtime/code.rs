//! Where the files of slugs come from.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use model::SlugId;
use os::Waker;

use crate::slug;

/// Where the files of slugs come from.
pub trait CodeSource: Send + Sync + fmt::Debug {
    /// The files of a slug, which has this digest. Those that are not here are sent for, if there is anybody
    /// to send to. Never blocks.
    fn find(&self, slug: SlugId, blob: Option<&str>) -> CodeState;

    /// Which slugs workloads run from or may be started from: the files of all others may go.
    fn keep(&self, used: BTreeSet<SlugId>);

    /// Whom to wake when files have come, or will not.
    fn wake(&self, waker: Waker);

    /// Whether that happened since this was asked last.
    fn has_news(&self) -> bool;
}

/// The files of a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeState {
    /// They are here.
    Here(PathBuf),
    /// They are on their way.
    Coming,
    /// They are not to be had, and why. The next question sends for them anew.
    Missing(String),
}

/// A directory in which all slugs are that there are.
#[derive(Debug)]
pub(super) struct AllHere(pub(super) PathBuf);

impl CodeSource for AllHere {
    fn find(&self, slug: SlugId, _blob: Option<&str>) -> CodeState {
        let path = slug::path(&self.0, slug);
        match path.is_dir() {
            true => CodeState::Here(path),
            false => CodeState::Missing(format!("the files of slug {slug} are not here")),
        }
    }

    fn keep(&self, _used: BTreeSet<SlugId>) {}

    fn wake(&self, _waker: Waker) {}

    fn has_news(&self) -> bool {
        false
    }
}
