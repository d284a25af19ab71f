//! The server as those see it who watch it: a real Prometheus with our alerts, and the log.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Server, text};

const TOKEN: &str = "reads-metrics-and-nothing-else";

/// A file of the tree.
fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/prometheus").join(name)
}

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn promtool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: run scripts/setup --for test");
    // What it does not read, it does not need.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{arguments:?}: {said}");
    said.into_owned()
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// A real Prometheus, which scrapes a server in both ways and has our alerts.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    fn start(metrics: SocketAddr, server: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("token"), TOKEN).unwrap();
        let config = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - job_name: causeway\n  static_configs: [{{ targets: ['{metrics}'] }}]\n\
             - job_name: by-token\n  authorization: {{ credentials_file: '{}' }}\n  \
             static_configs: [{{ targets: ['{server}'] }}]\n\
             - job_name: stranger\n  static_configs: [{{ targets: ['{server}'] }}]\n",
            packaged("causeway.rules.yml").canonicalize().unwrap().display(),
            at("token").display(),
        );
        std::fs::write(at("prometheus.yml"), config).unwrap();
        let address = free();
        let log = std::fs::File::create(at("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is missing: run scripts/setup --for test");
        Self { child, address, _dir: dir }
    }

    /// Asks until an expression has a value that is wanted.
    fn until(&self, expression: &str, wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let query: String =
            percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        let mut last = String::new();
        while Instant::now() < deadline {
            last = get(self.address, &format!("/api/v1/query?query={query}")).unwrap_or_default();
            let answer: Value = serde_json::from_str(&last).unwrap_or_default();
            let value = answer["data"]["result"][0]["value"][1].as_str();
            if value.and_then(|value| value.parse().ok()).is_some_and(&wanted) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("never came about: {expression}, last {last}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_it_and_our_alerts_fire() {
    let rules = packaged("causeway.rules.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
    let tests = packaged("causeway.rules.test.yml");
    promtool(&["test", "rules", tests.to_str().unwrap()], "");

    let data = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let token = place.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let metrics = free().to_string();
    let mut server = Server::on(
        data.path(),
        &["--fabric", "none", "--metrics", &metrics, "--metrics-token", token.to_str().unwrap()],
    );
    assert!(
        server.said.contains(&format!("Metrics on http://{metrics}/metrics")),
        "{}",
        server.said
    );
    server.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]).ok();
    server.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/99"]).refused();
    server.heroku(&["spaces:create", "one", "--team", "team"]).ok();
    let metrics: SocketAddr = metrics.parse().unwrap();
    promtool(&["check", "metrics"], &get(metrics, "/metrics").unwrap());

    let prometheus = Prometheus::start(metrics, server.url.trim_start_matches("http://"));
    for job in ["causeway", "by-token"] {
        prometheus.until(&format!("up{{job=\"{job}\"}}"), |up| up == 1.0);
    }
    prometheus.until("up{job=\"stranger\"}", |up| up == 0.0);
    prometheus.until("count(causeway_build_info{job=\"causeway\",version!=\"\"})", |it| it == 1.0);
    let created = "causeway_requests_total{job=\"causeway\",api=\"ec2\",action=\"CreateVpc\"";
    prometheus.until(&format!("{created},outcome=\"ok\"}}"), |count| count == 1.0);
    prometheus.until(&format!("{created},outcome=\"refused\"}}"), |count| count == 1.0);
    prometheus.until(
        "causeway_requests_total{job=\"by-token\",api=\"platform\",action=\"POST /spaces\"}",
        |count| count == 1.0,
    );
    prometheus.until("causeway_resources{job=\"causeway\",kind=\"vpcs\"}", |vpcs| vpcs >= 1.0);
    prometheus.until(
        "histogram_quantile(0.5, causeway_ledger_commit_duration_seconds_bucket{job=\"causeway\"})",
        |seconds| seconds > 0.0,
    );
    prometheus.until("process_resident_memory_bytes{job=\"causeway\"}", |bytes| bytes > 1e6);
    prometheus.until("causeway_in_force_duration_seconds_count{job=\"causeway\"}", |it| it >= 1.0);

    // One that is killed again and again is told of, by the alert as it is shipped.
    for n in 0..4 {
        server.kill_and_restart();
        let changes = "changes(process_start_time_seconds{job=\"causeway\"}[30m])";
        prometheus.until(changes, |changes| changes >= f64::from(n + 1));
    }
    let firing = "count(ALERTS{alertname=\"CausewayRestarts\",alertstate=\"firing\"})";
    prometheus.until(firing, |count| count == 1.0);
    server.kill();
    let pending = "count(ALERTS{alertname=\"CausewayDown\"})";
    prometheus.until(pending, |count| count == 1.0);
}

#[test]
fn each_change_and_each_refusal_has_a_line_of_json() {
    let mut server = Server::none(&["--log-format", "json"]);
    let script = r#"
import boto3, json
from botocore.exceptions import ClientError
ec2 = boto3.client("ec2")
made = ec2.create_vpc(CidrBlock="10.1.0.0/16")
told = [made["ResponseMetadata"]["RequestId"], made["Vpc"]["VpcId"]]
for ask in (
    # Refused by a rule, and before any rule.
    lambda: ec2.create_vpc(CidrBlock="10.1.0.0/8"),
    lambda: ec2.create_vpc(CidrBlock="no\n{\"forged\":1}"),
):
    try:
        ask()
        raise SystemExit("accepted")
    except ClientError as error:
        told.append(error.response["ResponseMetadata"]["RequestId"])
print(json.dumps(told))
"#;
    let told = server.python(script).json();
    let told: Vec<String> = told.as_array().unwrap().iter().map(text).collect();
    server.causeway(&["spaces:create", "one", "--team", "team"]).ok();
    server.causeway(&["spaces:create", "one", "--team", "team"]).refused();
    assert!(server.terminate().success());

    let lines: Vec<Value> = server
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |request: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["request_id"] == request).collect();
        assert_eq!(found.len(), 1, "{request}: {found:#?}");
        found[0]
    };
    let made = of(&told[0]);
    assert_eq!(made["target"], "causeway::change");
    assert_eq!(made["message"], "changed");
    assert_eq!(made["action"], "Ec2.CreateVpc");
    assert_eq!(made["resource"], told[1]);
    assert_eq!((text(&made["outcome"]), text(&made["source"])), ("ok".into(), "127.0.0.1".into()));
    assert!(text(&made["actor"]).contains(&text(&made["account"])), "{made}");
    for request in &told[2..] {
        let refused = of(request);
        assert_eq!(refused["message"], "refused");
        assert_eq!(refused["action"], "Ec2.CreateVpc");
        assert!(text(&refused["outcome"]).starts_with("Invalid"), "{refused}");
        assert!(!text(&refused["why"]).is_empty(), "{refused}");
    }
    let spaces = lines.iter().filter(|line| {
        line["target"] == "causeway::change" && text(&line["action"]).contains("Space")
    });
    let outcomes: Vec<_> = spaces.map(|line| text(&line["message"])).collect();
    assert!(outcomes.contains(&"changed".to_owned()), "{outcomes:?}");
    assert!(outcomes.contains(&"refused".to_owned()), "{outcomes:?}");
    assert!(lines.iter().all(|line| line.get("forged").is_none()));
}
