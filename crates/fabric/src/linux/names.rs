//! The names of the fabric's namespaces and links, so that people find them with `ip` and `nft`.

use model::intent::ExitId;
use model::{EniId, PcxId, VpcId};

pub(super) use crate::instance::NAMESPACE_PREFIX as PREFIX;
use crate::instance::namespace_prefix;

/// The link that a workload sees.
pub(super) const WORKLOAD_LINK: &str = "eth0";
/// The link of a further interface of a workload, by its number.
pub(super) fn further_link(index: u8) -> String {
    format!("eth{index}")
}

/// Whether a link is one that a workload sees an interface by.
pub(super) fn is_workload_link(link: &str) -> bool {
    link.strip_prefix("eth").is_some_and(|number| number.parse::<u8>().is_ok())
}

/// The link that every namespace is born with.
pub(super) const LOOPBACK: &str = "lo";

/// The link of the uplink behind which the outside lies.
pub(super) const OUTER_LINK: &str = "out0";

/// An interface's name has 15 characters, an id 17 digits: the last 14 are enough.
const LINK_BITS: u128 = (1 << 56) - 1;

/// The namespace that is a VPC's router.
pub(super) fn router(instance: &str, vpc: VpcId) -> String {
    format!("{}{vpc}", namespace_prefix(instance))
}

/// The namespace that a workload lives in.
pub(super) fn workload(instance: &str, eni: EniId) -> String {
    format!("{}{eni}", namespace_prefix(instance))
}

/// The namespace through which everything goes that leaves the host.
pub(super) fn uplink(instance: &str) -> String {
    format!("{PREFIX}uplink-{instance}")
}

/// The router's end of an interface.
pub(super) fn eni_link(eni: EniId) -> String {
    format!("e{:014x}", eni.bits() & LINK_BITS)
}

/// The switch's end of the link of a VPC's resolver.
pub(super) fn resolver_link(vpc: VpcId) -> String {
    format!("d{:014x}", vpc.bits() & LINK_BITS)
}

/// Both ends of a peering.
pub(super) fn peer_link(pcx: PcxId) -> String {
    format!("p{:014x}", pcx.bits() & LINK_BITS)
}

/// Both ends of an exit, in the router and in the uplink.
pub(super) fn exit_link(exit: ExitId) -> String {
    match exit {
        ExitId::Gateway(igw) => format!("g{:014x}", igw.bits() & LINK_BITS),
        ExitId::Nat(nat) => format!("n{:014x}", nat.bits() & LINK_BITS),
    }
}

/// Whether a link in a router or in the uplink is one that the fabric makes.
pub(super) fn is_ours(link: &str) -> bool {
    link.len() == 15
        && link.starts_with(['e', 'p', 'g', 'n'])
        && link.bytes().skip(1).all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_the_kernel() {
        let eni: EniId = "eni-fffffffffffffffff".parse().unwrap();
        let pcx: PcxId = "pcx-e291cc85".parse().unwrap();
        assert_eq!(eni_link(eni), "effffffffffffff");
        assert_eq!(peer_link(pcx), "p000000e291cc85");
        assert!(is_ours(&eni_link(eni)) && is_ours(&peer_link(pcx)));
        assert!(!is_ours("eth0") && !is_ours("lo") && !is_ours("p-000000e291cc8"));
    }
}
