//! Rules of how hosts join: by a token, which is good once and for a while, and which first makes the
//! installation's first host.

use std::time::Duration;

use super::{Decision, Outcome, refuse};
use crate::command::{HostFacts, NewHost};
use crate::resource::{Addon, Dyno, Host, Instance, JoinToken, JoinTokenUse, Space};
use crate::{Code, HostId, JoinTokenId, Key, Record, Refused};

/// The most tokens that let a host in at a time.
const MOST_TOKENS: usize = 1000;

impl Decision<'_> {
    pub(super) fn create_join_token(&mut self, hash: &str, lifetime: Duration) -> Outcome {
        self.operator_only()?;
        if lifetime < Duration::from_secs(1) || lifetime > JoinToken::LONGEST_LIFETIME {
            return refuse(
                Code::InvalidParameterValue,
                "A token is good for a second at least and for 7 days at most.",
            );
        }
        let open = self.world.join_tokens().filter(|it| it.used.is_none() && self.now < it.expires);
        if open.count() >= MOST_TOKENS {
            return refuse(
                Code::LimitExceeded,
                format_args!(
                    "{MOST_TOKENS} hosts may join by tokens already. Wait until some have."
                ),
            );
        }
        let id = JoinTokenId::fresh(self.ids);
        let (hash, expires) = (hash.to_owned(), self.now + lifetime);
        self.put(JoinToken { id, hash, expires, used: None, created: self.now });
        Ok(Key::JoinToken(id).into())
    }

    /// Lets a host in that shows a token. The installation's first one gets all that there is.
    pub(super) fn enrol_host(&mut self, token: &str, key: &str, new: &NewHost) -> Outcome {
        self.system_only()?;
        let Some(token) = self.world.join_token_hashed(token).cloned() else {
            return refuse(Code::NotFound, "The token is not one of this installation's.");
        };
        if let Some(JoinTokenUse { key: used_with, host }) = &token.used {
            if used_with == key && self.world.host(*host).is_some() {
                return Ok(Key::Host(*host).into());
            }
            return refuse(Code::NotFound, "The token was used.");
        }
        if token.expires <= self.now {
            return refuse(Code::PreconditionFailed, "The token has expired.");
        }
        let outcome =
            if self.world.has_hosts() { self.join_host(new) } else { self.init_host(new) };
        let reply = outcome?;
        if let Some(Key::Host(host)) = reply.main() {
            let used = Some(JoinTokenUse { key: key.to_owned(), host });
            self.put(JoinToken { used, ..JoinToken::clone(&token) });
        }
        Ok(reply)
    }

    pub(super) fn init_host(&mut self, new: &NewHost) -> Outcome {
        self.operator_only()?;
        if self.world.has_hosts() {
            return refuse(
                Code::Conflict,
                "This installation has hosts already. Add another one with a token: \
                 `causeway host:token` makes it.",
            );
        }
        let id = self.put_host(new, true)?;
        self.give_all(Some(id));
        Ok(Key::Host(id).into())
    }

    pub(super) fn join_host(&mut self, new: &NewHost) -> Outcome {
        self.operator_only()?;
        if !self.world.has_hosts() {
            return refuse(
                Code::Conflict,
                "This installation has no hosts yet. The first one that joins has all that there is.",
            );
        }
        if new.facts.address.is_loopback() {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("No other host reaches this one at {}.", new.facts.address),
            );
        }
        let id = self.put_host(new, false)?;
        Ok(Key::Host(id).into())
    }

    fn put_host(&mut self, new: &NewHost, first: bool) -> Result<HostId, Refused> {
        self.check_new_host(new)?;
        let id = HostId::fresh(self.ids);
        let HostFacts { address, zone, labels, capacity, version } = new.facts.clone();
        self.put(Host {
            id,
            name: new.name.clone(),
            address,
            zone,
            labels,
            capacity,
            version,
            first,
            draining: false,
            lost: None,
            connected: None,
            last_heard: self.now,
            created: self.now,
        });
        Ok(id)
    }

    /// Takes in what an agent says of its host when it connects.
    pub(super) fn host_connected(&mut self, id: HostId, facts: &HostFacts) -> Outcome {
        self.system_only()?;
        let host = self.known_host(id)?;
        self.check_host_facts(facts, Some(id))?;
        let HostFacts { address, zone, labels, capacity, version } = facts.clone();
        let connected = Some(self.now);
        let told = Host { address, zone, labels, capacity, version, ..Host::clone(&host) };
        self.put(Host { connected, ..told });
        Ok(Key::Host(id).into())
    }

    /// Puts all that there is on a host, or on the machine that nothing is said of.
    pub(super) fn give_all(&mut self, host: Option<HostId>) {
        let records: Vec<Record> = self.world.records().cloned().collect();
        for record in records {
            match record {
                Record::Dyno(it) => self.put(Dyno { host, ..Dyno::clone(&it) }),
                Record::Addon(it) => self.put(Addon { host, ..Addon::clone(&it) }),
                Record::Instance(it) => self.put(Instance { host, ..Instance::clone(&it) }),
                Record::Space(it) => {
                    let routers = it.router_enis.iter();
                    let router_hosts = routers.filter_map(|eni| Some((*eni, host?))).collect();
                    self.put(Space { router_hosts, ..Space::clone(&it) });
                }
                _ => {}
            }
        }
    }
}
