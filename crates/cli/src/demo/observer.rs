//! Looks at the server, and sends packets, without showing the commands that do it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::child::Finished;
use super::own::Own;
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

/// The host that something is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostOf {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
}

impl fmt::Display for HostOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
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
        if self.server.cluster().is_some() {
            return self.told_address(target);
        }
        let done = self.exec(target, &["python3", "-c", ADDRESS])?;
        let address = done.stdout.trim();
        if address.parse::<std::net::Ipv4Addr>().is_err() {
            bail!("{target} does not know its address: {address}{}", done.stderr.trim());
        }
        Ok(address.to_owned())
    }

    /// The address of a dyno or an instance, as the server says it.
    fn told_address(self, target: &str) -> anyhow::Result<String> {
        let found = if let Some((_, dyno)) = target.split_once('/') {
            let space = self.server.created().space.context("there is no space")?;
            let topology = self.own(&["spaces:topology", &space])?;
            address_in(&topology, dyno)
        } else {
            let instances = self.own(&["instances", "--all"])?;
            let mut instances = instances.as_array().into_iter().flatten();
            let instance = instances.find(|instance| instance["id"] == target);
            instance.and_then(|it| it["address"].as_str()).map(ToOwned::to_owned)
        };
        found.with_context(|| format!("the server knows no address of {target}"))
    }

    /// The name and the id of the host that a dyno or an instance is on.
    pub(crate) fn host_of(self, target: &str) -> anyhow::Result<HostOf> {
        let hosts = self.own(&["hosts"])?;
        for host in hosts["hosts"].as_array().into_iter().flatten() {
            let (Some(name), Some(id)) = (host["name"].as_str(), host["id"].as_str()) else {
                continue;
            };
            let there = self.own(&["hosts:info", name])?;
            let mut there = there["workloads"].as_array().into_iter().flatten();
            if there.any(|workload| workload["name"] == target) {
                return Ok(HostOf { name: name.to_owned(), id: id.to_owned() });
            }
        }
        bail!("{target} is on no host")
    }

    fn exec(self, target: &str, words: &[&str]) -> anyhow::Result<Finished> {
        if let Some(cluster) = self.server.cluster() {
            return cluster.exec(&self.told_address(target)?, words, self.stop);
        }
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

/// The private address of a dyno such as `web.1` in the topology of a space that has one app.
fn address_in(topology: &Value, dyno: &str) -> Option<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (process, number) = dyno.split_once('.')?;
    let number: u64 = number.parse().ok()?;
    let formations = list(&topology["apps"]).into_iter().flat_map(|app| list(&app["formation"]));
    let mut dynos = formations
        .filter(|formation| formation["process_type"] == process)
        .flat_map(|formation| list(&formation["dynos"]));
    let found = dynos.find(|it| it["number"] == number)?;
    found["private_ip"].as_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_address_of_a_dyno_is_found() {
        let dyno = |number: u64, address: &str| json!({ "number": number, "private_ip": address });
        let topology = json!({ "apps": [{ "formation": [
            { "process_type": "web", "dynos": [dyno(1, "10.0.128.4"), dyno(2, "10.0.128.5")] },
            { "process_type": "run", "dynos": [dyno(42, "10.0.128.6")] },
        ]}]});
        assert_eq!(address_in(&topology, "web.2").as_deref(), Some("10.0.128.5"));
        assert_eq!(address_in(&topology, "run.0042").as_deref(), Some("10.0.128.6"));
        assert_eq!(address_in(&topology, "worker.1"), None);
    }
}
