//! Somebody who is signed in to the dashboard, without a browser's own cost.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws::sigv4::SigningKey;

use super::client::{Connection, Server};

/// The dashboard takes 20 requests a second of one person: somebody who reads does not send more.
const PACE: Duration = Duration::from_millis(60);

/// The value of an attribute of a page.
fn attribute<'p>(page: &'p str, name: &str) -> anyhow::Result<&'p str> {
    let found = page.split_once(&format!("{name}=\""));
    let (_, rest) = found.with_context(|| format!("the page has no {name}"))?;
    Ok(rest.split('"').next().unwrap_or_default())
}

/// Somebody who is signed in.
pub struct Visitor<'a> {
    server: &'a Server,
    connection: Connection,
    cookie: String,
}

impl<'a> Visitor<'a> {
    /// Signs the operator in, who sees everything.
    pub fn sign_in(server: &'a Server, token: &str) -> anyhow::Result<Self> {
        let (mut visitor, page) = Self::enter(server, "/dashboard/sign-in")?;
        let form = attribute(&page, "name=\"form\" value")?;
        visitor.send(&format!("form={form}&with=token&token={token}&back=/dashboard"))?;
        Ok(visitor)
    }

    /// Signs the owner of VPCs in, who may change them.
    pub fn sign_in_by_key(server: &'a Server) -> anyhow::Result<Self> {
        let (mut visitor, page) = Self::enter(server, "/dashboard/sign-in?with=access-key")?;
        let of = |name| attribute(&page, name);
        let (id, secret) = server.credentials();
        let (date, region, nonce) = (of("data-date")?, of("data-region")?, of("data-nonce")?);
        let key = SigningKey::derive(secret, date, region, dashboard::SERVICE);
        let signature = hex::encode(key.sign(&format!("{}{nonce}", dashboard::PURPOSE)));
        let form = of("name=\"form\" value")?;
        visitor.send(&format!(
            "form={form}&with=access-key&key={id}&nonce={nonce}&signature={signature}&back=/dashboard"
        ))?;
        Ok(visitor)
    }

    /// Opens a page where one signs in.
    fn enter(server: &'a Server, page: &str) -> anyhow::Result<(Self, String)> {
        let connection = Connection::open(&server.address)?;
        let mut visitor = Self { server, connection, cookie: String::new() };
        let page = visitor.connection.ask(&visitor.get(page))?;
        let cookie = page.header("set-cookie").context("no cookie of a visitor")?;
        visitor.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok((visitor, String::from_utf8(page.body)?))
    }

    /// Sends the form of that page.
    fn send(&mut self, body: &str) -> anyhow::Result<()> {
        let visitor = self;
        let request = format!(
            "POST /dashboard/sign-in HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            visitor.server.address,
            visitor.cookie,
            body.len()
        );
        let answer = visitor.connection.ask(request.as_bytes())?;
        let mut cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        let session = cookies.find(|(_, value)| value.starts_with("causeway_session="));
        let (_, session) = session.with_context(|| format!("not signed in: {}", answer.status))?;
        visitor.cookie = session.split(';').next().unwrap_or_default().to_owned();
        Ok(())
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
