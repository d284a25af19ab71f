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
        buffer: Buffers::default().place(Position::default()),
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
    assert_eq!(sender.buffer.with(|buffer| buffer.bytes), 0);
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

/// A line of so many characters.
fn long(length: usize) -> Vec<Line> {
    let (source, process) = (Source::App, "web.1".to_owned());
    vec![Line { at: at(1), source, process, text: "x".repeat(length) }]
}

/// How many lines a buffer has, and how many of it were dropped.
fn counts(place: &Place) -> (usize, u64) {
    place.with(|buffer| (buffer.lines.len(), buffer.dropped.map_or(0, |(count, _)| count)))
}

#[test]
fn all_buffers_share_one_bound_and_the_largest_gives_way() {
    const MOST: usize = 100 << 10;
    let buffers = Buffers::up_to(MOST);
    let (small, large, late) = (
        buffers.place(Position::default()),
        buffers.place(Position::default()),
        buffers.place(Position::default()),
    );
    let bytes = || buffers.lock().bytes;
    for _ in 0..5 {
        small.add("host", &long(1000));
    }
    for _ in 0..200 {
        large.add("host", &long(1000));
        assert!(bytes() <= MOST);
    }
    assert_eq!(counts(&small), (5, 0), "who has little loses nothing");
    let (lines, dropped) = counts(&large);
    assert_eq!(lines + usize::try_from(dropped).unwrap(), 200);
    assert!((80..95).contains(&lines), "{lines}");
    // Who comes later gets as much as those who were there, and takes it from the largest.
    for _ in 0..200 {
        late.add("host", &long(1000));
        assert!(bytes() <= MOST);
    }
    let (of_large, of_late) = (counts(&large).0, counts(&late).0);
    assert!(of_large.abs_diff(of_late) <= 1 && of_large > 40, "{of_large} {of_late}");
    assert_eq!(counts(&small), (5, 0));
    // The receiver is told of lines that others had dropped, as of its own.
    let batch = large.batch("host", at(9)).unwrap();
    let told = String::from_utf8_lossy(&batch.body).into_owned();
    assert!(told.contains("Error L10 (output buffer overflow)"), "{told}");
    drop(late);
    drop(large);
    assert_eq!(bytes(), small.with(|buffer| buffer.bytes), "a drain that is gone leaves its room");
}

#[test]
fn what_is_dropped_on_its_way_is_not_told_as_lost_once_it_has_arrived() {
    let buffers = Buffers::up_to(MOST_BYTES);
    let place = buffers.place(Position::default());
    for _ in 0..10 {
        place.add("host", &long(10));
    }
    let batch = place.batch("host", at(9)).unwrap();
    assert_eq!((batch.begin, batch.end), (0, 10));
    place.add("host", &long(10));
    place.add("host", &long(10));
    // Another drain needs the room meanwhile: eleven lines go, ten of which are on their way.
    place.with(|buffer| (0..11).for_each(|_| buffer.drop_oldest()));
    assert_eq!(counts(&place), (1, 11));
    place.sent(&batch);
    assert_eq!(counts(&place), (1, 1), "one is lost");
    let next = place.batch("host", at(9)).unwrap();
    assert_eq!((next.begin, next.end, next.told, next.messages), (11, 12, 1, 2));
    // It has not arrived: what was dropped is told with the next attempt.
    place.with(Buffer::drop_oldest);
    let again = place.batch("host", at(9)).unwrap();
    assert_eq!((again.told, again.messages), (2, 1));
    place.sent(&again);
    assert_eq!(counts(&place), (0, 0));
    assert!(place.batch("host", at(9)).is_none());
}
