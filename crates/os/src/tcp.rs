//! Connections of TCP whose other end may vanish without a word.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

/// How many questions of the kernel may stay without an answer.
const QUESTIONS: u32 = 3;

/// Has the kernel end a connection whose other end has answered nothing for about that long, be it that
/// bytes wait to be sent or that nobody says anything.
///
/// # Errors
///
/// The socket is none of TCP.
pub fn end_when_silent(socket: impl AsFd, silence: Duration) -> io::Result<()> {
    let every = (silence / (QUESTIONS + 1)).max(Duration::from_secs(1));
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, every)?;
    sockopt::set_tcp_keepintvl(&socket, every)?;
    sockopt::set_tcp_keepcnt(&socket, QUESTIONS)?;
    let millis = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&socket, millis)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_asks_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        end_when_silent(&listener, Duration::from_secs(20)).unwrap();
        assert_eq!(sockopt::tcp_keepidle(&listener).unwrap(), Duration::from_secs(5));
        assert_eq!(sockopt::tcp_user_timeout(&listener).unwrap(), 20_000);
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(end_when_silent(&one, Duration::from_secs(20)).is_err());
    }
}
