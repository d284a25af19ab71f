//! What stands between a server and its database, and can part them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Passes,
    /// They wait, and pass later.
    Holds,
    /// What a server asks waits, and passes later; what it is answered passes.
    HoldsQuestions,
    /// What a server is answered waits once it has sent a commit over the connection, and passes later; all
    /// else passes.
    HoldsAnswers,
    /// Connections end, and new ones, too.
    Cuts,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a server to the database.
    Question,
    /// From the database to a server.
    Answer,
}

/// What becomes of bytes, and what came by since that was said.
#[derive(Debug)]
struct State {
    mode: Mode,
    /// By which connections commits of changes have come, whether they wait or not.
    commits: BTreeSet<usize>,
    /// Whether the answer to one of them waits.
    answered: bool,
}

impl State {
    fn of(mode: Mode) -> Self {
        Self { mode, commits: BTreeSet::new(), answered: false }
    }
}

type Shared = (Mutex<State>, Condvar);

/// Passes connections on to a database.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Shared>,
}

impl Proxy {
    /// One before the database at an address, until the test's process ends.
    pub(crate) fn before(database: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::of(Mode::Passes);
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                // A database that is away is not reached by this way either.
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&database)) else {
                    continue;
                };
                let ways = [(Way::Question, &client, &server), (Way::Answer, &server, &client)];
                for (way, from, to) in ways {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&shared);
                    thread::spawn(move || pass(number, way, from, to, &state));
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn place(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.0.lock().unwrap() = State::of(mode);
        self.state.1.notify_all();
    }

    /// Whether a commit of a change waits on its way to the database.
    pub(crate) fn holds_a_commit(&self) -> bool {
        let state = self.state.0.lock().unwrap();
        state.mode == Mode::HoldsQuestions && !state.commits.is_empty()
    }

    /// Whether a commit of a change has taken effect, and its server waits to hear of that.
    pub(crate) fn holds_what_became_of_a_commit(&self) -> bool {
        let state = self.state.0.lock().unwrap();
        state.mode == Mode::HoldsAnswers && state.answered
    }
}

/// Whether bytes that a server sends are the commit of a change that clients ask for: they have the name of
/// what was done, for the audit.
fn commits(bytes: &[u8]) -> bool {
    [&b"Platform.CreateApp"[..], b"Platform.DeleteApp"]
        .iter()
        .any(|name| bytes.windows(name.len()).any(|window| window == *name))
}

/// Passes bytes of a connection on in one direction, as it may.
fn pass(
    connection: usize,
    way: Way,
    mut from: TcpStream,
    mut to: TcpStream,
    (state, changed): &Shared,
) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let holds = |state: &mut State| match state.mode {
            Mode::Holds => true,
            Mode::HoldsQuestions => way == Way::Question,
            Mode::HoldsAnswers => way == Way::Answer && state.commits.contains(&connection),
            Mode::Passes | Mode::Cuts => false,
        };
        let mut now = state.lock().unwrap();
        match way {
            Way::Question if commits(&bytes[..count]) => drop(now.commits.insert(connection)),
            Way::Question => {}
            Way::Answer => now.answered |= now.commits.contains(&connection),
        }
        let mode = changed.wait_while(now, holds).unwrap().mode;
        if mode == Mode::Cuts || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Gone already, where it was the other end that ended it.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
