//! Proves that a peering's link carries frames both ways, with frames of a type of its own that
//! no firewall rule of the fabric looks at and no workload can send.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::intent::MacAddr;
use nix::libc;
use os::poll::is_readable_within;

use crate::driver::Error;

/// The EtherType for local experiments.
const ETHER_TYPE: u16 = 0x88b5;
/// How long a frame may take. Over a veth pair it takes microseconds; but that both ends are up is
/// noticed by a worker of the kernel's, which a busy machine makes wait.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which a frame is sent again: a link that was just made drops frames until the
/// kernel has noticed that both ends are up.
const REPEAT: Duration = Duration::from_millis(1);

/// One end of a link that is probed.
pub(super) struct Prober {
    socket: OwnedFd,
    index: u32,
}

impl Prober {
    /// Opens an end in the calling thread's namespace.
    pub(super) fn open(index: u32) -> Result<Self, Error> {
        let open = || -> io::Result<OwnedFd> {
            let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
            #[expect(unsafe_code, reason = "no safe wrapper knows this protocol number")]
            // SAFETY: takes no pointers; the descriptor is new and nobody else's.
            let socket = unsafe {
                let fd = libc::socket(libc::AF_PACKET, kind, 0);
                if fd < 0 {
                    return Err(io::Error::last_os_error());
                }
                OwnedFd::from_raw_fd(fd)
            };
            let address = link_address(index, MacAddr([0; 6]));
            #[expect(unsafe_code, reason = "no safe wrapper makes such an address")]
            // SAFETY: the pointer is to a whole `sockaddr_ll` of the length that is given.
            let status = unsafe {
                libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length_of(&address))
            };
            if status < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
        };
        let socket = open().map_err(|error| Error::Probe(error.to_string()))?;
        Ok(Self { socket, index })
    }

    /// Sends a frame from here and waits until the other end has it.
    pub(super) fn reach(&self, other: &Self, mac: MacAddr, payload: &[u8]) -> Result<(), Error> {
        let attempt = || -> io::Result<bool> {
            let deadline = Instant::now() + TIMEOUT;
            while Instant::now() < deadline {
                self.send(mac, payload)?;
                if other.await_frame(payload)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match attempt() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Probe("no frame arrived within 5 s".into())),
            Err(error) => Err(Error::Probe(error.to_string())),
        }
    }

    fn send(&self, mac: MacAddr, payload: &[u8]) -> io::Result<()> {
        let address = link_address(self.index, mac);
        #[expect(unsafe_code, reason = "no safe wrapper makes such an address")]
        // SAFETY: both pointers are to live memory of the lengths that are given.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                payload.as_ptr().cast(),
                payload.len(),
                0,
                (&raw const address).cast(),
                length_of(&address),
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn await_frame(&self, payload: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; 128];
        loop {
            if !is_readable_within(&self.socket, REPEAT)? {
                return Ok(false);
            }
            let flags = nix::sys::socket::MsgFlags::MSG_DONTWAIT;
            let length = nix::sys::socket::recv(self.socket.as_raw_fd(), &mut buffer, flags)?;
            if buffer.get(..length).is_some_and(|frame| frame.starts_with(payload)) {
                return Ok(true);
            }
        }
    }
}

/// Closes probes' sockets on threads of its own: the kernel takes some 15 ms for each, to be sure that
/// no packet is under way to it.
pub(super) struct Closer {
    queue: Option<SyncSender<Prober>>,
    threads: Vec<JoinHandle<()>>,
}

impl Closer {
    /// Number of threads: sockets that are closed at the same time share one wait of the kernel's.
    const THREADS: usize = 4;
    /// Number of sockets that may wait to be closed; more would add up to too many descriptors.
    const WAITING: usize = 128;

    /// Starts the threads, which share the descriptors of the calling thread.
    pub(super) fn start() -> Result<Self, Error> {
        let (queue, waiting) = sync_channel(Self::WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::new();
        for _ in 0..Self::THREADS {
            let waiting = Arc::clone(&waiting);
            let work = move || {
                while let Some(prober) = next(&waiting) {
                    drop(prober);
                }
            };
            let builder = std::thread::Builder::new().name("fabric-close".into());
            threads.push(builder.spawn(work).map_err(|e| Error::Thread(e.to_string()))?);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    /// Has an end closed, soon.
    pub(super) fn close(&self, prober: Prober) {
        if let Some(queue) = &self.queue {
            // Were the threads gone, the socket would come back and be closed here.
            drop(queue.send(prober));
        }
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // It only closes; whatever it ended with, the sockets are closed.
            let _ = thread.join();
        }
    }
}

fn next(waiting: &Mutex<Receiver<Prober>>) -> Option<Prober> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn link_address(index: u32, mac: MacAddr) -> libc::sockaddr_ll {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&mac.0);
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ETHER_TYPE.to_be(),
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: bytes,
    }
}

fn length_of(address: &libc::sockaddr_ll) -> libc::socklen_t {
    size_of_val(address) as libc::socklen_t
}
