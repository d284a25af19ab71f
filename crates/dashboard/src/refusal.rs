//! Why something was not done, in the words of a page.

use model::{Code, Refused};

use crate::context::Context;
use crate::markup::{Markup, fill, in_english};

/// Why something that was asked for on a page was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A rule refused it.
    Rule(Refused),
    /// What was typed is not the id of the peering.
    TypedWrong,
    /// What was typed is no number of dynos.
    QuantityUnreadable,
    /// What was typed is no limit.
    LimitUnreadable,
    /// The dyno runs no more.
    NoSuchDyno,
    /// The ledger could not do it, or cannot say whether it did; in its words.
    Ledger(String),
}

impl Refusal {
    /// The same where it is an account's key that has no right, and nobody of a team could help.
    pub(crate) fn of_account(&self, of: &Context<'_>) -> Markup {
        match self {
            Self::Rule(refused) if refused.code == Code::UnauthorizedOperation => {
                of.texts().no_right_key.into()
            }
            refusal => refusal.sentence(of),
        }
    }

    pub(crate) fn sentence(&self, of: &Context<'_>) -> Markup {
        let t = of.texts();
        let quoted = |words: &str| fill(t.refused, &[("why", in_english(t, words))]);
        match self {
            Self::TypedWrong => t.typed_wrong.into(),
            Self::QuantityUnreadable => t.apps.unreadable_quantity.into(),
            Self::LimitUnreadable => t.operating.unreadable_limit.into(),
            Self::NoSuchDyno => t.apps.no_such_dyno.into(),
            Self::Ledger(words) => fill(t.server_says, &[("why", in_english(t, words))]),
            Self::Rule(refused) => match refused.code {
                Code::PreconditionFailed => t.changed_meanwhile.into(),
                Code::UnauthorizedOperation => t.no_right.into(),
                Code::NotFound => t.gone.into(),
                _ => quoted(&refused.message),
            },
        }
    }
}
