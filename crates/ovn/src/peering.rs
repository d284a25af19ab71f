//! The rows of a peering: one port in each of two routers.

use model::PcxId;
use model::intent::PeeringIntent;
use ovsdb::{Datum, Row};

use crate::addresses::MTU;
use crate::links::Links;
use crate::names;
use crate::part::{Part, PartId, RowKey, texts};

/// The route table of what comes by a peering. It has no route, so nothing that comes by one leaves by another:
/// only what lies in the VPC itself is reached.
const INCOMING: &str = "cw-in";

/// The note that keeps the number of a link.
pub(crate) const LINK: &str = "link";

/// Says which rows a peering needs; `None` if it has no link of its own ([`Links::ensure`]).
pub fn peering_part(pcx: PcxId, intent: &PeeringIntent, links: &Links) -> Option<Part> {
    let mut part = Part::new(PartId::Peering(pcx));
    let number = links.number(pcx)?.to_string();
    for (vpc, other) in [(intent.requester, intent.accepter), (intent.accepter, intent.requester)] {
        let (own, _) = links.addresses(pcx, vpc)?;
        let port = names::peering_port(pcx, vpc);
        let mtu = intent.mtu.to_string();
        let narrow = (intent.mtu < MTU).then_some(("gateway_mtu", mtu.as_str()));
        let row = Row::new()
            .with("name", port.as_str())
            .with("mac", names::mac(&port).to_string())
            .with("networks", Datum::set([format!("{own}/30")]))
            .with("peer", names::peering_port(pcx, other))
            .with("options", texts([("route_table", INCOMING)].into_iter().chain(narrow)));
        let router = RowKey::new("Logical_Router", names::router(vpc));
        let key = part.add_to(&router, "ports", "Logical_Router_Port", port, row);
        if let Some(wanted) = part.rows.get_mut(&key) {
            wanted.notes.insert(LINK.to_owned(), number.clone());
            let end = if vpc == intent.requester { "requester" } else { "accepter" };
            wanted.notes.insert("end".to_owned(), end.to_owned());
            wanted.notes.insert("vpc".to_owned(), vpc.to_string());
        }
    }
    Some(part)
}
