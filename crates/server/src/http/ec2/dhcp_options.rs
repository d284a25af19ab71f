//! DHCP option sets.

use std::collections::BTreeMap;

use aws::xml::Xml;
use model::{DhcpOptions, DhcpOptionsId, Ec2Command, Key, Reply, Tags, Timestamp, World};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};
use super::input::{self, id, parse_id};
use super::request::{Ec2Error, Request};

impl Described for DhcpOptions {
    type Id = DhcpOptionsId;
    const SET: &'static str = "dhcpOptionsSet";
    const PARAM: &'static str = "DhcpOptionsId";
    const MALFORMED: &'static str = <DhcpOptionsId as input::Named>::MALFORMED;
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

    fn created(&self) -> Timestamp {
        self.created
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
        let mine = |set: &&Self| view.owns(set.account, set.region);
        view.world.dhcp_options(id).map(|set| &**set).filter(mine)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.dhcp_option_sets_of(Key::Account(view.scope.account));
        mine.map(|set| &**set).filter(|set| set.region == view.scope.region).collect()
    }
}

/// `CreateDhcpOptions`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let mut options = BTreeMap::new();
    for given in params.structs("DhcpConfiguration") {
        let name = given.required("Key")?;
        let values = given.list("Value").map(str::to_owned).collect();
        if options.insert(name.to_owned(), values).is_some() {
            return Err(given.invalid("Key", name, "The option is given twice.").into());
        }
    }
    let tags = input::tag_specifications(params, "dhcp-options", &[])?;
    Ok(Ec2Command::CreateDhcpOptions { options, tags })
}

/// The answer to `CreateDhcpOptions`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::DhcpOptions(id)) = reply.main()
            && let Some(set) = after.dhcp_options(id)
        {
            x.nest("dhcpOptions", |x| set.write(&view, x));
        }
    })
}

/// `DeleteDhcpOptions`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteDhcpOptions { options: id(request.params, "DhcpOptionsId")? })
}

/// `AssociateDhcpOptions`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let options = match params.required("DhcpOptionsId")? {
        "default" => None,
        text => Some(parse_id(text)?),
    };
    Ok(Ec2Command::AssociateDhcpOptions { vpc: id(params, "VpcId")?, options })
}
