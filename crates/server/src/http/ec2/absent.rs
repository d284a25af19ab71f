//! What EC2 has and Causeway does not: transit gateways, VPNs, endpoints, snapshots and their like.
//!
//! Tools read all of these before and after they do anything, so there are just none of them: a list
//! is empty, an id is not found. Who wants to make one is told what there is instead.

mod kind;
mod noun;

use std::sync::LazyLock;

use aws::filter::Filters;
use aws::paging::Paging;
use model::World;

use super::request::{Ec2Error, Request};
use kind::{Kind, not_found};

/// The actions that list what is not there.
///
/// A line has the name of an action, the lists in its answer, the parameters with ids, of which none is
/// known, those that say nothing here, and the filters; `-` stands for none of them, and `*` for
/// filters that EC2 does not name.
const READS: &str = include_str!("absent/reads.txt");

/// One line of [`READS`].
struct Read {
    action: &'static str,
    sets: &'static str,
    ids: &'static str,
    ignored: &'static str,
    filters: &'static str,
}

static TABLE: LazyLock<Vec<Read>> = LazyLock::new(|| READS.lines().filter_map(line).collect());

fn line(text: &'static str) -> Option<Read> {
    let mut columns = text.split(' ');
    let mut column = || columns.next();
    let (action, sets) = (column()?, column()?);
    let (ids, ignored, filters) = (column()?, column()?, column()?);
    Some(Read { action, sets, ids, ignored, filters })
}

fn found(action: &str) -> Option<&'static Read> {
    let at = TABLE.binary_search_by_key(&action, |read| read.action).ok()?;
    TABLE.get(at)
}

fn names(column: &'static str) -> impl Iterator<Item = &'static str> {
    column.split(',').filter(|name| *name != "-")
}

/// Whether an action lists something that is not there.
pub(super) fn is_read(action: &str) -> bool {
    found(action).is_some()
}

/// Whether an action that lists something which is not there takes any filter, as EC2 does not name them.
#[cfg(test)]
pub(super) fn takes_any_filter(action: &str) -> bool {
    found(action).is_some_and(|read| read.filters == "*")
}

/// The actions that list something which is not there.
#[cfg(test)]
pub(super) fn reads() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|read| read.action)
}

/// What an action makes or changes that is not there.
#[cfg(test)]
pub(super) fn noun_of(action: &str) -> Option<&'static str> {
    noun::of(action).map(|(what, _)| what)
}

/// Whether an action makes or changes something that is not there.
pub(super) fn is_refused(action: &str) -> bool {
    noun::of(action).is_some()
}

/// Answers an action that lists something which is not there.
pub(super) fn read(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let action = params.get("Action").unwrap_or_default();
    let Some(read) = found(action) else {
        return Err(Ec2Error::new(
            "InvalidAction",
            "The action is not valid for this web service.",
        ));
    };
    Paging::parse(params, action, 1..=1000, None)?;
    let known = |name: &str| read.filters == "*" || names(read.filters).any(|known| known == name);
    Filters::parse(params)?.check_names(known)?;
    for name in names(read.ids) {
        let unknown: Vec<&str> = params.list(name).filter(|id| !id.is_empty()).collect();
        if !unknown.is_empty() {
            return Err(not_found(&Kind::of(name), &unknown));
        }
    }
    for name in names(read.ignored) {
        let _ = params.get(name);
        params.list(name).for_each(drop);
    }
    Ok(request.respond(|x| {
        for set in names(read.sets) {
            x.items(set, [(); 0], |_, ()| {});
        }
    }))
}

/// Refuses an action that makes or changes something which is not there. What is to be changed or
/// deleted is not found; what is to be made is not offered.
pub(super) fn refuse(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let action = params.get("Action").unwrap_or_default();
    if noun::takes_what_is_there(action) {
        for kind in kind::KINDS {
            let unknown: Vec<&str> = params.list(kind.0).filter(|id| !id.is_empty()).collect();
            if !unknown.is_empty() {
                return Err(not_found(&Kind::of(kind.0), &unknown));
            }
        }
    }
    let (what, instead) = noun::of(action).unwrap_or(("This", ""));
    Err(Ec2Error::new(
        "UnsupportedOperation",
        format!("{what} are not offered here. {instead}").trim_end(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_line_is_whole() {
        assert_eq!(TABLE.len(), READS.lines().count(), "every line has all columns");
        assert!(TABLE.is_sorted_by(|a, b| a.action < b.action), "the search halves the table");
        for read in TABLE.iter() {
            let verb = ["Describe", "Get", "List", "Search"];
            assert!(verb.iter().any(|verb| read.action.starts_with(verb)), "{}", read.action);
            assert!(names(read.sets).next().is_some(), "{}", read.action);
        }
    }
}
