//! The rule of how networks reach what is outside: the operator's alone, said at each start.

use super::{Decision, Outcome, refuse};
use crate::resource::{Outbound, OutboundWay, Settings};
use crate::{Code, Key, Refused, SettingsKey};

/// The longest name that Linux takes for a link.
const MAX_LINK: usize = 15;

impl Decision<'_> {
    pub(super) fn set_outbound(&mut self, outbound: Option<&Outbound>) -> Outcome {
        let settings = self.settings()?;
        if let Some(outbound) = outbound {
            check(outbound)?;
        }
        if settings.outbound.as_ref() != outbound {
            let outbound = outbound.cloned();
            self.put(Settings { outbound, ..Settings::clone(&settings) });
        }
        let mut spaces: Vec<_> = self.world.spaces().map(|s| (s.created, s.id)).collect();
        spaces.sort_unstable();
        for (_, space) in spaces {
            // Where the pool has too few addresses, the youngest spaces go without.
            let _ = self.settle_way_out(space);
        }
        Ok(Key::Settings(SettingsKey).into())
    }
}

fn check(outbound: &Outbound) -> Result<(), Refused> {
    let OutboundWay::Parent { link, pool, gateway } = &outbound.way else { return Ok(()) };
    if link.is_empty() || link.len() > MAX_LINK || link.contains(['/', ' ']) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("'{link}' is no name of a link: it has 1 to {MAX_LINK} characters."),
        );
    }
    if !Outbound::POOL_SIZES.contains(&pool.prefix_len()) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "The pool {pool} must be a /{} to a /{}.",
                Outbound::POOL_SIZES.start(),
                Outbound::POOL_SIZES.end()
            ),
        );
    }
    if gateway.is_some_and(|gateway| pool.contains(gateway)) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("The gateway is an address of the pool {pool}."),
        );
    }
    Ok(())
}
