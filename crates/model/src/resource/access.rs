//! Who may come into a space: from which addresses, and which members may make apps there.

use serde::{Deserialize, Serialize};

use super::{Role, Space};
use crate::{Cidr, Timestamp, UserId};

/// A rule about the addresses that web requests may come from (`heroku.md` §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InboundRule {
    /// What is done with requests from there.
    pub action: InboundAction,
    /// From where.
    pub source: Cidr,
}

/// What is done with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundAction {
    /// They are let in, unless another rule denies them.
    Allow,
    /// They are kept out, whatever the other rules say.
    Deny,
}

impl InboundAction {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// The rules that a space was given last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundRuleset {
    /// As they were given, in their order.
    pub rules: Vec<InboundRule>,
    /// When.
    pub since: Timestamp,
    /// By whom; nobody where it was the operator.
    pub by: Option<UserId>,
}

impl InboundRuleset {
    /// How many rules there may be (`heroku.md` §4, Trusted IPs).
    pub const MOST: usize = 20;
    /// What holds until somebody says otherwise.
    pub const DEFAULT: InboundRule =
        InboundRule { action: InboundAction::Allow, source: Cidr::ANY };

    /// The addresses that some rules let in, as blocks that do not cover each other. None at all
    /// let nobody in.
    pub fn admitted(rules: &[InboundRule]) -> Vec<Cidr> {
        let sources = |wanted: InboundAction| {
            rules.iter().filter(move |rule| rule.action == wanted).map(|rule| rule.source)
        };
        let mut blocks: Vec<Cidr> = Vec::new();
        for source in sources(InboundAction::Allow) {
            if !blocks.iter().any(|other| other.covers(source)) {
                blocks.retain(|other| !source.covers(*other));
                blocks.push(source);
            }
        }
        for hole in sources(InboundAction::Deny) {
            blocks = blocks.into_iter().flat_map(|block| block.without(hole)).collect();
        }
        blocks.sort_unstable();
        blocks
    }
}

impl Space {
    /// What of a stored space from before there were trusted ranges: anybody may come.
    pub(crate) fn anywhere() -> Vec<Cidr> {
        vec![Cidr::ANY]
    }

    /// The rules in effect, as they were given.
    pub fn inbound_rules(&self) -> &[InboundRule] {
        const DEFAULT: &[InboundRule] = &[InboundRuleset::DEFAULT];
        self.inbound.as_ref().map_or(DEFAULT, |ruleset| &ruleset.rules)
    }

    /// Whether somebody may make apps in it, who is this in its team: admins always, members
    /// unless an admin took it from them.
    pub fn lets_make_apps(&self, role: Role, user: UserId) -> bool {
        match role {
            Role::Admin => true,
            Role::Member => !self.no_apps.contains(&user),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> impl Strategy<Value = InboundRule> {
        // Few bits, so that they meet.
        (any::<bool>(), 0u32..256, 24u8..=32).prop_map(|(allow, low, len)| InboundRule {
            action: if allow { InboundAction::Allow } else { InboundAction::Deny },
            source: Cidr::around((0x0a00_0000 | low).into(), len),
        })
    }

    proptest! {
        #[test]
        fn what_is_admitted_is_what_the_rules_say(rules in prop::collection::vec(rule(), 0..8)) {
            let admitted = InboundRuleset::admitted(&rules);
            for (n, block) in admitted.iter().enumerate() {
                prop_assert!(!admitted[n + 1..].iter().any(|other| other.overlaps(*block)));
            }
            for low in 0u32..256 {
                let address = (0x0a00_0000 | low).into();
                let hit = |wanted| {
                    rules.iter().any(|r| r.action == wanted && r.source.contains(address))
                };
                let expected = hit(InboundAction::Allow) && !hit(InboundAction::Deny);
                prop_assert_eq!(admitted.iter().any(|b| b.contains(address)), expected);
            }
        }
    }

    #[test]
    fn no_rule_lets_nobody_in() {
        assert_eq!(InboundRuleset::admitted(&[]), []);
        assert_eq!(InboundRuleset::admitted(&[InboundRuleset::DEFAULT]), [Cidr::ANY]);
    }
}
