//! Measures the edge's router against nginx as a reverse proxy: the same app, the same client, in
//! turns, in one run. Needs `nginx` and `wrk`.
//!
//! `against_nginx "1 KiB, 32"` measures only what begins so. `against_nginx edge <dir>` is the edge
//! that it measures.

#![expect(clippy::print_stdout, reason = "its rows are what it is for")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use causeway_edge::{Config, Location, Namespaces, ensure};
use model::edge::{AppRoute, Backend, BackendState, EdgeIntent, RouterIntent};
use model::{AppId, Cidr, DynoId, SpaceId};
use uuid::Uuid;

const HOST: &str = "demo.apps.localhost";
const ROUNDS: usize = 15;
const SECONDS: u32 = 2;
/// That nginx may take to start.
const START: Duration = Duration::from_secs(10);

type Failed = Box<dyn Error>;

fn main() -> Result<ExitCode, Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let only = match &args[..] {
        [] => "",
        [only] => only,
        [word, dir] if word == "edge" => return Ok(causeway_edge::process_main(Path::new(dir))),
        _ => return Ok(ExitCode::FAILURE),
    };
    let dir = tempfile::tempdir()?;
    let (app, proxy, router) = (port()?, port()?, port()?);
    std::fs::create_dir_all(dir.path().join("app"))?;
    std::fs::write(dir.path().join("app/big"), vec![b'x'; 256 * 1024])?;
    let _app = nginx(dir.path(), "app", app, &app_config(app))?;
    let _proxy = nginx(dir.path(), "proxy", proxy, &proxy_config(proxy, app))?;
    let mut config = Config::new(dir.path().join("edge"));
    config.router = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, router)));
    config.location = Location::Here { http: port()?, https: port()?, dns: port()? };
    let mut control = ensure(&std::env::current_exe()?, &config)?;
    control.sync(&intent(app), &Namespaces::default())?;
    control.settle()?;
    let measured = measure(proxy, router, only);
    control.stop()?;
    measured?;
    Ok(ExitCode::SUCCESS)
}

fn measure(proxy: u16, router: u16, only: &str) -> Result<(), Failed> {
    for (path, what) in [("/small", "1 KiB"), ("/big", "256 KiB")] {
        for connections in [1, 32, 256] {
            let title = format!("{what}, {connections} connections");
            if !title.starts_with(only) {
                continue;
            }
            let mut theirs = Vec::new();
            let mut ours = Vec::new();
            for _ in 0..ROUNDS {
                theirs.push(wrk(proxy, path, connections)?);
                ours.push(wrk(router, path, connections)?);
            }
            let rate = spread(&theirs, &ours, |it| it.rate);
            let p99 = spread(&theirs, &ours, |it| it.p99_ms);
            let (theirs, ours) = (Figures::middle(&theirs), Figures::middle(&ours));
            row(&format!("{title}: nginx"), &theirs.to_string(), "");
            row(&format!("{title}: edge"), &ours.to_string(), "");
            row("  throughput ÷ nginx", &rate, "≥ 0.90");
            row("  p99 ÷ nginx", &p99, "≤ 1.00");
        }
    }
    Ok(())
}

/// The ratio of one figure in each round: the middle one, the least and the greatest. What else
/// runs on the machine changes from round to round.
fn spread(theirs: &[Figures], ours: &[Figures], figure: fn(&Figures) -> f64) -> String {
    let rounds = ours.iter().zip(theirs);
    let mut ratios: Vec<f64> = rounds.map(|(ours, theirs)| figure(ours) / figure(theirs)).collect();
    ratios.sort_by(f64::total_cmp);
    match (ratios.get(ratios.len() / 2), ratios.first(), ratios.last()) {
        (Some(middle), Some(least), Some(most)) => format!("{middle:.2} ({least:.2} to {most:.2})"),
        _ => String::new(),
    }
}

fn row(what: &str, figure: &str, wanted: &str) {
    let wanted = if wanted.is_empty() { String::new() } else { format!("   wanted {wanted}") };
    println!("{what:<44} {figure:>34}{wanted}");
}

/// What one run measured.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s, p50 {:.2}, p99 {:.2} ms", self.rate, self.p50_ms, self.p99_ms)
    }
}

impl Figures {
    fn middle(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = all.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        Self { rate: of(|it| it.rate), p50_ms: of(|it| it.p50_ms), p99_ms: of(|it| it.p99_ms) }
    }
}

fn wrk(port: u16, path: &str, connections: u32) -> Result<Figures, Failed> {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{SECONDS}s"), "--latency"])
        .args(["-H", &format!("Host: {HOST}")])
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let word = |label: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(label));
        line.map(|rest| rest.trim().to_owned()).ok_or_else(|| format!("no {label} in {text}"))
    };
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("not every request was answered:\n{text}").into());
    }
    Ok(Figures {
        rate: word("Requests/sec:")?.parse()?,
        p50_ms: millis(&word("50%")?)?,
        p99_ms: millis(&word("99%")?)?,
    })
}

fn millis(text: &str) -> Result<f64, Failed> {
    let split = text.find(|char: char| char.is_ascii_alphabetic()).ok_or("no unit")?;
    let (figure, unit) = text.split_at(split);
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        _ => return Err(format!("what is {unit}?").into()),
    };
    Ok(figure.parse::<f64>()? * factor)
}

fn port() -> Result<u16, Failed> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// An nginx of our own, which ends with this. It gets a session of its own, as the edge has one
/// and as a service has: the kernel shares processors out between sessions first, and lets what a
/// proxy wakes take its place the more readily if that is in another.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn nginx(dir: &Path, name: &str, port: u16, http: &str) -> Result<Nginx, Failed> {
    let dir = dir.join(name);
    std::fs::create_dir_all(&dir)?;
    let config = dir.join("nginx.conf");
    std::fs::write(&config, http.replace("DIR", &dir.display().to_string()))?;
    let child = Command::new("setsid")
        .arg("nginx")
        .arg("-p")
        .arg(&dir)
        .arg("-c")
        .arg(&config)
        .arg("-e")
        .arg(dir.join("error.log"))
        .stdout(Stdio::null())
        .spawn()?;
    let nginx = Nginx(child);
    let deadline = Instant::now() + START;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nginx does not listen: see {}", dir.display()).into());
        }
        std::thread::yield_now();
    }
    Ok(nginx)
}

fn app_config(port: u16) -> String {
    let small = "x".repeat(1024);
    format!(
        "daemon off; pid DIR/pid; worker_processes 1; user root;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path DIR/b;
  proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  server {{
    listen 127.0.0.1:{port};
    location = /small {{ return 200 '{small}'; }}
    location = /big {{ root DIR; try_files /big =404; }}
  }}
}}
"
    )
}

/// As the manual of nginx says it for keeping connections, with a log as the edge keeps one.
fn proxy_config(port: u16, app: u16) -> String {
    format!(
        "daemon off; pid DIR/pid; worker_processes auto; user root;
events {{ worker_connections 4096; }}
http {{
  log_format router '$time_iso8601 router: at=info method=$request_method path=\"$request_uri\" '
    'host=$host request_id=$request_id fwd=\"$proxy_add_x_forwarded_for\" dyno=$upstream_addr '
    'connect=$upstream_connect_time service=$upstream_response_time status=$status '
    'bytes=$body_bytes_sent protocol=$scheme';
  access_log DIR/access.log router buffer=64k flush=1s; keepalive_requests 1000000000;
  client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f;
  uwsgi_temp_path DIR/u; scgi_temp_path DIR/s; proxy_buffering on; tcp_nodelay on;
  upstream app {{ server 127.0.0.1:{app}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Request-Start $msec;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header Via '1.1 nginx';
      add_header Via '1.1 nginx';
    }}
  }}
}}
"
    )
}

fn intent(port: u16) -> EdgeIntent {
    let backend = Backend {
        dyno: DynoId(Uuid::from_u128(3)),
        name: "web.1".into(),
        address: Ipv4Addr::LOCALHOST,
        port,
        state: BackendState::Up,
    };
    let app = AppRoute {
        name: "demo".into(),
        internal: false,
        hosts: BTreeSet::from([HOST.to_owned()]),
        backends: vec![backend],
        crashed: false,
    };
    let vpc = "vpc-00000000000000001".parse().expect("it is well-formed");
    let eni = "eni-00000000000000001".parse().expect("it is well-formed");
    let space = RouterIntent {
        vpc,
        interfaces: BTreeMap::from([(eni, Ipv4Addr::LOCALHOST)]),
        trusted: vec![Cidr::ANY],
        apps: BTreeMap::from([(AppId(Uuid::from_u128(2)), app)]),
    };
    let spaces = BTreeMap::from([(SpaceId(Uuid::from_u128(1)), space)]);
    EdgeIntent { spaces, ..EdgeIntent::default() }
}
