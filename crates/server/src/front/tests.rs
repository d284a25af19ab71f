//! Requests that never become an action, in the form that EC2's clients read.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::connect_info::MockConnectInfo;
use hyper::body::Frame;

use super::{MAX_BODY, router};
use crate::platform::tests::fixture::{Fixture, Got};

/// A body whose sender went away, or wrote chunks that are none.
struct Cut;

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
    }
}

/// A body whose sender has not sent any of it yet.
struct Waits;

impl hyper::body::Body for Waits {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

fn server() -> Fixture {
    let server = Fixture::new();
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let router = router(Arc::clone(&server.state)).layer(MockConnectInfo(client));
    server.behind(router)
}

async fn send(server: &Fixture, body: Body) -> Got {
    server.send(http::Request::post("/").body(body).unwrap()).await
}

fn code(got: &Got) -> (u16, &str) {
    let (_, rest) = got.text.split_once("<Response><Errors><Error><Code>").unwrap_or_default();
    (got.status.as_u16(), rest.split('<').next().unwrap_or_default())
}

#[tokio::test]
async fn a_body_cut_short_is_not_called_too_large() {
    let server = server();
    let got = send(&server, Body::new(Cut)).await;
    assert_eq!(code(&got), (400, "InvalidRequest"), "{}", got.text);
    let got = send(&server, Body::from(vec![b'a'; MAX_BODY + 1])).await;
    assert_eq!(code(&got), (413, "RequestEntityTooLarge"), "{}", got.text);
    assert!(got.text.contains("larger than 1048576 bytes"), "{}", got.text);
    // One that says so of itself is refused before it is there.
    let request = http::Request::post("/").header("content-length", MAX_BODY + 1);
    let got = server.send(request.body(Body::new(Waits)).unwrap()).await;
    assert_eq!(code(&got), (413, "RequestEntityTooLarge"), "{}", got.text);
    assert_eq!(got.header("connection"), "close");
    let got = send(&server, Body::from(vec![b'a'; MAX_BODY])).await;
    assert_eq!(code(&got), (403, "MissingAuthenticationToken"), "{}", got.text);
}
