//! What an edge knows and keeps: the table that it was told, and everything that follows from it.
//! It is one task; what it is told reaches it in order.

pub mod dynos;
pub mod listening;
pub mod spaces;
pub mod vpcs;
pub mod watch;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent};
use model::{DynoId, EniId, SpaceId, VpcId};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::control::message::{Hello, Order, Report};
use crate::dns::forward::Forwarder;
use crate::dns::known::{Knowledge, Platform};
use crate::dns::serve::Resolver;
use crate::sockets::Namespace;
use crate::web::doors::Door;
use crate::web::log::Logs;
use crate::web::{Scope, Web};
use dynos::Dynos;
use listening::{Listening, Means, Socket, Spot, Taker};
use spaces::Space;
use vpcs::Vpc;

/// What reaches the task.
pub enum Input {
    /// Somebody says that it is the controller now, and where it listens.
    Controller(u64, UnboundedSender<Report>),
    /// A controller says something.
    Order(u64, Order),
    /// A connection of a controller is gone.
    Gone(u64),
    /// Another edge asks for everything.
    Inventory(oneshot::Sender<Inventory>),
    /// Another edge took over.
    Replaced,
    /// What that one was told since.
    FromHeir(Order),
    /// To which dynos requests are under way here, and in edges before this one.
    WhoIsBusy(oneshot::Sender<Option<Vec<DynoId>>>),
    /// This edge took over from one that is busy; it is told what happens.
    Elder(UnboundedSender<(u64, Order)>),
    /// How that one is doing: `None` once it is gone.
    ElderBusy(Option<(u64, Vec<DynoId>)>),
}

/// Everything that an edge hands over.
pub struct Inventory {
    /// The table.
    pub intent: EdgeIntent,
    /// The sockets.
    pub sockets: Vec<(Spot, Socket)>,
}

/// What everything in an edge shares.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// Who we are.
    pub hello: Hello,
    /// The routers.
    pub web: Arc<Web>,
    /// What sockets need.
    pub means: Arc<Means>,
    /// What the platform's domain holds.
    pub platform: Arc<Platform>,
    /// Who asks other resolvers.
    pub forwarder: Option<Arc<Forwarder>>,
    /// The routers' logs.
    pub logs: Logs,
    /// What makes connections secure.
    pub tls: Option<TlsAcceptor>,
}

/// The task's state.
pub struct Core {
    shared: Arc<Shared>,
    intent: EdgeIntent,
    vpcs: BTreeMap<VpcId, Vpc>,
    spaces: BTreeMap<SpaceId, Space>,
    dynos: Dynos,
    public: Vec<(Spot, Listening)>,
    controller: Option<(u64, UnboundedSender<Report>)>,
    /// Sockets that came from the edge before this one.
    adopted: BTreeMap<Spot, OwnedFd>,
    /// Whether another edge took over. Then nothing is listened to.
    replaced: bool,
}

impl Core {
    /// With the table and the sockets of the edge before this one, if there was one.
    pub fn new(
        shared: Arc<Shared>,
        events: UnboundedSender<EdgeEvent>,
        workers: usize,
        adopted: BTreeMap<Spot, OwnedFd>,
    ) -> Self {
        let dynos = Dynos::new(Arc::clone(&shared.web), events, workers);
        Self {
            shared,
            intent: EdgeIntent::default(),
            vpcs: BTreeMap::new(),
            spaces: BTreeMap::new(),
            dynos,
            public: Vec::new(),
            controller: None,
            adopted,
            replaced: false,
        }
    }

    /// Begins to listen in public, and to serve what the edge before this one served.
    pub fn begin(&mut self, intent: EdgeIntent) {
        let config = &self.shared.config;
        let door = |port: u16, tls| Taker::Web(Door { scope: Scope::Public, port, tls });
        let mut wanted = Vec::new();
        if let Some(address) = config.router {
            wanted.push((Spot::PublicHttp, address, door(address.port(), None)));
        }
        if let (Some(address), Some(tls)) = (config.router_tls, self.shared.tls.clone()) {
            wanted.push((Spot::PublicHttps, address, door(address.port(), Some(tls))));
        }
        if let Some(address) = config.dns {
            let known = Knowledge::Public(Arc::clone(&self.shared.platform));
            let resolver = Arc::new(Resolver::new(known, None, config.limits.dns_rate));
            let datagrams = Taker::Datagrams(Arc::clone(&resolver));
            wanted.push((Spot::PublicDatagrams, address, datagrams));
            wanted.push((Spot::PublicStreams, address, Taker::Streams(resolver)));
        }
        for (spot, address, taker) in wanted {
            let listening = self.listen(spot, Namespace::Own, address, taker);
            self.public.push((spot, listening));
        }
        // Without one before it, it waits until it is told.
        if intent != EdgeIntent::default() {
            self.sync(intent);
        }
        // What nobody wants any more is closed.
        self.adopted.clear();
    }

    /// Does what it is told until it is told to end, or nobody is left who could tell it.
    pub async fn run(
        mut self,
        mut inputs: Receiver<Input>,
        mut events: UnboundedReceiver<EdgeEvent>,
    ) {
        let mut sweep = tokio::time::interval(dynos::SWEEP);
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    None => return,
                    Some(Input::Order(from, Order::Stop)) if self.obeys(from) => return,
                    Some(input) => self.take(input),
                },
                Some(event) = events.recv() => self.dynos.hear(event),
                _ = sweep.tick() => self.dynos.sweep(),
            }
            if let Some((_, controller)) = &self.controller {
                let told = self.dynos.tell(|event| controller.send(Report::Event(event)).is_ok());
                if !told {
                    self.controller = None;
                }
            }
        }
    }

    fn obeys(&self, from: u64) -> bool {
        self.controller.as_ref().is_some_and(|(id, _)| *id == from)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Controller(id, reports) => {
                // Were it gone already, the next report would find out.
                let _ = reports.send(Report::Hello(self.shared.hello.clone()));
                self.controller = Some((id, reports));
                self.dynos.forget_told();
            }
            Input::Order(from, order) if self.obeys(from) => self.obey(order),
            // Another controller took its place.
            Input::Order(..) => {}
            Input::Gone(id) => {
                if self.obeys(id) {
                    self.controller = None;
                }
            }
            Input::Inventory(answer) => {
                let _ = answer.send(self.inventory());
            }
            Input::Replaced => self.leave(),
            Input::FromHeir(order) => self.obey(order),
            Input::WhoIsBusy(answer) => {
                let _ = answer.send(self.dynos.busy());
            }
            Input::Elder(orders) => self.dynos.set_elder(orders),
            Input::ElderBusy(busy) => self.dynos.hear_elder(busy),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Sync(intent) => {
                self.dynos.pass_on(Order::Sync(intent.clone()));
                self.sync(intent);
            }
            Order::Change(delta) => {
                self.dynos.pass_on(Order::Change(delta.clone()));
                self.change(delta);
            }
            Order::Ping(number) => self.pong(number),
            // Said by others than controllers, or dealt with before.
            Order::Hello(_)
            | Order::Handover
            | Order::Next
            | Order::Taken
            | Order::Heir(..)
            | Order::Stop => {}
        }
    }

    fn pong(&self, number: u64) {
        let Some((_, reports)) = &self.controller else { return };
        let (reports, attempts) = (reports.clone(), Arc::clone(&self.shared.means.attempts));
        tokio::spawn(async move {
            let unbound = attempts.all_made().await;
            // A controller that is gone asks again.
            let _ = reports.send(Report::Pong(number, unbound));
        });
    }

    fn sync(&mut self, intent: EdgeIntent) {
        let mut delta = EdgeDelta::default();
        for id in self.intent.vpcs.keys().filter(|id| !intent.vpcs.contains_key(id)) {
            delta.vpcs.insert(*id, None);
        }
        for id in self.intent.spaces.keys().filter(|id| !intent.spaces.contains_key(id)) {
            delta.spaces.insert(*id, None);
        }
        for (id, vpc) in intent.vpcs {
            if self.intent.vpcs.get(&id) != Some(&vpc) {
                delta.vpcs.insert(id, Some(vpc));
            }
        }
        for (id, space) in intent.spaces {
            if self.intent.spaces.get(&id) != Some(&space) {
                delta.spaces.insert(id, Some(space));
            }
        }
        self.change(delta);
        self.shared.means.told.send_replace(true);
    }

    fn change(&mut self, delta: EdgeDelta) {
        for (id, vpc) in delta.vpcs {
            self.set_vpc(id, vpc);
        }
        for (id, space) in delta.spaces {
            self.set_space(id, space);
        }
    }

    fn listen(
        &mut self,
        spot: Spot,
        namespace: Namespace,
        address: SocketAddr,
        taker: Taker,
    ) -> Listening {
        let adopted = self.adopted.remove(&spot);
        Listening::start(&self.shared.means, namespace, address, taker, adopted)
    }

    fn inventory(&self) -> Inventory {
        let mut sockets = Vec::new();
        let mut add = |spot: Spot, listening: &Listening| {
            sockets.extend(listening.socket().map(|socket| (spot, socket)));
        };
        for (spot, listening) in &self.public {
            add(*spot, listening);
        }
        for vpc in self.vpcs.values() {
            vpc.each(&mut add);
        }
        for space in self.spaces.values() {
            space.each(&mut add);
        }
        Inventory { intent: self.intent.clone(), sockets }
    }

    /// Another edge has the sockets: here only what is under way goes on.
    fn leave(&mut self) {
        self.replaced = true;
        self.controller = None;
        self.public.clear();
        for vpc in self.vpcs.values_mut() {
            vpc.close();
        }
        for space in self.spaces.values_mut() {
            space.close();
        }
        self.shared.web.leave();
    }

    fn router_of(&self, vpc: VpcId) -> Namespace {
        match self.shared.config.place {
            crate::Place::Namespaces => Namespace::router(&self.shared.config.prefix, vpc),
            crate::Place::Here { .. } => Namespace::Own,
        }
    }

    fn interface(&self, eni: EniId) -> Namespace {
        match self.shared.config.place {
            crate::Place::Namespaces => Namespace::interface(&self.shared.config.prefix, eni),
            crate::Place::Here { .. } => Namespace::Own,
        }
    }
}

fn at(address: std::net::Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address), port)
}

/// Reads what makes connections secure.
pub fn tls(config: &Config) -> io::Result<Option<TlsAcceptor>> {
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let Some((chain, key)) = &config.tls else { return Ok(None) };
    let bad = |path: &std::path::Path, why: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {why}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(chain, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret))
        .map_err(|error| bad(chain, &error))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}
