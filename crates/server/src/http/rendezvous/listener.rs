//! Admission of a client: a TLS handshake, and a secret as the first line.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::server::{StartHandshake, TlsStream};
use tokio_util::sync::CancellationToken;

use super::session;
use crate::apps::rendezvous::Ticket;
use crate::http::listen::Wire;
use crate::http::state::State;

/// How long the admission may take.
const WITHIN: Duration = Duration::from_secs(10);
/// The longest first line. A secret is shorter.
const LONGEST_LINE: usize = 256;

/// Serves a connection whose client has begun a TLS handshake, to its end.
pub(crate) async fn serve(state: Arc<State>, hello: StartHandshake<Wire>, stop: CancellationToken) {
    let rendezvous = Arc::clone(&state.rendezvous);
    let Ok(permit) = Arc::clone(&rendezvous.strangers).try_acquire_owned() else {
        return tracing::warn!(
            "turned away a client of `heroku run`: too many clients have not sent their secret"
        );
    };
    let admitted = tokio::select! {
        admitted = tokio::time::timeout(WITHIN, admit(&state, hello)) => admitted.ok().flatten(),
        () = stop.cancelled() => None,
    };
    drop(permit);
    if let Some((stream, ticket, early)) = admitted {
        session::run(&state, stream, ticket, early, stop).await;
    }
}

async fn admit(
    state: &State,
    hello: StartHandshake<Wire>,
) -> Option<(TlsStream<Wire>, Ticket, Vec<u8>)> {
    let rendezvous = &state.rendezvous;
    let config = rendezvous
        .tls(&state.secret, state.clock.wall())
        .inspect_err(|error| tracing::error!(error, "the server has no certificate"))
        .ok()?;
    let mut stream = hello
        .into_stream(config)
        .await
        .inspect_err(|error| {
            tracing::debug!(%error, "no handshake; does the client trust `NODE_EXTRA_CA_CERTS`?");
        })
        .ok()?;
    let (line, early) = first_line(&mut stream).await?;
    match rendezvous.claim(&line) {
        Some(ticket) => Some((stream, ticket, early)),
        None => {
            // The `heroku` command takes the first thing that it reads for a greeting.
            for text in [session::GREETING, "That session is over, or was joined already.\r\n"] {
                stream.write_all(text.as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
            }
            let _ = stream.shutdown().await;
            None
        }
    }
}

/// Reads the first line. Returns it without its line end, and the bytes after it.
async fn first_line(stream: &mut TlsStream<Wire>) -> Option<(String, Vec<u8>)> {
    let mut line = Vec::new();
    let mut chunk = [0; LONGEST_LINE];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        line.extend_from_slice(&chunk[..read]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let early = line.split_off(end + 1);
            let line = String::from_utf8(line).ok()?;
            return Some((line.trim_end().to_owned(), early));
        }
        if line.len() > LONGEST_LINE {
            return None;
        }
    }
}
