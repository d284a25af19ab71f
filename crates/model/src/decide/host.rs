//! Rules of hosts: who is heard, who is emptied, who goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::{HostCommand, Reply};
use crate::resource::{Host, HostState, InstanceState};
use crate::{Code, HostId, Key, Refused};

/// The most names that a refusal lists.
const MOST_NAMES: usize = 5;

impl Decision<'_> {
    pub(super) fn host(&mut self, command: &HostCommand) -> Outcome {
        match command {
            HostCommand::Listen => {
                self.system_only()?;
                self.hear(None)
            }
            HostCommand::Heard { hosts } => {
                self.system_only()?;
                self.hear(Some(hosts))
            }
            HostCommand::Init(new) => self.init_host(new),
            HostCommand::Join(new) => self.join_host(new),
            HostCommand::CreateJoinToken { hash, lifetime } => {
                self.create_join_token(hash, *lifetime)
            }
            HostCommand::Enrol { token, key, new } => self.enrol_host(token, key, new),
            HostCommand::Connected { host, facts } => self.host_connected(*host, facts),
            HostCommand::Drain { host } => self.set_draining(*host, true),
            HostCommand::Undrain { host } => self.set_draining(*host, false),
            HostCommand::Remove { host, force } => self.remove_host(*host, *force),
            HostCommand::Lost { host } => {
                self.known_host(*host)?;
                self.lose_host(*host);
                Ok(Key::Host(*host).into())
            }
        }
    }

    /// A host that the operator asks about.
    pub(super) fn known_host(&self, id: HostId) -> Result<Arc<Host>, Refused> {
        self.operator_only()?;
        let host = self.world.host(id).cloned();
        host.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that host."))
    }

    fn set_draining(&mut self, id: HostId, draining: bool) -> Outcome {
        let host = self.known_host(id)?;
        if host.draining != draining {
            self.put(Host { draining, ..Host::clone(&host) });
        }
        Ok(Key::Host(id).into())
    }

    /// Takes in that hosts were heard, or that from now on somebody listens to all that are not lost.
    /// The reply names those that were lost until now.
    fn hear(&mut self, heard: Option<&BTreeSet<HostId>>) -> Outcome {
        let hosts: Vec<_> = match heard {
            Some(heard) => heard.iter().filter_map(|id| self.world.host(*id).cloned()).collect(),
            None => self.world.hosts().filter(|host| host.lost.is_none()).cloned().collect(),
        };
        let mut back = Vec::new();
        for host in hosts {
            back.extend(host.lost.map(|_| Key::Host(host.id)));
            if host.lost.is_some() || host.last_heard < self.now {
                self.put(Host { lost: None, last_heard: self.now, ..Host::clone(&host) });
            }
        }
        Ok(if back.is_empty() { Reply::Done } else { Reply::Resources(back) })
    }

    fn remove_host(&mut self, id: HostId, force: bool) -> Outcome {
        let host = self.known_host(id)?;
        let last = self.world.hosts().count() == 1;
        if last && host.first {
            self.leave_last_host(&host);
        } else {
            if !force {
                self.check_emptied(&host, last)?;
            }
            self.clear_host(&host);
        }
        self.delete(Key::Host(id));
        Ok(Reply::Done)
    }

    /// Whether nothing is on a host.
    fn check_emptied(&self, host: &Host, last: bool) -> Result<(), Refused> {
        let key = Key::Host(host.id);
        let dynos = self.world.dynos_in(key).filter(|dyno| !dyno.state.ended());
        let dynos: BTreeMap<_, usize> = dynos.fold(BTreeMap::new(), |mut counts, dyno| {
            *counts.entry(dyno.app).or_default() += 1;
            counts
        });
        let dynos = dynos.into_iter().map(|(app, count)| {
            let name = self.world.app(app).map_or_else(|| app.to_string(), |app| app.name.clone());
            format!("{name} ({count})")
        });
        let addons = self.world.addons_of(key).map(|addon| addon.name.clone());
        let instances = self.world.instances_of(key);
        let instances = instances.filter(|instance| instance.state != InstanceState::Terminated);
        let instances = instances.map(|instance| instance.id.to_string());
        let found: Vec<String> = [
            listed("dynos of", dynos.collect()),
            listed("the data services", addons.collect()),
            listed("the instances", instances.collect()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if found.is_empty() {
            return Ok(());
        }
        let (name, found) = (&host.name, found.join("; "));
        let then = match host.state() {
            _ if last => "It is the last host, so that there is nowhere for them to go.".to_owned(),
            HostState::Ready => {
                format!("`causeway hosts:drain {name}` moves the dynos to other hosts.")
            }
            HostState::Draining => "Its dynos move to other hosts as these have room.".to_owned(),
            HostState::Lost => {
                "What has its disk there waits until the host is heard again.".to_owned()
            }
        };
        refuse(
            Code::DependencyViolation,
            format!(
                "The host {name} still has {found}. {then} What has its disk there never moves by \
                 itself. `--force` removes the host with all that: data services start elsewhere with \
                 empty disks, and instances are terminated."
            ),
        )
    }
}

/// `dynos of shop (2), blog (1)`, of which no more than a few are named; nothing for nothing.
fn listed(what: &str, names: Vec<String>) -> Option<String> {
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names.into_iter().take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("{what} {shown}")),
        (false, more) => Some(format!("{what} {shown} and {more} more")),
    }
}
