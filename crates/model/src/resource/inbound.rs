//! From which addresses web requests may come into a space.

use serde::{Deserialize, Serialize};

use crate::{Cidr, Timestamp, UserId};

/// A rule about the addresses that web requests may come from (`heroku.md` §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InboundRule {
    /// What is done with requests from the block.
    pub action: InboundAction,
    /// The block of addresses that requests come from.
    pub source: Cidr,
}

/// What is done with requests from a block.
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
    /// The rules, in the order in which they were given.
    pub rules: Vec<InboundRule>,
    /// When the rules were set.
    pub since: Timestamp,
    /// The user who set them; `None` where it was the operator.
    pub by: Option<UserId>,
}

impl InboundRuleset {
    /// The most rules that a space may have (`heroku.md` §4, Trusted IPs).
    pub const MOST: usize = 20;
    /// The rule of a space that was given none: every address is let in.
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
