//! Answers that are handed on while they come: server-sent events, and whatever is at an address.

use anyhow::Context;
use http_body_util::BodyExt;
use hyper::Request;

use super::lines::Lines;
use super::request::{AGENT, Client, full};

impl Client {
    /// Opens a stream of server-sent events, and hands on what each one says until the stream
    /// ends. `seen` is the id of the last one that was seen: where to go on.
    pub(crate) fn events(
        &self,
        url: &str,
        seen: &mut Option<String>,
        mut each: impl FnMut(&str),
    ) -> anyhow::Result<()> {
        let mut request = Request::builder()
            .uri(url)
            .header("accept", "text/event-stream")
            .header("user-agent", AGENT);
        if let Some(id) = seen {
            request = request.header("last-event-id", &*id);
        }
        let request =
            request.body(full("")).with_context(|| format!("'{url}' is not an address"))?;
        self.block_on(async {
            let mut body = self.open(request).await?;
            let mut lines = Lines::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the stream broke off")?;
                lines.add(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(line) = lines.next()? {
                    let line = String::from_utf8_lossy(line);
                    let line = line.trim_end_matches('\r');
                    let field = |name| {
                        let value: Option<&str> = line.strip_prefix(name);
                        value.map(|value| value.strip_prefix(' ').unwrap_or(value))
                    };
                    if let Some(data) = field("data:") {
                        each(data);
                    } else if let Some(id) = field("id:") {
                        *seen = Some(id.to_owned());
                    }
                }
            }
            Ok(())
        })
    }

    /// Hands on what is at an address that the server named, as it comes, until it ends.
    pub(crate) fn stream(&self, url: &str, each: &mut impl FnMut(&[u8])) -> anyhow::Result<()> {
        let request = Request::builder()
            .uri(url)
            .header("user-agent", AGENT)
            .body(full(""))
            .with_context(|| format!("'{url}' is not an address"))?;
        self.block_on(async {
            let mut body = self.open(request).await?;
            while let Some(frame) = body.frame().await {
                each(frame.context("the stream broke off")?.data_ref().map_or(&[], |data| data));
            }
            Ok(())
        })
    }
}
