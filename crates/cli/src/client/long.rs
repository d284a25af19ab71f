//! Requests that take as long as they take, of which the answer says how far they are.

use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::Value;

use super::lines::{Lines, accepted};
use super::{AGENT, Client, PATIENCE, refusal};

impl Client {
    /// `POST`, of which the answer comes line by line, each an object with one key that says what it
    /// is: `progress` is handed on, `done` ends it.
    ///
    /// # Errors
    ///
    /// As [`Self::send`]; a server that says nothing for too long, or ends in the middle.
    pub fn post_long(
        &self,
        path: &str,
        body: &Value,
        mut progress: impl FnMut(&Value),
    ) -> anyhow::Result<Value> {
        let bytes = body.to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .header("user-agent", AGENT)
            .body(Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed())
            .with_context(|| format!("'{}{path}' is not an address", self.url))?;
        let waited = || anyhow!("{} said nothing for {PATIENCE:?}", self.url);
        self.runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, self.http.request(request)).await;
            let answer = answer.map_err(|_| waited())?.map_err(|error| self.silent(&error))?;
            let mut body = accepted(answer).await?;
            let mut lines = Lines::default();
            loop {
                let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
                let Some(frame) = frame.map_err(|_| waited())? else {
                    bail!("{} ended before it was done", self.url);
                };
                let frame = frame.context("the answer broke off")?;
                lines.add(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(line) = lines.next()? {
                    let mut line: Value = serde_json::from_slice(line).unwrap_or_default();
                    if !line["done"].is_null() {
                        return Ok(line["done"].take());
                    }
                    if !line["failed"].is_null() {
                        let status = line["failed"]["status"].as_u64();
                        let status = status.and_then(|status| u16::try_from(status).ok());
                        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                        return Err(refusal(status, &line["failed"]));
                    }
                    if !line["progress"].is_null() {
                        progress(&line["progress"]);
                    }
                }
            }
        })
    }
}
