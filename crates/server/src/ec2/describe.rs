//! What the Describe actions have in common: explicit ids, filters, pages.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use aws::filter::{Filters, tag_values};
use aws::paging::{Paging, page};
use aws::params::Params;
use aws::xml::Xml;
use model::{Key, PrefixedId, Scope, Tags, Timestamp, Vpc, VpcId, World};

use super::input::malformed_id;
use super::{Ec2Error, Request};

/// Bounds of `MaxResults` of nearly all Describe actions.
pub(super) const USUAL_PAGE: RangeInclusive<u16> = 5..=1000;

/// What one account sees of the world, in a region, at a time.
pub(super) struct View<'w> {
    /// The world.
    pub world: &'w World,
    /// Who looks.
    pub scope: Scope,
    /// When.
    pub now: Timestamp,
    /// The only VPCs that can matter, where a filter names them.
    narrowed: Option<Vec<VpcId>>,
}

impl<'w> View<'w> {
    /// What a request sees.
    pub fn new(world: &'w World, request: &Request<'_>) -> Self {
        Self { world, scope: request.scope, now: request.now, narrowed: None }
    }

    /// The same, where a filter `vpc-id` without wildcards spares looking at all other VPCs.
    fn narrowed(world: &'w World, request: &Request<'_>) -> Self {
        Self { narrowed: named_vpcs(request.params), ..Self::new(world, request) }
    }

    /// The account's VPCs.
    pub fn vpcs(&self) -> Box<dyn Iterator<Item = &'w Vpc> + '_> {
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

    /// A VPC, if it is the account's.
    pub fn vpc(&self, id: VpcId) -> Option<&'w std::sync::Arc<Vpc>> {
        self.world.vpc(id).filter(|vpc| self.scope.holds(vpc))
    }

    /// The VPC that is used where none is named.
    pub fn default_vpc(&self) -> Option<&'w Vpc> {
        self.vpcs().find(|vpc| vpc.is_default)
    }

    /// The resource's ARN.
    pub fn arn(&self, kind: &str, id: impl Display) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.scope.region, self.scope.account)
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

/// What a resource has under a filter's name.
pub(super) type Values<'v> = Vec<Cow<'v, str>>;
/// A filter: its name and what a resource has under it.
pub(super) type Filter<T> = (&'static str, for<'v> fn(&View<'v>, &'v T) -> Values<'v>);

/// A filter's only value.
pub(super) fn one<'v>(value: impl Display) -> Values<'v> {
    vec![Cow::Owned(value.to_string())]
}

/// A filter's values.
pub(super) fn many<'v>(values: impl IntoIterator<Item = impl Display>) -> Values<'v> {
    values.into_iter().map(|value| Cow::Owned(value.to_string())).collect()
}

/// A filter of something that no resource here has.
pub(super) fn nothing<'v, T>(_: &View<'v>, _: &'v T) -> Values<'v> {
    Vec::new()
}

/// A kind of resource that is described.
pub(super) trait Described: Sized + 'static {
    /// Its id.
    type Id: PrefixedId;
    /// The list of the answer.
    const SET: &'static str;
    /// The parameter of explicit ids.
    const PARAM: &'static str;
    /// The code for an id that is none.
    const MALFORMED: &'static str;
    /// The code for an id that means nothing to the caller, and the word of its message.
    const NOT_FOUND: (&'static str, &'static str);
    /// Bounds of `MaxResults`.
    const PAGE: RangeInclusive<u16> = USUAL_PAGE;
    /// Its filters, but those of tags.
    const FILTERS: &'static [Filter<Self>];

    /// Its id.
    fn id(&self) -> Self::Id;
    /// The tags that the caller sees.
    fn tags<'v>(&'v self, view: &View<'v>) -> Option<&'v Tags>;
    /// Writes the elements of its item.
    fn write(&self, view: &View<'_>, x: &mut Xml);
}

/// One that is stored as such.
pub(super) trait Stored: Described {
    /// Finds one that the caller may see.
    fn get<'w>(view: &View<'w>, id: Self::Id) -> Option<&'w Self>;
    /// All that the caller may see, in any order.
    fn all<'w>(view: &View<'w>) -> Vec<&'w Self>;
}

/// The answer of a Describe action.
pub(super) fn describe<T: Stored>(
    world: &World,
    request: &Request<'_>,
) -> Result<String, Ec2Error> {
    let view = View::narrowed(world, request);
    let (items, next) = select::<T>(&view, request)?;
    Ok(listed(&view, request, &items, next.as_deref()))
}

/// Writes a page.
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

/// The page that is asked for, and the token of the next one.
pub(super) fn select<'w, T: Stored>(
    view: &View<'w>,
    request: &Request<'_>,
) -> Result<(Vec<&'w T>, Option<String>), Ec2Error> {
    let query = Query::parse::<T>(request)?;
    let ids = ids::<T>(request.params)?;
    let candidates = if ids.is_empty() {
        T::all(view)
    } else {
        let find = |id: &T::Id| T::get(view, *id).ok_or_else(|| not_found::<T>(id));
        ids.iter().map(find).collect::<Result<_, _>>()?
    };
    query.among(view, candidates)
}

/// The explicit ids, in order, without repetition.
pub(super) fn ids<T: Described>(params: &Params) -> Result<Vec<T::Id>, Ec2Error> {
    let read = |text: &str| text.parse().map_err(|_| malformed_id::<T::Id>(T::MALFORMED, text));
    let mut ids: Vec<T::Id> = params.list(T::PARAM).map(read).collect::<Result<_, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The error for an id that means nothing to the caller.
pub(super) fn not_found<T: Described>(id: impl Display) -> Ec2Error {
    let (code, word) = T::NOT_FOUND;
    Ec2Error::new(code, format_args!("The {word} '{id}' does not exist"))
}

/// The filters of a request, and which page it asks for.
pub(super) struct Query {
    filters: Filters,
    paging: Paging,
}

impl Query {
    /// Reads them: what is wrong with them is said before anything is looked up.
    pub fn parse<T: Described>(request: &Request<'_>) -> Result<Self, Ec2Error> {
        let params = request.params;
        let action = params.get("Action").unwrap_or_default();
        let paging = Paging::parse(params, action, T::PAGE, Some(T::PARAM))?;
        let filters = Filters::parse(params)?;
        filters.check_names(|name| filter::<T>(name).is_some())?;
        Ok(Self { filters, paging })
    }

    /// The page among candidates, and the token of the next one.
    pub fn among<'v, T: Described>(
        &self,
        view: &View<'v>,
        mut candidates: Vec<&'v T>,
    ) -> Result<(Vec<&'v T>, Option<String>), Ec2Error> {
        if !self.filters.is_empty() {
            let mut matching = Vec::with_capacity(candidates.len());
            for item in candidates {
                let tags = item.tags(view);
                let values = |name: &str| {
                    let tags = tags.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str()));
                    tag_values(name, tags).or_else(|| filter::<T>(name).map(|of| of(view, item)))
                };
                if self.filters.matches(values)? {
                    matching.push(item);
                }
            }
            candidates = matching;
        }
        if !candidates.is_sorted_by_key(|item| item.id()) {
            candidates.sort_unstable_by_key(|item| item.id());
        }
        Ok(page(candidates, |item| item.id().to_string(), &self.paging))
    }
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
