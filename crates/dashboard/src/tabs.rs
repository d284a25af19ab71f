//! The pages of one thing, side by side.

use crate::markup::Markup;

/// The pages of one thing. `tabs.html` shows them.
pub(crate) struct Tabs {
    /// What they are the pages of.
    pub(crate) label: Markup,
    pub(crate) tabs: Vec<Tab>,
}

/// One of the pages.
pub(crate) struct Tab {
    pub(crate) path: String,
    pub(crate) name: &'static str,
    /// How many things it has; not shown where there is none.
    pub(crate) count: usize,
    pub(crate) is_current: bool,
}
