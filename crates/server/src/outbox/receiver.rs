//! For tests: receivers behind real sockets, with TLS or without.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::dial::Stream;

/// A request that was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Received>>,
    /// The status and the `Location` of the next answers; then 200.
    answers: Mutex<VecDeque<(u16, Option<String>)>>,
    bytes: Mutex<Vec<u8>>,
    more: Notify,
}

/// A receiver, which ends with its runtime.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    /// The certificate to trust, where it has one.
    pub(super) root: Option<CertificateDer<'static>>,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that speaks HTTP.
    pub(super) async fn http(tls: bool) -> Self {
        Self::start(tls, |stream, shared| async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let connection = hyper::server::conn::http1::Builder::new();
            // Whoever went away needs no answer.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        })
        .await
    }

    /// One that takes bytes, and closes a connection when it gets one that is 4.
    pub(super) async fn syslog() -> Self {
        Self::start(true, |mut stream, shared| async move {
            let mut part = [0; 4096];
            while let Ok(count) = stream.read(&mut part).await {
                let ends = part[..count].contains(&4);
                shared.bytes.lock().unwrap().extend_from_slice(&part[..count]);
                shared.more.notify_one();
                if count == 0 || ends {
                    return;
                }
            }
        })
        .await
    }

    async fn start<Work: Future<Output = ()> + Send>(
        tls: bool,
        serve: impl Fn(Box<dyn Stream>, Arc<Shared>) -> Work + Copy + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (acceptor, root) = match tls {
            true => {
                let (acceptor, root) = acceptor();
                (Some(acceptor), Some(root))
            }
            false => (None, None),
        };
        let to_serve = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&to_serve));
                tokio::spawn(async move {
                    let stream: Box<dyn Stream> = match acceptor {
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                        None => Box::new(stream),
                    };
                    serve(stream, shared).await;
                });
            }
        });
        Self { address, root, shared }
    }

    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    /// What the next requests are answered with.
    pub(super) fn answers(&self, answers: &[u16]) {
        let answers = answers.iter().map(|status| (*status, None));
        self.shared.answers.lock().unwrap().extend(answers);
    }

    pub(super) fn redirects(&self, to: &str) {
        self.shared.answers.lock().unwrap().push_back((307, Some(to.to_owned())));
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until what came without HTTP holds a text, and returns all of it.
    pub(super) async fn bytes_with(&self, text: &str) -> String {
        loop {
            let all = String::from_utf8_lossy(&self.shared.bytes.lock().unwrap()).into_owned();
            if all.contains(text) {
                return all;
            }
            self.shared.more.notified().await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let received = Received { path, headers: parts.headers, body };
    shared.requests.lock().unwrap().push(received);
    let (status, location) = shared.answers.lock().unwrap().pop_front().unwrap_or((200, None));
    let mut answer = Response::builder().status(status);
    if let Some(location) = location {
        answer = answer.header("location", location);
    }
    // More than anybody should read.
    Ok(answer.body(Full::new(Bytes::from(vec![b'x'; 1 << 20]))).unwrap())
}

/// A certificate for `localhost` that is its own authority.
fn acceptor() -> (TlsAcceptor, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let root = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), root)
}
