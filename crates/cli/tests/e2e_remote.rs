//! A server and its clients on two machines, with TLS between them, and the real clients.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use support::outside::{HOST, Outside};
use support::{Ran, Server, space, text};

/// A certificate authority, and the files of a certificate of it.
struct Files {
    authority: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Files {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let files =
            Self { authority: Issuer::new(params, key), directory: tempfile::tempdir().unwrap() };
        std::fs::write(files.path("ca.pem"), pem).unwrap();
        files.renew(name);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Issues a certificate, and puts it into the place of the one before.
    fn renew(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        for (file, text) in [("key.pem", key.serialize_pem()), ("chain.pem", certificate.pem())] {
            std::fs::write(self.path("new"), text).unwrap();
            std::fs::rename(self.path("new"), self.path(file)).unwrap();
        }
    }

    fn arguments(&self) -> [String; 4] {
        ["--tls-cert", &self.text("chain.pem"), "--tls-key", &self.text("key.pem")]
            .map(ToOwned::to_owned)
    }
}

/// A tunnel that runs until it is dropped.
struct Tunnel {
    child: Child,
    listen: String,
}

impl Tunnel {
    fn start(url: &str, trust: [&str; 2]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["tunnel", url, "--listen", "127.0.0.1:0", "--json", trust[0], trust[1]])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It goes on after it has said where it listens.
        let said = serde_json::Deserializer::from_reader(child.stdout.take().unwrap());
        let said: Value = said.into_iter().next().unwrap().unwrap();
        Self { child, listen: said["listen"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn nothing_but_loopback_is_listened_on_without_tls() {
    let data = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["serve", "--fabric", "none", "--data"])
            .arg(data.path())
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was made");
        let utf8 = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: utf8(output.stdout), err: utf8(output.stderr) }
    };
    let refused = start(&["--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for word in ["--tls-cert", "--insecure", "0.0.0.0:0"] {
        assert!(refused.err.contains(word), "{word}: {refused:?}");
    }
    let emulator = start(&["--emulator", "--insecure", "--listen", "0.0.0.0:0"]);
    assert_eq!(emulator.code, Some(1), "{emulator:?}");
    assert!(emulator.err.contains("--allow-host"), "{emulator:?}");
    let half = start(&["--tls-cert", "/nonexistent/chain.pem"]);
    assert!(half.err.contains("--tls-key"), "{half:?}");
}

#[test]
fn clients_of_another_machine_come_over_tls_alone() {
    let outside = Outside::enter();
    let files = Files::new(HOST);
    let [cert, chain, key, secret] = files.arguments();
    let listen = format!("{HOST}:0");
    let server = Server::none(&["--listen", &listen, &cert, &chain, &key, &secret]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let own = server.env(&[]);
    let value = |name: &str| own.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert!(value("AWS_ENDPOINT_URL").starts_with("http://"), "on this machine it needs none");
    server.aws(&["ec2", "describe-vpcs"]).ok();
    let user = ["tokens:create", "--user", "admin@causeway.local", "--json"];
    let token = text(&server.causeway(&user).json()["token"]);

    let (ca, url) = (files.text("ca.pem"), server.url.clone());
    let home = tempfile::tempdir().unwrap();
    outside.there(|| {
        let address: SocketAddr = url.strip_prefix("https://").unwrap().parse().unwrap();
        let mut plain = TcpStream::connect(address).unwrap();
        plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");

        let tunnel = Tunnel::start(&url, ["--ca", &ca]);
        let mut variables = vec![
            ("HOME".to_owned(), home.path().display().to_string()),
            ("HEROKU_API_KEY".to_owned(), token.clone()),
        ];
        let env = ["env", "--json", "--remote", &url, "--ca", &ca, "--tunnel", &tunnel.listen];
        let printed = server.causeway_as(&variables, &env).json();
        let printed = printed.as_object().unwrap();
        assert_eq!(printed["HEROKU_HOST"], format!("http://{}", tunnel.listen));
        assert_eq!(printed["AWS_CA_BUNDLE"].as_str(), Some(&*ca));
        variables.extend(
            printed.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())),
        );
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            variables.push((name.to_owned(), value(name)));
        }
        // Each of the three real clients, in its own way.
        let team = ["--team", "team"];
        let create = [&["spaces:create", "far"][..], &team].concat();
        server.heroku_as(&variables, &create).ok();
        let spaces = server.heroku_as(&variables, &["spaces"]).ok();
        assert!(spaces.contains("far"), "{spaces}");
        let vpcs = server.aws_as(&variables, &["ec2", "describe-vpcs"]).json();
        assert!(vpcs["Vpcs"].is_array(), "{vpcs}");
        let ours = server.causeway_as(&variables, &["spaces", "--json"]).json();
        assert_eq!(ours[0]["name"], "far");
        let plain = server.url.replace("https://", "http://");
        let refused = server.causeway_as(&variables, &["spaces", "--url", &plain]).refused();
        assert!(refused.contains("begin its address with https://"), "{refused}");

        // Whoever is not believed is told nothing, and what it showed is said.
        let without = &variables[..2];
        for command in
            [&["spaces", "--url", &url][..], &["tunnel", &url, "--listen", "127.0.0.1:0"]]
        {
            let said = server.causeway_as(without, command);
            assert_eq!(said.code, Some(1), "{said:?}");
            assert!(said.err.contains("not believed") && said.err.contains("sha256:"), "{said:?}");
        }
        let strange = Files::new(HOST);
        let said = server
            .causeway_as(without, &["spaces", "--url", &url, "--ca", &strange.text("ca.pem")]);
        assert!(said.err.contains("not believed"), "{said:?}");
    });

    let who = server.causeway(&["audit", "--json"]).ok();
    assert!(who.contains("203.0.113.1"), "the audit knows from where: {who}");

    // A renewed certificate is shown from the next connection on, and known by its fingerprint.
    let said = server.said.clone();
    files.renew(HOST);
    outside.there(|| {
        let variables = [("HEROKU_API_KEY".to_owned(), token.clone())];
        let known = ["spaces", "--json", "--url", &url, "--ca", &ca];
        server.causeway_as(&variables, &known).ok();
        let refused = server.causeway_as(&variables, &["spaces", "--url", &url]);
        let shown = refused.err.split_whitespace().find(|word| word.starts_with("sha256:"));
        let shown = shown.unwrap().trim_end_matches(':');
        assert!(!said.contains(shown), "{said}");
        let by = ["spaces", "--json", "--url", &url, "--fingerprint", shown];
        assert_eq!(server.causeway_as(&variables, &by).json()[0]["name"], "far");
    });
}

#[test]
fn heroku_run_has_its_terminal_through_a_tunnel() {
    let files = Files::new("127.0.0.1");
    let [cert, chain, key, secret] = files.arguments();
    let server = Server::linux_with(&[&cert, &chain, &key, &secret]);
    space(&server, "shop-space", "shop");
    // On the server's own machine, beside HTTPS on the same port.
    let run = ["run", "--exit-code", "--no-tty", "--app", "shop", "--", "echo near; exit 3"];
    let ran = server.heroku(&run);
    assert!(ran.code == Some(3) && ran.out.contains("near"), "{ran:?}");

    let ca = files.text("ca.pem");
    let tunnel = Tunnel::start(&server.url, ["--ca", &ca]);
    let home = tempfile::tempdir().unwrap();
    let token = server.env(&[]).into_iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap();
    let mut variables = vec![("HOME".to_owned(), home.path().display().to_string()), token];
    let env = ["env", "--json", "--remote", &server.url, "--ca", &ca, "--tunnel", &tunnel.listen];
    let printed = server.causeway_as(&variables, &env).json();
    variables.extend(
        printed
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())),
    );
    let run = ["run", "--exit-code", "--no-tty", "--app", "shop", "--", "echo far; exit 4"];
    let ran = server.heroku_as(&variables, &run);
    assert!(ran.code == Some(4) && ran.out.contains("far"), "{ran:?}");
    let log = server.heroku_as(&variables, &["logs", "--app", "shop"]);
    assert_eq!(log.code, Some(0), "{log:?}");
}

#[test]
fn who_names_no_protocol_sees_the_certificate_and_a_shell_that_is_not_pointed_at_it_asks_nobody() {
    let files = Files::new("127.0.0.1");
    let [cert, chain, key, secret] = files.arguments();
    let server = Server::none(&[&cert, &chain, &key, &secret]);
    let (ca, url) = (files.text("ca.pem"), server.url.clone());
    // On the server's own machine, by its address: Python's urllib and openssl name neither protocol nor host.
    let ask = format!(
        "import ssl, urllib.request\ntrusted = ssl.create_default_context(cafile='{ca}')\n\
         print(urllib.request.urlopen('{url}/healthz', context=trusted).status)"
    );
    assert_eq!(server.python(&ask).ok().trim(), "200");
    let fingerprint = |from: &str| {
        let script =
            format!("{from} | openssl x509 -noout -fingerprint -sha256 | sed 's/.*=//; s/://g'");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        format!("sha256:{}", String::from_utf8(output.stdout).unwrap().trim().to_lowercase())
    };
    let address = url.strip_prefix("https://").unwrap();
    let shown = fingerprint(&format!("openssl s_client -connect {address} </dev/null 2>/dev/null"));
    assert_eq!(shown, fingerprint(&format!("cat {}", files.text("chain.pem"))));
    let status = server.status();
    assert_eq!(status["tls"]["fingerprint"], shown.as_str());
    assert_eq!(status["tls"]["file"], files.text("chain.pem").as_str());

    // A certificate that is its own authority, as `openssl req -x509` makes them.
    let own = Files::new("127.0.0.1");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(own.path("chain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(own.path("key.pem"), key.serialize_pem()).unwrap();
    let [cert, chain, key, secret] = own.arguments();
    let selfsigned = Server::none(&[&cert, &chain, &key, &secret]);
    drop(Tunnel::start(&selfsigned.url, ["--ca", &own.text("chain.pem")]));

    // What fails leaves a shell that was prepared for somebody else before with nobody to ask.
    let program = env!("CARGO_BIN_EXE_causeway");
    let (other, strange) = (format!("sha256:{}", "0".repeat(64)), selfsigned.url.clone());
    for (trust, url, why) in [
        (format!("--fingerprint {other}"), &url, "this is another certificate"),
        (format!("--ca {ca}"), &strange, "an authority's own"),
        (format!("--ca {ca}"), &"https://127.0.0.1:1".to_owned(), "no server answers"),
    ] {
        let script = format!(
            "eval \"$({program} env --remote {url} {trust})\"; \
             echo \"$? $HEROKU_HOST $AWS_ENDPOINT_URL ${{HEROKU_API_KEY-no key}}\""
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .envs([("HEROKU_API_KEY", "HRKU-secret"), ("HOME", "/nonexistent")])
            .env("PATH", std::env::var_os("PATH").unwrap())
            .output()
            .unwrap();
        let nowhere = "http://127.0.0.1:1";
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim(), format!("1 {nowhere} {nowhere} no key"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}
