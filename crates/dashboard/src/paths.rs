//! The addresses of the pages.

use model::{PcxId, Space, Vpc, VpcId};

/// The first page, and what all others lie under.
pub const HOME: &str = "/dashboard";
/// Where one signs in.
pub const SIGN_IN: &str = "/dashboard/sign-in";
/// What the pages lie under where one allows a command to log in.
pub const LOG_IN: &str = "/dashboard/log-in";
/// Where a user enables a second factor.
pub const SECOND_FACTOR: &str = "/dashboard/second-factor";
/// Where one signs out.
pub const SIGN_OUT: &str = "/dashboard/sign-out";
/// Where the language and the theme are chosen.
pub const PREFERENCES: &str = "/dashboard/preferences";
/// The events that tell of changes.
pub const EVENTS: &str = "/dashboard/events";
/// Who did what.
pub const AUDIT: &str = "/dashboard/audit";
/// Tokens and keys of one's own.
pub const KEYS: &str = "/dashboard/keys";
/// What finds things by a part of their names.
pub const SEARCH: &str = "/dashboard/search";
/// What the files of the pages lie under.
pub const ASSETS: &str = "/dashboard/assets";

/// The events that tell of changes of a page, which is an address with its query.
pub(crate) fn events_of(page: &str) -> String {
    let page: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
    format!("{EVENTS}?page={page}")
}

/// Whether what a page shows depends on the query of its address.
pub fn has_query(path: &str) -> bool {
    [MAP, MATRIX, WHY, SEARCH].contains(&path)
}

/// The map.
pub const MAP: &str = "/dashboard/map";
/// The matrix: the map as a table.
pub const MATRIX: &str = "/dashboard/map/matrix";
/// Why packets pass between two ends, or not.
pub const WHY: &str = "/dashboard/why";

/// A space.
pub(crate) fn space(space: &Space) -> String {
    space_named(&space.name)
}

fn space_named(name: &str) -> String {
    // Names have letters, digits and hyphens.
    format!("{HOME}/spaces/{name}/")
}

/// The network of a space.
pub fn network(of: &Space) -> String {
    network_named(&of.name)
}

/// The same by the space's name.
pub(crate) fn network_named(space: &str) -> String {
    format!("{}network", space_named(space))
}

/// The review of a request.
pub fn review(of: &Space, peering: PcxId) -> String {
    review_named(&of.name, peering)
}

/// The same by the space's name.
pub(crate) fn review_named(space: &str, peering: PcxId) -> String {
    format!("{}peerings/{peering}", space_named(space))
}

/// The question before a peering is destroyed.
pub fn destroy(of: &Space, peering: PcxId) -> String {
    format!("{}/destroy", review(of, peering))
}

/// A VPC.
pub fn vpc(of: &Vpc) -> String {
    vpc_of(of.id)
}

/// The same by the VPC's id.
pub(crate) fn vpc_of(id: VpcId) -> String {
    format!("{HOME}/vpcs/{id}")
}

/// The form by which a VPC's owner asks for a peering.
pub fn ask(of: &Vpc) -> String {
    format!("{}/ask", vpc(of))
}
