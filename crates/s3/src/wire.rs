//! One request and its answer, each over a connection of its own, on a thread that may wait.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws::sigv4::{Credentials, SignedRequest, sha256, sign};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use store::{BlobDigest, BoxError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::listing::error_of;
use crate::url::{Endpoint, S3Url};

/// How long looking up a name, connecting and the TLS handshake may take, together.
const TO_CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer that is read as a whole.
const MOST_TEXT: usize = 16 << 20;
/// Bytes that are sent at once.
const PART: usize = 256 << 10;

/// Sends requests about a bucket.
pub(crate) struct Wire {
    endpoint: Endpoint,
    bucket: String,
    region: String,
    credentials: Credentials,
    tls: Option<Arc<ClientConfig>>,
}

/// What a request has for a body.
pub(crate) enum Sending<'a> {
    Nothing,
    /// So many bytes, which should have this digest.
    Bytes {
        digest: &'a BlobDigest,
        bytes: u64,
        from: &'a mut dyn Read,
    },
}

/// Why there is no answer, or none that is of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("no connection to {0}")]
    Connect(String, #[source] io::Error),
    #[error("{0} does not answer")]
    Late(String),
    #[error("the connection to {0} broke")]
    Broken(String, #[source] BoxError),
    #[error("the request cannot be made")]
    Request(#[source] BoxError),
    #[error("{place} answers {status}{}", told(.error.as_ref()))]
    Refused { place: String, status: StatusCode, error: Option<(String, String)> },
}

fn told(error: Option<&(String, String)>) -> String {
    error.map(|(code, message)| format!(": {code}: {message}")).unwrap_or_default()
}

impl WireError {
    /// Whether there is no such object.
    pub(crate) fn is_missing(&self) -> bool {
        let Self::Refused { status, error, .. } = self else { return false };
        let other = error.as_ref().is_some_and(|(code, _)| code == "NoSuchBucket");
        *status == StatusCode::NOT_FOUND && !other
    }

    /// Whether another try may do better.
    pub(crate) fn is_for_the_moment(&self) -> bool {
        match self {
            Self::Connect(..) | Self::Late(_) | Self::Broken(..) => true,
            Self::Request(_) => false,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }
}

/// Waits a little before something is tried again.
pub(crate) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

impl Wire {
    pub(crate) fn new(url: &S3Url, credentials: Credentials) -> Result<Self, BoxError> {
        let tls = match url.endpoint.tls {
            true => Some(Arc::new(trusting(url.ca.as_deref())?)),
            false => None,
        };
        Ok(Self {
            endpoint: url.endpoint.clone(),
            bucket: url.bucket.clone(),
            region: url.region.clone(),
            credentials,
            tls,
        })
    }

    /// Sends a request about an object, or about the bucket where that has no name, and waits for the answer's
    /// head. An answer that is no success is an error.
    pub(crate) fn send(
        &self,
        method: &str,
        key: &str,
        query: &str,
        range: Option<&str>,
        sending: Sending<'_>,
    ) -> Result<Answer, WireError> {
        let place = self.endpoint.authority();
        let engine = Engine::new().map_err(|error| WireError::Request(error.into()))?;
        let (body, parts, from) = match sending {
            Sending::Nothing => (None, None, None),
            Sending::Bytes { digest, bytes, from } => {
                let (parts, to_send) = mpsc::channel(2);
                (Some((digest, bytes)), Some((parts, to_send)), Some(from))
            }
        };
        let head = self.head(method, key, query, range, body)?;
        let (feeds, to_send) = parts.unzip();
        let left = body.map_or(0, |(_, bytes)| bytes);
        let request = head.body(Parts { to_send, left });
        let request = request.map_err(|error| WireError::Request(error.into()))?;
        let exchange = async {
            let stream = tokio::time::timeout(TO_CONNECT, self.connect()).await;
            let stream = stream.map_err(|_| WireError::Late(place.clone()))?;
            let stream = stream.map_err(|error| WireError::Connect(place.clone(), error))?;
            let broken = |error: hyper::Error| WireError::Broken(place.clone(), error.into());
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(broken)?;
            // Its errors are told to whoever waits for the answer.
            tokio::spawn(async move { drop(connection.await) });
            let mut answering = pin!(sender.send_request(request));
            let feeding = feed(feeds.zip(from));
            let mut feeding = pin!(feeding);
            let mut fed = false;
            loop {
                tokio::select! {
                    answer = &mut answering => return answer.map_err(broken),
                    feeds = &mut feeding, if !fed => {
                        fed = true;
                        feeds.map_err(|()| WireError::Late(place.clone()))?;
                    }
                    () = tokio::time::sleep(PATIENCE), if fed => {
                        return Err(WireError::Late(place.clone()));
                    }
                }
            }
        };
        let answer = engine.block_on(exchange)?;
        let (head, body) = answer.into_parts();
        let answer = Answer { body, headers: head.headers, place, engine };
        if head.status.is_success() {
            return Ok(answer);
        }
        let place = answer.place.clone();
        let error = answer.text().ok().and_then(|text| error_of(&text));
        Err(WireError::Refused { place, status: head.status, error })
    }

    /// The head of a request, signed.
    fn head(
        &self,
        method: &str,
        key: &str,
        query: &str,
        range: Option<&str>,
        body: Option<(&BlobDigest, u64)>,
    ) -> Result<http::request::Builder, WireError> {
        let path = format!("/{}/{key}", self.bucket);
        let authority = self.endpoint.authority();
        let body_sha256 = body.map_or_else(|| sha256(b""), |(digest, _)| digest.bytes());
        let digest = body.map_or_else(|| BlobDigest::of(b"").to_string(), |(it, _)| it.to_string());
        let mut headers: Vec<(&str, &[u8])> =
            vec![("host", authority.as_bytes()), ("x-amz-content-sha256", digest.as_bytes())];
        headers.extend(range.map(|range| ("range", range.as_bytes())));
        let signed = SignedRequest { method, path: &path, query, headers: &headers, body_sha256 };
        let now = Timestamp::now().as_millisecond();
        let added = sign(&signed, &self.credentials, &self.region, "s3", now);
        let added = added.map_err(|error| WireError::Request(error.into()))?;
        let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let mut head = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            head = head.header(name, value);
        }
        for (name, value) in added {
            head = head.header(name, value);
        }
        if let Some((_, bytes)) = body {
            head = head.header(header::CONTENT_LENGTH, bytes);
        }
        Ok(head)
    }

    async fn connect(&self) -> io::Result<Box<dyn Both>> {
        let stream = TcpStream::connect((self.endpoint.name(), self.endpoint.port)).await?;
        // Where this fails, small parts are sent a little later.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name =
            ServerName::try_from(self.endpoint.name().to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        Ok(Box::new(stream))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A connection, encrypted or not.
trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// Hands a body to who sends it, part by part. The thread has nothing else to do while it reads one.
async fn feed(source: Option<(mpsc::Sender<io::Result<Bytes>>, &mut dyn Read)>) -> Result<(), ()> {
    let Some((parts, from)) = source else { return Ok(()) };
    let mut part = vec![0; PART];
    loop {
        let next = match from.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(read) => Ok(Bytes::copy_from_slice(part.get(..read).unwrap_or_default())),
            Err(error) => Err(error),
        };
        let is_last = next.is_err();
        match tokio::time::timeout(PATIENCE, parts.send(next)).await {
            Err(_) => return Err(()),
            // Nobody sends any more: the answer says why.
            Ok(Err(_)) => return Ok(()),
            Ok(Ok(())) if is_last => return Ok(()),
            Ok(Ok(())) => {}
        }
    }
}

/// A body that comes in parts.
struct Parts {
    to_send: Option<mpsc::Receiver<io::Result<Bytes>>>,
    left: u64,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(to_send) = &mut self.to_send else { return Poll::Ready(None) };
        to_send.poll_recv(cx).map(|part| {
            let part = part?;
            let read = part.as_ref().map_or(0, |part| part.len() as u64);
            self.left = self.left.saturating_sub(read);
            Some(part.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.to_send.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What runs while a thread waits.
struct Engine(Option<Runtime>);

impl Engine {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn block_on<T>(&self, asking: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken at the end alone").block_on(asking)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whoever drops it may be a task, and must not wait then.
        let _ = self.0.take().map(Runtime::shutdown_background);
    }
}

/// The answer to a request, whose body was not read yet.
pub(crate) struct Answer {
    body: Incoming,
    headers: HeaderMap,
    place: String,
    engine: Engine,
}

impl Answer {
    /// What time it is there; where it is not said, what time it is here.
    pub(crate) fn date(&self) -> Timestamp {
        self.said_date().unwrap_or_else(Timestamp::now)
    }

    /// What time it is there, if that is said.
    pub(crate) fn said_date(&self) -> Option<Timestamp> {
        let date = self.headers.get(header::DATE).and_then(|date| date.to_str().ok())?;
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        parser.parse_timestamp(date).ok()
    }

    /// Its body as text, as a whole.
    pub(crate) fn text(self) -> Result<String, WireError> {
        let mut text = Vec::new();
        let place = self.place.clone();
        let mut content = Content::new(self, None);
        let read = content.by_ref().take(MOST_TEXT as u64).read_to_end(&mut text);
        read.map_err(|error| WireError::Broken(place, error.into()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Its body, which has so many bytes.
    pub(crate) fn content(self, bytes: u64) -> Content {
        Content::new(self, Some(bytes))
    }
}

/// Reads an answer's body.
pub(crate) struct Content {
    body: Incoming,
    part: Bytes,
    /// How many bytes are to come, where that is known.
    left: Option<u64>,
    engine: Engine,
}

impl Content {
    fn new(answer: Answer, left: Option<u64>) -> Self {
        Self { body: answer.body, part: Bytes::new(), left, engine: answer.engine }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            let next = async { tokio::time::timeout(PATIENCE, self.body.frame()).await };
            match self.engine.block_on(next) {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(Some(Err(error))) => return Err(io::Error::other(error)),
                Ok(Some(Ok(frame))) => self.part = frame.into_data().unwrap_or_default(),
                Ok(None) if self.left.is_some_and(|left| left > 0) => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(None) => return Ok(0),
            }
        }
        let some = self.part.len().min(buffer.len());
        if let Some(to) = buffer.get_mut(..some) {
            self.part.copy_to_slice(to);
        }
        self.left = self.left.map(|left| left.saturating_sub(some as u64));
        Ok(some)
    }
}

/// Trusts the authorities of a file, or this machine's.
fn trusting(ca: Option<&Path>) -> Result<ClientConfig, BoxError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let wrong = |error| format!("{}: {error}", path.display());
            for one in CertificateDer::pem_file_iter(path).map_err(wrong)? {
                roots.add(one.map_err(wrong)?)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there are no authorities by which the server could be trusted".into());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
