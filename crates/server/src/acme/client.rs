//! HTTPS to an ACME server: to nothing else, and with bounds on what it answers.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How long an answer may be. The longest is a chain of certificates.
const MOST: usize = 1 << 20;

/// A client of an ACME server.
#[derive(Clone)]
pub(super) struct Client(HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Client {
    /// One that trusts the authorities in a file, or else those of this machine.
    pub(super) fn new(ca: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = match ca {
            Some(path) => CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        roots.add_parsable_certificates(found);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let https =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
        Ok(Self(HyperClient::builder(TokioExecutor::new()).build(https.build())))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        let exchange = async move {
            let answer =
                client.request(request).await.map_err(|error| Error::Other(error.into()))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(Error::Other)?.to_bytes();
            Ok(Response::from_parts(parts, Full::new(body)).into())
        };
        Box::pin(async move {
            let late = |_| Error::Other("no answer in time".into());
            tokio::time::timeout(WITHIN, exchange).await.map_err(late)?
        })
    }
}
