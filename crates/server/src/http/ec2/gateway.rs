//! Internet gateways and DHCP options, as a default VPC has them.

use aws::xml::Xml;
use model::{DhcpOptions, DhcpOptionsId, IgwId, InternetGateway, Key, Tags};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};
use super::input;

impl Described for InternetGateway {
    type Id = IgwId;
    const SET: &'static str = "internetGatewaySet";
    const PARAM: &'static str = "InternetGatewayId";
    const MALFORMED: &'static str = <IgwId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidInternetGatewayID.NotFound", "internetGateway ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("attachment.state", |_, igw| many(igw.vpc.map(|_| "available"))),
        ("attachment.vpc-id", |_, igw| many(igw.vpc)),
        ("internet-gateway-id", |_, igw| one(igw.id)),
        ("owner-id", |_, igw| one(igw.account)),
    ];

    fn id(&self) -> IgwId {
        self.id
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("internetGatewayId", self.id);
        x.el("ownerId", self.account);
        x.items("attachmentSet", self.vpc, |x, vpc| {
            x.el("vpcId", vpc);
            x.el("state", "available");
        });
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for InternetGateway {
    fn get<'w>(view: &View<'w>, id: IgwId) -> Option<&'w Self> {
        let mine =
            |igw: &&Self| igw.account == view.scope.account && igw.region == view.scope.region;
        view.world.gateway(id).map(|igw| &**igw).filter(mine)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.gateways_of(Key::Account(view.scope.account));
        mine.map(|igw| &**igw).filter(|igw| igw.region == view.scope.region).collect()
    }
}

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
