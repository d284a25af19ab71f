//! A client of both APIs that is quick enough to keep a server busy, and chance that can be had again.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aws::sigv4::{Credentials, SignedRequest, sha256, sign};
use serde_json::Value;

use super::Server;

/// Who a client is, and where the server is now.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    token: String,
    credentials: Credentials,
    region: String,
}

impl Client {
    pub fn of(server: &Server) -> Self {
        let variables: BTreeMap<_, _> = server.env(&[]).into_iter().collect();
        Self {
            address: server.url.strip_prefix("http://").unwrap().to_owned(),
            token: variables["HEROKU_API_KEY"].clone(),
            credentials: Credentials {
                access_key: variables["AWS_ACCESS_KEY_ID"].clone(),
                secret: variables["AWS_SECRET_ACCESS_KEY"].clone(),
                session_token: None,
            },
            region: variables
                .get("AWS_REGION")
                .or(variables.get("AWS_DEFAULT_REGION"))
                .unwrap()
                .clone(),
        }
    }

    /// The same client, of a server at another address.
    pub fn at(&self, address: String) -> Self {
        Self { address, ..self.clone() }
    }

    /// One request over a connection of its own: the status and the body, if an answer came whole.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let (address, length) = (&self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{fields}content-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.and_then(|length| length.parse().ok()) != Some(body.len()) {
            return None;
        }
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// A request of the Platform API.
    pub fn platform(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let fields = format!(
            "authorization: Bearer {}\r\naccept: application/vnd.heroku+json; version=3\r\n\
             content-type: application/json\r\nrange: version ..; order=desc, max=1\r\n",
            self.token
        );
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.send(method, path, &fields, &body)?;
        Some((status, serde_json::from_str(&body).ok()?))
    }

    /// A request of EC2's API.
    pub fn ec2(&self, form: &str) -> Option<(u16, Value)> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let form = format!("{form}&Version=2016-11-15");
        let headers: [(&str, &[u8]); 2] =
            [("host", self.address.as_bytes()), ("content-type", FORM.as_bytes())];
        let request = SignedRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body_sha256: sha256(form.as_bytes()),
        };
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).unwrap();
        let now = Duration::from(now).as_millis().try_into().unwrap();
        let added = sign(&request, &self.credentials, &self.region, "ec2", now).unwrap();
        let signed: String =
            added.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let fields = format!("content-type: {FORM}\r\n{signed}");
        let (status, body) = self.send("POST", "/", &fields, &form)?;
        Some((status, aws::xml::to_json(&body).ok()?))
    }
}

/// Numbers that look like chance and are the same for the same seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A number that `scripts/soak` gives.
pub fn given(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
