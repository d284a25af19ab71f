//! Which hosts there are, and how one joins: the ledger knows.

use std::net::IpAddr;

use link::{About, EnrolError, HostId, Newcomer, NotServed, Registry};
use model::{Code, Host, HostCapacity, HostCommand, HostFacts, Key, NewHost};

use crate::cluster::Duties;
use crate::ledger::{Ledger, LedgerError, Request};

/// The zone of hosts of which nobody says what they share with others.
const ZONE: &str = "default";

/// The registry of hosts in the ledger.
pub(super) struct Members {
    pub ledger: Ledger,
    pub duties: Duties,
}

impl Registry for Members {
    fn enrol(&self, newcomer: Newcomer<'_>) -> Result<HostId, EnrolError> {
        let Newcomer { token, key, about, from } = newcomer;
        let enrol = HostCommand::Enrol {
            token: token.to_owned(),
            key: hex::encode(key),
            new: NewHost { name: about.name.to_ascii_lowercase(), facts: facts_of(about, from) },
        };
        // Whoever leads: the ledger takes it from every server.
        match self.ledger.submit_blocking(Request::system(enrol)) {
            Ok(done) => match done.reply.main() {
                Some(Key::Host(host)) => Ok(host),
                _ => Err(EnrolError::Store("the ledger names no host".to_owned())),
            },
            Err(LedgerError::Refused(refused)) => Err(match refused.code {
                Code::NotFound => EnrolError::Token,
                Code::PreconditionFailed => EnrolError::Expired,
                _ => EnrolError::Refused(refused.message),
            }),
            Err(error) => Err(EnrolError::Store(error.to_string())),
        }
    }

    fn admits(&self, host: &HostId) -> bool {
        self.ledger.glance().host(*host).is_some()
    }

    fn connected(&self, host: &HostId, about: &About, from: IpAddr) -> Result<(), NotServed> {
        let facts = facts_of(about, from);
        let Err(LedgerError::Refused(refused)) = self.note(*host, facts)? else { return Ok(()) };
        tracing::warn!(%host, "what a host says of itself is not taken: {}", refused.message);
        let Some(known) = self.ledger.world().host(*host).cloned() else { return Ok(()) };
        let known = Host::clone(&known);
        let Host { address, zone, labels, capacity, version, .. } = known;
        let facts = HostFacts { address, zone, labels, capacity, version };
        self.note(*host, facts).map(drop)
    }
}

impl Members {
    /// Has the ledger know that a host is connected. A refusal that is given back is no reason not to serve
    /// it: what it says of itself may not be so.
    fn note(&self, host: HostId, facts: HostFacts) -> Result<Result<(), LedgerError>, NotServed> {
        let mandate = self.duties.leads().ok_or(NotServed::NotLeading)?;
        let connected = Request::system(HostCommand::Connected { host, facts });
        match self.ledger.submit_under(mandate, connected) {
            Ok(_) => Ok(Ok(())),
            Err(LedgerError::Refused(refused)) if refused.code == Code::NotFound => {
                Err(NotServed::Removed)
            }
            Err(error @ LedgerError::Refused(_)) => Ok(Err(error)),
            Err(LedgerError::NotLeading) => Err(NotServed::NotLeading),
            Err(error) => Err(NotServed::Store(error.to_string())),
        }
    }
}

/// What an agent says of its host, which connects from an address.
fn facts_of(about: &About, from: IpAddr) -> HostFacts {
    let About { zone, labels, cpus, memory_mib, address, software, .. } = about;
    HostFacts {
        address: address.unwrap_or(from).to_canonical(),
        zone: zone.as_deref().unwrap_or(ZONE).to_ascii_lowercase(),
        labels: labels.clone(),
        capacity: HostCapacity { memory: memory_mib.saturating_mul(1 << 20), cpus: *cpus },
        version: software.clone(),
    }
}
