//! Looks at the server, and sends packets, without showing the commands that do it.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::child::Finished;
use super::packet::{ADDRESS, Expected, Outcome, PROBE, Packet};
use super::server::Server;
use super::stop::Stop;

/// How long something may take that happens by itself.
const SOON: Duration = Duration::from_secs(20);
/// How long it may take until a packet passes that must pass.
const SETTLED: Duration = Duration::from_secs(5);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What looks at the server.
#[derive(Clone, Copy)]
pub(crate) struct Observer<'a> {
    /// The server, which our own commands ask.
    pub(crate) server: &'a Server,
    /// What ends all waiting.
    pub(crate) stop: &'a Stop,
}

impl Observer<'_> {
    /// Runs one of our own commands, and reads the JSON that it prints.
    pub(crate) fn own(self, words: &[&str]) -> anyhow::Result<Value> {
        self.server.ask(&[words, &["--json"]].concat(), self.stop)
    }

    /// Waits until `look` finds something. It is an error if that takes too long.
    pub(crate) fn until<T>(
        self,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if started.elapsed() > SOON {
                bail!("{what} did not happen within {SOON:?}");
            }
            self.stop.pause(LOOK)?;
        }
    }

    /// The address that a dyno or an instance sends from.
    pub(crate) fn address_of(self, target: &str) -> anyhow::Result<String> {
        let done = self.exec(target, &["python3", "-c", ADDRESS])?;
        let address = done.stdout.trim();
        if address.parse::<std::net::Ipv4Addr>().is_err() {
            bail!("{target} does not know its address: {address}{}", done.stderr.trim());
        }
        Ok(address.to_owned())
    }

    fn exec(self, target: &str, words: &[&str]) -> anyhow::Result<Finished> {
        self.server.run_own(&[&["exec", target, "--"], words].concat(), self.stop)
    }

    /// Waits until the web server of a dyno or an instance answers inside it. Only then does it mean
    /// something if it does not answer others.
    pub(crate) fn listening(self, target: &str, address: &str, port: u16) -> anyhow::Result<()> {
        let home = Packet {
            from: target.to_owned(),
            to: target.to_owned(),
            address: address.to_owned(),
            port,
            expected: Expected::Passes,
        };
        self.until(&format!("a web server on port {port} of {target}"), || {
            Ok(self.probe(&home)?.is(Expected::Passes).then_some(()))
        })
    }

    fn probe(self, packet: &Packet) -> anyhow::Result<Outcome> {
        let port = packet.port.to_string();
        let words = ["python3", "-c", PROBE, &packet.address, &port];
        let done = self.exec(&packet.from, &words)?;
        Ok(Outcome::read(&done.stdout, &done.stderr))
    }

    /// Sends a packet. A packet that must pass may take a moment until it does.
    pub(crate) fn try_packet(self, packet: &Packet) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        loop {
            let seen = self.probe(packet)?;
            let wait = packet.expected == Expected::Passes && started.elapsed() < SETTLED;
            if !wait || seen.is(packet.expected) {
                return Ok(seen);
            }
            self.stop.pause(LOOK)?;
        }
    }

    /// What `why` says of a packet from any of the ports that Linux gives to outgoing connections.
    pub(crate) fn why(self, packet: &Packet) -> anyhow::Result<Value> {
        let port = packet.port.to_string();
        let from_ports = "32768-60999";
        let (from, to) = (&*packet.from, &*packet.to);
        self.own(&["why", from, to, "--port", &port, "--source-port", from_ports])
    }
}
