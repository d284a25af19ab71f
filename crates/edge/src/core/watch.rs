//! Notices network namespaces that come and go.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use os::netns::DIR;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::sockets::{Namespace, Steady, readable};

/// The pause between two looks at namespaces of which the kernel does not tell.
const LOOK: Duration = Duration::from_secs(1);

/// The kernel's notifications of changes in the directory of namespaces.
struct Watch(Inotify);

impl Steady for Watch {}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes whoever waits for a change of a namespace's name.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<Arc<str>, Arc<Notify>>>);

impl Names {
    /// Notified when the name of a namespace is given or taken away.
    pub(crate) fn of(&self, namespace: &Namespace) -> Arc<Notify> {
        match namespace {
            Namespace::Own => Arc::default(),
            Namespace::Named(name) => {
                let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(names.entry(Arc::clone(name)).or_default())
            }
        }
    }

    fn wake(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = names.get(name) {
            waiting.notify_waiters();
            if Arc::strong_count(waiting) == 1 {
                names.remove(name);
            }
        }
    }

    fn wake_all(&self) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, waiting| {
            waiting.notify_waiters();
            Arc::strong_count(waiting) > 1
        });
    }

    /// Watches the directory of namespaces, for ever. Where the kernel cannot tell of it, everybody who
    /// waits is woken from time to time instead.
    pub(crate) async fn keep_watching(&self) {
        let mut warned = false;
        loop {
            #[cfg(test)]
            crate::fault::at("names", b"");
            let Err(error) = self.watch().await;
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(%error, "cannot watch for network namespaces, and looks itself");
            }
            self.wake_all();
            sleep(LOOK).await;
        }
    }

    async fn watch(&self) -> io::Result<Infallible> {
        fs::create_dir_all(DIR)?;
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags)?;
        let wanted =
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch(DIR, wanted)?;
        // What changed while nobody watched.
        self.wake_all();
        let inotify = readable(Watch(inotify))?;
        loop {
            let mut ready = inotify.readable().await?;
            match inotify.get_ref().0.read_events() {
                Ok(events) => {
                    for event in events {
                        match event.name {
                            _ if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) => {
                                self.wake_all();
                            }
                            Some(name) => self.wake(&name.to_string_lossy()),
                            None => {}
                        }
                    }
                }
                Err(nix::errno::Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
