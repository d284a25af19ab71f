//! A server to measure, and requests without a client's own cost: signed once, sent as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

/// How a success begins.
const OK: &str = "HTTP/1.1 200";

/// A server of its own.
pub struct Server {
    child: Child,
    /// The data directory, removed with this.
    pub data: tempfile::TempDir,
    /// The host and port of both APIs.
    pub address: String,
    /// From its start to its first answer.
    pub first_answer: Duration,
    credentials: (String, String),
    region: String,
    fabric: &'static str,
}

impl Server {
    /// Starts one.
    pub fn start(fabric: &'static str) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        // The first start sets up; the second is what is measured.
        let (child, _, _) = spawn(data.path(), fabric, &[])?;
        stop(child)?;
        Self::on(data, fabric, &[])
    }

    /// Starts one on a data directory that is there, with further arguments.
    pub fn on(
        data: tempfile::TempDir,
        fabric: &'static str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let (child, address, first_answer) = spawn(data.path(), fabric, arguments)?;
        let mut server = Self {
            child,
            data,
            address,
            first_answer,
            credentials: Default::default(),
            region: String::new(),
            fabric,
        };
        let env = server.causeway(&["env", "--json"])?;
        let text = |name: &str| env[name].as_str().unwrap_or_default().to_owned();
        server.credentials = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
        server.region = text("AWS_DEFAULT_REGION");
        Ok(server)
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// One of our own commands, as the operator, with JSON.
    pub fn causeway(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = program()?;
        command.args(arguments).arg("--data").arg(self.data.path());
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }

    /// Compares the fabric with what it should be, and waits for the end of that. No process is started for
    /// it, as that would take a processor from what is measured meanwhile.
    pub fn sweep(&self) -> anyhow::Result<()> {
        let secret = store::DataDir::read_secret(self.data.path())?;
        let token = api::operator_token(|purpose| secret.derive(purpose, ""));
        let request = format!(
            "POST /_causeway/sweep HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
            self.address
        );
        Connection::open(&self.address)?.exchange(request.as_bytes())?;
        Ok(())
    }

    /// The access key that signs the requests: its id and its secret.
    pub fn credentials(&self) -> (&str, &str) {
        (&self.credentials.0, &self.credentials.1)
    }

    /// Its resident memory in KiB.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.context("no VmRSS")?;
        Ok(words.split_whitespace().next().context("no figure")?.parse()?)
    }

    /// A signed request, ready to be sent as often as one likes.
    pub fn request(&self, form: &str) -> anyhow::Result<Vec<u8>> {
        self.request_at(form, now_ms()?)
    }

    /// The same, signed at a time.
    pub fn request_at(&self, form: &str, now_ms: i64) -> anyhow::Result<Vec<u8>> {
        let form = format!("{form}&Version=2016-11-15");
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let headers: Vec<(&str, &[u8])> =
            vec![("host", self.address.as_bytes()), ("content-type", kind.as_bytes())];
        let request = aws::sigv4::SignedRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body_sha256: aws::sigv4::sha256(form.as_bytes()),
        };
        let credentials = aws::sigv4::Credentials {
            access_key: self.credentials.0.clone(),
            secret: self.credentials.1.clone(),
            session_token: None,
        };
        let added = aws::sigv4::sign(&request, &credentials, &self.region, "ec2", now_ms)?;
        let mut text = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n",
            self.address,
            form.len()
        );
        for (name, value) in added {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        Ok(format!("{text}\r\n{form}").into_bytes())
    }

    /// Sends one request on a connection of its own, and reads the XML as JSON.
    pub fn ec2(&self, form: &str) -> anyhow::Result<Value> {
        let body = Connection::open(&self.address)?.exchange(&self.request(form)?)?;
        let text = String::from_utf8(body)?;
        Ok(aws::xml::to_json(&text)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.child.id().cast_signed()),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.child.wait();
        if self.fabric == "linux" {
            let _ = self.causeway(&["fabric:purge", "--confirm"]);
        }
    }
}

/// The time, in milliseconds since the epoch.
pub fn now_ms() -> anyhow::Result<i64> {
    let now = Command::new("date").arg("+%s").output()?.stdout;
    Ok(String::from_utf8(now)?.trim().parse::<i64>()? * 1000)
}

/// A connection that is kept.
pub struct Connection {
    reader: BufReader<TcpStream>,
    /// What [`Self::pass`] reads into.
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, stream), buffer: vec![0; 1 << 18] })
    }

    /// Sends a request and reads the body of its answer.
    pub fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(self.ask_well(request)?.body)
    }

    /// Sends a request and reads its answer, which must be a success.
    pub fn ask_well(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        let answer = self.ask(request)?;
        let said = || format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        ensure!(answer.status.starts_with(OK), "{}", said());
        Ok(answer)
    }

    /// Sends a request and reads its answer, which must be a success, at the least cost of its own:
    /// nothing of the answer is kept.
    pub fn pass(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(request)?;
        let mut filled = 0;
        let (head, end) = loop {
            let read = stream.read(&mut self.buffer[filled..])?;
            ensure!(read > 0, "the connection ended");
            filled += read;
            let end = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break (str::from_utf8(&self.buffer[..end])?, end + 4);
            }
        };
        ensure!(head.starts_with(OK), "{head}");
        let length = head.split_once("\r\ncontent-length: ").context("no length")?.1;
        let length: usize = length.split("\r\n").next().unwrap_or_default().parse()?;
        let mut left = length.checked_sub(filled - end).context("more than was asked for")?;
        while left > 0 {
            let room = left.min(self.buffer.len());
            let read = stream.read(&mut self.buffer[..room])?;
            ensure!(read > 0, "the connection ended");
            left -= read;
        }
        Ok(())
    }

    /// Sends a request and reads its answer, whatever that is.
    pub fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        let mut answer = self.open_answer(request)?;
        let length = answer.header("content-length").map_or(Ok(0), str::parse)?;
        answer.body = vec![0; length];
        self.reader.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Sends a request and reads its answer's head.
    pub fn open_answer(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.reader.get_mut().write_all(request)?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let mut answer =
            Answer { status: line.trim().to_owned(), headers: Vec::new(), body: Vec::new() };
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(answer)
    }
}

/// An answer.
pub struct Answer {
    /// Its first line.
    pub status: String,
    /// Its headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

fn program() -> anyhow::Result<Command> {
    let path = std::env::var_os("CAUSEWAY").context("CAUSEWAY does not name the binary")?;
    let mut command = Command::new(path);
    for name in ["CAUSEWAY_URL", "CAUSEWAY_DATA", "HEROKU_API_KEY", "CAUSEWAY_CONFIG"] {
        command.env_remove(name);
    }
    Ok(command)
}

fn spawn(
    data: &std::path::Path,
    fabric: &str,
    arguments: &[&str],
) -> anyhow::Result<(Child, String, Duration)> {
    let log = std::fs::File::create(data.join("server.log"))?;
    let started = Instant::now();
    let mut child = program()?
        .args(["serve", "--listen", "127.0.0.1:0", "--fabric", fabric])
        .args(["--rate-limit", "0", "--ec2-rate-limit", "0"])
        .args(arguments)
        .arg("--data")
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let address = loop {
        let line = lines.next().context("the server ended")??;
        if let Some(url) = line.strip_prefix("Listening on http://") {
            break url.to_owned();
        }
    };
    let health = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
    Connection::open(&address)?.exchange(health.as_bytes())?;
    Ok((child, address, started.elapsed()))
}

fn stop(mut child: Child) -> anyhow::Result<()> {
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )?;
    child.wait()?;
    Ok(())
}
