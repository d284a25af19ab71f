//! Packets between all interfaces of a world, and what becomes of each.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use model::intent::NetworksIntent;
use model::*;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, recvfrom,
    sendto, socket,
};
use os::poll::Interest;

use super::ways::INTERNET;
use super::world::Maker;

const WEB: u16 = 80;
const OTHER: u16 = 8000;
const DATAGRAMS: u16 = 9000;
/// The source ports that Linux chooses from; what passes from some of them only is not tried.
const KERNEL_PORTS: PortRange = PortRange { from: 32_768, to: 60_999 };
/// For what must arrive; none of it takes a thousandth of that.
const PATIENCE: Duration = Duration::from_secs(5);

/// A fabric that carries the packets of a world.
pub trait Ground {
    /// Does something in the namespace of a process, given its first interface, or outside of the installation.
    fn inside(&self, at: Spot, work: &mut (dyn FnMut() + Send));

    /// Whether there is somebody outside.
    fn has_outside(&self) -> bool;

    /// How long packets take that nobody expects.
    fn quiet(&self) -> Duration;

    /// How often a packet is sent again that was not answered, at least: more than never where some may be lost.
    fn repeats(&self) -> usize {
        0
    }

    /// What must become of a flow of which `reach` says this; `None` where this fabric differs, which other tests show.
    fn expected(&self, verdict: &Verdict) -> Option<Fate> {
        Some(Fate::of(verdict))
    }
}

/// What becomes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fate {
    pub arrives: bool,
    pub answered: bool,
}

/// Where a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Behind its first interface.
    Behind(EniId),
    /// Outside of the installation.
    Outside,
}

impl Fate {
    /// What `reach` says.
    pub fn of(verdict: &Verdict) -> Self {
        let answer = verdict.blocked().is_some_and(|hop| hop.leg == Leg::Answer);
        Self { arrives: verdict.allowed || answer, answered: verdict.allowed }
    }
}

fn inside<T: Send>(ground: &dyn Ground, at: Spot, work: impl FnOnce() -> T + Send) -> T {
    let (mut work, mut done) = (Some(work), None);
    ground.inside(at, &mut || done = work.take().map(|work| work()));
    done.expect("it was called once")
}

/// An end of flows: an interface, or somebody outside.
#[derive(Debug, Clone)]
struct End {
    spot: Spot,
    /// Where it is; nowhere in particular for who is outside.
    place: Option<Endpoint>,
}

/// Who asks from outside: the router that everything passes by.
const ASKS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

impl End {
    /// The address by which it asks and answers; who is outside has several, and answers by this one.
    fn address(&self) -> Ipv4Addr {
        self.place.map_or_else(|| INTERNET.parse().unwrap(), |place| place.address)
    }

    /// The address by which it begins: who is outside asks by the router's.
    fn begins_by(&self) -> Ipv4Addr {
        self.place.map_or(ASKS, |place| place.address)
    }
}

/// What became of one flow.
#[derive(Debug, Clone)]
struct Trial {
    flow: Flow,
    /// The address that packets are sent to: outside, public ones stand for others.
    named: Ipv4Addr,
    to: usize,
    verdict: Verdict,
    expected: Fate,
    fate: Fate,
}

impl Trial {
    /// Only of a datagram is it known whether it arrived where its answer did not.
    fn agrees(&self) -> bool {
        self.fate.answered == self.expected.answered
            && (self.flow.protocol != IpProtocol::UDP || self.fate.arrives == self.expected.arrives)
    }

    fn in_words(&self) -> String {
        let Flow { from, to, protocol, destination_port, .. } = &self.flow;
        let words = self.verdict.hops.iter().map(|hop| format!("{:?}", hop.because.wording()));
        format!(
            "{protocol:?} {} of {} to {}:{destination_port} of {}: {:?}, but must be {:?}: {}",
            from.address,
            from.vpc,
            to.address,
            to.vpc,
            self.fate,
            self.expected,
            words.collect::<Vec<_>>().join(" "),
        )
    }
}

/// How many flows there were, and of some kinds.
#[derive(Debug, Default)]
pub struct Tally {
    pub flows: usize,
    pub passed: usize,
    /// To or from outside, and back.
    pub outside: usize,
    /// Over a peering, and back.
    pub peered: usize,
    /// By a middlebox, and back.
    pub passed_on: usize,
    /// To a middlebox that takes only what is its own.
    pub stopped_at_checks: usize,
}

impl Tally {
    fn count(&mut self, trial: &Trial) {
        let verdict = &trial.verdict;
        let says = |wording| verdict.hops.iter().any(|hop| hop.because.wording() == wording);
        let out = says(Wording::GoesOutBy) || says(Wording::ComesInBy);
        self.add(&Self {
            flows: 1,
            passed: usize::from(verdict.allowed),
            outside: usize::from(verdict.allowed && out),
            peered: usize::from(verdict.allowed && trial.flow.from.vpc != trial.flow.to.vpc),
            passed_on: usize::from(verdict.allowed && says(Wording::PassesOn)),
            stopped_at_checks: usize::from(says(Wording::TakesOnlyItsOwn)),
        });
    }

    pub fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        self.passed += other.passed;
        self.outside += other.outside;
        self.peered += other.peered;
        self.passed_on += other.passed_on;
        self.stopped_at_checks += other.stopped_at_checks;
    }
}

/// What a socket is for.
enum Role {
    Listener(TcpListener, usize),
    Server(UdpSocket, usize),
    Served(#[expect(dead_code, reason = "it is held open until the end")] TcpStream),
    Stream(TcpStream, usize),
    Datagram(UdpSocket, usize),
    Echo(OwnedFd, usize),
    Over,
}

impl Role {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Listener(socket, _) => Some(socket.as_fd()),
            Self::Server(socket, _) | Self::Datagram(socket, _) => Some(socket.as_fd()),
            Self::Stream(socket, _) => Some(socket.as_fd()),
            Self::Echo(socket, _) => Some(socket.as_fd()),
            Self::Served(_) | Self::Over => None,
        }
    }

    /// Sends the packet of a flow again unless it was answered. TCP does so by itself.
    fn send_again(&self, all: &[(usize, Trial)]) {
        let to = |trial: &usize| {
            let (_, Trial { flow, named, .. }) = &all[*trial];
            SocketAddrV4::new(*named, flow.destination_port)
        };
        match self {
            Self::Datagram(socket, trial) => send_datagram(socket, *trial, to(trial)),
            Self::Echo(socket, trial) => send_echo(socket, to(trial)),
            _ => {}
        }
    }
}

fn ends(intent: &NetworksIntent, ground: &dyn Ground) -> Vec<End> {
    let all = intent.vpcs.iter().flat_map(|(vpc, router)| {
        let used = router.interfaces.iter().filter(|(_, interface)| !interface.translates);
        used.flat_map(move |(eni, interface)| {
            let host = interface.slot.map_or(*eni, |slot| slot.host);
            interface.addresses.iter().map(move |address| End {
                spot: Spot::Behind(host),
                place: Some(Endpoint { vpc: *vpc, address: *address }),
            })
        })
    });
    let outside = ground.has_outside().then_some(End { spot: Spot::Outside, place: None });
    all.chain(outside).collect()
}

/// The ends of a flow as each sees the other, and the address that it is sent to.
fn flow_between(maker: &Maker, from: &End, to: &End) -> Option<(Endpoint, Endpoint, Ipv4Addr)> {
    match (from.place, to.place) {
        (Some(from), Some(to)) => Some((from, to, to.address)),
        (Some(from), None) => {
            let address = INTERNET.parse().unwrap();
            Some((from, Endpoint { vpc: from.vpc, address }, address))
        }
        (None, Some(to)) => {
            let public = maker.public(to)?;
            Some((Endpoint { vpc: to.vpc, address: ASKS }, to, public))
        }
        (None, None) => None,
    }
}

/// The flows between all ends of a world, with what must become of them.
fn trials(maker: &Maker, ends: &[End], ground: &dyn Ground) -> Vec<(usize, Trial)> {
    let mut all = Vec::new();
    for (from, source) in ends.iter().enumerate() {
        for (to, target) in ends.iter().enumerate().filter(|(to, _)| *to != from) {
            let Some(flow) = flow_between(maker, source, target) else { continue };
            let (begins, arrives, named) = flow;
            let same = |end: &&End| end.place.map(|it| it.address) == Some(arrives.address);
            let twins = ends.iter().filter(same).count().max(1);
            let kinds = [
                (IpProtocol::TCP, WEB),
                (IpProtocol::TCP, OTHER),
                (IpProtocol::UDP, DATAGRAMS),
                (IpProtocol::ICMP, 0),
            ];
            // An echo does not say who sends it back.
            let kinds = &kinds[..if twins == 1 || source.place.is_none() { 4 } else { 3 }];
            for (protocol, port) in kinds {
                let flow = Flow::new(begins, arrives, *protocol, *port);
                let ports = if protocol.has_ports() { KERNEL_PORTS } else { flow.source_ports };
                let flow = Flow { source_ports: ports, ..flow };
                let verdict = maker.verdict(&flow);
                // What a middlebox does with what it gets for somebody outside is its own affair.
                let taken = |hop: &Hop| hop.because.wording() == Wording::GetsByRoute;
                if target.place.is_none() && verdict.hops.iter().any(taken) {
                    continue;
                }
                let Some(expected) = ground.expected(&verdict) else { continue };
                let fate = Fate::default();
                let trial = Trial { flow, named, to, verdict, expected, fate };
                all.push((from, trial));
            }
        }
    }
    all
}

/// Opens what answers in the namespace of an end.
fn serve(ground: &dyn Ground, end: &End, number: usize) -> Vec<Role> {
    inside(ground, end.spot, || {
        let any = end.address();
        let mut roles = Vec::new();
        for port in [WEB, OTHER] {
            let listener = TcpListener::bind((any, port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            roles.push(Role::Listener(listener, number));
        }
        let server = UdpSocket::bind((any, DATAGRAMS)).unwrap();
        server.set_nonblocking(true).unwrap();
        roles.push(Role::Server(server, number));
        roles
    })
}

/// Sends the first packet of a flow, in the namespace of the calling thread.
fn begin(trial: usize, flow: &Flow, by: Ipv4Addr, named: Ipv4Addr) -> Role {
    let to = SocketAddrV4::new(named, flow.destination_port);
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let to_nix = SockaddrIn::from(to);
    match flow.protocol {
        IpProtocol::TCP => {
            let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
            bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(by, 0))).unwrap();
            // What cannot be reached may say so at once.
            let _ = connect(socket.as_raw_fd(), &to_nix);
            Role::Stream(socket.into(), trial)
        }
        IpProtocol::UDP => {
            let socket = UdpSocket::bind((by, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            send_datagram(&socket, trial, to);
            Role::Datagram(socket, trial)
        }
        _ => {
            let kind = (AddressFamily::Inet, SockType::Datagram);
            let socket = socket(kind.0, kind.1, flags, SockProtocol::Icmp).unwrap();
            bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(by, 0))).unwrap();
            send_echo(&socket, to);
            Role::Echo(socket, trial)
        }
    }
}

fn send_datagram(socket: &UdpSocket, trial: usize, to: SocketAddrV4) {
    let _ = socket.send_to(&(trial as u32).to_be_bytes(), to);
}

fn send_echo(socket: &OwnedFd, to: SocketAddrV4) {
    // Echo request; the kernel fills in the sum and the sender's number.
    let packet = [8, 0, 0, 0, 0, 0, 0, 1];
    let _ = sendto(socket.as_raw_fd(), &packet, &SockaddrIn::from(to), MsgFlags::empty());
}

/// Tries all flows of a world at once, and says which did not do as they should.
fn disagreements(
    maker: &Maker,
    ground: &dyn Ground,
    intent: &NetworksIntent,
) -> (Tally, Vec<Trial>) {
    let ends = ends(intent, ground);
    let mut all = trials(maker, &ends, ground);
    // Whoever answers first, everywhere.
    let mut roles: Vec<Role> =
        ends.iter().enumerate().flat_map(|(n, end)| serve(ground, end, n)).collect();
    for (number, end) in ends.iter().enumerate() {
        let own = all.iter().enumerate().filter(|(_, (from, _))| *from == number);
        let by = end.begins_by();
        let begun: Vec<Role> = inside(ground, end.spot, || {
            own.map(|(n, (_, t))| begin(n, &t.flow, by, t.named)).collect()
        });
        roles.extend(begun);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut repeats = ground.repeats();
    loop {
        let waits = all.iter().any(|(_, trial)| !trial.agrees());
        let is_short = !waits || ground.repeats() > 0 || Instant::now() >= deadline;
        let timeout = if is_short { ground.quiet() } else { Duration::from_secs(1) };
        if turn(&mut roles, &mut all, timeout) {
            continue;
        }
        let may_be_lost = ground.repeats() > 0 && waits && Instant::now() < deadline;
        if repeats > 0 || may_be_lost {
            repeats = repeats.saturating_sub(1);
            roles.iter().for_each(|role| role.send_again(&all));
        } else if !waits || Instant::now() >= deadline {
            break;
        }
    }
    let mut tally = Tally::default();
    all.iter().for_each(|(_, trial)| tally.count(trial));
    (tally, all.into_iter().map(|(_, trial)| trial).filter(|trial| !trial.agrees()).collect())
}

/// Waits for something to happen and takes note of it; says whether anything did.
fn turn(roles: &mut Vec<Role>, all: &mut [(usize, Trial)], timeout: Duration) -> bool {
    let watched: Vec<usize> = (0..roles.len()).filter(|n| roles[*n].fd().is_some()).collect();
    let fds: Vec<_> =
        watched.iter().filter_map(|n| Some((roles[*n].fd()?, Interest::Readable))).collect();
    let ready = os::poll::wait(&fds, Some(timeout)).unwrap();
    if !ready.contains(&true) {
        return false;
    }
    let ready = watched.into_iter().zip(ready).filter_map(|(n, ready)| ready.then_some(n));
    for number in ready {
        if let Some(more) = handle(&mut roles[number], all) {
            roles.push(more);
        }
    }
    true
}

fn handle(role: &mut Role, all: &mut [(usize, Trial)]) -> Option<Role> {
    let mut buffer = [0; 64];
    let end = match role {
        Role::Listener(listener, end) => {
            let (mut stream, _) = listener.accept().ok()?;
            stream.write_all(&[*end as u8]).ok()?;
            return Some(Role::Served(stream));
        }
        Role::Server(socket, end) => {
            let (length, from) = socket.recv_from(&mut buffer).ok()?;
            let number = u32::from_be_bytes(buffer[..length].try_into().ok()?) as usize;
            let (_, trial) = &mut all[number];
            trial.fate.arrives |= trial.to == *end;
            let _ = socket.send_to(&[*end as u8], from);
            return None;
        }
        Role::Stream(stream, trial) => match stream.read(&mut buffer) {
            Ok(1) => Some((*trial, buffer[0] as usize)),
            // A refusal that came during the call that it is about is an error of a later one.
            Err(error)
                if error.kind() == ErrorKind::WouldBlock
                    && matches!(stream.take_error(), Ok(None)) =>
            {
                return None;
            }
            Ok(_) | Err(_) => None,
        },
        Role::Datagram(socket, trial) => match socket.recv_from(&mut buffer) {
            // What a NAT gateway sends by its own address answers nothing.
            Ok((1, from)) if from.ip() == all[*trial].1.named => Some((*trial, buffer[0] as usize)),
            // It may say that somebody refused, and still get its answer.
            Ok(_) | Err(_) => return None,
        },
        Role::Echo(socket, trial) => {
            match recvfrom::<SockaddrIn>(socket.as_raw_fd(), &mut buffer) {
                Ok((length, Some(from)))
                    if length >= 8 && buffer[0] == 0 && from.ip() == all[*trial].1.named =>
                {
                    Some((*trial, all[*trial].1.to))
                }
                Ok(_) | Err(_) => return None,
            }
        }
        Role::Served(_) | Role::Over => return None,
    };
    if let Some((trial, end)) = end {
        let (_, trial) = &mut all[trial];
        trial.fate.answered |= trial.to == end;
    }
    *role = Role::Over;
    None
}

/// Insists that every packet of a world does what it must.
pub fn insist(
    seed: u64,
    phase: &str,
    maker: &Maker,
    ground: &dyn Ground,
    intent: &NetworksIntent,
) -> Tally {
    let (tally, wrong) = disagreements(maker, ground, intent);
    if let Some(trial) = wrong.first() {
        let lines: Vec<String> = wrong.iter().map(Trial::in_words).collect();
        panic!(
            "seed {seed}, {phase}: {} of {} flows disagree: {lines:#?}\n\
             the first, by reach: {:#?}\nend in {:#?}",
            wrong.len(),
            tally.flows,
            trial.verdict.hops,
            intent.vpcs.get(&trial.flow.to.vpc),
        );
    }
    tally
}
