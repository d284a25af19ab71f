//! Somebody who is signed in to the dashboard, without a browser's own cost.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::client::{Connection, Server};

/// The dashboard takes 20 requests a second of one person: somebody who reads does not send more.
const PACE: Duration = Duration::from_millis(60);

/// Somebody who is signed in.
pub struct Visitor<'a> {
    server: &'a Server,
    connection: Connection,
    cookie: String,
}

impl<'a> Visitor<'a> {
    /// Signs the operator in, who sees everything.
    pub fn sign_in(server: &'a Server, token: &str) -> anyhow::Result<Self> {
        let connection = Connection::open(&server.address)?;
        let mut visitor = Self { server, connection, cookie: String::new() };
        let page = visitor.connection.ask(&visitor.get("/dashboard/sign-in"))?;
        let cookie = page.header("set-cookie").context("no cookie of a visitor")?;
        visitor.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let text = String::from_utf8(page.body)?;
        let (_, form) = text.split_once("name=\"form\" value=\"").context("no form")?;
        let form = form.split('"').next().unwrap_or_default();
        let body = format!("form={form}&with=token&token={token}&back=/dashboard");
        let request = format!(
            "POST /dashboard/sign-in HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            server.address,
            visitor.cookie,
            body.len()
        );
        let answer = visitor.connection.ask(request.as_bytes())?;
        let mut cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        let session = cookies.find(|(_, value)| value.starts_with("causeway_session="));
        let (_, session) = session.with_context(|| format!("not signed in: {}", answer.status))?;
        visitor.cookie = session.split(';').next().unwrap_or_default().to_owned();
        Ok(visitor)
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let (host, cookie) = (&self.server.address, &self.cookie);
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n").into_bytes()
    }

    /// How long a page takes, in order, and its bytes; `None` if there is no such page.
    pub fn read(
        &mut self,
        path: &str,
        times: usize,
    ) -> anyhow::Result<Option<(Vec<Duration>, usize)>> {
        let request = self.get(path);
        let (mut spans, mut bytes) = (Vec::new(), 0);
        for _ in 0..times {
            park_timeout(PACE);
            let at = Instant::now();
            let answer = self.connection.ask(&request)?;
            spans.push(at.elapsed());
            if answer.status.contains("404") {
                return Ok(None);
            }
            ensure!(answer.status.contains("200"), "{path}: {}", answer.status);
            bytes = answer.body.len();
        }
        spans.sort_unstable();
        Ok(Some((spans, bytes)))
    }

    /// Keeps a page open: hears of its changes until it is dropped.
    pub fn watch(&self, page: &str) -> anyhow::Result<Connection> {
        park_timeout(PACE);
        let mut connection = Connection::open(&self.server.address)?;
        let events = format!("/dashboard/events?page={page}");
        let answer = connection.open_answer(&self.get(&events))?;
        ensure!(answer.status.contains("200"), "{events}: {}", answer.status);
        Ok(connection)
    }
}
