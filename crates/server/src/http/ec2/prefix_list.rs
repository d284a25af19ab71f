//! Managed prefix lists.

use aws::paging::{Paging, page};
use aws::params::Params;
use aws::xml::Xml;
use model::{
    AddressFamily, CreatePrefixList, Ec2Command, IpCidr, Key, Kind, ModifyPrefixList, PrefixList,
    PrefixListId, PrefixListState, Reply, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, find_all, ids, not_found, one, write_tags};
use super::input::{self, id, ip_cidr, wrong_value};
use super::request::{Ec2Error, Request};

/// What a version's number may be.
const VERSIONS: std::ops::RangeInclusive<i64> = 0..=i64::MAX;

impl Described for PrefixList {
    type Id = PrefixListId;
    const SET: &'static str = "prefixListSet";
    const PARAM: &'static str = "PrefixListId";
    const MALFORMED: &'static str = <PrefixListId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidPrefixListID.NotFound", "prefix list ID");
    const PAGE: std::ops::RangeInclusive<u16> = 1..=100;
    const FILTERS: &'static [Filter<Self>] = &[
        ("owner-id", |_, list| one(list.account)),
        ("prefix-list-id", |_, list| one(list.id)),
        ("prefix-list-name", |_, list| one(&list.name)),
    ];

    fn id(&self) -> PrefixListId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        let state = match self.state {
            PrefixListState::Created => "create-complete",
            PrefixListState::Modified => "modify-complete",
            PrefixListState::NotModified { .. } => "modify-failed",
            PrefixListState::Restored => "restore-complete",
        };
        write(self, state, view, x);
    }
}

impl Stored for PrefixList {
    fn get<'w>(view: &View<'w>, id: PrefixListId) -> Option<&'w Self> {
        let mine = |list: &&Self| view.owns(list.account, list.region);
        view.world.prefix_list(id).map(|list| &**list).filter(mine)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.prefix_lists_of(Key::Account(view.scope.account));
        mine.map(|list| &**list).filter(|list| list.region == view.scope.region).collect()
    }
}

fn write(list: &PrefixList, state: &str, view: &View<'_>, x: &mut Xml) {
    x.el("prefixListId", list.id);
    x.el("addressFamily", list.family.code());
    x.el("state", state);
    if let PrefixListState::NotModified { message } = &list.state {
        x.el("stateMessage", message);
    }
    x.el("prefixListArn", view.arn("prefix-list", list.id));
    x.el("prefixListName", &list.name);
    x.el("maxEntries", list.max_entries);
    x.el("version", list.version);
    write_tags(x, Some(&list.tags));
    x.el("ownerId", list.account);
}

/// `CreateManagedPrefixList`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let family = match params.required("AddressFamily")? {
        "IPv4" => AddressFamily::Ipv4,
        "IPv6" => AddressFamily::Ipv6,
        other => {
            let why = "Expecting IPv4 or IPv6.";
            return Err(params.invalid("AddressFamily", other, why).into());
        }
    };
    Ok(Ec2Command::CreatePrefixList(CreatePrefixList {
        name: params.required("PrefixListName")?.to_owned(),
        family,
        max_entries: max_entries(params)?.ok_or_else(|| params.missing("MaxEntries"))?,
        entries: entries(params, "Entry")?,
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "prefix-list", &[])?,
    }))
}

/// `ModifyManagedPrefixList`.
pub(super) fn modify(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let synced = ["IpamPrefixListResolverSyncEnabled"];
    input::not_offered(params, &synced, "there are no resolvers of prefix lists.")?;
    let removed = params.structs("RemoveEntry").map(|entry| ip_cidr(entry, "Cidr"));
    Ok(Ec2Command::ModifyPrefixList(ModifyPrefixList {
        list: id(params, "PrefixListId")?,
        current: version(params, "CurrentVersion")?,
        name: params.get("PrefixListName").map(str::to_owned),
        max_entries: max_entries(params)?,
        add: entries(params, "AddEntry")?,
        remove: removed.collect::<Result<_, _>>()?,
    }))
}

fn max_entries(params: &Params) -> Result<Option<u16>, Ec2Error> {
    let given = params.integer("MaxEntries", 0..=i64::from(u16::MAX))?;
    Ok(given.and_then(|number| u16::try_from(number).ok()))
}

fn version(params: &Params, name: &str) -> Result<Option<u64>, Ec2Error> {
    Ok(params.integer(name, VERSIONS)?.and_then(|number| u64::try_from(number).ok()))
}

fn entries(params: &Params, name: &str) -> Result<Vec<(IpCidr, Option<String>)>, Ec2Error> {
    let entry =
        |entry: &Params| Ok((ip_cidr(entry, "Cidr")?, entry.get("Description").map(str::to_owned)));
    params.structs(name).map(entry).collect()
}

/// `RestoreManagedPrefixListVersion`.
pub(super) fn restore(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let required = |name: &str| -> Result<u64, Ec2Error> {
        Ok(version(params, name)?.ok_or_else(|| params.missing(name))?)
    };
    Ok(Ec2Command::RestorePrefixList {
        list: id(params, "PrefixListId")?,
        previous: required("PreviousVersion")?,
        current: required("CurrentVersion")?,
    })
}

/// `DeleteManagedPrefixList`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeletePrefixList { list: id(request.params, "PrefixListId")? })
}

/// The answer to `CreateManagedPrefixList`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    changed("create-in-progress", after, reply, request)
}

/// The answer to `ModifyManagedPrefixList`.
pub(super) fn modified(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    changed("modify-in-progress", after, reply, request)
}

/// The answer to `RestoreManagedPrefixListVersion`.
pub(super) fn restored(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    changed("restore-in-progress", after, reply, request)
}

/// As EC2 does, it says that the change is under way; whoever asks later is told what became of it.
fn changed(state: &str, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::PrefixList(id)) = reply.main()
            && let Some(list) = after.prefix_list(id)
        {
            x.nest("prefixList", |x| write(list, state, &view, x));
        }
    })
}

/// The answer to `DeleteManagedPrefixList`.
pub(super) fn deleted(before: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    let view = View::new(before, request);
    let list = id(request.params, "PrefixListId").ok().and_then(|id| PrefixList::get(&view, id));
    request.respond(|x| {
        if let Some(list) = list {
            x.nest("prefixList", |x| write(list, "delete-in-progress", &view, x));
        }
    })
}

/// The list that a request names.
fn named<'w>(view: &View<'w>, request: &Request<'_>) -> Result<&'w PrefixList, Ec2Error> {
    let id = id(request.params, "PrefixListId")?;
    PrefixList::get(view, id).ok_or_else(|| not_found::<PrefixList>(id))
}

/// `GetManagedPrefixListEntries`.
pub(super) fn list_entries(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let view = View::new(world, request);
    let list = named(&view, request)?;
    let paging = Paging::parse(params, "GetManagedPrefixListEntries", 1..=100, None)?;
    let version = version(params, "TargetVersion")?.unwrap_or(list.version);
    if !list.has_version(version) {
        return Err(wrong_value(format_args!(
            "The specified value for version is not valid. The prefix list '{}' has the versions \
             {} to {}",
            list.id,
            list.oldest_version(),
            list.version
        )));
    }
    let numbered = list.entries_of(version).enumerate();
    let (items, next) = page(numbered, |(at, _)| format!("{version:020} {at:05}"), &paging);
    Ok(request.respond(|x| {
        x.items("entrySet", items, |x, (_, entry)| {
            x.el("cidr", entry.cidr);
            x.opt("description", entry.description.as_deref());
        });
        x.opt("nextToken", next);
    }))
}

/// `GetManagedPrefixListAssociations`.
pub(super) fn associations(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let list = named(&view, request)?;
    let paging = Paging::parse(request.params, "GetManagedPrefixListAssociations", 5..=255, None)?;
    let key = Key::PrefixList(list.id);
    let kinds = [Kind::RouteTable, Kind::SecurityGroup];
    let mut using: Vec<String> =
        kinds.into_iter().flat_map(|kind| world.naming(key, kind)).map(|k| k.to_string()).collect();
    using.sort_unstable();
    let (items, next) = page(using, Clone::clone, &paging);
    Ok(request.respond(|x| {
        x.items("prefixListAssociationSet", items, |x, id| {
            x.el("resourceId", id);
            x.el("resourceOwner", list.account);
        });
        x.opt("nextToken", next);
    }))
}

/// `DescribePrefixLists`: those of services that a VPC reaches by endpoints, of which there are none.
pub(super) fn of_services(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let asked = ids::<PrefixList>(params)?;
    Paging::parse(params, "DescribePrefixLists", 1..=1000, Some("PrefixListId"))?;
    let filters = aws::filter::Filters::parse(params)?;
    filters.check_names(|name| matches!(name, "prefix-list-id" | "prefix-list-name"))?;
    find_all::<PrefixList, ()>(&asked, |_| None)
        .map_err(|error| Ec2Error { code: "InvalidPrefixListId.NotFound".into(), ..error })?;
    Ok(request.respond(|x| x.items("prefixListSet", [(); 0], |_, ()| {})))
}
