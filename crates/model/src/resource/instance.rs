//! Instances: processes in customers' VPCs.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Architecture, ClientToken, Exit, Image, InstanceOptions, MetadataOptions, Owner, Resource, Tags,
};
use crate::{
    AccountId, Alias, EniId, Errand, HostId, InstanceId, Key, Kind, ReservationId, SubnetId,
    Timestamp, VpcId,
};

/// An instance: a process in a customer's VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The instance's id.
    pub id: InstanceId,
    /// The request that it came from.
    pub reservation: ReservationId,
    /// The number of the instance among those of its request, from 0.
    pub launch_index: u16,
    /// The account that owns the instance.
    pub account: AccountId,
    /// The VPC that the instance belongs to.
    pub vpc: VpcId,
    /// The subnet that the instance is in.
    pub subnet: SubnetId,
    /// The instance's primary interface.
    pub eni: EniId,
    /// The host that has its volume; `None` while it waits for one, or where there are no hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The instance's private address.
    pub address: Ipv4Addr,
    /// The id of the image that it was made from: `ami-…`.
    pub image: String,
    /// The instance type, such as `t3.micro`.
    pub instance_type: String,
    /// The name of the key pair that it was started with.
    pub key_name: Option<String>,
    /// The script that it starts with, as the client encoded it in base64.
    pub user_data: Option<String>,
    /// The instance's state.
    pub state: InstanceState,
    /// How its process ended, if it ended by itself.
    pub exit: Option<Exit>,
    /// When the instance was last asked for, or started anew.
    pub launched: Timestamp,
    /// When the instance's state last changed.
    pub since: Timestamp,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the instance.
    pub tags: Tags,
    /// What its owner may change of it.
    #[serde(default)]
    pub options: InstanceOptions,
    /// How its process is on its way, besides what the state says.
    #[serde(default)]
    pub boot: Boot,
    /// How often it was told to run again, over and over from 0 to the greatest number. Whoever runs it may
    /// hear of an end and a start at once, and sees by this that there were both.
    #[serde(default)]
    pub starts: u16,
}

/// How far an instance's process is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// Nothing but what its state says.
    #[default]
    Settled,
    /// It ran before and is to run again. Until it is seen to, what is heard of an end may be of its
    /// last one, or of this time: it is told to run once more, which changes nothing where it does.
    Again {
        /// How often it was told to since.
        tries: u8,
    },
    /// It is to end and to run again, and is `running` to its owner all the while.
    Ending,
}

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Asked for; its process does not run yet.
    Pending,
    /// Its process runs.
    Running,
    /// Told to stop; its process may still run.
    Stopping,
    /// Stopped: its process has ended, and it may be started again.
    Stopped,
    /// Told to end; its process may still run.
    ShuttingDown,
    /// Ended; kept for an hour, so that clients see it.
    Terminated,
}

impl InstanceState {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// Its number in EC2.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// Whether it must run.
    pub const fn wants_to_run(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }

    /// Whether it ends for good, or has.
    pub const fn ends(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

impl Boot {
    /// It is to run again.
    pub(crate) const AGAIN: Self = Self::Again { tries: 0 };
}

impl Instance {
    /// Whether it has its root volume still.
    pub fn has_volume(&self) -> bool {
        self.state != InstanceState::Terminated
    }

    /// The name of the device of its root volume.
    pub fn root_device(&self) -> &'static str {
        Image::find(&self.image).map_or("/dev/xvda", |image| image.root_device)
    }

    /// The processors that it was made for.
    pub fn architecture(&self) -> Architecture {
        Image::find(&self.image).map_or(Architecture::X86, |image| image.architecture)
    }

    /// How it asks the metadata service.
    pub fn metadata(&self) -> MetadataOptions {
        self.options.metadata.unwrap_or_else(|| {
            let strict = Image::find(&self.image).is_some_and(|image| image.requires_tokens);
            let hop_limit = if strict { 2 } else { 1 };
            MetadataOptions { tokens_required: strict, hop_limit, ..MetadataOptions::default() }
        })
    }
}

/// How long an instance is kept after it has ended.
const KEPT: Duration = Duration::from_secs(3600);

impl Resource for Instance {
    const SECRETS: &'static [&'static str] = &["user_data"];

    fn key(&self) -> Key {
        Key::Instance(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        self.host.into_iter().for_each(|host| each(Key::Host(host)));
    }

    /// Every instance of a request carries its token; the first one stands for them.
    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let token = self.client_token.iter().filter(|_| self.launch_index == 0);
        token.filter_map(|token| token.alias(Kind::Instance)).for_each(each);
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        (self.state == InstanceState::Terminated).then(|| (Errand::Forget, self.since + KEPT))
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
