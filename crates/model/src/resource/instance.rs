//! Instances: processes in customers' VPCs.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ClientToken, Exit, Owner, Resource, Tags};
use crate::{
    AccountId, Alias, EniId, Errand, InstanceId, Key, Kind, ReservationId, SubnetId, Timestamp,
    VpcId,
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
    /// The instance's interface, which goes with it.
    pub eni: EniId,
    /// The instance's private address.
    pub address: Ipv4Addr,
    /// The id of the image that it was made from: `ami-…`.
    pub image: String,
    /// The instance type, such as `t3.micro`.
    pub instance_type: String,
    /// The name of the key pair that it was started with; kept for clients that read it back.
    pub key_name: Option<String>,
    /// The script that it starts with, as the client encoded it in base64.
    pub user_data: Option<String>,
    /// The instance's state.
    pub state: InstanceState,
    /// How its process ended, if it ended by itself.
    pub exit: Option<Exit>,
    /// When the instance was asked for.
    pub launched: Timestamp,
    /// When the instance's state last changed.
    pub since: Timestamp,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the instance.
    pub tags: Tags,
}

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Asked for; its process does not run yet.
    Pending,
    /// Its process runs.
    Running,
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
        }
    }

    /// Whether it must run.
    pub const fn wants_to_run(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
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
