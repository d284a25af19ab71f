//! The only place where anything is allowed or refused.
//!
//! A decision works on its own copy of the world: a refusal drops the copy, so it changes nothing
//! by construction.

mod acl;
mod addon;
mod allocate;
mod app;
mod app_webhook;
mod code;
mod default_vpc;
mod dhcp_options;
mod domain;
mod due;
mod dyno;
mod ec2;
mod elastic_ip;
mod fabric;
mod flow_log;
mod gateway;
mod group;
mod group_rule;
mod host;
mod host_input;
mod host_join;
mod host_loss;
mod iam_role;
mod identity;
mod instance;
mod instance_state;
mod interface;
mod interface_address;
mod ipv6;
mod ipv6_address;
mod key_pair;
mod lookup;
mod nat_address;
mod nat_gateway;
mod network_insights;
mod outbound;
mod peering;
mod permission;
mod placing;
mod platform;
mod prefix_list;
mod quota;
mod release;
mod release_queue;
mod report;
mod route;
mod second_factor;
mod sending;
mod session;
mod snapshot;
mod space;
mod space_access;
mod sts;
mod subject;
mod subnet;
mod subnet_reservation;
mod system;
mod tag;
#[cfg(test)]
mod tests_ec2;
#[cfg(test)]
mod tests_platform;
mod vpc;

use crate::command::{Caller, Command, Reply};
use crate::resource::Settings;
use crate::{Change, Code, IdSource, Key, Record, Refused, Scope, Timestamp, World};

/// The result of a decision.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The world after the command.
    pub world: World,
    /// How that world differs from the one before, in order.
    pub changes: Vec<Change>,
    /// The answer for the caller.
    pub reply: Reply,
}

type Outcome = Result<Reply, Refused>;

impl World {
    /// Decides on a command: what it changes, or why it is refused.
    ///
    /// # Errors
    ///
    /// [`Refused`] says which rule refused it; nothing has changed then.
    pub fn decide(
        &self,
        caller: Caller,
        command: &Command,
        now: Timestamp,
        ids: &mut dyn IdSource,
    ) -> Result<Decided, Refused> {
        let mut decision = Decision { world: self.clone(), changes: Vec::new(), caller, now, ids };
        let reply = decision.run(command)?;
        Ok(Decided { world: decision.world, changes: decision.changes, reply })
    }
}

/// A decision under way.
struct Decision<'a> {
    /// The world with the changes so far.
    world: World,
    changes: Vec<Change>,
    caller: Caller,
    now: Timestamp,
    ids: &'a mut dyn IdSource,
}

impl Decision<'_> {
    fn run(&mut self, command: &Command) -> Outcome {
        self.check_admitted()?;
        let reply = self.carry_out(command)?;
        self.settle_hosts();
        Ok(reply)
    }

    fn carry_out(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Identity(command) => self.identity(command),
            Command::Host(command) => self.host(command),
            Command::Platform(command) => self.platform(command),
            Command::Ec2(command) => {
                let scope = self.scope()?;
                self.ec2(scope, command)
            }
            Command::Sts(command) => self.sts(command),
            Command::System(command) => self.system(command),
        }
    }

    /// The account that acts, if it may change anything at all (R4).
    fn scope(&self) -> Result<Scope, Refused> {
        match self.caller {
            Caller::Account { scope, read_only: false } => Ok(scope),
            Caller::Account { read_only: true, .. } => Err(Refused::new(
                Code::UnauthorizedOperation,
                "You are not authorized to perform this operation. The access key may only \
                 describe; ask the operator for one with full access.",
            )),
            Caller::User(_) | Caller::Operator | Caller::System => Err(Refused::new(
                Code::UnauthorizedOperation,
                "You are not authorized to perform this operation.",
            )),
        }
    }

    fn put(&mut self, record: impl Into<Record>) {
        let change = Change::Put(record.into());
        self.world.apply(&change);
        self.changes.push(change);
    }

    fn delete(&mut self, key: Key) {
        if let Key::Eni(id) = key {
            self.free_elastic_ips_of(id);
        }
        if let Key::Vpc(_) | Key::Subnet(_) | Key::Eni(_) = key {
            self.delete_flow_logs_of(key);
        }
        let change = Change::Delete(key);
        self.world.apply(&change);
        self.changes.push(change);
    }

    fn settings(&self) -> Result<std::sync::Arc<Settings>, Refused> {
        self.world.settings().cloned().ok_or_else(|| {
            Refused::new(Code::OperationNotPermitted, "this installation is not set up yet")
        })
    }
}

/// Shorthand for a refusal.
fn refuse<T>(code: Code, message: impl std::fmt::Display) -> Result<T, Refused> {
    Err(Refused::new(code, message))
}
