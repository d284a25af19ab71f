//! The rows of an opened node.

use std::net::Ipv4Addr;

use model::Cidr;

use super::scene::{Chosen, End, Node, Peering, Subnet};

/// The most subnets of a node that are shown.
const MOST_SUBNETS: usize = 12;
/// The most ends of a node that are shown, beside those that are chosen.
const MOST_ENDS: usize = 16;
/// The most further blocks, and the most peerings, that are shown.
const MOST_OTHERS: usize = 6;

/// A row of an opened node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'m> {
    /// A subnet, with what is in it below.
    Subnet(&'m Subnet),
    /// A dyno, an instance or an interface.
    End(&'m End),
    /// An address that was chosen, and that nothing here is known to have.
    Address(Ipv4Addr),
    /// How many more ends a subnet has.
    More(usize),
    /// A further block of the VPC.
    Block(Cidr),
    /// The block of the space's data services.
    Data(Cidr),
    /// A peering of a node that is another's.
    Peering(&'m Peering),
    /// The way to the node's own page.
    Page,
}

/// The rows of a node, and the addresses in it that are chosen.
pub(super) fn rows<'m>(
    node: &'m Node,
    peerings: impl Iterator<Item = &'m Peering>,
    chosen: &Chosen,
) -> Vec<Row<'m>> {
    let mut points: Vec<Ipv4Addr> = addresses(node, chosen).collect();
    let mut rows = Vec::new();
    let mut subnets: Vec<&Subnet> = node.subnets.iter().collect();
    subnets.sort_by_key(|subnet| (subnet.cidr.base(), subnet.id));
    let mut room = MOST_ENDS;
    for (n, subnet) in subnets.into_iter().enumerate() {
        let mut ends: Vec<&End> = subnet.ends.iter().collect();
        ends.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
        let of_chosen = ends.iter().any(|end| points.contains(&end.address));
        if n >= MOST_SUBNETS && !of_chosen {
            continue;
        }
        rows.push(Row::Subnet(subnet));
        let mut left_out = 0;
        for end in ends {
            let is_chosen = points.contains(&end.address);
            if room == 0 && !is_chosen {
                left_out += 1;
                continue;
            }
            room = room.saturating_sub(1);
            points.retain(|point| *point != end.address);
            rows.push(Row::End(end));
        }
        if left_out > 0 {
            rows.push(Row::More(left_out));
        }
    }
    rows.extend(points.into_iter().map(Row::Address));
    rows.extend(node.blocks.iter().skip(1).take(MOST_OTHERS).map(|block| Row::Block(*block)));
    rows.extend(node.data.map(Row::Data));
    if node.own {
        rows.push(Row::Page);
    } else {
        rows.extend(peerings.take(MOST_OTHERS).map(Row::Peering));
    }
    rows
}

/// The addresses in a node that are chosen.
pub(super) fn addresses(node: &Node, chosen: &Chosen) -> impl Iterator<Item = Ipv4Addr> {
    let id = node.id;
    let points = [chosen.from, chosen.to].into_iter().flatten();
    points.filter(move |point| point.vpc == id).map(|point| point.address)
}

impl Row<'_> {
    /// The address that the row is for.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::End(end) => Some(end.address),
            Self::Address(address) => Some(*address),
            Self::Subnet(_)
            | Self::More(_)
            | Self::Block(_)
            | Self::Data(_)
            | Self::Peering(_)
            | Self::Page => None,
        }
    }
}
