//! What stands between a server and its database, and can part them.

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
    /// Connections end, and new ones, too.
    Cuts,
}

/// Passes connections on to a database.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<(Mutex<Mode>, Condvar)>,
}

impl Proxy {
    /// One before the database at an address, until the test's process ends.
    pub(crate) fn before(database: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new((Mutex::new(Mode::Passes), Condvar::new()));
        let shared = Arc::clone(&mode);
        thread::spawn(move || {
            for client in listener.incoming() {
                // A database that is away is not reached by this way either.
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&database)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let mode = Arc::clone(&shared);
                    thread::spawn(move || pass(from, to, &mode));
                }
            }
        });
        Self { address, mode }
    }

    pub(crate) fn place(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.0.lock().unwrap() = mode;
        self.mode.1.notify_all();
    }
}

/// Passes bytes on in one direction, as it may.
fn pass(mut from: TcpStream, mut to: TcpStream, (mode, changed): &(Mutex<Mode>, Condvar)) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let holds = |mode: &mut Mode| *mode == Mode::Holds;
        let mode = *changed.wait_while(mode.lock().unwrap(), holds).unwrap();
        if mode == Mode::Cuts || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Gone already, where it was the other end that ended it.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
