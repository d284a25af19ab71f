//! `/metrics` of a whole server: who may read it, what it says, and that nobody makes it grow.

use std::collections::BTreeSet;

use super::*;

const TOKEN: &str = "a-token-for-metrics-alone";

/// A server that is asked over its own sockets.
struct Watched {
    server: Option<Server>,
    stop: CancellationToken,
    running: Option<tokio::task::JoinHandle<Result<(), ServeError>>>,
    address: SocketAddr,
    metrics: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Watched {
    async fn start(emulator: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
        let data = dir.path().join("data");
        let watch = WatchConfig {
            metrics: Some("127.0.0.1:0".parse().unwrap()),
            metrics_token: Some(file),
            ..WatchConfig::default()
        };
        let server = start(Config { watch, emulator, ..config(&data) }).await.unwrap();
        let (address, metrics) = (server.address(), server.metrics_address().unwrap());
        let stop = CancellationToken::new();
        Self { server: Some(server), stop, running: None, address, metrics, _dir: dir }
    }

    fn run(&mut self) -> Arc<State> {
        let server = self.server.take().unwrap();
        let state = Arc::clone(&server.state);
        self.running = Some(tokio::spawn(server.run(self.stop.clone())));
        state
    }

    async fn end(self, state: Arc<State>) {
        drop(state);
        self.stop.cancel();
        self.running.unwrap().await.unwrap().unwrap();
    }

    async fn page(&self) -> String {
        let answer = get(self.metrics, "/metrics", "host: localhost\r\n").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        body.to_owned()
    }
}

/// The names with the labels of all figures.
fn series(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

fn value(page: &str, series: &str) -> f64 {
    let mut lines = page.lines().filter_map(|line| line.strip_prefix(series));
    let rest = lines.next().unwrap_or_else(|| panic!("no {series} in {page}"));
    rest.trim().parse().unwrap()
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_runs_the_installation_reads_metrics() {
    let mut watched = Watched::start(false).await;
    let state = watched.run();
    let (operator, user) = {
        let world = state.world();
        let user = world.users().next().unwrap().id;
        (operator_token(&state.secret), user_token(&state.secret, user))
    };
    let ask = |token| ask(watched.address, "/metrics", token);
    assert_eq!(ask(None).await, 401);
    assert_eq!(ask(Some("nonsense")).await, 401);
    assert_eq!(ask(Some(user.as_str())).await, 401, "a tenant's");
    assert_eq!(ask(Some(operator.as_str())).await, 200);
    assert_eq!(ask(Some(TOKEN)).await, 200);
    for path in ["/_causeway/status", "/account", "/_causeway/keys"] {
        assert_eq!(super::ask(watched.address, path, Some(TOKEN)).await, 401, "{path}");
    }
    let own = |headers: &'static str, path: &'static str| get(watched.metrics, path, headers);
    assert!(own("host: localhost\r\n", "/metrics").await.starts_with("HTTP/1.1 200"));
    assert!(own("host: localhost\r\n", "/account").await.starts_with("HTTP/1.1 404"));
    let by_page = "host: rebound.example\r\n";
    assert!(own(by_page, "/metrics").await.starts_with("HTTP/1.1 403"));
    let post = "POST /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(send(watched.metrics, post).await.starts_with("HTTP/1.1 405"));
    watched.end(state).await;
}

#[tokio::test]
async fn what_would_show_metrics_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let public =
        WatchConfig { metrics: Some("0.0.0.0:0".parse().unwrap()), ..WatchConfig::default() };
    let refused = start(Config { watch: public, ..config(dir.path()) }).await.err().unwrap();
    assert!(matches!(refused, ServeError::MetricsInPublic(_)), "{refused}");
    for (text, why) in [("short\n", "16"), ("one token and another one\n", "one line"), ("", "16")]
    {
        let file = dir.path().join("token");
        std::fs::write(&file, text).unwrap();
        let watch = WatchConfig { metrics_token: Some(file), ..WatchConfig::default() };
        let data = dir.path().join("data");
        let refused = start(Config { watch, ..config(&data) }).await.err().unwrap();
        assert!(!data.exists(), "nothing is made");
        assert!(matches!(refused, ServeError::MetricsToken { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_counted() {
    let mut watched = Watched::start(true).await;
    let state = watched.run();
    let ec2 = async |action: &str| {
        let body = format!("Action={action}&Version=2016-11-15");
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
                    application/x-www-form-urlencoded";
        let length = body.len();
        send(watched.address, &format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}")).await
    };
    for _ in 0..3 {
        assert!(ec2("DescribeVpcs").await.starts_with("HTTP/1.1 200"));
    }
    assert!(ec2("CreateVpc&CidrBlock=10.0.0.0/16").await.starts_with("HTTP/1.1 200"));
    assert!(ec2("CreateVpc&CidrBlock=10.0.0.0").await.starts_with("HTTP/1.1 400"));
    let headers = "host: localhost\r\nauthorization: Bearer x\r\naccept: \
                   application/vnd.heroku+json; version=3\r\n";
    for (path, status) in [
        ("/spaces", 200),
        ("/spaces/none", 404),
        ("/_causeway/status", 200),
        ("/dashboard/sign-in", 200),
    ] {
        let answer = get(watched.address, path, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    let mut page = watched.page().await;
    while value(&page, "causeway_in_force_duration_seconds_count") < 1.0 {
        tokio::task::yield_now().await;
        page = watched.page().await;
    }
    let requests = |api: &str, action: &str, outcome: &str| {
        let labels = format!("api=\"{api}\",action=\"{action}\",outcome=\"{outcome}\"");
        value(&page, &format!("causeway_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("ec2", "DescribeVpcs", "ok"), 3.0);
    assert_eq!(requests("ec2", "CreateVpc", "ok"), 1.0);
    assert_eq!(requests("ec2", "CreateVpc", "refused"), 1.0);
    assert_eq!(requests("platform", "GET /spaces", "ok"), 1.0);
    assert_eq!(requests("platform", "GET /spaces/{space}", "refused"), 1.0);
    assert_eq!(requests("operator", "GET /_causeway/status", "ok"), 1.0);
    assert_eq!(requests("dashboard", "page", "ok"), 1.0);
    let of = "{api=\"ec2\",action=\"DescribeVpcs\"}";
    assert_eq!(value(&page, &format!("causeway_request_duration_seconds_count{of}")), 3.0);
    assert!(value(&page, &format!("causeway_request_duration_seconds_sum{of}")) > 0.0);
    let commits = value(&page, "causeway_ledger_commits_total{outcome=\"ok\"}");
    assert!(commits >= 1.0, "{commits}");
    assert!(value(&page, "causeway_ledger_commit_duration_seconds_count") >= commits);
    assert_eq!(value(&page, "causeway_ledger_queue_commands"), 0.0);
    assert_eq!(value(&page, "causeway_ledger_revision"), state.ledger.revision() as f64);
    assert_eq!(value(&page, "causeway_peerings{state=\"active\"}"), 0.0);
    assert!(value(&page, "causeway_resources{kind=\"vpcs\"}") >= 1.0);
    for name in ["ledger", "reconcile", "networks", "workloads"] {
        assert_eq!(value(&page, &format!("causeway_loop_up{{loop=\"{name}\"}}")), 1.0);
    }
    assert!(value(&page, "process_resident_memory_bytes") > 1e6);
    watched.end(state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_makes_more_figures() {
    let mut watched = Watched::start(true).await;
    let state = watched.run();
    let flood = async |round: u32| {
        for n in 0..60 {
            let made_up = format!("MadeUp{round}x{n}");
            let host = "host: localhost\r\nconnection: close";
            let scope = format!("Credential={made_up}/20260101/us-east-1/{made_up}/aws4_request");
            let body = format!("Action={made_up}&Version={made_up}");
            let length = body.len();
            for request in [
                format!("GET /{made_up} HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("{made_up} /apps HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("{made_up} /_causeway/status HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("{made_up} /dashboard/{made_up} HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("PATCH /_causeway/{made_up} HTTP/1.1\r\n{host}\r\n\r\n"),
                format!(
                    "GET /apps/{made_up} HTTP/1.1\r\n{host}\r\nauthorization: Bearer x\r\n\r\n"
                ),
                format!("GET /_blobs/slugs/{made_up} HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("{made_up} / HTTP/1.1\r\n{host}\r\n\r\n"),
                format!("GET /?Action={made_up}&Version=2016-11-15 HTTP/1.1\r\n{host}\r\n\r\n"),
                format!(
                    "GET / HTTP/1.1\r\n{host}\r\nauthorization: AWS4-HMAC-SHA256 {scope}\r\n\r\n"
                ),
                format!("POST / HTTP/1.1\r\n{host}\r\ncontent-length: {length}\r\n\r\n{body}"),
            ] {
                send(watched.address, &request).await;
            }
        }
    };
    flood(0).await;
    let first = watched.page().await;
    flood(1).await;
    let second = watched.page().await;
    assert!(!second.contains("MadeUp"), "{second}");
    assert_eq!(series(&first), series(&second));
    let label = "{api=\"ec2\",action=\"other\",outcome=\"refused\"}";
    assert!(value(&second, &format!("causeway_requests_total{label}")) >= 200.0);
    // However much is asked, there is no more than each action, each route and a few for the rest.
    let most = crate::http::ec2::counted().count();
    let ec2 = state.metrics.aws.get().unwrap();
    assert_eq!(ec2.len(), most);
    watched.end(state).await;
}

/// Takes one request of an exporter and answers it; its path and its body.
async fn export(listener: &TcpListener) -> (String, serde_json::Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() < length.parse().unwrap() {
            continue;
        }
        assert!(head.contains("content-type: application/json"), "{head}");
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        return (path, serde_json::from_str(body).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_hears_of_a_request_until_it_is_in_force() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let otlp = format!("http://{}/base/", collector.local_addr().unwrap()).parse().ok();
    let watch = WatchConfig { otlp, ..WatchConfig::default() };
    let server = start(Config { watch, emulator: true, ..config(dir.path()) }).await.unwrap();
    let address = server.address();
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    let ask = "GET /?Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16 HTTP/1.1\r\nhost: \
               localhost\r\nconnection: close\r\n\r\n";
    assert!(send(address, ask).await.starts_with("HTTP/1.1 200"));
    let mut spans: Vec<serde_json::Value> = Vec::new();
    let names = ["ec2 CreateVpc", "decide", "commit", "in force", "reconcile"];
    // The first request makes the account too, within the same trace.
    let has = |spans: &[serde_json::Value], name: &str| {
        spans.iter().filter(|span| span["name"] == name).count() > 0
    };
    while !names.iter().all(|name| has(&spans, name)) {
        let (path, body) = export(&collector).await;
        assert_eq!(path, "/base/v1/traces");
        let resource = &body["resourceSpans"][0];
        let service = &resource["resource"]["attributes"][0];
        assert_eq!(
            (&service["key"], &service["value"]["stringValue"]),
            (&"service.name".into(), &"causeway".into())
        );
        spans.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().clone());
    }
    let root = spans.iter().find(|span| span["name"] == "ec2 CreateVpc").unwrap();
    assert!(root.get("parentSpanId").is_none(), "{root}");
    assert_eq!(root["attributes"][0]["value"]["stringValue"], "200");
    let nanos =
        |span: &serde_json::Value, at: &str| span[at].as_str().unwrap().parse::<u64>().unwrap();
    let (began, ended) = ("startTimeUnixNano", "endTimeUnixNano");
    let ids: BTreeSet<_> = spans.iter().map(|span| span["spanId"].to_string()).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
    for span in &spans {
        assert_eq!(span["traceId"], root["traceId"], "one request was made");
        assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
        assert!(
            nanos(span, began) <= nanos(span, ended) && nanos(span, began) >= nanos(root, began)
        );
        let parent = match span["name"].as_str().unwrap() {
            "decide" | "commit" | "in force" => &root["spanId"],
            "reconcile" => {
                let within = spans.iter().find(|it| it["spanId"] == span["parentSpanId"]);
                assert_eq!(within.unwrap()["name"], "in force");
                continue;
            }
            name => {
                assert_eq!(name, "ec2 CreateVpc");
                continue;
            }
        };
        assert_eq!(&span["parentSpanId"], parent);
    }
    // A collector that is gone holds up nobody.
    drop(collector);
    let ask = "GET /?Action=DescribeVpcs&Version=2016-11-15 HTTP/1.1\r\nhost: localhost\r\nconnection: \
               close\r\n\r\n";
    for _ in 0..20 {
        assert!(send(address, ask).await.starts_with("HTTP/1.1 200"));
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}
