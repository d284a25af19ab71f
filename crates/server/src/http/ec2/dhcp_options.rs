//! DHCP option sets.

use aws::xml::Xml;
use model::{DhcpOptions, DhcpOptionsId, Key, Tags};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};

impl Described for DhcpOptions {
    type Id = DhcpOptionsId;
    const SET: &'static str = "dhcpOptionsSet";
    const PARAM: &'static str = "DhcpOptionsId";
    const MALFORMED: &'static str = "InvalidDhcpOptionsId.Malformed";
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidDhcpOptionID.NotFound", "dhcpOption ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("dhcp-options-id", |_, set| one(set.id)),
        ("key", |_, set| many(set.options.keys())),
        ("value", |_, set| many(set.options.values().flatten())),
        ("owner-id", |_, set| one(set.account)),
    ];

    fn id(&self) -> DhcpOptionsId {
        self.id
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("dhcpOptionsId", self.id);
        x.el("ownerId", self.account);
        x.items("dhcpConfigurationSet", &self.options, |x, (key, values)| {
            x.el("key", key);
            x.items("valueSet", values, |x, value| x.el("value", value));
        });
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for DhcpOptions {
    fn get<'w>(view: &View<'w>, id: DhcpOptionsId) -> Option<&'w Self> {
        let mine =
            |set: &&Self| set.account == view.scope.account && set.region == view.scope.region;
        view.world.dhcp_options(id).map(|set| &**set).filter(mine)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.dhcp_option_sets_of(Key::Account(view.scope.account));
        mine.map(|set| &**set).filter(|set| set.region == view.scope.region).collect()
    }
}
