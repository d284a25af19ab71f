//! Connections with the databases, as settings name them.

use std::net::IpAddr;
use std::time::Duration;

use ovsdb::{Client, Config, Endpoint, Status, Tls, Watch};

use crate::driver::Alarm;
use crate::switch::Switch;

/// Where a database is.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its servers.
    pub endpoints: Vec<Endpoint>,
    /// How they are known over TLS; `None` where no endpoint is of that kind.
    pub tls: Option<Tls>,
}

impl Database {
    /// A server without TLS.
    pub fn at(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, tls: None }
    }

    /// The servers, in words.
    pub(crate) fn name(&self) -> String {
        let all: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
        all.join(",")
    }

    /// Starts a client, which rings an alarm.
    pub(crate) fn client(
        &self,
        name: &str,
        watches: Vec<Watch>,
        alarm: &Alarm,
    ) -> Result<Client, String> {
        let mut config = Config::new(name, self.endpoints.clone());
        config.tls.clone_from(&self.tls);
        config.watches = watches;
        Client::start_with_alarm(config, alarm.ring()).map_err(|error| error.to_string())
    }

    /// The Open vSwitch of this host that listens there.
    ///
    /// # Errors
    ///
    /// No client can be started, in words.
    pub fn switch(&self, instance: &str, alarm: &Alarm) -> Result<Switch, String> {
        let client = self.client("Open_vSwitch", Switch::watches(), alarm)?;
        Ok(Switch::new(client, instance, SWITCH_PATIENCE))
    }
}

/// The name by which OVN knows the host whose Open vSwitch listens there.
///
/// # Errors
///
/// There is none, or it does not answer within a few seconds, in words.
pub fn chassis(switch: &Database) -> Result<(String, Option<IpAddr>), String> {
    let found = switch.switch("", &Alarm::default())?;
    wait(found.client(), &format!("Open vSwitch at {}", switch.name()), SWITCH_PATIENCE)?;
    let name = found.chassis().map_err(|error| error.to_string())?;
    Ok((name, found.encapsulation()))
}

/// How long a switch may take for a change.
const SWITCH_PATIENCE: Duration = Duration::from_secs(10);

/// Waits until there is a server, or says what is in the way.
pub(crate) fn wait(client: &Client, what: &str, patience: Duration) -> Result<(), String> {
    if client.wait_until_connected(patience) {
        return Ok(());
    }
    Err(match client.status() {
        Status::Connected { .. } => return Ok(()),
        Status::Connecting { last: Some(why) } => format!("{what} cannot be used: {why}"),
        Status::Connecting { last: None } => format!("{what} does not answer"),
    })
}
