//! The parts of commands about instances and their interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::resource::{
    ClientToken, InstanceOptions, KeyKind, MetadataOptions, ShutdownBehavior, Tags,
};
use crate::{EniAttachmentId, EniId, SecurityGroupId, SubnetId, Zone};

/// `RunInstances`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunInstances {
    /// The subnet to start them in; a default one by default.
    pub subnet: Option<SubnetId>,
    /// The zone to start them in, where no subnet is named.
    pub zone: Option<Zone>,
    /// The id or name of the image.
    pub image: String,
    /// The instance type; `t3.micro` by default.
    pub instance_type: Option<String>,
    /// The smallest acceptable number of instances.
    pub min_count: u16,
    /// The number of instances to start if there is room.
    pub max_count: u16,
    /// The ids of their security groups; the VPC's default group by default.
    pub groups: Vec<SecurityGroupId>,
    /// The names of more of their security groups.
    pub group_names: Vec<String>,
    /// The private address, for a single instance.
    pub address: Option<Ipv4Addr>,
    /// The IPv6 addresses of each.
    pub ipv6: Ipv6Spec,
    /// Whether they are given public addresses; as the subnet says by default.
    pub public: Option<bool>,
    /// The name of a key pair.
    pub key_name: Option<String>,
    /// The script that they start with, in base64.
    pub user_data: Option<String>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the instances.
    pub instance_tags: Tags,
    /// Tags for their interfaces.
    pub interface_tags: Tags,
    /// Their interfaces, if the request names them one by one; their subnet, groups and address are then
    /// not named otherwise.
    pub interfaces: Vec<RunInterface>,
    /// What their owner may change of them later.
    pub options: Box<InstanceOptions>,
}

impl RunInstances {
    /// One instance of an image in a subnet, with all else as it is by default.
    pub fn new(subnet: SubnetId, image: impl Into<String>) -> Self {
        Self {
            subnet: Some(subnet),
            image: image.into(),
            min_count: 1,
            max_count: 1,
            ..Self::default()
        }
    }
}

/// One interface of the instances that are run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunInterface {
    /// The number of the interface among those of the instance.
    pub device_index: u8,
    /// An interface that is there; a new one is made by default.
    pub existing: Option<EniId>,
    /// The subnet of a new one; that of the request by default.
    pub subnet: Option<SubnetId>,
    /// The groups of a new one.
    pub groups: Vec<SecurityGroupId>,
    /// What a new one is for, in words.
    pub description: String,
    /// The addresses of a new one.
    pub addresses: AddressesSpec,
    /// Whether it goes with the instance; by default a new one does, and one that was there does not.
    pub delete_on_termination: Option<bool>,
}

/// The addresses that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressesSpec {
    /// The primary one; a free one by default.
    pub primary: Option<Ipv4Addr>,
    /// Secondary ones.
    pub secondary: Vec<Ipv4Addr>,
    /// How many more secondary ones, which are free.
    pub count: u16,
    /// IPv6 addresses.
    pub ipv6: Ipv6Spec,
}

/// The IPv6 addresses that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ipv6Spec {
    /// The addresses that it names.
    pub addresses: Vec<Ipv6Addr>,
    /// How many free ones it asks for. Where it neither names nor counts any, the subnet says whether
    /// there is one.
    pub count: Option<u16>,
    /// Whether the first of them becomes the primary one, which the interface then keeps.
    pub primary: bool,
}

/// `CreateNetworkInterface`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInterface {
    /// The subnet to make it in.
    pub subnet: SubnetId,
    /// Its groups; the VPC's default group by default.
    pub groups: Vec<SecurityGroupId>,
    /// What it is for, in words.
    pub description: String,
    /// Its addresses.
    pub addresses: AddressesSpec,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for it.
    pub tags: Tags,
}

/// `CreateKeyPair` and `ImportKeyPair`. The private half of a key that was made is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeyPair {
    /// The name, unique for the account in the region.
    pub name: String,
    /// The algorithm.
    pub kind: KeyKind,
    /// What people compare it by, as EC2 computes it.
    pub fingerprint: String,
    /// The public half, as OpenSSH writes it.
    pub public_key: String,
    /// Tags for it.
    pub tags: Tags,
}

/// What becomes of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceChange {
    /// Its description.
    Description(String),
    /// Its groups.
    Groups(Vec<SecurityGroupId>),
    /// Whether it may only send from and receive for its own addresses.
    SourceDestCheck(bool),
    /// Whether it goes with what it is attached to.
    DeleteOnTermination {
        /// The attachment, which must be the interface's.
        attachment: EniAttachmentId,
        /// Whether it goes.
        on: bool,
    },
    /// Whether its first IPv6 address is a primary one, which stays.
    PrimaryIpv6(bool),
}

/// What becomes of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceChange {
    /// Its type; only while it is stopped.
    Type(String),
    /// The script that it starts with, in base64; only while it is stopped.
    UserData(Option<String>),
    /// Whether it has rates of its own to its volumes; only while it is stopped.
    EbsOptimized(bool),
    /// Whether it is not to be terminated.
    TerminationDisabled(bool),
    /// Whether it is not to be stopped.
    StopDisabled(bool),
    /// What becomes of it when it shuts down by itself.
    Shutdown(ShutdownBehavior),
    /// Whether its only interface may only send from and receive for its own addresses.
    SourceDestCheck(bool),
    /// The groups of its only interface.
    Groups(Vec<SecurityGroupId>),
    /// Whether its root volume stays when it is terminated, by the name of the device.
    VolumeStays(String, bool),
    /// How it asks the metadata service: what is not named stays.
    Metadata(MetadataChange),
    /// Whether it is not recovered where its host fails.
    RecoveryDisabled(bool),
    /// Its names inside the VPC: what is not named stays.
    Names {
        /// Whether its name is of its id.
        by_id: Option<bool>,
        /// Whether the name of its id leads to its IPv4 address.
        a_record: Option<bool>,
        /// Whether it leads to its IPv6 address.
        aaaa_record: Option<bool>,
    },
}

/// A change of how an instance asks the metadata service: what is not named stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataChange {
    /// Whether it answers at all.
    pub enabled: Option<bool>,
    /// Whether it wants tokens.
    pub tokens_required: Option<bool>,
    /// How many hops an answer with a token may take.
    pub hop_limit: Option<u8>,
    /// Whether it answers by IPv6, too.
    pub ipv6: Option<bool>,
    /// Whether it tells of the tags of the instance.
    pub tags: Option<bool>,
}

impl MetadataChange {
    /// What becomes of the options that there were.
    pub fn of(self, old: MetadataOptions) -> MetadataOptions {
        MetadataOptions {
            enabled: self.enabled.unwrap_or(old.enabled),
            tokens_required: self.tokens_required.unwrap_or(old.tokens_required),
            hop_limit: self.hop_limit.unwrap_or(old.hop_limit),
            ipv6: self.ipv6.unwrap_or(old.ipv6),
            tags: self.tags.unwrap_or(old.tags),
        }
    }
}
