//! How much of the machine a dyno may use.

use serde::{Deserialize, Serialize};

/// The size of a dyno: the memory and the share of the processors that it may use. Nothing is
/// reserved for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DynoSize {
    /// 1 GiB.
    #[serde(rename = "Private-S")]
    S,
    /// 2.5 GiB.
    #[serde(rename = "Private-M")]
    M,
    /// 14 GiB.
    #[serde(rename = "Private-L")]
    L,
    /// 30 GiB.
    #[serde(rename = "Private-XL")]
    Xl,
    /// 62 GiB.
    #[serde(rename = "Private-2XL")]
    Xxl,
    /// 30 GiB with the processors of an L.
    #[serde(rename = "Private-L-RAM")]
    LRam,
}

impl DynoSize {
    /// Every size.
    pub const ALL: [Self; 6] = [Self::S, Self::M, Self::L, Self::Xl, Self::Xxl, Self::LRam];

    /// The name of the size in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "Private-S",
            Self::M => "Private-M",
            Self::L => "Private-L",
            Self::Xl => "Private-XL",
            Self::Xxl => "Private-2XL",
            Self::LRam => "Private-L-RAM",
        }
    }

    /// A size by its name, whatever its case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of memory that a dyno of it may use.
    pub const fn memory(self) -> u64 {
        const MIB: u64 = 1 << 20;
        match self {
            Self::S => 1024 * MIB,
            Self::M => 2560 * MIB,
            Self::L => 14 * 1024 * MIB,
            Self::Xl | Self::LRam => 30 * 1024 * MIB,
            Self::Xxl => 62 * 1024 * MIB,
        }
    }

    /// Its share of the processors, as a cgroup's weight.
    pub const fn cpu_weight(self) -> u16 {
        match self {
            Self::S => 100,
            Self::M => 200,
            Self::L | Self::LRam => 400,
            Self::Xl => 800,
            Self::Xxl => 1600,
        }
    }
}
