//! Rules of network interfaces that their owners make.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::lookup::missing;
use super::subnet::mac_of;
use super::{Decision, Outcome, refuse};
use crate::command::{AddressesSpec, InterfaceChange, NewInterface, Reply, RunInterface};
use crate::resource::*;
use crate::{
    Code, EniAttachmentId, EniId, InstanceId, Key, Kind, PrefixedId, Refused, Scope,
    SecurityGroupId, SubnetId, VpcId, WorkloadId,
};

/// The longest description, as in EC2.
const MAX_DESCRIPTION: usize = 255;

/// An interface that a new instance is to have.
pub(super) struct Wanted {
    /// The number of the interface among those of the instance.
    pub(super) device_index: u8,
    /// Whether it goes with the instance.
    pub(super) delete_on_termination: bool,
    /// Where it comes from.
    pub(super) source: Source,
}

/// Where an interface comes from.
pub(super) enum Source {
    /// It is there, and nothing uses it.
    Existing(Arc<Eni>),
    /// It is made.
    New(Box<New>),
}

/// An interface that is to be made; all but its addresses has been checked.
pub(super) struct New {
    pub(super) subnet: Arc<Subnet>,
    pub(super) groups: Vec<SecurityGroupId>,
    pub(super) description: String,
    pub(super) addresses: AddressesSpec,
}

impl AddressesSpec {
    /// How many addresses that is.
    pub(super) fn total(&self) -> u64 {
        1 + self.secondary.len() as u64 + u64::from(self.count)
    }
}

impl Wanted {
    pub(super) fn subnet(&self) -> SubnetId {
        match &self.source {
            Source::Existing(eni) => eni.subnet,
            Source::New(new) => new.subnet.id,
        }
    }

    pub(super) fn vpc(&self) -> VpcId {
        match &self.source {
            Source::Existing(eni) => eni.vpc,
            Source::New(new) => new.subnet.vpc,
        }
    }

    /// How many addresses it has.
    pub(super) fn total(&self) -> u64 {
        match &self.source {
            Source::Existing(eni) => eni.addresses.len() as u64,
            Source::New(new) => new.addresses.total(),
        }
    }

    /// Whether no two instances can have such a one.
    pub(super) fn is_for_one_instance(&self) -> bool {
        match &self.source {
            Source::Existing(_) => true,
            Source::New(new) => {
                new.addresses.primary.is_some() || !new.addresses.secondary.is_empty()
            }
        }
    }
}

impl Decision<'_> {
    /// An interface of the caller's that nothing uses.
    pub(super) fn free_interface(&self, scope: Scope, id: EniId) -> Result<Arc<Eni>, Refused> {
        let eni = self.own_interface(scope, id)?;
        match &eni.attachment {
            None => Ok(eni),
            Some(_) => refuse(Code::EniInUse, format_args!("Interface: [{id}] in use.")),
        }
    }

    /// An interface of the caller's, in a VPC that it may change.
    pub(super) fn own_interface(&self, scope: Scope, id: EniId) -> Result<Arc<Eni>, Refused> {
        let eni = self.in_editable(scope, self.own_eni(scope, id)?)?;
        if eni.requester_managed {
            return refuse(
                Code::OperationNotPermitted,
                format_args!("The network interface '{id}' is managed by what made it."),
            );
        }
        Ok(eni)
    }

    /// An interface of a request that runs instances, as it is to be made.
    pub(super) fn new_interface(
        &self,
        subnet: Arc<Subnet>,
        groups: Vec<SecurityGroupId>,
        spec: &RunInterface,
    ) -> Result<New, Refused> {
        check_description(&spec.description)?;
        let (description, addresses) = (spec.description.clone(), spec.addresses.clone());
        Ok(New { subnet, groups, description, addresses })
    }

    /// Gives an instance one of the interfaces that it is to have.
    pub(super) fn put_interface(
        &mut self,
        workload: WorkloadId,
        wanted: &Wanted,
        tags: &Tags,
    ) -> Result<Eni, Refused> {
        let attachment = Attachment {
            id: EniAttachmentId::fresh(self.ids),
            workload,
            device_index: wanted.device_index,
            delete_on_termination: wanted.delete_on_termination,
            attached: self.now,
        };
        let mut eni = match &wanted.source {
            Source::Existing(eni) => Eni::clone(eni),
            Source::New(new) => self.made_interface(new, tags)?,
        };
        eni.attachment = Some(attachment);
        self.put(eni.clone());
        Ok(eni)
    }

    fn made_interface(&mut self, new: &New, tags: &Tags) -> Result<Eni, Refused> {
        let addresses = self.addresses_for(&new.subnet, &new.addresses)?;
        let id = EniId::fresh(self.ids);
        Ok(Eni {
            id,
            vpc: new.subnet.vpc,
            subnet: new.subnet.id,
            mac: mac_of(id),
            addresses,
            ipv6_addresses: Vec::new(),
            groups: new.groups.clone(),
            source_dest_check: true,
            description: new.description.clone(),
            attachment: None,
            requester_managed: false,
            created: self.now,
            tags: tags.clone(),
            client_token: None,
            public: PublicAddress::None,
            nat_gateway: None,
        })
    }

    pub(super) fn create_interface(&mut self, scope: Scope, new: &NewInterface) -> Outcome {
        if let Some(key) = self.repeated(scope, Kind::Eni, new.client_token.as_ref())? {
            return Ok(key.into());
        }
        super::tag::check_tags(&new.tags)?;
        check_description(&new.description)?;
        let subnet = self.in_editable(scope, self.own_subnet(scope, new.subnet)?)?;
        let groups = self.groups_for(scope, &subnet, &new.groups, &[])?;
        let made = New {
            subnet,
            groups,
            description: new.description.clone(),
            addresses: new.addresses.clone(),
        };
        let mut eni = self.made_interface(&made, &new.tags)?;
        eni.client_token = new.client_token.as_ref().map(|token| token.of(scope));
        let id = eni.id;
        self.put(eni);
        Ok(Key::Eni(id).into())
    }

    pub(super) fn delete_interface(&mut self, scope: Scope, id: EniId) -> Outcome {
        let eni = self.own_interface(scope, id)?;
        if eni.attachment.is_some() {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Network interface '{id}' is currently in use."),
            );
        }
        self.delete(Key::Eni(id));
        Ok(Reply::Done)
    }

    pub(super) fn attach_interface(
        &mut self,
        scope: Scope,
        id: EniId,
        instance: InstanceId,
        device_index: u8,
    ) -> Outcome {
        let eni = self.free_interface(scope, id)?;
        let instance = self.own_instance(scope, instance)?;
        if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
            return refuse(
                Code::InstanceState,
                format_args!(
                    "The instance '{}' is not in a valid state for this operation: it is {}.",
                    instance.id,
                    instance.state.name()
                ),
            );
        }
        if eni.vpc != instance.vpc {
            return Err(super::route::different(format_args!(
                "Network interface {id} and instance {}",
                instance.id
            )));
        }
        let zone = |subnet| self.world.subnet(subnet).map(|subnet| subnet.zone);
        if zone(eni.subnet) != zone(instance.subnet) {
            return refuse(
                Code::InvalidParameterCombination,
                "You may not attach a network interface to an instance if they are not in the same \
                 availability zone",
            );
        }
        let used: BTreeSet<u8> = self
            .world
            .enis_in(Key::Instance(instance.id))
            .filter_map(|eni| eni.attachment.as_ref().map(|attachment| attachment.device_index))
            .collect();
        if used.contains(&device_index) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Instance '{}' already has an interface attached at device index \
                     '{device_index}'.",
                    instance.id
                ),
            );
        }
        let (most, _) = InstanceType::limits(&instance.instance_type);
        if used.len() >= usize::from(most) {
            return Err(too_many_interfaces(used.len() + 1, &instance.instance_type));
        }
        let attachment = Attachment {
            id: EniAttachmentId::fresh(self.ids),
            workload: WorkloadId::Instance(instance.id),
            device_index,
            delete_on_termination: false,
            attached: self.now,
        };
        self.put(Eni { attachment: Some(attachment), ..Eni::clone(&eni) });
        Ok(Key::Eni(id).into())
    }

    pub(super) fn detach_interface(&mut self, scope: Scope, id: EniAttachmentId) -> Outcome {
        let attached = |eni: &&Arc<Eni>| eni.attachment.as_ref().is_some_and(|a| a.id == id);
        let vpcs = self.world.vpcs_of(Key::Account(scope.account)).filter(|vpc| scope.holds(vpc));
        let found = vpcs
            .flat_map(|vpc| self.world.enis_in(Key::Vpc(vpc.id)))
            .find(attached)
            .map(|eni| eni.id)
            .ok_or_else(|| absent_attachment(id))?;
        let eni = self.own_interface(scope, found)?;
        if eni.attachment.as_ref().is_some_and(|attachment| attachment.device_index == 0) {
            return refuse(
                Code::OperationNotPermitted,
                "The network interface at device index 0 and networkCard index 0 cannot be \
                 detached.",
            );
        }
        self.put(Eni { attachment: None, ..Eni::clone(&eni) });
        Ok(Key::Eni(found).into())
    }

    pub(super) fn modify_interface(
        &mut self,
        scope: Scope,
        id: EniId,
        change: &InterfaceChange,
    ) -> Outcome {
        let old = self.own_interface(scope, id)?;
        let mut eni = Eni::clone(&old);
        match change {
            InterfaceChange::Description(text) => {
                check_description(text)?;
                eni.description.clone_from(text);
            }
            InterfaceChange::Groups(groups) => {
                if groups.is_empty() {
                    return missing("SecurityGroupId");
                }
                let subnet = self.own_subnet(scope, eni.subnet)?;
                eni.groups = self.groups_for(scope, &subnet, groups, &[])?;
            }
            InterfaceChange::SourceDestCheck(on) => eni.source_dest_check = *on,
            InterfaceChange::DeleteOnTermination { attachment, on } => {
                let found = eni.attachment.as_mut().filter(|own| own.id == *attachment);
                let own = found.ok_or_else(|| absent_attachment(*attachment))?;
                own.delete_on_termination = *on;
            }
        }
        if eni != *old {
            self.put(eni);
        }
        Ok(Reply::Done)
    }
}

pub(super) fn too_many_interfaces(count: usize, kind: &str) -> Refused {
    Refused::new(
        Code::AttachmentLimit,
        format_args!("Interface count {count} exceeds the limit for {kind}"),
    )
}

fn check_description(text: &str) -> Result<(), Refused> {
    if text.chars().count() > MAX_DESCRIPTION {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("Descriptions have at most {MAX_DESCRIPTION} characters"),
        );
    }
    Ok(())
}

fn absent_attachment(id: EniAttachmentId) -> Refused {
    super::lookup::absent(Code::AttachmentNotFound, "networkInterface attachment ID", id)
}
