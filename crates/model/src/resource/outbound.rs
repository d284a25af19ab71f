//! How networks reach what is outside of this installation.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::Cidr;

/// The operator's choice of how networks reach what is outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// The way out.
    pub way: OutboundWay,
    /// Blocks that may be reached although they are private or otherwise special.
    pub allow: Vec<Cidr>,
    /// Blocks that may not be reached, whatever is allowed: the operator's, and the host's addresses.
    pub deny: Vec<Cidr>,
}

/// A way out of this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundWay {
    /// Through the host, by the host's own address. Nothing comes in by it.
    Host,
    /// Beside the host, by addresses that are this installation's own.
    Parent {
        /// The link of the host behind which the outside lies.
        link: String,
        /// The public addresses that are this installation's to give. The first one is the uplink's.
        pool: Cidr,
        /// The router of the outside; `None` for the one of the host's default route over the link.
        gateway: Option<Ipv4Addr>,
    },
}

impl OutboundWay {
    /// The addresses that networks are given: public ones, or such as the host stands for.
    pub const fn pool(&self) -> Cidr {
        match self {
            Self::Host => Outbound::WITHOUT,
            Self::Parent { pool, .. } => *pool,
        }
    }
}

impl Outbound {
    /// Blocks that nothing outside has, or that are somebody's own: "this network", private,
    /// shared, loopback, link-local and test networks, multicast and what is reserved.
    pub const NEVER: [Cidr; 10] = [
        Cidr::new(0, 0, 0, 0, 8),
        Cidr::new(10, 0, 0, 0, 8),
        Cidr::new(100, 64, 0, 0, 10),
        Cidr::new(127, 0, 0, 0, 8),
        Cidr::new(169, 254, 0, 0, 16),
        Cidr::new(172, 16, 0, 0, 12),
        Cidr::new(192, 0, 0, 0, 24),
        Cidr::new(192, 168, 0, 0, 16),
        Cidr::new(198, 18, 0, 0, 15),
        Cidr::new(224, 0, 0, 0, 3),
    ];

    /// The public addresses of an installation that nothing leads out of: a part of the block that
    /// RFC 2544 keeps for tests of networks, so that nobody on the internet has one of them.
    pub const WITHOUT: Cidr = Cidr::new(198, 18, 0, 0, 16);

    /// The lengths of prefixes that a pool may have.
    pub const POOL_SIZES: std::ops::RangeInclusive<u8> = 16..=30;

    /// The addresses that networks are given: public ones, or such as the host stands for.
    pub const fn pool(&self) -> Cidr {
        self.way.pool()
    }

    /// Everything that may not be reached: what is special and not allowed, what the operator
    /// denies, and the pool itself, whose addresses lead back into networks of this installation.
    pub fn denied(&self) -> Vec<Cidr> {
        let mut denied: Vec<Cidr> = Self::NEVER.to_vec();
        for open in &self.allow {
            denied = denied.into_iter().flat_map(|block| block.without(*open)).collect();
        }
        denied.extend(self.deny.iter().copied().chain([self.pool()]));
        let wider = |block: &Cidr| denied.iter().any(|w| w != block && w.covers(*block));
        let mut least: Vec<Cidr> = denied.iter().copied().filter(|block| !wider(block)).collect();
        least.sort_unstable();
        least.dedup();
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_allowed_is_cut_out_and_what_is_denied_stays() {
        let outbound = Outbound {
            way: OutboundWay::Parent {
                link: "eth0".to_owned(),
                pool: cidr("203.0.113.16/28"),
                gateway: None,
            },
            allow: vec![cidr("10.20.0.0/16")],
            deny: vec![cidr("10.20.7.0/24"), cidr("198.51.100.9/32"), cidr("192.168.7.0/24")],
        };
        let denied = outbound.denied();
        let inside = |text: &str| denied.iter().any(|block| block.contains(text.parse().unwrap()));
        for closed in [
            "10.19.255.255",
            "10.21.0.0",
            "10.20.7.1",
            "198.51.100.9",
            "203.0.113.16",
            "203.0.113.31",
            "169.254.169.254",
            "192.168.7.7",
            "198.19.0.1",
            "255.255.255.255",
        ] {
            assert!(inside(closed), "{closed}");
        }
        for open in ["10.20.0.1", "10.20.8.0", "198.51.100.8", "203.0.113.32", "8.8.8.8"] {
            assert!(!inside(open), "{open}");
        }
        for (n, block) in denied.iter().enumerate() {
            let others = denied.iter().enumerate().filter(|(other, _)| *other != n);
            assert!(others.into_iter().all(|(_, other)| !other.overlaps(*block)), "{block}");
        }
    }
}
