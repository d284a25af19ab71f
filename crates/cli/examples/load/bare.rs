//! A bare hyper server that answers what it is given, as a process of its own: what is possible on this
//! machine for an answer of these bytes.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::client::Answer;

/// The argument that makes this program a bare server.
pub const ARGUMENT: &str = "bare";

/// Headers that hyper writes by itself.
const HYPERS_OWN: [&str; 2] = ["content-length", "date"];

/// A bare server, which ends with this.
pub struct Bare {
    child: Child,
    /// Its host and port.
    pub address: String,
    /// How many bytes the body of its answer has.
    pub size: usize,
}

impl Bare {
    /// Starts one that gives an answer with the same headers and body to every request.
    pub fn answering(answer: &Answer) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        for (name, value) in &answer.headers {
            writeln!(input, "{name}: {value}")?;
        }
        writeln!(input)?;
        input.write_all(&answer.body)?;
        drop(input);
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned(), size: answer.body.len() })
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves, until it is killed, what standard input says: headers, an empty line and the body.
pub fn serve() -> anyhow::Result<()> {
    let (headers, body) = read(std::io::stdin().lock())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (headers, body) = (headers.clone(), body.clone());
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let (headers, body) = (headers.clone(), body.clone());
                    async move {
                        // Every server has to read what it is asked.
                        let _ = request.into_body().collect().await;
                        let mut response = Response::new(Full::new(body));
                        response.headers_mut().extend(headers);
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // A client that goes away is none of its business.
                let _ = connection.await;
            });
        }
    })
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn read(mut input: impl BufRead) -> anyhow::Result<(Headers, Bytes)> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if !HYPERS_OWN.contains(&name) {
            headers.push((name.parse()?, value.parse()?));
        }
    }
    let mut body = Vec::new();
    input.read_to_end(&mut body)?;
    Ok((headers, body.into()))
}
