//! What dynos may say, how, and when.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use super::backend::Dyno;
use super::bench::{Bench, HOST, Raw, up};

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_post_goes_over_no_connection_that_was_just_closed() {
    let mut bench = Bench::start();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let dyno = Dyno::with(move |_, connection, served| {
        if connection.request().is_some() {
            served.fetch_add(1, Ordering::SeqCst);
            connection.reply("ok");
            connection.reader.get_ref().shutdown(Shutdown::Both).unwrap();
            tell.lock().unwrap().send(()).unwrap();
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for round in 1..=100 {
        client.say(post("/once", "body"));
        let got = client.answer();
        assert_eq!((got.status, got.text().as_str()), (200, "ok"), "round {round}");
        told.recv().unwrap();
    }
    assert_eq!(dyno.requests.load(Ordering::SeqCst), 100);
}

#[test]
fn what_a_dyno_says_unasked_answers_nothing() {
    for method in ["GET", "POST"] {
        let mut bench = Bench::start();
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let dyno = Dyno::with(move |_, connection, _| {
            while connection.request().is_some() {
                connection.reply("asked");
                connection.say("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged");
                tell.lock().unwrap().send(()).unwrap();
            }
        });
        bench.backends(vec![up(1, dyno.address)]);
        let mut client = Raw::to(bench.router());
        for _ in 0..20 {
            client.say(format!("{method} / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 0\r\n\r\n"));
            assert_eq!(client.answer().text(), "asked");
            told.recv().unwrap();
        }
        assert_eq!(dyno.connections.load(Ordering::SeqCst), 20, "{method}");
    }
}

#[test]
fn an_answer_that_comes_before_the_request_ends_reaches_the_client() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        // Closed with most of the request unread, as servers do.
        if connection.head().is_some() {
            connection.say(
                "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 4\r\n\r\nmuch",
            );
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(post("/much", &"x".repeat(8 << 20)));
    let got = client.answer();
    assert_eq!((got.status, got.text().as_str()), (413, "much"));
    assert!(bench.logged("/much").contains(" status=413 bytes=4 "), "{}", bench.logged("/much"));
}

#[test]
fn both_may_speak_at_once() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        while connection.head().is_some() {
            connection.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            let mut raw = vec![0; 8];
            // Each chunk goes back as it came: 3 bytes in a frame of 8.
            while std::io::Read::read_exact(&mut connection.reader, &mut raw).is_ok() {
                connection.say(&raw);
                if raw.starts_with(b"3\r\nend") {
                    let mut last = [0; 5];
                    std::io::Read::read_exact(&mut connection.reader, &mut last).unwrap();
                    connection.say(last);
                    break;
                }
            }
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for _ in 0..3 {
        client.say(format!(
            "POST /echo HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n"
        ));
        assert_eq!(client.head().status, 200);
        for word in ["one", "two", "end"] {
            client.say(format!("3\r\n{word}\r\n"));
            assert_eq!(client.chunk().unwrap(), word.as_bytes());
        }
        client.say("0\r\n\r\n");
        assert_eq!(client.chunk().unwrap(), b"");
    }
    assert_eq!(dyno.connections.load(Ordering::SeqCst), 1, "it is used again");
}

#[test]
fn a_request_that_breaks_while_it_is_answered_is_the_clients_fault() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        if connection.head().is_some() {
            connection.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
            // It answers the rest once it has the rest of the request.
            let _ = std::io::copy(&mut connection.reader, &mut std::io::sink());
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "POST /broken HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
    ));
    assert_eq!((client.head().status, client.chunk().unwrap()), (200, b"ok".to_vec()));
    client.say("no chunk\r\n");
    assert_eq!(client.chunk(), None, "the answer is not ended as if it were whole");
    let line = bench.logged("/broken");
    assert!(line.contains(" code=H27 ") && line.contains(" status=200 bytes=2 "), "{line}");
}

#[test]
fn a_dyno_may_take_its_time_over_every_byte() {
    const ANSWER: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n\
        3;note=1\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        while connection.request().is_some() {
            for byte in ANSWER {
                connection.say([*byte]);
                std::thread::yield_now();
            }
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for _ in 0..3 {
        let got = client.get("/slow");
        assert_eq!((got.status, got.text().as_str(), got.whole), (200, "abcdefg", true));
        assert_eq!(got.header("x-a"), "b");
    }
    assert_eq!(dyno.connections.load(Ordering::SeqCst), 1, "it is used again");
}

#[test]
fn chunks_of_any_size_arrive_as_they_were_sent() {
    let mut bench = Bench::start();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let dyno = Dyno::with(move |_, connection, _| {
        while let Some(asked) = connection.request() {
            connection.reply("ok");
            tell.lock().unwrap().send(asked).unwrap();
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    let mut body = Vec::new();
    client
        .say(format!("PUT /sizes HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n"));
    for size in [1, 2047, 2048, 2049, 8191, 8192, 8193, 1, 70_000, 3, 200_000] {
        let chunk: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
        client.say([format!("{size:x}\r\n").as_bytes(), &chunk, b"\r\n"].concat());
        body.extend(chunk);
    }
    client.say("0\r\n\r\n");
    assert_eq!(client.answer().text(), "ok");
    assert!(told.recv().unwrap().body == body, "it is not what was sent");
}

#[test]
fn an_answer_of_which_the_end_is_not_certain_is_none() {
    let fields = |count: usize| "x: y\r\n".repeat(count);
    let answers = [
        ("content-length: 2\r\ntransfer-encoding: chunked\r\n".to_owned(), false),
        ("content-length: 2\r\ncontent-length: 3\r\n".to_owned(), false),
        ("transfer-encoding: gzip, chunked\r\n".to_owned(), false),
        (format!("content-length: 2\r\n{}", fields(99)), true),
        (format!("content-length: 2\r\n{}", fields(100)), false),
        (format!("content-length: 2\r\nx: {}\r\n", "y".repeat(60 << 10)), true),
        (format!("content-length: 2\r\nx: {}\r\n", "y".repeat(65 << 10)), false),
    ];
    for (fields, good) in answers {
        let mut bench = Bench::start();
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nok");
        let dyno = Dyno::with(move |_, connection, _| {
            while connection.request().is_some() {
                connection.say(&answer);
            }
        });
        bench.backends(vec![up(1, dyno.address)]);
        let got = Raw::to(bench.router()).get("/end");
        let wanted = if good { (200, "") } else { (503, "H17") };
        assert_eq!((got.status, got.header("x-causeway-error")), wanted, "{:.60}", fields);
    }
}
