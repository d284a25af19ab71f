//! The addresses that the map leads to. Each is of a page that is there for the viewer.

use std::collections::BTreeMap;

use model::{PcxId, VpcId};

use super::asked::Asked;
use super::scene::{Kind, Node, Peering};
use crate::paths;

/// The map, with what is asked of it.
pub(super) fn map(asked: &Asked) -> String {
    with_query(paths::MAP, &asked.of_map().write())
}

/// The matrix, with what is asked of it.
pub(super) fn matrix(asked: &Asked) -> String {
    with_query(paths::MATRIX, &asked.write())
}

fn with_query(page: &str, query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{page}{mark}{query}")
}

/// The page of a space or a VPC; none for what is another's.
pub(super) fn node(node: &Node) -> Option<String> {
    let page = || match node.kind {
        Kind::Space => paths::network_named(&node.name),
        Kind::Vpc => paths::vpc_of(node.id),
    };
    node.own.then(page)
}

/// The page of a peering between two nodes: its review for who sees the space, else the VPC that has
/// it; none where both are another's.
pub(super) fn peering(id: PcxId, ends: &[&Node]) -> Option<String> {
    let own = |kind| ends.iter().find(|node| node.own && node.kind == kind);
    let review = own(Kind::Space).map(|space| paths::review_named(&space.name, id));
    review.or_else(|| own(Kind::Vpc).map(|vpc| paths::vpc_of(vpc.id)))
}

/// The same by the nodes that the map knows.
pub(super) fn of_peering(peering: &Peering, nodes: &BTreeMap<VpcId, &Node>) -> Option<String> {
    let ends: Vec<&Node> =
        peering.ends().iter().filter_map(|vpc| nodes.get(vpc).copied()).collect();
    self::peering(peering.id, &ends)
}
