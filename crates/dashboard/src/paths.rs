//! The addresses of the pages.

use model::{PcxId, Space, Vpc};

/// The first page, and what all others lie under.
pub const HOME: &str = "/dashboard";
/// Where one signs in.
pub const SIGN_IN: &str = "/dashboard/sign-in";
/// Where one signs out.
pub const SIGN_OUT: &str = "/dashboard/sign-out";
/// Where the language and the theme are chosen.
pub const PREFERENCES: &str = "/dashboard/preferences";
/// The events that tell of changes.
pub const EVENTS: &str = "/dashboard/events";
/// What finds things by a part of their names.
pub const SEARCH: &str = "/dashboard/search";
/// What the files of the pages lie under.
pub const ASSETS: &str = "/dashboard/assets";

/// A space.
pub(crate) fn space(space: &Space) -> String {
    // Names have letters, digits and hyphens.
    format!("{HOME}/spaces/{}/", space.name)
}

/// The network of a space.
pub fn network(of: &Space) -> String {
    format!("{}network", space(of))
}

/// The review of a request.
pub fn review(of: &Space, peering: PcxId) -> String {
    format!("{}peerings/{peering}", space(of))
}

/// The question before a peering is destroyed.
pub fn destroy(of: &Space, peering: PcxId) -> String {
    format!("{}/destroy", review(of, peering))
}

/// A VPC.
pub fn vpc(of: &Vpc) -> String {
    format!("{HOME}/vpcs/{}", of.id)
}

/// The form by which a VPC's owner asks for a peering.
pub fn ask(of: &Vpc) -> String {
    format!("{}/ask", vpc(of))
}
