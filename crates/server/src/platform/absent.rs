//! What clients may ask for and this installation does not have: each answer names what is
//! missing, and what there is instead.

use std::sync::Arc;

use model::Space;

use super::call::{Call, Outcome, list};
use super::failure::Failure;

/// Terraform takes a 404 for "not yet" only if it says `VPN is not found` (`heroku.md` §1.2).
pub(super) fn vpn(call: &Call, space: &Arc<Space>) -> Outcome {
    let which = match call.param("vpn") {
        "" => String::new(),
        name => format!(" {name}"),
    };
    Err(Failure::absent(
        "vpn-connection",
        format!(
            "VPN is not found: the space {}{which} has no VPN connections, which do not exist \
             here yet. Join the other network as a VPC: see `heroku spaces:peerings:info`.",
            space.name
        ),
    ))
}

pub(super) fn log_drain(_: &Call, space: &Arc<Space>) -> Outcome {
    Err(Failure::absent(
        "log-drain",
        format!(
            "Log drain is not found: the space {} has none, as log drains do not exist here yet. \
             Read logs with `heroku logs --app APP` or `causeway logs`.",
            space.name
        ),
    ))
}

/// No account has features that could be switched.
pub(super) fn features(_: &Call, (): &()) -> Outcome {
    list([])
}

pub(super) fn feature(_: &Call, (): &()) -> Outcome {
    Err(Failure::not_found("feature", "feature"))
}
