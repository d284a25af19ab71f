//! The English texts of the search.

use crate::texts::SearchTexts;

/// The English texts of the search.
pub(crate) const TEXTS: SearchTexts = SearchTexts {
    find: "Find by name, id, block or address",
    find_button: "Find",
    title: "Find",
    hint: "Type a part of a name, an id, a CIDR block or an address. Spaces, apps, peerings, VPCs and instances that you may see are found.",
    found_one: "{n} found",
    found_other: "{n} found",
    found_none: "Nothing has “{query}” in its name, id, block or address.",
    found_none_more: "What is not yours to see is not found either.",
    found_more: "These are the first {n}. Type more of it to see the rest.",
    shortcut_on: "The key / leads to the search from every page, unless you are typing.",
    shortcut_off: "The key / does nothing of its own.",
    turn_off: "Turn it off",
    turn_on: "Let it lead to the search",
    column_kind: "Kind",
    column_where: "In",
    kind_space: "Space",
    kind_app: "App",
    kind_peering: "Peering",
    kind_vpc: "VPC",
    kind_instance: "Instance",
    more_wait: "{n} more wait behind these.",
    more_rows: "{n} more.",
};
