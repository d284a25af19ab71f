//! Connections: bytes to a server and from it, without blocking.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::ClientConnection;

use crate::endpoint::Endpoint;
use crate::tls::Tls;

/// A connection to a server.
pub(crate) enum Transport {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<ClientConnection>, TcpStream),
}

impl Transport {
    /// Connects, within a time for each address that a host has.
    pub(crate) fn connect(
        endpoint: &Endpoint,
        tls: Option<&Tls>,
        patience: Duration,
    ) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(socket))
            }
            Endpoint::Tcp(host, port) => Ok(Self::Tcp(dial(host, *port, patience)?)),
            Endpoint::Ssl(host, port) => {
                let missing =
                    || io::Error::new(io::ErrorKind::InvalidInput, "no certificates are set");
                let session = tls.ok_or_else(missing)?.connect(host)?;
                Ok(Self::Tls(Box::new(session), dial(host, *port, patience)?))
            }
        }
    }

    /// Reads what has come. [`io::ErrorKind::WouldBlock`] where that is nothing.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(buffer),
            Self::Tcp(socket) => socket.read(buffer),
            Self::Tls(session, socket) => loop {
                match session.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                // An end without a goodbye is seen by the reader: it is an error there.
                session.read_tls(socket)?;
                if let Err(error) = session.process_new_packets() {
                    // The server is told why, if it still listens.
                    let _ = session.write_tls(socket);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            },
        }
    }

    /// Writes as much as there is room for. [`io::ErrorKind::WouldBlock`] where that is nothing.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.write(bytes),
            Self::Tcp(socket) => socket.write(bytes),
            Self::Tls(session, _) => match session.writer().write(bytes)? {
                0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
                written => Ok(written),
            },
        }
    }

    /// Sends what lies within the session itself, as far as there is room.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Self::Tls(session, socket) = self else { return Ok(()) };
        while session.wants_write() {
            match session.write_tls(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                sent => drop(sent?),
            }
        }
        Ok(())
    }

    /// Whether something lies within the session itself that was not sent.
    pub(crate) fn wants_write(&self) -> bool {
        matches!(self, Self::Tls(session, _) if session.wants_write())
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.as_fd(),
        }
    }
}

fn dial(host: &str, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
