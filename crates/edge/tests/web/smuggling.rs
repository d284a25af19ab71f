//! What could be one request for the router and two for a dyno, or the other way round.

use super::backend::Dyno;
use super::bench::{Bench, HOST, Raw, up};

/// Says something and gives what the dyno was asked, and the first answer's status.
fn ask(text: &str) -> (u16, Vec<String>) {
    let mut bench = Bench::start();
    let (tell, told) = std::sync::mpsc::channel();
    let dyno = Dyno::with(move |_, connection, _| {
        while let Some(asked) = connection.request() {
            tell.send(asked.line).unwrap();
            if !connection.reply("ok") {
                return;
            }
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(text);
    let first = client.answer().status;
    client.say(format!("GET /last HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n"));
    while client.answer().status != 0 {}
    (first, told.try_iter().collect())
}

#[test]
fn two_lengths_are_refused() {
    for (name, head) in [
        ("different", "content-length: 4\r\ncontent-length: 5\r\n"),
        ("a list", "content-length: 4, 4\r\n"),
        ("a sign", "content-length: +4\r\n"),
        ("hexadecimal", "content-length: 0x4\r\n"),
        ("other coding", "transfer-encoding: xchunked\r\n"),
        ("coding twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ("coding first", "transfer-encoding: chunked, identity\r\n"),
        ("hidden coding", "transfer-encoding: gzip, chunked\r\n"),
        ("a tab", "transfer-encoding:\tchunked x\r\n"),
        ("space before the colon", "transfer-encoding : chunked\r\ncontent-length: 4\r\n"),
        ("folded", "transfer-encoding:\r\n chunked\r\ncontent-length: 4\r\n"),
        ("a bare return", "x: y\rcontent-length: 4\r\n"),
        ("a zero byte", "x: y\0z\r\n"),
        ("two hosts", "host: demo.apps.localhost\r\n"),
    ] {
        let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: demo.apps.localhost\r\n\r\n";
        let text = format!("POST /first HTTP/1.1\r\nhost: {HOST}\r\n{head}\r\n{hidden}");
        let (status, asked) = ask(&text);
        let hidden = |line: &String| line.contains("/hidden") || line.contains("/first");
        assert_eq!(status, 400, "{name}");
        assert!(!asked.iter().any(hidden), "{name}: {asked:?}");
    }
}

#[test]
fn of_a_length_and_chunks_the_chunks_count_and_nothing_follows() {
    let (length, chunks) = ("content-length: 4\r\n", "transfer-encoding: chunked\r\n");
    for head in [format!("{length}{chunks}"), format!("{chunks}{length}")] {
        let text = format!(
            "POST /first HTTP/1.1\r\nhost: {HOST}\r\n{head}\r\n0\r\n\r\n\
             GET /hidden HTTP/1.1\r\nhost: {HOST}\r\n\r\n"
        );
        let (_, asked) = ask(&text);
        assert_eq!(asked, ["POST /first HTTP/1.1"], "the connection ends (RFC 9112 §6.3)");
    }
}

#[test]
fn what_follows_a_body_is_another_request_for_both() {
    let text = format!(
        "POST /first HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\nGET /second HTTP/1.1\r\nhost: {HOST}\r\n\r\n"
    );
    let (status, asked) = ask(&text);
    assert_eq!(status, 200);
    assert_eq!(asked, ["POST /first HTTP/1.1", "GET /second HTTP/1.1", "GET /last HTTP/1.1"]);
}

#[test]
fn broken_chunks_reach_no_second_request() {
    for (name, body) in [
        ("too big a number", "fffffffffffffffff\r\nx"),
        ("no number", "zz\r\nab\r\n0\r\n\r\n"),
        ("a sign", "-1\r\n\r\n0\r\n\r\n"),
        ("no end", "3\r\nabcX0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: demo.apps.localhost\r\n\r\n"),
    ] {
        let head =
            format!("POST /first HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n");
        let (status, asked) = ask(&format!("{head}\r\n{body}"));
        assert_ne!(status, 200, "{name}");
        assert!(!asked.iter().any(|line| line.contains("/hidden")), "{name}: {asked:?}");
    }
}

#[test]
fn a_request_line_cannot_be_split() {
    for line in ["GET /a b HTTP/1.1", "GET /a\tb HTTP/1.1", "GET  /a HTTP/1.1", "GET /a HTTP/1.2"] {
        let (status, asked) = ask(&format!("{line}\r\nhost: {HOST}\r\n\r\n"));
        assert!(status == 400 || status == 505 || status == 0, "{line}: {status}");
        assert!(asked.iter().all(|it| it.contains("/last")), "{line}: {asked:?}");
    }
    let (status, asked) = ask(&format!("CONNECT {HOST}:80 HTTP/1.1\r\nhost: {HOST}:80\r\n\r\n"));
    assert_eq!((status, asked.len()), (405, 0));
}

#[test]
fn http_2_in_the_clear_is_not_hidden_in_an_upgrade() {
    let mut bench = Bench::start();
    let dyno = Dyno::echoing();
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /x HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    ));
    let got = client.answer();
    assert_eq!(got.status, 200);
    for name in ["upgrade", "http2-settings", "connection"] {
        assert!(!got.text().contains(name), "{}", got.text());
    }
}

#[test]
fn http_2_is_not_hidden_in_a_list_nor_agreed_on_by_a_dyno() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        let asked = connection.request().unwrap();
        if asked.header("upgrade").is_none() {
            connection.reply("plain");
            return;
        }
        connection.say("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /list HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: foo, H2C\r\n\r\n"
    ));
    assert_eq!(client.answer().text(), "plain");
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /agreed HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n"
    ));
    let got = client.answer();
    assert_eq!((got.status, got.header("x-causeway-error")), (503, "H17"));
}

#[test]
fn only_the_router_says_that_it_found_an_error() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        while connection.request().is_some() {
            connection
                .say("HTTP/1.1 200 OK\r\nx-causeway-error: H99\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/");
    assert_eq!((got.status, got.header("x-causeway-error")), (200, ""));
}

#[test]
fn a_dyno_cannot_smuggle_a_response() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        if connection.request().is_some() {
            // More than it announced: the rest must not answer the next request.
            connection.say(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\
                 content-length: 6\r\n\r\nforged",
            );
            connection.request();
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for _ in 0..5 {
        let got = client.get("/");
        assert_eq!((got.status, got.text().as_str()), (200, "ok"));
    }
}
