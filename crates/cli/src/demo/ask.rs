//! What the walk asks without showing it, and packets, which it shows.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::child::Finished;
use super::packet::{ADDRESS, Expected, PROBE, Packet, Seen};
use super::server::Server;
use super::stop::Stop;

/// How long what happens by itself may take.
const SOON: Duration = Duration::from_secs(20);
/// How long a packet that must pass may need until it does.
const SETTLED: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Whom to ask.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The server, through our own commands.
    pub server: &'a Server,
    /// What ends all waiting.
    pub stop: &'a Stop,
}

impl Ask<'_> {
    /// Asks one of our own commands, in JSON, without showing it.
    ///
    /// # Errors
    ///
    /// Where it gives none.
    pub fn own(self, words: &[&str]) -> anyhow::Result<Value> {
        self.server.ask(&[words, &["--json"]].concat(), self.stop)
    }

    /// Waits until something is there.
    ///
    /// # Errors
    ///
    /// Where it does not come soon; what the look itself meets.
    pub fn until<T>(
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
                bail!("{what} did not come about within {SOON:?}");
            }
            self.stop.pause(LOOK)?;
        }
    }

    /// The address that a dyno or an instance sends from.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered.
    pub fn address_of(self, target: &str) -> anyhow::Result<String> {
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

    /// Waits until a place's own web server answers in it, so that silence elsewhere means
    /// something.
    ///
    /// # Errors
    ///
    /// Where it never does.
    pub fn listening(self, target: &str, address: &str, port: u16) -> anyhow::Result<()> {
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

    fn probe(self, packet: &Packet) -> anyhow::Result<Seen> {
        let port = packet.port.to_string();
        let words = ["python3", "-c", PROBE, &packet.address, &port];
        let done = self.exec(&packet.from, &words)?;
        Ok(Seen::read(&done.stdout, &done.stderr))
    }

    /// Tries a packet. One that must pass may take a moment to; one that must not may never.
    ///
    /// # Errors
    ///
    /// Where it cannot be tried.
    pub fn try_packet(self, packet: &Packet) -> anyhow::Result<Seen> {
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

    /// What `why` says of a packet.
    ///
    /// # Errors
    ///
    /// Where it says nothing.
    pub fn why(self, packet: &Packet) -> anyhow::Result<Value> {
        let port = packet.port.to_string();
        self.own(&["why", &packet.from, &packet.to, "--port", &port])
    }
}
