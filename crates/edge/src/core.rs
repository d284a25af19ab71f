//! The core of an edge: one task that holds the table and keeps everything that follows from it.
//! Messages reach it in order.

mod dynos;
mod listeners;
pub(crate) mod listening;
mod shared;
mod spaces;
mod vpcs;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use model::DynoId;
use model::edge::EdgeEvent;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

pub(crate) use shared::Shared;

use crate::config::Location;
use crate::dns::known::Knowledge;
use crate::dns::serve::Resolver;
use crate::protocol::{Order, Report, SocketId, Table, TableDelta};
use crate::sockets::Namespace;
use crate::web::Scope;
use crate::web::connections::Endpoint;
use dynos::Dynos;
use listeners::Listeners;
use listening::{Acceptor, Listening, Socket};
use spaces::Spaces;
use vpcs::Vpcs;

/// A message to the core.
pub(crate) enum Input {
    /// The connection with this number is the controller's from now on, and gets these reports.
    Controller(u64, UnboundedSender<Report>),
    /// An order that came over the connection with this number.
    Order(u64, Order),
    /// The connection with this number is closed.
    Gone(u64),
    /// A successor asks for the table and the sockets.
    Inventory(oneshot::Sender<Inventory>),
    /// A successor took over.
    Replaced,
    /// An order that the successor got.
    FromSuccessor(Order),
    /// Asks for the dynos to which requests are in flight, here and in the edges before this one.
    /// The answer is `None` while it is not known.
    WhoIsBusy(oneshot::Sender<Option<Vec<DynoId>>>),
    /// This edge took over from another, which gets these orders as long as it has requests in
    /// flight.
    Predecessor(UnboundedSender<(u64, Order)>),
    /// The last order that the edge before this one has done, and the dynos to which it has requests
    /// in flight. `None` once that edge is gone.
    PredecessorBusy(Option<(u64, Vec<DynoId>)>),
}

/// What an edge hands over to its successor.
pub(crate) struct Inventory {
    /// The whole table.
    pub table: Table,
    /// The open sockets.
    pub sockets: Vec<(SocketId, Socket)>,
}

/// The state of the core.
pub(crate) struct Core {
    shared: Arc<Shared>,
    table: Table,
    vpcs: Vpcs,
    spaces: Spaces,
    dynos: Dynos,
    public: Vec<(SocketId, Listening)>,
    controller: Option<(u64, UnboundedSender<Report>)>,
    listeners: Listeners,
}

impl Core {
    /// A core without a table. `adopted` are the sockets of the edge before this one.
    pub(crate) fn new(
        shared: Arc<Shared>,
        events: UnboundedSender<EdgeEvent>,
        workers: usize,
        adopted: BTreeMap<SocketId, OwnedFd>,
    ) -> Self {
        let dynos = Dynos::new(Arc::clone(&shared.web), events, workers);
        Self {
            vpcs: Vpcs::new(Arc::clone(&shared)),
            spaces: Spaces::new(Arc::clone(&shared)),
            listeners: Listeners::new(Arc::clone(&shared.environment), adopted),
            shared,
            table: Table::default(),
            dynos,
            public: Vec::new(),
            controller: None,
        }
    }

    /// Opens the public sockets, and those of the edge before this one, whose table this is.
    pub(crate) fn begin(&mut self, table: Table) {
        let config = &self.shared.config;
        let endpoint = |port: u16, tls| Acceptor::Web(Endpoint { scope: Scope::Public, port, tls });
        let mut wanted = Vec::new();
        if let Some(address) = config.router {
            wanted.push((SocketId::PublicHttp, address, endpoint(address.port(), None)));
        }
        if let (Some(address), Some(tls)) = (config.router_tls, self.shared.tls.clone()) {
            wanted.push((SocketId::PublicHttps, address, endpoint(address.port(), Some(tls))));
        }
        if let Some(address) = config.dns {
            let known = Knowledge::Public(Arc::clone(&self.shared.platform));
            let resolver = Arc::new(Resolver::new(known, None, config.limits.dns_rate));
            let datagrams = Acceptor::Datagrams(Arc::clone(&resolver));
            wanted.push((SocketId::PublicDatagrams, address, datagrams));
            wanted.push((SocketId::PublicStreams, address, Acceptor::Streams(resolver)));
        }
        for (id, address, acceptor) in wanted {
            let listening = self.listeners.listen(id, Namespace::Own, address, acceptor);
            self.public.extend(listening.map(|listening| (id, listening)));
        }
        if config.location == Location::Namespaces && !table.names_all_namespaces() {
            // It is from an edge of a build that knew the names without being told. Its sockets stay
            // open until the controller says the names: whoever comes waits in them.
            return;
        }
        // Without an edge before this one, the controller says what there is to serve.
        if table != Table::default() {
            self.sync(table);
        }
        self.listeners.drop_adopted();
    }

    /// Handles messages until one tells it to end, or until no sender is left.
    pub(crate) async fn run(
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
                let reported =
                    self.dynos.report(|event| controller.send(Report::Event(event)).is_ok());
                if !reported {
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
                // If the controller is gone already, the next report fails.
                let _ = reports.send(Report::Hello(self.shared.hello.clone()));
                self.controller = Some((id, reports));
                self.dynos.forget_reports();
            }
            Input::Order(from, order) if self.obeys(from) => self.obey(order),
            // The order of a controller that another one has replaced.
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
            Input::FromSuccessor(order) => self.obey(order),
            Input::WhoIsBusy(answer) => {
                let _ = answer.send(self.dynos.busy());
            }
            Input::Predecessor(orders) => self.dynos.set_predecessor(orders),
            Input::PredecessorBusy(busy) => self.dynos.hear_predecessor(busy),
        }
    }

    fn obey(&mut self, order: Order) {
        #[cfg(test)]
        crate::fault::at("core", b"");
        match order {
            Order::Sync(table) => {
                self.dynos.pass_on(Order::Sync(table.clone()));
                self.sync(table);
                self.listeners.drop_adopted();
            }
            Order::Change(delta) => {
                self.dynos.pass_on(Order::Change(delta.clone()));
                self.change(delta);
            }
            Order::Ping(number) => self.pong(number),
            // Orders between edges, or such as never reach this function.
            Order::Hello(_)
            | Order::Figures
            | Order::Handover
            | Order::Next
            | Order::Taken
            | Order::Successor(..)
            | Order::Stop => {}
        }
    }

    fn pong(&self, number: u64) {
        let Some((_, reports)) = &self.controller else { return };
        let (reports, binding) = (reports.clone(), Arc::clone(&self.shared.environment.binding));
        tokio::spawn(async move {
            let unbound = binding.settled().await;
            // A controller that connects anew asks again.
            let _ = reports.send(Report::Pong(number, unbound));
        });
    }

    fn sync(&mut self, table: Table) {
        let mut delta = TableDelta::default();
        for id in self.table.vpcs.keys().filter(|id| !table.vpcs.contains_key(id)) {
            delta.vpcs.insert(*id, None);
        }
        for id in self.table.spaces.keys().filter(|id| !table.spaces.contains_key(id)) {
            delta.spaces.insert(*id, None);
        }
        let (old, new) = (&self.table.namespaces, table.namespaces);
        for (id, vpc) in table.vpcs {
            let stays = old.routers.get(&id) == new.routers.get(&id);
            if !stays || self.table.vpcs.get(&id) != Some(&vpc) {
                delta.vpcs.insert(id, Some(vpc));
            }
        }
        for (id, space) in table.spaces {
            let stays = |eni| old.interfaces.get(eni) == new.interfaces.get(eni);
            let stay = space.interfaces.keys().all(stays);
            if !stay || self.table.spaces.get(&id) != Some(&space) {
                delta.spaces.insert(id, Some(space));
            }
        }
        delta.namespaces = new;
        self.change(delta);
        self.shared.environment.has_table.send_replace(true);
    }

    fn change(&mut self, delta: TableDelta) {
        let TableDelta { vpcs, spaces, namespaces } = delta;
        let Table { vpcs: all_vpcs, spaces: all_spaces, namespaces: named } = &mut self.table;
        // Whatever a change is about names all of its namespaces; those of the rest stay.
        for id in vpcs.keys() {
            named.routers.remove(id);
        }
        let before = spaces.keys().filter_map(|id| all_spaces.get(id));
        for eni in before.flat_map(|space| space.interfaces.keys()) {
            named.interfaces.remove(eni);
        }
        named.routers.extend(namespaces.routers);
        named.interfaces.extend(namespaces.interfaces);
        let listeners = &mut self.listeners;
        for (id, vpc) in vpcs {
            self.vpcs.set(id, vpc.as_ref(), named.routers.get(&id), listeners);
            match vpc {
                Some(vpc) => _ = all_vpcs.insert(id, vpc),
                None => _ = all_vpcs.remove(&id),
            }
        }
        for (id, space) in spaces {
            let before = all_spaces.remove(&id);
            let dynos = &mut self.dynos;
            self.spaces.set(id, before.as_ref(), space.as_ref(), named, dynos, listeners);
            if let Some(space) = space {
                all_spaces.insert(id, space);
            }
        }
    }

    fn inventory(&self) -> Inventory {
        let mut sockets = Vec::new();
        let mut add = |id: SocketId, listening: &Listening| {
            sockets.extend(listening.socket().map(|socket| (id, socket)));
        };
        for (id, listening) in &self.public {
            add(*id, listening);
        }
        self.vpcs.each(&mut add);
        self.spaces.each(&mut add);
        Inventory { table: self.table.clone(), sockets }
    }

    /// Closes all sockets, which a successor has now. Requests in flight go on.
    fn leave(&mut self) {
        self.listeners.set_replaced();
        self.controller = None;
        self.public.clear();
        self.vpcs.close();
        self.spaces.close();
        self.shared.web.leave();
    }
}
