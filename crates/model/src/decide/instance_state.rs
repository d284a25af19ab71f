//! Rules of instances that are there: how they stop, start and end, and what may be changed of them.

use std::sync::Arc;

use super::instance::{check_type, check_user_data};
use super::lookup::{absent_instances, missing};
use super::{Decision, Outcome, refuse};
use crate::command::{InstanceChange, InterfaceChange, Reply};
use crate::resource::*;
use crate::{Code, InstanceId, Key, Refused, Scope};

impl Decision<'_> {
    /// The instances that a request names, which are all there.
    fn own_instances(
        &self,
        scope: Scope,
        ids: &[InstanceId],
    ) -> Result<Vec<Arc<Instance>>, Refused> {
        if ids.is_empty() {
            return missing("InstanceId");
        }
        let found: Vec<_> = ids.iter().map(|id| self.own_instance(scope, *id)).collect();
        let unknown = ids.iter().zip(&found).filter(|(_, found)| found.is_err());
        let unknown: Vec<InstanceId> = unknown.map(|(id, _)| *id).collect();
        match unknown.is_empty() {
            true => found.into_iter().collect(),
            false => Err(absent_instances(&unknown)),
        }
    }

    pub(super) fn start_instances(&mut self, scope: Scope, ids: &[InstanceId]) -> Outcome {
        for instance in self.own_instances(scope, ids)? {
            match instance.state {
                InstanceState::Pending | InstanceState::Running => {}
                InstanceState::Stopped => {
                    let started = Instance {
                        state: InstanceState::Pending,
                        boot: Boot::AGAIN,
                        starts: instance.starts.wrapping_add(1),
                        exit: None,
                        launched: self.now,
                        since: self.now,
                        ..Instance::clone(&instance)
                    };
                    self.settle_public(&started)?;
                    self.put(started);
                }
                InstanceState::Stopping
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => return Err(wrong_state(&instance, "started")),
            }
        }
        Ok(named(ids))
    }

    pub(super) fn stop_instances(&mut self, scope: Scope, ids: &[InstanceId]) -> Outcome {
        for instance in self.own_instances(scope, ids)? {
            match instance.state {
                InstanceState::Stopping | InstanceState::Stopped => {}
                InstanceState::Running if instance.options.stop_disabled => {
                    return Err(guarded(&instance, "stopped", "disableApiStop"));
                }
                InstanceState::Running => {
                    let stopping = Instance {
                        state: InstanceState::Stopping,
                        boot: Boot::Settled,
                        exit: None,
                        since: self.now,
                        ..Instance::clone(&instance)
                    };
                    self.settle_public(&stopping)?;
                    self.put(stopping);
                }
                InstanceState::Pending
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => return Err(wrong_state(&instance, "stopped")),
            }
        }
        Ok(named(ids))
    }

    pub(super) fn reboot_instances(&mut self, scope: Scope, ids: &[InstanceId]) -> Outcome {
        for instance in self.own_instances(scope, ids)? {
            match instance.state {
                // What is about to run is as good as rebooted.
                InstanceState::Pending => {}
                InstanceState::Running => {
                    self.put(Instance { boot: Boot::Ending, ..Instance::clone(&instance) });
                }
                InstanceState::Stopping
                | InstanceState::Stopped
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => return Err(wrong_state(&instance, "rebooted")),
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn terminate_instances(&mut self, scope: Scope, ids: &[InstanceId]) -> Outcome {
        for instance in self.own_instances(scope, ids)? {
            if instance.state.ends() {
                continue;
            }
            if instance.options.termination_disabled {
                return Err(guarded(&instance, "terminated", "disableApiTermination"));
            }
            if instance.options.stop_disabled {
                return Err(guarded(&instance, "terminated", "disableApiStop"));
            }
            self.put(Instance {
                state: InstanceState::ShuttingDown,
                boot: Boot::Settled,
                exit: None,
                since: self.now,
                ..Instance::clone(&instance)
            });
        }
        Ok(named(ids))
    }

    pub(super) fn modify_instance(
        &mut self,
        scope: Scope,
        id: InstanceId,
        change: &InstanceChange,
    ) -> Outcome {
        let old = self.own_instance(scope, id)?;
        if old.state.ends() {
            return refuse(
                Code::InstanceState,
                format_args!("The instance '{id}' is {}.", old.state.name()),
            );
        }
        let mut new = Instance::clone(&old);
        match change {
            InstanceChange::Type(name) => {
                check_type(name)?;
                self.check_type_fits(&old, name)?;
                require_stopped(&old)?;
                new.instance_type.clone_from(name);
                self.check_host_has_room(&old, &new)?;
            }
            InstanceChange::UserData(text) => {
                check_user_data(text.as_deref().unwrap_or_default())?;
                require_stopped(&old)?;
                new.user_data.clone_from(text);
            }
            InstanceChange::EbsOptimized(on) => {
                require_stopped(&old)?;
                new.options.ebs_optimized = *on;
            }
            InstanceChange::TerminationDisabled(on) => new.options.termination_disabled = *on,
            InstanceChange::StopDisabled(on) => new.options.stop_disabled = *on,
            InstanceChange::Shutdown(behavior) => new.options.shutdown = *behavior,
            InstanceChange::RecoveryDisabled(on) => new.options.recovery_disabled = *on,
            InstanceChange::Metadata(change) => {
                new.options.metadata = Some(change.of(old.metadata()));
            }
            InstanceChange::Names { by_id, a_record, aaaa_record } => {
                let names = &mut new.options.names;
                names.by_id = by_id.unwrap_or(names.by_id);
                names.a_record = a_record.unwrap_or(names.a_record);
                names.aaaa_record = aaaa_record.unwrap_or(names.aaaa_record);
            }
            InstanceChange::VolumeStays(device, on) => {
                if device != old.root_device() {
                    return refuse(
                        Code::BlockDeviceNotFound,
                        format_args!("No device is currently mapped at {device}"),
                    );
                }
                new.options.volume.stays = *on;
            }
            InstanceChange::SourceDestCheck(on) => {
                let change = InterfaceChange::SourceDestCheck(*on);
                return self.modify_only_interface(scope, &old, &change);
            }
            InstanceChange::Groups(groups) => {
                let change = InterfaceChange::Groups(groups.clone());
                return self.modify_only_interface(scope, &old, &change);
            }
        }
        if new != *old {
            self.put(new);
        }
        Ok(Reply::Done)
    }

    /// Whether a type allows as many interfaces, and as many addresses of them, as an instance has.
    fn check_type_fits(&self, instance: &Instance, name: &str) -> Result<(), Refused> {
        let (interfaces, addresses) = InstanceType::limits(name);
        let own: Vec<_> = self.world.enis_in(Key::Instance(instance.id)).collect();
        let fits = own.len() <= usize::from(interfaces)
            && own.iter().all(|eni| {
                eni.addresses.len().max(eni.ipv6_addresses.len()) <= usize::from(addresses)
            });
        match fits {
            true => Ok(()),
            false => Err(super::interface::too_many_interfaces(own.len(), name)),
        }
    }

    fn modify_only_interface(
        &mut self,
        scope: Scope,
        instance: &Instance,
        change: &InterfaceChange,
    ) -> Outcome {
        if self.world.enis_in(Key::Instance(instance.id)).nth(1).is_some() {
            return refuse(
                Code::InstanceAmbiguous,
                format_args!(
                    "There are multiple interfaces attached to instance '{}'. Please specify an \
                     interface ID for the operation instead.",
                    instance.id
                ),
            );
        }
        self.modify_interface(scope, instance.eni, change)
    }

    pub(super) fn modify_credits(
        &mut self,
        scope: Scope,
        credits: &[(InstanceId, CpuCredits)],
    ) -> Outcome {
        let ids: Vec<InstanceId> = credits.iter().map(|(id, _)| *id).collect();
        for (instance, (_, credits)) in self.own_instances(scope, &ids)?.iter().zip(credits) {
            let mut new = Instance::clone(instance);
            new.options.credits = Some(*credits);
            self.put(new);
        }
        Ok(named(&ids))
    }

    pub(super) fn monitor(&mut self, scope: Scope, ids: &[InstanceId], on: bool) -> Outcome {
        for instance in self.own_instances(scope, ids)? {
            let mut new = Instance::clone(&instance);
            new.options.monitoring = on;
            if new != *instance {
                self.put(new);
            }
        }
        Ok(named(ids))
    }
}

fn named(ids: &[InstanceId]) -> Reply {
    Reply::Resources(ids.iter().copied().map(Key::Instance).collect())
}

fn wrong_state(instance: &Instance, verb: &str) -> Refused {
    Refused::new(
        Code::InstanceState,
        format_args!(
            "The instance '{}' is not in a state from which it can be {verb}.",
            instance.id
        ),
    )
}

fn guarded(instance: &Instance, verb: &str, attribute: &str) -> Refused {
    Refused::new(
        Code::OperationNotPermitted,
        format_args!(
            "The instance '{}' may not be {verb}. Modify its '{attribute}' instance attribute and \
             try again.",
            instance.id
        ),
    )
}

fn require_stopped(instance: &Instance) -> Result<(), Refused> {
    match instance.state {
        InstanceState::Stopped => Ok(()),
        _ => refuse(
            Code::InstanceState,
            format_args!("The instance '{}' is not in the 'stopped' state.", instance.id),
        ),
    }
}
