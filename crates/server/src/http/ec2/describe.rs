//! What all Describe actions have in common: explicit ids, filters and pages.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use aws::filter::{Filters, tag_values};
use aws::paging::{Paging, page};
use aws::params::Params;
use aws::xml::Xml;
use model::{AccountId, Key, PrefixedId, Region, Scope, Tags, Timestamp, Vpc, VpcId, World};

use super::input::malformed_id;
use super::request::{Ec2Error, Request};

/// The bounds of `MaxResults` in nearly all Describe actions.
pub(super) const USUAL_PAGE: RangeInclusive<u16> = 5..=1000;

/// The part of the world that an account sees in a region.
pub(super) struct View<'w> {
    /// The world.
    pub world: &'w World,
    /// The account and the region.
    pub scope: Scope,
    /// The time of the request.
    pub now: Timestamp,
    /// The only VPCs that can match, if a filter names them.
    narrowed: Option<Vec<VpcId>>,
}

impl<'w> View<'w> {
    /// The view of a request's sender.
    pub(super) fn new(world: &'w World, request: &Request<'_>) -> Self {
        Self { world, scope: request.scope, now: request.now, narrowed: None }
    }

    /// The same. A filter `vpc-id` without wildcards restricts it to the VPCs that it names.
    fn narrowed(world: &'w World, request: &Request<'_>) -> Self {
        Self { narrowed: named_vpcs(request.params), ..Self::new(world, request) }
    }

    /// The account's VPCs.
    pub(super) fn vpcs(&self) -> Box<dyn Iterator<Item = &'w Vpc> + '_> {
        let (world, scope) = (self.world, self.scope);
        match &self.narrowed {
            Some(ids) => Box::new(ids.iter().filter_map(move |id| self.vpc(*id)).map(|vpc| &**vpc)),
            None => Box::new(
                world
                    .vpcs_of(Key::Account(scope.account))
                    .map(|vpc| &**vpc)
                    .filter(move |vpc| scope.holds(vpc)),
            ),
        }
    }

    /// A VPC, if it belongs to the account.
    pub(super) fn vpc(&self, id: VpcId) -> Option<&'w std::sync::Arc<Vpc>> {
        self.world.vpc(id).filter(|vpc| self.scope.holds(vpc))
    }

    /// Whether something of an account and a region is the sender's.
    pub(super) fn owns(&self, account: AccountId, region: Region) -> bool {
        (account, region) == (self.scope.account, self.scope.region)
    }

    /// The account's default VPC in the region.
    pub(super) fn default_vpc(&self) -> Option<&'w Vpc> {
        self.vpcs().find(|vpc| vpc.is_default)
    }

    /// The ARN of a resource.
    pub(super) fn arn(&self, kind: &str, id: impl Display) -> impl Display {
        let Scope { account, region } = self.scope;
        std::fmt::from_fn(move |f| write!(f, "arn:aws:ec2:{region}:{account}:{kind}/{id}"))
    }
}

fn named_vpcs(params: &Params) -> Option<Vec<VpcId>> {
    let filter = params.structs("Filter").find(|f| f.get("Name") == Some("vpc-id"))?;
    let mut ids: Vec<VpcId> =
        filter.list("Value").map(|value| value.parse().ok()).collect::<Option<_>>()?;
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The values that a resource has under a filter's name.
pub(super) type Values<'v> = Vec<Cow<'v, str>>;
/// A filter: its name, and the function that returns a resource's values.
pub(super) type Filter<T> = (&'static str, for<'v> fn(&View<'v>, &'v T) -> Values<'v>);

/// A single value.
pub(super) fn one<'v>(value: impl Display) -> Values<'v> {
    vec![Cow::Owned(value.to_string())]
}

/// Several values.
pub(super) fn many<'v>(values: impl IntoIterator<Item = impl Display>) -> Values<'v> {
    values.into_iter().map(|value| Cow::Owned(value.to_string())).collect()
}

/// The values under a known filter for something that no resource of Causeway has: none.
pub(super) fn nothing<'v, T>(_: &View<'v>, _: &'v T) -> Values<'v> {
    Vec::new()
}

/// A kind of resource that has a Describe action.
pub(super) trait Described: Sized + 'static {
    /// The kind of id that its resources have.
    type Id: PrefixedId;
    /// The name of the list in the answer.
    const SET: &'static str;
    /// The name of the parameter with explicit ids.
    const PARAM: &'static str;
    /// The error code for a malformed id.
    const MALFORMED: &'static str;
    /// The error code for an id that the caller cannot see, and the noun in its message.
    const NOT_FOUND: (&'static str, &'static str);
    /// The bounds of `MaxResults`.
    const PAGE: RangeInclusive<u16> = USUAL_PAGE;
    /// Its filters, without those of tags.
    const FILTERS: &'static [Filter<Self>];

    /// The id of this resource.
    fn id(&self) -> Self::Id;
    /// The time of its creation; zero if it is unknown.
    fn created(&self) -> Timestamp {
        Timestamp::default()
    }
    /// Its tags, as far as the caller sees them.
    fn tags<'v>(&'v self, view: &View<'v>) -> Option<&'v Tags>;
    /// Writes the content of its item in the answer.
    fn write(&self, view: &View<'_>, x: &mut Xml);
}

/// A kind of resource that the world stores as such.
pub(super) trait Stored: Described {
    /// Finds a resource that the caller may see.
    fn get<'w>(view: &View<'w>, id: Self::Id) -> Option<&'w Self>;
    /// All resources that the caller may see, in any order.
    fn all<'w>(view: &View<'w>) -> Vec<&'w Self>;
}

/// Carries a Describe action out.
pub(super) fn describe<T: Stored>(
    world: &World,
    request: &Request<'_>,
) -> Result<String, Ec2Error> {
    let view = View::narrowed(world, request);
    let (items, next) = select::<T>(&view, request)?;
    Ok(listed(&view, request, &items, next.as_deref()))
}

/// Carries out a Describe action that leaves ids out that do not exist, instead of refusing them.
pub(super) fn describe_known<T: Stored>(
    world: &World,
    request: &Request<'_>,
) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let query = Query::parse::<T>(request)?;
    let ids = ids::<T>(request.params)?;
    let found = match ids.is_empty() {
        true => T::all(&view),
        false => ids.into_iter().filter_map(|id| T::get(&view, id)).collect(),
    };
    let (items, next) = query.among(&view, found)?;
    Ok(listed(&view, request, &items, next.as_deref()))
}

/// Writes the answer with a page of resources.
pub(super) fn listed<T: Described>(
    view: &View<'_>,
    request: &Request<'_>,
    items: &[&T],
    next: Option<&str>,
) -> String {
    request.respond(|x| {
        x.items(T::SET, items, |x, item| item.write(view, x));
        x.opt("nextToken", next);
    })
}

/// The requested page, and the token of the next one.
pub(super) fn select<'w, T: Stored>(
    view: &View<'w>,
    request: &Request<'_>,
) -> Result<(Vec<&'w T>, Option<String>), Ec2Error> {
    let query = Query::parse::<T>(request)?;
    let ids = ids::<T>(request.params)?;
    let candidates =
        if ids.is_empty() { T::all(view) } else { find_all::<T, _>(&ids, |id| T::get(view, id))? };
    query.among(view, candidates)
}

/// The explicit ids, sorted and without duplicates.
pub(super) fn ids<T: Described>(params: &Params) -> Result<Vec<T::Id>, Ec2Error> {
    let read = |text: &str| text.parse().map_err(|_| malformed_id::<T::Id>(T::MALFORMED, text));
    let mut ids: Vec<T::Id> = params.list(T::PARAM).map(read).collect::<Result<_, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Finds a resource for each id. The error names all ids that the caller cannot see.
pub(super) fn find_all<T: Described, R>(
    ids: &[T::Id],
    find: impl Fn(T::Id) -> Option<R>,
) -> Result<Vec<R>, Ec2Error> {
    /// The most ids in an error.
    const MAX_NAMED: usize = 100;
    let (mut found, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match find(*id) {
            Some(resource) => found.push(resource),
            None => missing.push(id.to_string()),
        }
    }
    match missing.as_slice() {
        [] => Ok(found),
        [id] => Err(not_found::<T>(id)),
        ids => {
            let (code, word) = T::NOT_FOUND;
            let mut named = ids[..ids.len().min(MAX_NAMED)].join(", ");
            if ids.len() > MAX_NAMED {
                named.push_str(", …");
            }
            Err(Ec2Error::new(code, format_args!("The {word}s '{named}' do not exist")))
        }
    }
}

/// The values that a resource has under a filter of its kind; none if there is no such filter.
pub(super) fn values_of<'v, T: Described>(view: &View<'v>, item: &'v T, name: &str) -> Values<'v> {
    filter::<T>(name).map(|of| of(view, item)).unwrap_or_default()
}

/// The error for an id that the caller cannot see.
pub(super) fn not_found<T: Described>(id: impl Display) -> Ec2Error {
    let (code, word) = T::NOT_FOUND;
    Ec2Error::new(code, format_args!("The {word} '{id}' does not exist"))
}

/// The filters of a request, and the page that it asks for.
pub(super) struct Query {
    filters: Filters,
    paging: Paging,
}

impl Query {
    /// Parses them, before anything is looked up.
    pub(super) fn parse<T: Described>(request: &Request<'_>) -> Result<Self, Ec2Error> {
        Self::parse_with::<T>(request, &[])
    }

    /// The same, of an action that has more filters than its resources.
    pub(super) fn parse_with<T: Described>(
        request: &Request<'_>,
        more: &[&str],
    ) -> Result<Self, Ec2Error> {
        let params = request.params;
        let action = params.get("Action").unwrap_or_default();
        let paging = Paging::parse(params, action, T::PAGE, Some(T::PARAM))?;
        let filters = Filters::parse(params)?;
        filters.check_names(|name| filter::<T>(name).is_some() || more.contains(&name))?;
        Ok(Self { filters, paging })
    }

    /// The requested page of the candidates, and the token of the next one.
    pub(super) fn among<'v, T: Described>(
        &self,
        view: &View<'v>,
        candidates: Vec<&'v T>,
    ) -> Result<(Vec<&'v T>, Option<String>), Ec2Error> {
        self.among_with(view, candidates, |_, _| Vec::new())
    }

    /// The same, of an action that has more filters than its resources. `more` gives what a resource
    /// has under one of those.
    pub(super) fn among_with<'v, T: Described>(
        &self,
        view: &View<'v>,
        mut candidates: Vec<&'v T>,
        more: impl Fn(&'v T, &str) -> Values<'v>,
    ) -> Result<(Vec<&'v T>, Option<String>), Ec2Error> {
        if !self.filters.is_empty() {
            let mut matching = Vec::new();
            // Looked up once and not for each resource.
            let asked = self.filters.names().filter_map(|name| Some((name, filter::<T>(name)?)));
            let asked: Vec<_> = asked.collect();
            for item in candidates {
                let tags = item.tags(view);
                let values = |name: &str| {
                    let tags = tags.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str()));
                    let own = || {
                        let of = asked.iter().find(|(known, _)| *known == name);
                        of.map(|(_, of)| of(view, item))
                    };
                    Some(tag_values(name, tags).or_else(own).unwrap_or_else(|| more(item, name)))
                };
                if self.filters.matches(values)? {
                    matching.push(item);
                }
            }
            candidates = matching;
        }
        if !candidates.is_sorted_by_key(|item| place(*item)) {
            candidates.sort_unstable_by_key(|item| place(*item));
        }
        // Formatted so that texts compare like the positions themselves.
        let key = |item: &&T| format!("{:020} {}", item.created().millis().max(0), item.id());
        Ok(page(candidates, key, &self.paging))
    }
}

/// The position of a resource in a list: by creation, then by id.
pub(super) fn place<T: Described>(item: &T) -> (i64, T::Id) {
    (item.created().millis().max(0), item.id())
}

fn filter<T: Described>(name: &str) -> Option<for<'v> fn(&View<'v>, &'v T) -> Values<'v>> {
    T::FILTERS.iter().find(|(known, _)| *known == name).map(|(_, values)| *values)
}

/// Writes tags.
pub(super) fn write_tags(x: &mut Xml, tags: Option<&Tags>) {
    x.items("tagSet", tags.into_iter().flatten(), |x, (key, value)| {
        x.el("key", key);
        x.el("value", value);
    });
}
