//! Puts an edge together, and takes it apart.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Sender, channel, unbounded_channel};
use tokio::sync::{Notify, oneshot, watch};

use crate::config::Config;
use crate::control::handover::{self, Inheritance};
use crate::control::message::Hello;
use crate::control::serve::{self, Desk};
use crate::core::listening::{Attempts, Means};
use crate::core::watch::Names;
use crate::core::{Core, Input, Shared, tls};
use crate::dns::forward::Forwarder;
use crate::dns::known::Platform;
use crate::mark::Mark;
use crate::sockets::{Sockets, raise_file_limit};
use crate::web::Web;
use crate::web::doors::Workers;
use crate::web::log::Logs;

/// Threads for names, orders and new connections.
const CONTROL_THREADS: usize = 2;
/// Orders that wait; a controller that sends more waits as well.
const WAITING: usize = 64;

/// An edge that runs in this process.
pub struct Edge {
    runtime: Option<Runtime>,
    core: Sender<Input>,
    ended: Option<oneshot::Receiver<()>>,
    shared: Option<Arc<Shared>>,
    replaced: Arc<Notify>,
    lock: Option<File>,
}

impl Edge {
    /// Starts one. If another one has the directory, this one takes over from it.
    pub fn start(config: Config) -> io::Result<Self> {
        make_dir(&config.dir)?;
        raise_file_limit();
        let lock = File::create(config.dir.join("edge.lock"))?;
        let (lock, inheritance) = match lock.try_lock() {
            Ok(()) => (Some(lock), None),
            Err(TryLockError::WouldBlock) => match handover::ask(&config.socket()) {
                Ok(inheritance) => (None, Some(inheritance)),
                Err(error) => {
                    tracing::warn!(%error, "the edge before this one gives nothing: it is ended");
                    Mark::read(&config.dir)?.end()?;
                    lock.lock()?;
                    (Some(lock), None)
                }
            },
            Err(TryLockError::Error(error)) => return Err(error),
        };
        Self::with(config, lock, inheritance)
    }

    fn with(
        config: Config,
        lock: Option<File>,
        inheritance: Option<Inheritance>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("edge")
            .enable_all()
            .build()?;
        let shared = runtime.block_on(async { share(config) })?;
        let (inputs, hearing) = channel(WAITING);
        let (end, ended) = oneshot::channel();
        let (events, happening) = unbounded_channel();
        let (intent, sockets, link) = match inheritance.map(Inheritance::into_parts) {
            Some((intent, sockets, link)) => (intent, sockets, Some(link)),
            None => Default::default(),
        };
        let theirs = Arc::clone(&shared);
        runtime.spawn(async move {
            let mut core = Core::new(theirs, events, worker_count(), sockets);
            core.begin(intent);
            core.run(hearing, happening).await;
            // Nobody may wait for the end any more.
            let _ = end.send(());
        });
        let mut edge = Self {
            runtime: Some(runtime),
            core: inputs,
            ended: Some(ended),
            shared: Some(shared),
            replaced: Arc::new(Notify::new()),
            lock,
        };
        edge.open(link)?;
        Ok(edge)
    }

    /// Takes over from the edge before this one, and opens the control socket.
    fn open(&mut self, link: Option<std::os::unix::net::UnixStream>) -> io::Result<()> {
        let (Some(runtime), Some(shared)) = (&self.runtime, &self.shared) else { return Ok(()) };
        let dir = &shared.config.dir;
        let names = Arc::clone(&shared.means.names);
        runtime.spawn(async move {
            if let Err(error) = names.watch().await {
                tracing::warn!(%error, "cannot watch for network namespaces");
            }
        });
        // The core answers once it began.
        let (answer, answered) = oneshot::channel();
        runtime.block_on(async {
            let _ = self.core.send(Input::WhoIsBusy(answer)).await;
            let _ = answered.await;
            shared.means.attempts.all_made().await
        });
        if let Some(link) = link {
            runtime.block_on(Inheritance::accept(link, self.core.clone()))?;
            let lock = File::create(dir.join("edge.lock"))?;
            lock.lock()?;
            self.lock = Some(lock);
        }
        Mark::of_this_process()?.write(dir)?;
        let desk = Desk {
            core: self.core.clone(),
            web: Arc::clone(&shared.web),
            replaced: Arc::clone(&self.replaced),
        };
        let listener = {
            let _entered = runtime.enter();
            serve::bind(&shared.config.socket())?
        };
        let replaced = Arc::new(Notify::new());
        let (lock, told) = (self.lock.take(), Arc::clone(&replaced));
        let mine = Arc::clone(&self.replaced);
        runtime.spawn(async move {
            tokio::select! {
                () = serve::listen(listener, desk) => {}
                () = mine.notified() => {}
            }
            // Now the next one has the directory.
            drop(lock);
            told.notify_one();
        });
        self.replaced = replaced;
        Ok(())
    }

    /// Waits until the edge is told to end, or until another one took over and nothing is under
    /// way here any more.
    pub fn wait(mut self) {
        let (Some(runtime), Some(ended), Some(shared)) =
            (&self.runtime, self.ended.take(), &self.shared)
        else {
            return;
        };
        let linger = shared.config.limits.linger;
        runtime.block_on(async {
            tokio::select! {
                _ = ended => {}
                () = async {
                    self.replaced.notified().await;
                    // Longer streams than this are cut.
                    let _ = tokio::time::timeout(linger, shared.web.until_closed()).await;
                } => {}
                () = terminated() => {}
            }
        });
    }

    /// Waits until all that happened so far is in the routers' logs.
    pub fn flush_logs(&self) {
        if let Some(shared) = &self.shared {
            shared.logs.flush();
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Threads are waited for, so what they share goes after what they run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        }
        self.shared = None;
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "cannot hear signals");
            std::future::pending().await
        }
    }
}

fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn share(config: Config) -> io::Result<Arc<Shared>> {
    let sockets = Sockets::start()?;
    let web = Arc::new(Web::new(config.limits.clone(), sockets.clone()));
    let workers = Arc::new(Workers::start(&web, worker_count())?);
    let means = Means {
        sockets,
        names: Arc::new(Names::default()),
        workers,
        attempts: Arc::new(Attempts::default()),
        told: watch::Sender::new(false),
    };
    let platform = Platform {
        domains: config.domains.clone(),
        address: config.public(),
        web: Arc::clone(&web),
    };
    let hello = Hello {
        build: crate::mark::build(Path::new("/proc/self/exe"))?,
        config: config.fingerprint(),
        pid: std::process::id(),
    };
    Ok(Arc::new(Shared {
        hello,
        web,
        means: Arc::new(means),
        platform: Arc::new(platform),
        forwarder: Forwarder::new(&config).map(Arc::new),
        logs: Logs::start(&config.dir)?,
        tls: tls(&config)?,
        config,
    }))
}

/// Makes an edge's directory, for nobody else to look into.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir.parent().unwrap_or(dir))?;
            DirBuilder::new().mode(0o700).create(dir)
        }
        Err(error) => Err(error),
    }
}
