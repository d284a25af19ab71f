//! Starts an edge in this process, and ends it.

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
use crate::control::{Handle, serve};
use crate::core::listening::{Binding, Environment};
use crate::core::watch::Names;
use crate::core::{Core, Input, Shared};
use crate::dns::forward::Forwarder;
use crate::dns::known::Platform;
use crate::mark;
use crate::protocol::Hello;
use crate::sockets::Sockets;
use crate::tls;
use crate::web::Web;
use crate::web::connections::Workers;
use crate::web::log::Logs;

/// The number of threads for names, orders and new connections.
const CONTROL_THREADS: usize = 2;
/// The number of orders that wait for the core. A controller that sends more has to wait.
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
    /// Starts an edge. If another one has the directory, this one takes over from it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the directory, the certificate or the control socket cannot be used.
    pub fn start(config: Config) -> io::Result<Self> {
        make_dir(&config.dir)?;
        // Each VPC has four sockets.
        os::open_files::raise_limit(1 << 20);
        let lock = File::create(config.dir.join("edge.lock"))?;
        let (lock, inheritance) = match lock.try_lock() {
            Ok(()) => (Some(lock), None),
            Err(TryLockError::WouldBlock) => match handover::ask(&config.socket()) {
                Ok(inheritance) => (None, Some(inheritance)),
                Err(error) => {
                    tracing::warn!(%error, "the previous edge hands nothing over; ending it");
                    mark::end_noted(&config.dir)?;
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
        let (table, sockets, link) = match inheritance.map(Inheritance::into_parts) {
            Some((table, sockets, link)) => (table, sockets, Some(link)),
            None => Default::default(),
        };
        let theirs = Arc::clone(&shared);
        runtime.spawn(async move {
            let mut core = Core::new(theirs, events, worker_count(), sockets);
            core.begin(table);
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

    /// Takes over from the edge before this one, if there is one, and opens the control socket.
    fn open(&mut self, link: Option<std::os::unix::net::UnixStream>) -> io::Result<()> {
        let (Some(runtime), Some(shared)) = (&self.runtime, &self.shared) else { return Ok(()) };
        let dir = &shared.config.dir;
        let names = Arc::clone(&shared.environment.names);
        runtime.spawn(async move { names.keep_watching().await });
        // The core answers after it has begun.
        let (answer, answered) = oneshot::channel();
        runtime.block_on(async {
            let _ = self.core.send(Input::WhoIsBusy(answer)).await;
            let _ = answered.await;
            shared.environment.binding.settled().await
        });
        if let Some(link) = link {
            runtime.block_on(Inheritance::accept(link, self.core.clone()))?;
            let lock = File::create(dir.join("edge.lock"))?;
            lock.lock()?;
            self.lock = Some(lock);
        }
        mark::note_this_process(dir)?;
        let handle = Handle {
            core: self.core.clone(),
            web: Arc::clone(&shared.web),
            replaced: Arc::clone(&self.replaced),
        };
        let listener = {
            let _entered = runtime.enter();
            serve::bind(&shared.config.socket())?
        };
        let replaced = Arc::new(Notify::new());
        let (lock, was_replaced) = (self.lock.take(), Arc::clone(&replaced));
        let mine = Arc::clone(&self.replaced);
        runtime.spawn(async move {
            tokio::select! {
                () = serve::listen(listener, handle) => {}
                () = mine.notified() => {}
            }
            // From here on the successor has the directory.
            drop(lock);
            was_replaced.notify_one();
        });
        self.replaced = replaced;
        Ok(())
    }

    /// Waits until the edge is told to end, or until a successor took over and no request is in flight
    /// here any more.
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
                    // Requests that take longer are cut.
                    let _ = tokio::time::timeout(linger, shared.web.until_closed()).await;
                } => {}
                () = terminated() => {}
            }
        });
    }

    /// Waits until the lines of all requests so far are in the routers' logs.
    #[cfg(any(test, feature = "test-support"))]
    pub fn flush_logs(&self) {
        if let Some(shared) = &self.shared {
            shared.logs.flush();
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // The tasks end before what they share is dropped, whose drop waits for other threads.
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
            tracing::warn!(%error, "cannot receive signals");
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
    let environment = Environment {
        sockets,
        names: Arc::new(Names::default()),
        workers,
        binding: Arc::new(Binding::default()),
        has_table: watch::Sender::new(false),
    };
    let platform = Platform {
        domains: config.domains.clone(),
        address: config.public(),
        web: Arc::clone(&web),
    };
    let hello = Hello {
        build: mark::build(Path::new("/proc/self/exe"))?,
        config: config.fingerprint(),
        pid: std::process::id(),
    };
    Ok(Arc::new(Shared {
        hello,
        web,
        environment: Arc::new(environment),
        platform: Arc::new(platform),
        forwarder: Forwarder::new(&config).map(Arc::new),
        logs: Logs::start(&config.dir)?,
        tls: tls::configured(&config)?,
        config,
    }))
}

/// Makes an edge's directory, readable by its owner alone.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
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
