use std::net::TcpStream;
use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

const API: &str = "of-the-api";
const FIGURES: &str = "of-figures";

/// What a service manager hears: texts, and the sockets that came with them.
struct Manager {
    socket: UnixDatagram,
}

/// A process that was given some sockets, and its manager.
fn pair(given: Vec<(&str, TcpListener)>) -> (ServiceManager, Manager) {
    let (notify, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let given =
        given.into_iter().map(|(name, socket)| Given { name: name.to_owned(), socket }).collect();
    (ServiceManager { notify: Some(notify), given }, Manager { socket })
}

impl Manager {
    /// All that it was told so far, with the addresses of the sockets that came along.
    fn heard(&self) -> Vec<(String, Option<SocketAddr>)> {
        let mut heard = Vec::new();
        loop {
            let mut text = [0; 256];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [io::IoSliceMut::new(&mut text)];
            let Ok(message) =
                recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            else {
                return heard;
            };
            let fds: Vec<OwnedFd> = control
                .drain()
                .filter_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                    _ => None,
                })
                .flatten()
                .collect();
            let socket = fds.into_iter().next().map(TcpListener::from);
            let text = String::from_utf8(text[..message.bytes].to_vec()).unwrap();
            heard.push((text, socket.map(|socket| socket.local_addr().unwrap())));
        }
    }
}

fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn place(name: &'static str, address: SocketAddr) -> Place {
    Place { name, address: Some(address) }
}

fn kept(name: &str, address: SocketAddr) -> (String, Option<SocketAddr>) {
    (format!("FDSTORE=1\nFDNAME={name}"), Some(address))
}

fn removed(name: &str) -> (String, Option<SocketAddr>) {
    (format!("FDSTOREREMOVE=1\nFDNAME={name}"), None)
}

#[test]
fn a_socket_is_bound_once_and_kept() {
    let (mut process, manager) = pair(Vec::new());
    let any = "127.0.0.1:0".parse().unwrap();
    let nowhere = Place { name: FIGURES, address: None };
    let [api, figures] = process.listen([place(API, any), nowhere]).unwrap();
    let api = api.unwrap();
    let address = api.local_addr().unwrap();
    assert!(figures.is_none());
    assert_eq!(manager.heard(), [kept(API, address)]);

    // The next process takes it, whether it asks for that port or for any.
    for asked in [address, any] {
        let (mut process, manager) = pair(vec![(API, api.try_clone().unwrap())]);
        let waiting = TcpStream::connect(address).unwrap();
        let [again] = process.listen([place(API, asked)]).unwrap();
        let (_, peer) = again.unwrap().accept().unwrap();
        assert_eq!(peer, waiting.local_addr().unwrap());
        assert!(manager.heard().is_empty(), "it is kept already");
    }
}

#[test]
fn a_socket_at_an_address_of_the_past_is_closed_for_everybody() {
    let (old, address) = socket();
    let (figures, address_of_figures) = socket();
    let held = [old.try_clone().unwrap(), figures.try_clone().unwrap()];
    let (mut process, manager) = pair(vec![(API, old), (FIGURES, figures)]);
    // The address of figures is the API's now; nothing else could have it before it was closed.
    let nowhere = Place { name: FIGURES, address: None };
    let places = [place(API, address_of_figures), nowhere];
    let [api, none] = process.listen(places).unwrap();
    assert_eq!(api.unwrap().local_addr().unwrap(), address_of_figures);
    assert!(none.is_none());
    assert!(TcpStream::connect(address).is_err(), "nobody is there any more");
    let heard = manager.heard();
    assert_eq!(heard, [removed(API), removed(FIGURES), kept(API, address_of_figures)]);
    drop(held);
}

#[test]
fn a_socket_of_a_unit_is_used_and_not_kept() {
    let (unit, address) = socket();
    let (mut process, manager) = pair(vec![("causeway.socket", unit)]);
    let [api] = process.listen([place(API, address)]).unwrap();
    assert_eq!(api.unwrap().local_addr().unwrap(), address);
    // It would be kept under a second name; the unit has it.
    assert_eq!(manager.heard(), []);
}

#[test]
fn a_socket_of_a_unit_on_which_nobody_would_answer_is_refused() {
    let (unit, address) = socket();
    let (old, past) = socket();
    let (mut process, manager) = pair(vec![(API, old), ("causeway.socket", unit)]);
    let (free, elsewhere) = socket();
    drop(free);
    let error = process.listen([place(API, elsewhere)]).unwrap_err().to_string();
    assert!(error.contains("causeway.socket") && error.contains(&address.to_string()), "{error}");
    assert_eq!(manager.heard(), []);
    let _ = past;
    // What is no socket at all is named, too.
    let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let (mut process, _manager) = pair(vec![("disk", TcpListener::from(file))]);
    let error = process.listen([place(API, elsewhere)]).unwrap_err().to_string();
    assert!(error.contains("disk (no address)"), "{error}");
}

#[test]
fn who_has_no_manager_listens_and_tells_nobody() {
    let mut process = ServiceManager::default();
    let [api] = process.listen([place(API, "127.0.0.1:0".parse().unwrap())]).unwrap();
    TcpStream::connect(api.unwrap().local_addr().unwrap()).unwrap();
    process.tell(State::Ready).unwrap();
}

#[test]
fn how_things_are_is_told() {
    let (process, manager) = pair(Vec::new());
    process.tell(State::Ready).unwrap();
    process.tell(State::Stopping).unwrap();
    let heard = manager.heard();
    assert_eq!(heard, [("READY=1".to_owned(), None), ("STOPPING=1".to_owned(), None)]);
}
