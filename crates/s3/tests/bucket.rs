//! Blobs in a bucket of a real server, which `scripts/setup --for test` installs.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causeway_s3::{S3Blobs, S3Url};
use store::{BlobDigest, Blobs};

/// A server with one bucket, that ends with the test.
struct Server {
    child: Child,
    /// Its buckets.
    _dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let named = std::env::var_os("CAUSEWAY_TEST_S3").map(PathBuf::from);
        let program = named.or_else(|| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|dir| dir.join("s3s-fs")).find(|it| it.is_file())
        });
        let program = program.expect("s3s-fs is installed: run scripts/setup --for test");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("code")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", "AKID", "--secret-key", "a-secret"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, _dir: dir, port };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the server does not start");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }

    fn url(&self, path: &str) -> S3Url {
        format!("s3://{path}?endpoint=http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    fn open(&self, path: &str, secret: &'static str) -> Result<S3Blobs, String> {
        S3Blobs::open(&self.url(path), &variables(secret)).map_err(|error| error.to_string())
    }
}

/// An environment with credentials.
fn variables(secret: &'static str) -> impl Fn(&str) -> Option<OsString> {
    move |name| match name {
        "AWS_ACCESS_KEY_ID" => Some(OsString::from("AKID")),
        "AWS_SECRET_ACCESS_KEY" => Some(OsString::from(secret)),
        _ => None,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, if it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_does_what_every_place_for_blobs_does() {
    let server = Server::start();
    store::blobs::conformance::all(&|| Box::new(server.open("code/one/two", "a-secret").unwrap()));
    // Places beside each other do not mix.
    let (one, two) =
        (server.open("code/a", "a-secret").unwrap(), server.open("code/b", "a-secret"));
    let (digest, two) = (BlobDigest::of(b"x"), two.unwrap());
    one.put(&digest, 1, &mut &b"x"[..]).unwrap();
    assert!(two.open(&digest, 0).unwrap().is_none() && two.list().unwrap().is_empty());

    let looked = |path: &str, secret: &'static str| {
        let findings = S3Blobs::doctor(&server.url(path), &variables(secret));
        findings.into_iter().map(|it| (it.ok, it.name, it.detail)).collect::<Vec<_>>()
    };
    let well = looked("code/a", "a-secret");
    assert!(well.len() == 3 && well.iter().all(|(ok, ..)| *ok), "{well:?}");
    assert_eq!(one.list().unwrap().len(), 1, "nothing is left of what was tried");
    let ill = looked("nowhere", "a-secret");
    assert!(
        matches!(&ill[..], [(false, "bucket", why)] if why.contains("NoSuchBucket")),
        "{ill:?}"
    );

    let refused = server.open("code", "another secret").unwrap_err();
    assert!(refused.contains("SignatureDoesNotMatch"), "{refused}");
    let none = server.open("nowhere", "a-secret").unwrap_err();
    assert!(none.contains("NoSuchBucket"), "{none}");
    assert!(!refused.contains("a-secret") && !none.contains("a-secret"));
}
