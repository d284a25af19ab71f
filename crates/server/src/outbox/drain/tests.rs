//! Log drains, with receivers behind real sockets, and the time by hand.

use model::{AppId, DrainOf, LogDrainId, Reachable};

use super::*;
use crate::apps::logs::Source;
use crate::outbox::receiver::Receiver;

const TOKEN: &str = "d.00000000-0000-0000-0000-000000000009";

fn at(seconds: u64) -> Timestamp {
    let begin: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
    begin + Duration::from_secs(seconds)
}

fn sender(receiver: &Receiver, url: &str, reachable: Reachable) -> Sender {
    let drain = LogDrain {
        id: LogDrainId(Uuid::from_u128(8)),
        of: DrainOf::App(AppId(Uuid::from_u128(1))),
        url: url.to_owned(),
        token: TOKEN.to_owned(),
        created: at(0),
    };
    Sender {
        to: drain.url.parse().ok(),
        drain: Arc::new(drain),
        dialer: Dialer::trusting(reachable, receiver.root.clone().into_iter().collect()),
        // Lines are put in by hand.
        log: None,
        buffer: Buffer::default(),
        stream: None,
        failed: None,
        frame_id: fresh(),
    }
}

fn anything() -> Reachable {
    Reachable { anything: true, ..Reachable::default() }
}

impl Sender {
    fn logs(&mut self, numbers: std::ops::Range<usize>) {
        let line = |number: usize| Line {
            at: at(number as u64),
            source: Source::App,
            process: "web.1".to_owned(),
            text: format!("line {number}"),
        };
        let lines: Vec<_> = numbers.map(line).collect();
        let host = self.host();
        self.buffer.add(&host, &lines);
    }
}

/// The messages of a body, by their lengths.
fn messages(mut body: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let space = body.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&body[..space]).unwrap().parse().unwrap();
        let (message, rest) = body[space + 1..].split_at(length);
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        body = rest;
    }
    messages
}

#[tokio::test]
async fn lines_come_over_https_as_logplex_sends_them() {
    let receiver = Receiver::http(true).await;
    let mut sender = sender(&receiver, &receiver.url("https", "/logs?k=v"), anything());
    assert_eq!(sender.turn(|| at(9)).await, None, "there is nothing to be sent");
    sender.logs(1..3);
    let position = sender.turn(|| at(9)).await.unwrap();
    assert_eq!(position.show(), format!("{}-1", at(2).millis()));
    let requests = receiver.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.path, "/logs?k=v");
    assert_eq!(request.header("content-type"), "application/logplex-1");
    assert_eq!(request.header("logplex-msg-count"), "2");
    assert_eq!(request.header("logplex-drain-token"), TOKEN);
    assert_eq!(request.header("logplex-frame-id").len(), 32);
    let messages = messages(&request.body);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], "<190>1 2026-01-31T12:00:01.000000+00:00 host app web.1 - line 1\n");
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_after_a_pause_under_the_same_name() {
    let receiver = Receiver::http(true).await;
    receiver.answers(&[503]);
    let mut sender = sender(&receiver, &receiver.url("https", "/"), anything());
    sender.logs(0..1);
    assert_eq!(sender.turn(|| at(0)).await, None);
    sender.logs(1..2);
    assert_eq!(sender.turn(|| at(9)).await, None, "not before its time");
    assert_eq!(receiver.requests().len(), 1);
    assert!(sender.turn(|| at(10)).await.is_some());
    sender.logs(2..3);
    assert!(sender.turn(|| at(11)).await.is_some());
    let requests = receiver.requests();
    let ids: Vec<_> = requests.iter().map(|it| it.header("logplex-frame-id").to_owned()).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let counts: Vec<_> = requests.iter().map(|it| it.header("logplex-msg-count")).collect();
    assert_eq!(counts, ["1", "2", "1"]);
}

#[tokio::test]
async fn the_oldest_lines_are_dropped_where_there_are_too_many_and_that_is_told() {
    let receiver = Receiver::http(true).await;
    let mut sender = sender(&receiver, &receiver.url("https", "/"), anything());
    sender.logs(0..MOST_LINES + 10);
    assert!(sender.turn(|| at(9)).await.is_some());
    let requests = receiver.requests();
    let all: Vec<String> = requests.iter().flat_map(|it| messages(&it.body)).collect();
    assert_eq!(all.len(), MOST_LINES + 1);
    assert!(
        all[0].contains("heroku logplex - Error L10 (output buffer overflow): 10 messages dropped"),
        "{}",
        all[0]
    );
    assert!(all[1].ends_with("line 10\n") && all[MOST_LINES].ends_with("line 4105\n"));
    assert_eq!(sender.buffer.bytes, 0);
    // It is told once.
    sender.logs(0..1);
    sender.turn(|| at(9)).await;
    let last = receiver.requests().pop().unwrap();
    assert_eq!(last.header("logplex-msg-count"), "1");
}

#[tokio::test]
async fn lines_come_over_syslog_with_tls_and_a_connection_that_ended_is_made_anew() {
    let receiver = Receiver::syslog().await;
    let mut sender = sender(&receiver, &receiver.url("syslog+tls", ""), anything());
    sender.logs(1..3);
    assert!(sender.turn(|| at(9)).await.is_some());
    let text = receiver.bytes_with("line 2\n").await;
    let first = messages(text.as_bytes());
    assert_eq!(
        first[0],
        format!("<190>1 2026-01-31T12:00:01.000000+00:00 {TOKEN} app web.1 - line 1\n")
    );
    assert_eq!(first.len(), 2);
    // The receiver goes away when it reads this.
    let ends = [Line {
        at: at(3),
        source: Source::App,
        process: "web.1".to_owned(),
        text: "\u{4}".to_owned(),
    }];
    let host = sender.host();
    sender.buffer.add(&host, &ends);
    sender.turn(|| at(9)).await;
    receiver.bytes_with("\u{4}").await;
    let stream = sender.stream.as_mut().unwrap();
    // Until the end is here.
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    sender.logs(4..5);
    assert!(sender.turn(|| at(9)).await.is_some());
    let text = receiver.bytes_with("line 4\n").await;
    assert_eq!(messages(text.as_bytes()).len(), 4, "{text}");
}

#[tokio::test]
async fn nothing_is_sent_to_what_may_not_be_reached() {
    let receiver = Receiver::http(true).await;
    let mut sender = sender(&receiver, &receiver.url("https", "/"), Reachable::default());
    sender.logs(0..1);
    assert_eq!(sender.turn(|| at(9)).await, None);
    assert_eq!(receiver.requests().len(), 0);
    assert!(sender.failed.is_some());
}
