//! The server's end: processes are asked about where they are.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fabric::runtime::{Inside, LogPart, LogPosition};
use link::{Hub, Stream, StreamError};
use model::{AddonId, AppId, EniId, HostId, WorkloadId, World};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::commands::{attached, running};
use super::message::{ATTACH, Answer, Ask, Attach, LOGS, MOST_ANSWERED, MOST_ASKED, RUN, Run};
use crate::apps::console::{Attachment, Console, NotRun, Running};
use crate::apps::host_logs::{HostAnswer, HostAsk, HostLogs};
use crate::apps::router_log::RouterLog;
use crate::ledger::Ledger;

/// How long hosts may take to answer questions.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// How long a host that did not answer in time is not asked again.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// How long it may take until a command runs: the link has a bound of its own for streams.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// How many streams for questions are kept for each host while nobody asks.
const MOST_IDLE: usize = 4;

/// Reaches the processes of this machine and of other hosts.
#[derive(Clone)]
pub(crate) struct HostConsole(Arc<Shared>);

impl fmt::Debug for HostConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConsole").finish_non_exhaustive()
    }
}

struct Shared {
    here: Arc<dyn Console>,
    router_log: Arc<dyn RouterLog>,
    hub: Hub,
    ledger: Ledger,
    runtime: Handle,
    hosts: Mutex<BTreeMap<HostId, Asked>>,
}

/// What is kept of a host that was asked.
#[derive(Default)]
struct Asked {
    /// Streams for questions that nobody uses now.
    idle: Vec<Stream>,
    /// Until when it is not asked.
    alone: Option<Instant>,
}

/// Which host a workload is placed on.
fn host_of(world: &World, workload: WorkloadId) -> Option<HostId> {
    match workload {
        WorkloadId::Dyno(id) => world.dyno(id)?.host,
        WorkloadId::Instance(id) => world.instance(id)?.host,
        WorkloadId::Service(id) => world.addon(id)?.host,
        // No process of its own: what it serves is in its edge's log.
        WorkloadId::Router(_) => None,
    }
}

impl HostConsole {
    /// Asks this machine for what is here, and agents for what is on their hosts. `runtime` is where that is
    /// done; whoever asks waits.
    pub(crate) fn new(
        here: Arc<dyn Console>,
        router_log: Arc<dyn RouterLog>,
        hub: Hub,
        ledger: Ledger,
        runtime: Handle,
    ) -> Self {
        let hosts = Mutex::default();
        Self(Arc::new(Shared { here, router_log, hub, ledger, runtime, hosts }))
    }

    /// The other host that a workload is on; `None` where it is here or nowhere.
    fn elsewhere(&self, workload: WorkloadId) -> Option<HostId> {
        let host = host_of(&self.0.ledger.glance(), workload)?;
        self.is_other(host).then_some(host)
    }

    /// The host that an interface is on; `None` where what has it waits for one.
    pub(super) fn host_of_interface(&self, interface: EniId) -> Option<HostId> {
        model::host_of_interface(&self.0.ledger.glance(), interface)
    }

    /// Waits for something of which it is known how long it takes at most.
    fn wait<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (says, said) = sync_channel(1);
        let task = self.0.runtime.spawn(async move {
            // Whoever has waited too long is gone.
            let _ = says.send(work.await);
        });
        let said = said.recv_timeout(within + Duration::from_secs(1)).ok();
        task.abort();
        said
    }

    /// A stream to a host, with what comes of it.
    pub(super) fn open<T: Send + 'static, F>(
        &self,
        host: HostId,
        kind: &'static str,
        about: impl Serialize + Send + Sync + 'static,
        made: impl FnOnce(Stream) -> F + Send + 'static,
    ) -> Result<T, String>
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let opened = self.wait(STARTS_WITHIN, async move {
            match shared.open(host, kind, &about).await {
                Ok(stream) => made(stream).await,
                Err(StreamError::Refused(refusal)) => Err(refusal.message),
                Err(error) => Err(shared.away(host, &os::error_chain(&error))),
            }
        });
        opened.unwrap_or_else(|| Err(self.0.away(host, "it does not answer")))
    }

    /// The answer of a host to one question.
    fn ask(&self, host: HostId, ask: Ask) -> Result<Answer, String> {
        let shared = Arc::clone(&self.0);
        let answered = self.wait(ANSWERS_WITHIN, async move {
            let mut answers = shared.ask_in_time(host, vec![ask]).await?;
            answers.pop().ok_or_else(|| shared.away(host, "it gave no answer"))
        });
        answered.unwrap_or_else(|| Err(self.0.away(host, "it does not answer")))
    }
}

impl Shared {
    fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostId, Asked>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That a host cannot be asked, in words.
    fn away(&self, host: HostId, why: &str) -> String {
        let world = self.ledger.glance();
        let name = world.host(host).map_or_else(|| host.to_string(), |host| host.name.clone());
        format!("the host {name} is away: {why}")
    }

    async fn open(
        &self,
        host: HostId,
        kind: &str,
        about: &(impl Serialize + Sync),
    ) -> Result<Stream, StreamError> {
        self.hub.open(&host, kind, about).await
    }

    /// The answers of a host, or why there are none.
    async fn ask_in_time(&self, host: HostId, asks: Vec<Ask>) -> Result<Vec<Answer>, String> {
        let now = Instant::now();
        if self.hosts().entry(host).or_default().alone.is_some_and(|until| now < until) {
            return Err(self.away(host, "it does not answer"));
        }
        match tokio::time::timeout(ANSWERS_WITHIN, self.ask_all(host, &asks)).await {
            Ok(answered) => answered.map_err(|error| match error {
                StreamError::Refused(refusal) => refusal.message,
                error => self.away(host, &os::error_chain(&error)),
            }),
            Err(_) => {
                let mut hosts = self.hosts();
                let asked = hosts.entry(host).or_default();
                asked.alone = Some(Instant::now() + LEFT_ALONE);
                asked.idle.clear();
                drop(hosts);
                Err(self.away(host, "it does not answer"))
            }
        }
    }

    async fn ask_all(&self, host: HostId, asks: &[Ask]) -> Result<Vec<Answer>, StreamError> {
        loop {
            let kept = self.hosts().entry(host).or_default().idle.pop();
            let is_kept = kept.is_some();
            let mut stream = match kept {
                Some(stream) => stream,
                None => self.open(host, LOGS, &()).await?,
            };
            match converse(&mut stream, asks).await {
                Ok(answers) => {
                    let mut hosts = self.hosts();
                    let idle = &mut hosts.entry(host).or_default().idle;
                    if idle.len() < MOST_IDLE {
                        idle.push(stream);
                    }
                    return Ok(answers);
                }
                // One that was kept may have ended meanwhile.
                Err(_) if is_kept => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn converse(stream: &mut Stream, asks: &[Ask]) -> Result<Vec<Answer>, link::FrameError> {
    link::write_message(stream, &asks, MOST_ASKED).await?;
    let mut answers = Vec::with_capacity(asks.len());
    for _ in asks {
        answers.push(link::read_message(stream, MOST_ANSWERED).await?);
    }
    Ok(answers)
}

impl Console for HostConsole {
    fn tail(&self, workload: WorkloadId, bytes: usize) -> io::Result<Vec<u8>> {
        let Some(host) = self.elsewhere(workload) else {
            return self.0.here.tail(workload, bytes);
        };
        match self.ask(host, Ask::Tail { workload, bytes }).map_err(io::Error::other)? {
            Answer::Bytes(bytes) => Ok(bytes.0),
            other => Err(other.into_error()),
        }
    }

    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> io::Result<LogPart> {
        let Some(host) = self.elsewhere(workload) else {
            return self.0.here.lines(workload, from, whole);
        };
        let ask = Ask::Lines { workload, from: from.map(Into::into), whole, most: None };
        self.ask(host, ask).map_err(io::Error::other)?.into_part()
    }

    fn exec(
        &self,
        workload: WorkloadId,
        command: &[String],
        tty: bool,
    ) -> Result<Vec<String>, NotRun> {
        let Some(host) = self.elsewhere(workload) else {
            return self.0.here.exec(workload, command, tty);
        };
        let world = self.0.ledger.glance();
        let name = world.host(host).map_or_else(|| host.to_string(), |host| host.name.clone());
        Err(NotRun::Elsewhere(format!("it runs on the host {name}, and not on this machine")))
    }

    fn session(&self, workload: WorkloadId, inside: &Inside) -> Result<Attachment, String> {
        let Some(host) = self.elsewhere(workload) else {
            return self.0.here.session(workload, inside);
        };
        self.open(host, ATTACH, Attach { workload, inside: Some(inside.into()) }, attached)
    }

    fn attach(&self, workload: WorkloadId) -> Result<Attachment, String> {
        let Some(host) = self.elsewhere(workload) else { return self.0.here.attach(workload) };
        self.open(host, ATTACH, Attach { workload, inside: None }, attached)
    }

    fn run(&self, workload: WorkloadId, command: &[String]) -> Result<Running, String> {
        let Some(host) = self.elsewhere(workload) else {
            return self.0.here.run(workload, command);
        };
        let about = Run { workload, command: command.to_vec() };
        self.open(host, RUN, about, |stream| async {
            running(stream).map_err(|error| error.to_string())
        })
    }

    fn runs(&self, workload: WorkloadId) -> Result<(), NotRun> {
        let Some(host) = self.elsewhere(workload) else { return self.0.here.runs(workload) };
        match self.ask(host, Ask::Runs { workload }).map_err(NotRun::Elsewhere)? {
            Answer::Runs(true) => Ok(()),
            Answer::Runs(false) => Err(NotRun::Idle),
            other => Err(NotRun::Elsewhere(other.into_error().to_string())),
        }
    }
}

impl HostLogs for HostConsole {
    fn is_other(&self, host: HostId) -> bool {
        self.0.hub.admits(&host)
    }

    fn read(
        &self,
        asks: BTreeMap<HostId, HostAsk>,
    ) -> BTreeMap<HostId, Result<HostAnswer, String>> {
        let hosts: Vec<HostId> = asks.keys().copied().collect();
        let shared = Arc::clone(&self.0);
        let read = self.wait(ANSWERS_WITHIN, async move {
            let mut all = JoinSet::new();
            for (host, ask) in asks {
                let shared = Arc::clone(&shared);
                all.spawn(async move { (host, shared.read(host, ask).await) });
            }
            all.join_all().await.into_iter().collect()
        });
        let mut read: BTreeMap<_, _> = read.unwrap_or_default();
        for host in hosts {
            read.entry(host).or_insert_with(|| Err(self.0.away(host, "it does not answer")));
        }
        read
    }
}

impl Shared {
    async fn read(&self, host: HostId, ask: HostAsk) -> Result<HostAnswer, String> {
        let HostAsk { processes, router } = ask;
        let has_router = router.is_some();
        let lines = processes.into_iter().map(|ask| Ask::Lines {
            workload: ask.workload,
            from: ask.from.map(Into::into),
            whole: ask.whole,
            most: Some(ask.most),
        });
        let routed =
            router.map(|ask| Ask::Router { app: ask.app, most: ask.most, after: ask.after });
        let mut answers = self.ask_in_time(host, lines.chain(routed).collect()).await?;
        let routed = if has_router { answers.pop() } else { None };
        let router = match routed {
            None => Vec::new(),
            Some(Answer::Router(lines)) => lines,
            Some(other) => {
                let error = other.into_error();
                tracing::warn!(%host, %error, "a router's log cannot be read");
                Vec::new()
            }
        };
        let processes = answers.into_iter().map(Answer::into_part).collect();
        Ok(HostAnswer { processes, router })
    }
}

impl HostConsole {
    /// Has the disk of a data service that was destroyed removed where it is. A host that is away asks for
    /// that when it is back.
    pub(crate) fn remove_disk(&self, host: HostId, service: AddonId) {
        self.tell(host, Ask::RemoveDisk { service }, format!("the disk of {service}"));
    }

    /// Has something removed on a host, which nobody waits for.
    fn tell(&self, host: HostId, ask: Ask, what: String) {
        let shared = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            match shared.ask_in_time(host, vec![ask]).await.as_deref() {
                Ok([Answer::Done]) => {}
                Ok(_) => tracing::warn!(%host, "{what} was not removed there"),
                Err(why) => tracing::info!("{what} is not removed now: {why}"),
            }
        });
    }
}

/// The request log of this machine's edge is read by itself ([`HostLogs`] has that of others), and forgotten
/// everywhere.
impl RouterLog for HostConsole {
    fn tail(&self, app: AppId, lines: usize) -> io::Result<Vec<String>> {
        self.0.router_log.tail(app, lines)
    }

    fn forget(&self, app: AppId) -> io::Result<()> {
        let hosts: Vec<HostId> = self.0.ledger.glance().hosts().map(|host| host.id).collect();
        for host in hosts.into_iter().filter(|host| self.is_other(*host)) {
            self.tell(host, Ask::ForgetRouter { app }, format!("the request log of {app}"));
        }
        self.0.router_log.forget(app)
    }
}
