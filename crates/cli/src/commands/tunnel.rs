//! `causeway tunnel`: a port of this machine behind which a server on another one is.
//!
//! The heroku command takes no other address than this machine's (heroku.md §2.1). What it sends goes
//! over TLS as it is, be it HTTP or the TLS of a session of `heroku run`: the server finds inside what it
//! would find on its own loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::arguments::tunnel::TunnelArgs;
use crate::client::trust::{self, Seen};
use crate::output::Out;
use crate::usage::usage;

/// How long a connection to the server may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many connections are passed on at a time.
const MOST: usize = 512;
/// The pause after a connection could not be accepted, for want of files or memory.
const SHORT_OF: Duration = Duration::from_millis(100);

/// The server at the other end.
struct Far {
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
    seen: Arc<Seen>,
}

/// Passes connections on until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
///
/// An address that is not one of a server over TLS, a port that is taken, a server that cannot be reached
/// or is not believed.
pub(super) fn run(args: &TunnelArgs, out: &mut Out) -> anyhow::Result<()> {
    if !args.listen.ip().is_loopback() {
        return Err(usage(format!(
            "--listen {}: whoever reaches the tunnel reaches the server without TLS, so it listens on \
             loopback only",
            args.listen
        )));
    }
    let far = Arc::new(Far::of(args)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the network cannot be used")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}; name another port", args.listen))?;
        let near = listener.local_addr().context("the port is not known")?;
        far.try_out().await?;
        announce(args, near, out);
        tokio::select! {
            () = pass_on(listener, far) => {}
            ended = ended() => ended?,
        }
        Ok(())
    })
}

fn announce(args: &TunnelArgs, near: SocketAddr, out: &mut Out) {
    if args.json {
        out.json(&serde_json::json!({ "listen": near.to_string(), "url": args.url }));
    } else {
        out.line(format_args!("http://{near} leads to {}", args.url));
        let trust = match (&args.trust.ca, args.trust.fingerprint) {
            (_, Some(fingerprint)) => format!(" --fingerprint {fingerprint}"),
            (Some(file), None) => format!(" --ca {}", file.display()),
            (None, None) => String::new(),
        };
        out.line("In the shell of the heroku and aws commands:");
        out.line(format_args!(
            "  eval \"$(causeway env --remote {} --tunnel {near}{trust})\"",
            args.url
        ));
    }
    out.flush();
}

/// Waits for a signal to end.
async fn ended() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| signal(kind).context("signals cannot be received");
    let (mut terminate, mut interrupt, mut hang_up) =
        (of(SignalKind::terminate())?, of(SignalKind::interrupt())?, of(SignalKind::hangup())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

async fn pass_on(listener: TcpListener, far: Arc<Far>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(share) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((near, _)) => {
                let far = Arc::clone(&far);
                tokio::spawn(async move {
                    if let Err(error) = join(near, &far).await {
                        tracing::debug!(%error, "a connection broke off");
                    }
                    drop(share);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(SHORT_OF).await;
            }
        }
    }
}

async fn join(mut near: TcpStream, far: &Far) -> io::Result<()> {
    near.set_nodelay(true)?;
    match far.connect().await {
        Ok(mut stream) => {
            tokio::io::copy_bidirectional(&mut near, &mut stream).await?;
            Ok(())
        }
        Err(error) => refuse(near, far, &error).await,
    }
}

/// Tells a client why there is no server, as the Platform API tells what is wrong.
async fn refuse(mut near: TcpStream, far: &Far, error: &anyhow::Error) -> io::Result<()> {
    /// What a client may have sent already. What is not read would break off the answer.
    const MOST_READ: u64 = 64 << 10;
    let body = serde_json::json!({
        "id": "bad_gateway",
        "message": format!("causeway tunnel: {}: {error:#}", far.address()),
    });
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    near.write_all(format!("{head}{body}").as_bytes()).await?;
    near.shutdown().await?;
    let (mut rest, mut nowhere) = (near.take(MOST_READ), tokio::io::sink());
    let read = tokio::io::copy(&mut rest, &mut nowhere);
    let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
    Ok(())
}

impl Far {
    fn of(args: &TunnelArgs) -> anyhow::Result<Self> {
        let wrong = || {
            usage(format!(
                "'{}' is not the address of a server over TLS; one is like https://cw.example.org",
                args.url
            ))
        };
        let uri: hyper::Uri = args.url.parse().map_err(|_| wrong())?;
        let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some("https"), Some(authority), true) = (uri.scheme_str(), authority, plain) else {
            return Err(wrong());
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
        let (config, seen) = trust::tls(&args.trust.or_variables()?)?;
        let port = authority.port_u16().unwrap_or(443);
        Ok(Self { host, port, name, tls: TlsConnector::from(Arc::new(config)), seen })
    }

    fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let connected = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            self.tls.connect(self.name.clone(), stream).await
        };
        tokio::time::timeout(PATIENCE, connected)
            .await
            .with_context(|| format!("no answer within {PATIENCE:?}"))?
            .map_err(Into::into)
    }

    /// Asks whether there is a server at the other end, so that a mistake is told at once.
    async fn try_out(&self) -> anyhow::Result<()> {
        let mut stream = match self.connect().await {
            Ok(stream) => stream,
            Err(error) if error.chain().any(|cause| trust::distrust(cause).is_some()) => {
                let why = error.chain().find_map(trust::distrust).unwrap_or_default();
                let shown = self.seen.last().map(|seen| seen.to_string()).unwrap_or_default();
                bail!(
                    "{} is not believed to be who it says: {why}. It shows the certificate {shown}: \
                     if its operator's `causeway serve` printed the same, give --fingerprint with it, or \
                     --ca with the file of its certificate authority",
                    self.address()
                );
            }
            Err(error) => {
                return Err(error.context(format!("{} cannot be reached", self.address())));
            }
        };
        let ask = format!(
            "GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address()
        );
        let answered = async {
            stream.write_all(ask.as_bytes()).await?;
            let mut answer = String::new();
            stream.take(64 << 10).read_to_string(&mut answer).await.or_else(|error| {
                // Some end a connection without saying so.
                if error.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) }
            })?;
            io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        let answer = answer.with_context(|| format!("{} does not answer", self.address()))??;
        if !answer.starts_with("HTTP/1.1 200 ") {
            let status = answer.lines().next().unwrap_or("nothing");
            bail!("{} is no server of Causeway that is well: it answers {status}", self.address());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TrustArgs;
    use crate::settings::DEFAULT_LISTEN;

    fn far(url: &str) -> anyhow::Result<Far> {
        let fingerprint = Some(trust::Fingerprint::of(b"x"));
        Far::of(&TunnelArgs {
            url: url.to_owned(),
            listen: DEFAULT_LISTEN,
            json: false,
            trust: TrustArgs { ca: None, fingerprint },
        })
    }

    #[test]
    fn only_a_server_over_tls_is_taken() {
        assert_eq!(far("https://cw.example.org").unwrap().address(), "cw.example.org:443");
        assert_eq!(far("https://10.0.0.5:4880/").unwrap().address(), "10.0.0.5:4880");
        assert_eq!(far("https://[fd00::5]:1").unwrap().address(), "[fd00::5]:1");
        for wrong in [
            "",
            "cw.example.org",
            "http://cw.example.org",
            "https://",
            "https://cw.example.org/path",
            "https://cw.example.org/?x",
            "https://a@cw.example.org",
        ] {
            let error = far(wrong).err().unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(crate::usage::is_usage(&error), "{wrong}: {error:#}");
        }
    }
}
