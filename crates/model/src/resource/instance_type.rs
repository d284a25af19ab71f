//! Instance types: what clients are told of them, and how many interfaces and addresses they allow.
//!
//! An instance shares the machine with all others, so processors, memory and rates are not
//! enforced. The figures are those of EC2's types, since clients choose by them.

use super::Architecture;

/// An instance type.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceType {
    /// Its name, such as `t3.micro`.
    pub name: String,
    /// What it shares with the other sizes of its family.
    pub family: &'static Family,
    /// How many virtual processors it has.
    pub vcpus: u32,
    /// Its memory in MiB.
    pub memory: u32,
    /// How many network interfaces an instance of it may have.
    pub interfaces: u8,
    /// How many IPv4 addresses each of them may have.
    pub addresses: u8,
    /// What EC2 says of its network.
    pub network: &'static str,
    /// Its rates to volumes; `None` where the type has none of its own.
    pub ebs: Option<Ebs>,
    /// Whether it is a machine of its own.
    pub bare_metal: bool,
    /// Whether new accounts use it for nothing.
    pub free_tier: bool,
}

/// What the sizes of a family have in common.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// The part of the name before the dot.
    pub name: &'static str,
    /// The processors that it has.
    pub architecture: Architecture,
    /// Who makes the processors.
    pub manufacturer: &'static str,
    /// Their sustained clock speed, in tenths of GHz.
    pub decigigahertz: u32,
    /// How many threads a core has.
    pub threads: u32,
    /// Whether its processors are shared by credits.
    pub burstable: bool,
    /// Whether instances of it use credits without limit if they do not say otherwise.
    pub unlimited: bool,
    /// Whether it is of the Nitro system, whose hypervisor needs newer drivers.
    pub nitro: bool,
    /// Whether what it sends to others of its kind is encrypted.
    pub encrypts: bool,
    /// Whether EC2 still recommends it.
    pub current: bool,
}

/// Rates to volumes: what is always there, and what is for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ebs {
    /// Megabits in a second, always.
    pub baseline_bandwidth: u32,
    /// Operations in a second, always.
    pub baseline_iops: u32,
    /// Megabits in a second, for a while.
    pub maximum_bandwidth: u32,
    /// Operations in a second, for a while.
    pub maximum_iops: u32,
}

impl InstanceType {
    /// How many cores it has.
    pub fn cores(&self) -> u32 {
        (self.vcpus / self.family.threads).max(1)
    }

    /// The number of threads of one of its cores.
    pub fn threads(&self) -> u32 {
        self.family.threads.min(self.vcpus)
    }
}
