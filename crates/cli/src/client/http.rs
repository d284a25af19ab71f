//! HTTP requests, without a client command in between.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

use super::connector::{Connector, connector};
use super::trust::TrustArgs;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// An HTTP client.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client<Connector, Full<Bytes>>,
}

impl Http {
    /// Makes a client of the server at an address.
    ///
    /// # Errors
    ///
    /// Certificate authorities that cannot be read, where it speaks TLS.
    pub(crate) fn new(url: &str, trust: &TrustArgs) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the network cannot be used")?;
        let (connector, _) = connector(url, trust)?;
        Ok(Self { runtime, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Sends a request, and returns the status and the body of the answer.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .with_context(|| format!("'{url}' is not an address"))?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
            .with_context(|| format!("{url} did not answer within {PATIENCE:?}"))?
            .with_context(|| format!("{url} did not answer"))
    }
}
