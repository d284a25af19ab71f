//! What a router's firewall tells of the packets that it drops, where somebody asked: pure.
//!
//! Each place that drops jumps to a chain of its own first, which is empty unless somebody asked. Then it
//! has rules that log, and none that decides: whatever is in it, what comes after it drops. So to begin
//! and to end changes nothing but these chains.

use crate::flows::Place;

/// The group of `nfnetlink_log` by which all of it is told, in the router's own namespace.
pub(super) const GROUP: u16 = 4880;
/// Packets that each place tells of in a second, and at once. Of all others it tells how many they were.
const RATE: u32 = 500;
const BURST: u32 = 250;
/// Bytes of a packet that are told: the longest header of IPv4, and of what is in it the ports and flags.
const BYTES: u32 = 96;
/// Behind the name of a place: the packet goes the other way than the first one of its connection.
const ANSWER: &str = " answer";
/// How the names of the chains that tell begin.
const CHAINS: &str = "told_";
/// The set of the addresses that somebody in the VPC has.
pub(super) const HOSTS: &str = "hosts";
/// The base chain that finds out what the route tables lead nowhere.
pub(super) const WAYS: &str = "ways";

/// Whether a set or a chain is of those that are there, or hold something, only where somebody asked. What is
/// left of them once nobody asks, as by a server that was killed, is nobody's doing.
pub(super) fn is_of_records(name: &str) -> bool {
    name == HOSTS || name.starts_with(CHAINS) || name.starts_with(WAYS)
}

impl Place {
    /// All that have a chain of their own.
    pub(super) const ALL: [Self; 6] = [
        Self::Source,
        Self::Route,
        Self::LeavesGroup,
        Self::EntersGroup,
        Self::LeavesSubnet,
        Self::EntersSubnet,
    ];

    /// The name in front of what is told of a packet that it dropped.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Route => "route",
            Self::LeavesGroup => "group_out",
            Self::EntersGroup => "group_in",
            Self::LeavesSubnet => "acl_out",
            Self::EntersSubnet => "acl_in",
            // The same chain tells of it as of what no group lets out.
            Self::Untracked => "untracked",
        }
    }

    /// The chain that tells.
    pub(super) fn chain(self) -> String {
        format!("{CHAINS}{}", self.prefix())
    }

    /// The place that has a name, and whether the packet was an answer.
    pub(super) fn find(prefix: &str) -> Option<(Self, bool)> {
        let name = prefix.strip_suffix(ANSWER);
        let mut all = Self::ALL.into_iter().chain([Self::Untracked]);
        let place = all.find(|place| place.prefix() == name.unwrap_or(prefix))?;
        Some((place, name.is_some()))
    }

    /// The rule that has it told, and decides nothing.
    pub(super) fn tell(self) -> String {
        format!("jump {}", self.chain())
    }

    /// The chain of an ACL's denials: it tells and drops. Without it, or where it lost its rules, a packet
    /// that came to it does not bear the mark that it must have to go on.
    pub(super) const fn denial(self) -> Option<&'static str> {
        match self {
            Self::LeavesSubnet => Some("denied_out"),
            Self::EntersSubnet => Some("denied_in"),
            _ => None,
        }
    }
}

/// The rules by which a place tells of packets.
pub(super) fn telling(place: Place) -> Vec<String> {
    let log = |prefix: &str| format!("log prefix \"{prefix}\" group {GROUP} snaplen {BYTES}");
    let mut lines =
        vec![format!("limit rate over {RATE}/second burst {BURST} packets counter return")];
    if place == Place::LeavesGroup {
        // The groups were not asked about it.
        lines.push(format!("ct state invalid,untracked {} return", log(Place::Untracked.prefix())));
    }
    if place.denial().is_some() {
        // Groups let all answers pass, ACLs do not.
        let answer = format!("{}{ANSWER}", place.prefix());
        lines.push(format!("ct direction reply {} return", log(&answer)));
    }
    lines.push(log(place.prefix()));
    lines
}
