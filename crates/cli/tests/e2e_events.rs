//! What happens, as everybody is told it: by command, by webhook, and by log drains with the real clients.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::time::Duration;

use serde_json::Value;
use support::{Server, text};

/// A request that was received: its path, its head in lower case, and its body.
type Received = (String, String, String);

/// A receiver of webhooks and log drains.
struct Receiver {
    url: String,
    received: Channel<Received>,
    /// The status of the answers.
    status: Arc<AtomicU16>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(200));
        let (sender, received) = channel();
        let answers = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while stream.read_line(&mut head).is_ok_and(|count| count > 2) {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let head = head.to_lowercase();
                let length = head.split_once("content-length: ").map(|(_, rest)| rest);
                let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                stream.read_exact(&mut body).unwrap();
                let status = answers.load(Ordering::Relaxed);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                // The test is over.
                if sender.send((path, head, String::from_utf8(body).unwrap())).is_err() {
                    return;
                }
            }
        });
        Self { url, received, status }
    }

    /// Waits for a request that is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&Received) -> bool) -> Received {
        loop {
            let next = self.received.recv_timeout(Duration::from_secs(60));
            let next = next.unwrap_or_else(|_| panic!("it never came: {what}"));
            if wanted(&next) {
                return next;
            }
        }
    }

    /// Waits for an event of a kind at the webhook.
    fn event(&self, kind: &str) -> Value {
        let is_it = |(path, _, body): &Received| path == "/hook" && body.contains(kind);
        let (_, head, body) = self.until(kind, is_it);
        assert!(head.contains("heroku-webhook-hmac-sha256: "), "{head}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn events_and_logs_reach_receivers_also_after_a_power_cut() {
    let mut server = Server::none(&["--test-clock", "--webhook-allow", "127.0.0.0/8"]);
    let receiver = Receiver::start();
    let hook = format!("{}/hook", receiver.url);
    let refused = ["webhooks:add", "https://10.0.0.1/", "--include", "app"];
    assert!(server.causeway(&refused).refused().contains("webhook-allow"));
    let made = server.causeway(&["webhooks:add", &hook, "--include", "app,space", "--json"]).json();
    let id = text(&made["id"]);
    assert!(text(&made["secret"]).len() > 31, "{made}");
    server.causeway(&["spaces:create", "my-space", "--team", "team"]).ok();
    assert_eq!(receiver.event("space.allocated")["event"]["space"], "my-space");
    server.causeway(&["spaces:wait", "my-space"]).ok();
    server.causeway(&["apps:create", "shop", "--space", "my-space"]).ok();
    assert_eq!(receiver.event("app.created")["event"]["details"]["app"], "shop");

    // The receiver is away, and the server dies.
    receiver.status.store(503, Ordering::Relaxed);
    server.causeway(&["apps:create", "store", "--space", "my-space"]).ok();
    let first = receiver.event("app.created");
    assert_eq!(
        (&first["attempt"], &first["event"]["details"]["app"]),
        (&1.into(), &"store".into())
    );
    server.kill_and_restart();
    receiver.status.store(200, Ordering::Relaxed);
    server.causeway(&["clock:advance", "1m"]).ok();
    let again = receiver.event("app.created");
    assert_eq!(again["id"], first["id"]);
    let deliveries = ["webhooks:deliveries", &id, "--json"];
    let succeeded = |server: &Server| {
        let newest = &server.causeway(&deliveries).json()[0];
        newest["status"] == "succeeded" && newest["id"] == again["id"]
    };
    server.until("the delivery is noted", succeeded);
    let shown = server.causeway(&["webhooks:deliveries", &id]).ok();
    assert!(shown.contains("app.created") && shown.contains("succeeded"), "{shown}");
    server.causeway(&["webhooks:remove", &id]).ok();
    assert_eq!(server.causeway(&["webhooks", "--json"]).json(), serde_json::json!([]));

    // Log drains, with the real client.
    let drain = format!("{}/logs?key=k", receiver.url);
    let said = server.heroku(&["drains:add", &drain, "--app", "shop"]).ok();
    assert!(said.contains("Successfully added drain"), "{said}");
    let listed: Value = server.heroku(&["drains", "--app", "shop", "--json"]).json();
    let token = text(&listed[0]["token"]);
    assert_eq!((&listed[0]["url"], &token[..2]), (&drain.as_str().into(), "d."));
    assert!(server.heroku(&["drains", "--app", "shop"]).ok().contains(&token));
    server.heroku(&["config:set", "COLOUR=blue", "--app", "shop"]).ok();
    let is_it = |(path, _, body): &Received| path == "/logs?key=k" && body.contains("COLOUR");
    let (_, head, body) = receiver.until("the log", is_it);
    for header in
        ["application/logplex-1", "logplex-msg-count: ", "logplex-frame-id: ", &token, "causeway/"]
    {
        assert!(head.contains(header), "{header}: {head}");
    }
    let (length, rest) = body.split_once(' ').unwrap();
    let message = &rest[..length.parse::<usize>().unwrap()];
    assert!(message.starts_with('<') && message.ends_with('\n'), "{body}");
    let gone = server.heroku(&["drains:remove", &token, "--app", "shop"]).ok();
    assert!(gone.contains("Successfully removed drain"), "{gone}");
    assert_eq!(server.heroku(&["drains", "--app", "shop", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn the_operator_sees_all_and_everybody_else_what_is_theirs() {
    let server = Server::none(&[]);
    server.causeway(&["spaces:create", "my-space", "--team", "team"]).ok();
    server.causeway(&["spaces:wait", "my-space"]).ok();
    server.causeway(&["apps:create", "shop", "--space", "my-space"]).ok();
    server.causeway(&["accounts:create", "partner"]).ok();
    let partner = server.env(&["--account", "partner"]);
    let made = ["ec2", "create-vpc", "--cidr-block", "10.100.0.0/16", "--output", "json"];
    let vpc = text(&server.aws_as(&partner, &made).json()["Vpc"]["VpcId"]);

    let all = server.causeway(&["vpcs", "--all"]).ok();
    assert!(all.contains(&vpc) && all.contains("partner") && all.contains("my-space"), "{all}");
    let own: Vec<(String, String)> =
        partner.iter().filter(|(name, _)| name != "HEROKU_API_KEY").cloned().collect();
    let seen = server.causeway_as(&own, &["vpcs", "--json"]).json();
    let ids: Vec<String> = seen.as_array().unwrap().iter().map(|row| text(&row["id"])).collect();
    assert_eq!(ids, [vpc], "{seen}");
    assert_eq!(server.causeway_as(&own, &["events", "--json"]).json(), serde_json::json!([]));
    assert!(server.causeway(&["spaces", "--all"]).ok().contains("allocated"));
    assert_eq!(server.causeway(&["apps", "--all", "--json"]).json()[0]["space"], "my-space");
    assert_eq!(server.causeway(&["instances", "--all"]).ok().trim(), "There are no instances.");
    let peerings = server.causeway(&["peerings", "--all", "--json"]).json();
    assert_eq!(peerings[0]["state"], "active", "the space's own");
    assert!(server.causeway(&["top", "--once"]).ok().contains("0 dynos"));

    let events = server.causeway(&["events", "--kind", "app,space", "--json"]).json();
    let kinds: Vec<String> =
        events.as_array().unwrap().iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(kinds, ["space.allocated", "app.created"]);
    let first = events[0]["number"].to_string();
    let mut child = server.causeway_child(&["events", "--follow", "--json", "--after", &first]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["kind"], "app.created");
    server.causeway(&["apps:destroy", "shop", "--confirm", "shop"]).ok();
    assert_eq!(next()["kind"], "app.destroyed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn herokus_webhooks_and_a_spaces_log_drain_work_with_the_real_client() {
    let server = Server::none(&["--webhook-allow", "127.0.0.0/8"]);
    let receiver = Receiver::start();
    let url = format!("{}/hook", receiver.url);
    server.causeway(&["spaces:create", "my-space", "--team", "team"]).ok();
    server.causeway(&["spaces:wait", "my-space"]).ok();

    // What happens in the space, and the logs of its apps, also of those that come later.
    let drain = format!("{}/space", receiver.url);
    let none = server.heroku(&["spaces:drains:get", "--space", "my-space"]).refused();
    assert!(none.contains("spaces:drains:set"), "{none}");
    server.heroku(&["spaces:drains:set", &drain, "--space", "my-space"]).ok();
    let shown = server.heroku(&["spaces:drains:get", "--space", "my-space", "--json"]).json();
    assert_eq!(shown["url"], drain.as_str());
    server.causeway(&["apps:create", "shop", "--space", "my-space"]).ok();
    let at_space = |what: &'static str| {
        receiver.until(what, |(path, _, body)| path == "/space" && body.contains(what))
    };
    let (_, head, body) = at_space("app.created: The app shop");
    assert!(body.contains(" heroku space - ") && head.contains(&text(&shown["token"])), "{body}");
    server.heroku(&["config:set", "COLOUR=blue", "--app", "shop"]).ok();
    at_space("COLOUR");

    // Webhooks.
    let on_shop = |args: &[&str]| {
        let args: Vec<&str> = args.iter().copied().chain(["--app", "shop"]).collect();
        server.heroku(&args)
    };
    assert!(on_shop(&["webhooks"]).ok().contains("has no webhooks"));
    let wrong = ["webhooks:add", "-i", "api:build", "-l", "sync", "-u", &url];
    assert!(on_shop(&wrong).refused().contains("api:release"));
    let add =
        ["webhooks:add", "-i", "api:release,api:app", "-l", "sync", "-u", &url, "-t", "Bearer b"];
    let secret = on_shop(&add).ok();
    assert!(secret.contains("Webhooks Signing Secret") && secret.len() > 60, "{secret}");
    let listed = on_shop(&["webhooks"]).ok();
    let id = listed.split_whitespace().find(|word| word.len() == 36).unwrap().to_owned();
    assert!(listed.contains("api:release,api:app") && listed.contains(&url), "{listed}");
    let shown = on_shop(&["webhooks:info", &id]).ok();
    assert!(shown.contains("sync") && shown.contains(&id), "{shown}");
    server.heroku(&["config:set", "COLOUR=red", "--app", "shop"]).ok();
    let is_release = |(path, _, body): &Received| path == "/hook" && body.contains("api:release");
    let (_, head, body) = receiver.until("the release", is_release);
    for header in ["heroku-webhook-hmac-sha256: ", "authorization: bearer b"] {
        assert!(head.contains(header), "{head}");
    }
    let sent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&sent["action"], &sent["resource"]), (&"create".into(), &"release".into()));
    assert_eq!(
        (&sent["data"]["version"], &sent["data"]["app"]["name"]),
        (&3.into(), &"shop".into())
    );
    assert!(text(&sent["actor"]["email"]).contains('@') && !body.contains("red"), "{body}");
    let delivery = text(&sent["webhook_metadata"]["delivery"]["id"]);
    server.until("the delivery is noted", |_| {
        on_shop(&["webhooks:deliveries", "-s", "succeeded"]).ok().contains(&delivery)
    });
    let info = on_shop(&["webhooks:deliveries:info", &delivery]).ok();
    assert!(info.contains("succeeded") && info.contains("Event Payload"), "{info}");
    assert!(on_shop(&["webhooks:events"]).ok().contains("release"));
    let event = text(&sent["id"]);
    assert!(on_shop(&["webhooks:events:info", &event]).ok().contains("previous_data"));

    // One that wants each event once gets no more of it where that fails.
    let update = ["webhooks:update", &id, "-i", "api:domain", "-l", "notify", "-u", &url];
    on_shop(&update).ok();
    receiver.status.store(503, Ordering::Relaxed);
    on_shop(&["domains:add", "www.example.com"]).ok();
    let is_domain = |(path, _, body): &Received| path == "/hook" && body.contains("api:domain");
    receiver.until("the domain", is_domain);
    server.until("the failure is noted", |_| {
        on_shop(&["webhooks:deliveries", "-s", "failed"]).ok().contains("503")
    });
    on_shop(&["webhooks:remove", &id]).ok();
    assert!(on_shop(&["webhooks"]).ok().contains("has no webhooks"));
    assert!(on_shop(&["webhooks:deliveries"]).ok().contains("has no deliveries"));
}
