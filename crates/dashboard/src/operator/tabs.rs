//! The pages of who runs the installation, side by side.

use crate::context::Context;
use crate::operator_paths::{self, OperatorPart};
use crate::tabs::{Tab, Tabs};

/// The pages of who runs the installation.
pub(super) fn tabs(of: &Context<'_>, current: OperatorPart) -> Tabs {
    let t = of.texts();
    let tab = |part: OperatorPart| {
        let (name, count) = match part {
            OperatorPart::Health => (t.operating.tab_health, 0),
            OperatorPart::Accounts => (t.operating.tab_accounts, of.world.accounts().count()),
            OperatorPart::People => (t.operating.tab_people, of.world.users().count()),
            OperatorPart::Limits => (t.operating.tab_limits, 0),
        };
        Tab { path: operator_paths::operator(part), name, count, is_current: part == current }
    };
    Tabs { label: t.operating.pages.into(), tabs: OperatorPart::ALL.into_iter().map(tab).collect() }
}
