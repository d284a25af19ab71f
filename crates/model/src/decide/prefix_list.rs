//! Rules about managed prefix lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::lookup::missing;
use super::{Decision, Outcome, refuse};
use crate::command::{CreatePrefixList, ModifyPrefixList, Reply};
use crate::resource::*;
use crate::{Code, IpCidr, Key, Kind, PrefixListId, PrefixedId, Quota, Refused, Scope};

/// The most entries that a prefix list may be made for.
const MAX_ENTRIES: u16 = 1000;
/// The most entries that one request adds or removes.
const MAX_CHANGES: usize = 100;
/// The most characters of names and descriptions.
const MAX_TEXT: usize = 255;
/// What names of EC2's own lists begin with.
const RESERVED: &str = "com.amazonaws";
/// How many of the resources in the way a refusal names.
const MOST_NAMED: usize = 10;

impl Decision<'_> {
    pub(super) fn create_prefix_list(
        &mut self,
        scope: Scope,
        create: &CreatePrefixList,
    ) -> Outcome {
        if let Some(made) = self.repeated(scope, Kind::PrefixList, create.client_token.as_ref())? {
            return Ok(made.into());
        }
        check_name(&create.name)?;
        check_size(create.max_entries)?;
        super::tag::check_tags(&create.tags)?;
        let mine = self.world.prefix_lists_of(Key::Account(scope.account));
        let count = || mine.filter(|list| list.region == scope.region).count();
        self.world.check_quota(scope.account, Quota::PrefixLists, count)?;
        let id = PrefixListId::fresh(self.ids);
        let mut list = PrefixList {
            id,
            account: scope.account,
            region: scope.region,
            name: create.name.clone(),
            family: create.family,
            max_entries: create.max_entries,
            version: 1,
            entries: Vec::new(),
            state: PrefixListState::Created,
            client_token: create.client_token.as_ref().map(|token| token.of(scope)),
            tags: create.tags.clone(),
            created: self.now,
        };
        add(&mut list, &create.entries)?;
        forget(&mut list);
        self.put(list);
        Ok(Key::PrefixList(id).into())
    }

    pub(super) fn modify_prefix_list(
        &mut self,
        scope: Scope,
        modify: &ModifyPrefixList,
    ) -> Outcome {
        let old = self.own_prefix_list(scope, modify.list)?;
        let ModifyPrefixList { add: added, remove: removed, .. } = modify;
        let changes_entries = !added.is_empty() || !removed.is_empty();
        if !changes_entries && modify.name.is_none() && modify.max_entries.is_none() {
            return missing("prefixListName, maxEntries, addEntries or removeEntries");
        }
        if changes_entries && modify.max_entries.is_some() {
            return refuse(
                Code::InvalidParameterCombination,
                "You cannot modify the entries and the maximum entries for the prefix list in the \
                 same request.",
            );
        }
        check_version(&old, modify.current)?;
        let mut list = PrefixList::clone(&old);
        list.state = PrefixListState::Modified;
        if let Some(name) = &modify.name {
            check_name(name)?;
            list.name.clone_from(name);
        }
        if changes_entries {
            list.version += 1;
            remove(&mut list, removed)?;
            if let Some((both, _)) = added.iter().find(|(cidr, _)| removed.contains(cidr)) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!(
                        "Request cannot contain Cidr {both} in both AddPrefixListEntries and \
                         RemovePrefixListEntries"
                    ),
                );
            }
            add(&mut list, added)?;
            forget(&mut list);
        }
        if let Some(max_entries) = modify.max_entries {
            self.resize(&mut list, max_entries)?;
        }
        let id = list.id;
        self.put(list);
        Ok(Key::PrefixList(id).into())
    }

    /// Changes how many entries a list may have; where what names it has no room, the list says so
    /// and stays as it is, as EC2 has it.
    fn resize(&self, list: &mut PrefixList, max_entries: u16) -> Result<(), Refused> {
        check_size(max_entries)?;
        let there = list.current().count();
        if usize::from(max_entries) < there {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The prefix list '{}' has {there} entries; maxEntries cannot be {max_entries}",
                    list.id
                ),
            );
        }
        let larger = PrefixList { max_entries, ..list.clone() };
        let groups = self.groups_too_full(&larger).into_iter().map(Key::SecurityGroup);
        let tables = self.tables_too_full(&larger).into_iter().map(Key::RouteTable);
        let full: Vec<Key> = groups.chain(tables).collect();
        if full.is_empty() {
            *list = larger;
        } else {
            let message = format!(
                "The following resources do not support the new maximum size: {}",
                named(&full)
            );
            list.state = PrefixListState::NotModified { message };
        }
        Ok(())
    }

    pub(super) fn restore_prefix_list(
        &mut self,
        scope: Scope,
        id: PrefixListId,
        previous: u64,
        current: u64,
    ) -> Outcome {
        let old = self.own_prefix_list(scope, id)?;
        check_version(&old, Some(current))?;
        if previous >= old.version || !old.has_version(previous) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The specified value for version is not valid. The prefix list '{id}' has the \
                     earlier versions {} to {}",
                    old.oldest_version(),
                    old.version.saturating_sub(1)
                ),
            );
        }
        let mut list = PrefixList::clone(&old);
        let entries: Vec<_> =
            old.entries_of(previous).map(|entry| (entry.cidr, entry.description.clone())).collect();
        if entries.len() > usize::from(list.max_entries) {
            return Err(too_many(&list));
        }
        list.version += 1;
        list.state = PrefixListState::Restored;
        for entry in list.entries.iter_mut().filter(|entry| entry.until.is_none()) {
            entry.until = Some(list.version);
        }
        list.entries.extend(entries.into_iter().map(|(cidr, description)| PrefixEntry {
            cidr,
            description,
            since: list.version,
            until: None,
        }));
        forget(&mut list);
        self.put(list);
        Ok(Key::PrefixList(id).into())
    }

    pub(super) fn delete_prefix_list(&mut self, scope: Scope, id: PrefixListId) -> Outcome {
        self.own_prefix_list(scope, id)?;
        let key = Key::PrefixList(id);
        let groups = self.world.naming(key, Kind::SecurityGroup);
        let using: Vec<Key> = groups.chain(self.world.naming(key, Kind::RouteTable)).collect();
        if !using.is_empty() {
            return refuse(
                Code::DependencyViolation,
                format_args!(
                    "The prefix list '{id}' has dependencies and cannot be deleted: {}",
                    named(&using)
                ),
            );
        }
        self.delete(key);
        Ok(Reply::Done)
    }
}

/// The first of some resources, by their ids.
fn named(keys: &[Key]) -> String {
    let first: Vec<String> = keys.iter().take(MOST_NAMED).map(Key::to_string).collect();
    first.join(", ")
}

fn check_version(list: &Arc<PrefixList>, current: Option<u64>) -> Result<(), Refused> {
    if current.is_some_and(|current| current != list.version) {
        return refuse(
            Code::PrefixListVersion,
            "The prefix list has the incorrect version number.",
        );
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return missing("PrefixListName");
    }
    if name.chars().count() > MAX_TEXT || name.starts_with(RESERVED) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "The prefix list name is not valid. It has up to {MAX_TEXT} characters and does \
                 not begin with {RESERVED}."
            ),
        );
    }
    Ok(())
}

fn check_size(max_entries: u16) -> Result<(), Refused> {
    if !(1..=MAX_ENTRIES).contains(&max_entries) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "Value ({max_entries}) for parameter maxEntries is invalid. Prefix lists have 1 \
                 to {MAX_ENTRIES} entries."
            ),
        );
    }
    Ok(())
}

fn too_many(list: &PrefixList) -> Refused {
    Refused::new(
        Code::PrefixListMaxEntries,
        format_args!(
            "You've reached the maximum number of entries for the prefix list: {}",
            list.max_entries
        ),
    )
}

fn check_changes<'a>(cidrs: impl ExactSizeIterator<Item = &'a IpCidr>) -> Result<(), Refused> {
    if cidrs.len() > MAX_CHANGES {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("A request adds or removes up to {MAX_CHANGES} entries"),
        );
    }
    let mut seen = BTreeSet::new();
    for cidr in cidrs {
        if !seen.insert(*cidr) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Request cannot contain the Cidr {cidr} multiple times"),
            );
        }
    }
    Ok(())
}

/// Adds entries to the current version. A block that is there gets the new description.
fn add(list: &mut PrefixList, entries: &[(IpCidr, Option<String>)]) -> Result<(), Refused> {
    check_changes(entries.iter().map(|(cidr, _)| cidr))?;
    for (cidr, description) in entries {
        if AddressFamily::of(*cidr) != list.family {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The Cidr {cidr} does not belong to the address family of the prefix list: {}",
                    list.family.code()
                ),
            );
        }
        let description = description.clone().filter(|text| !text.is_empty());
        if description.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("The description of {cidr} has more than {MAX_TEXT} characters"),
            );
        }
        end(list, *cidr);
        let since = list.version;
        list.entries.push(PrefixEntry { cidr: *cidr, description, since, until: None });
    }
    if list.current().count() > usize::from(list.max_entries) {
        return Err(too_many(list));
    }
    Ok(())
}

/// Removes blocks from the current version.
fn remove(list: &mut PrefixList, cidrs: &[IpCidr]) -> Result<(), Refused> {
    check_changes(cidrs.iter())?;
    for cidr in cidrs {
        if !end(list, *cidr) {
            return refuse(
                Code::PrefixListModification,
                format_args!("The prefix list '{}' has no entry with the Cidr {cidr}", list.id),
            );
        }
    }
    Ok(())
}

/// Says that the current version has a block no more. False if the one before it had none.
fn end(list: &mut PrefixList, cidr: IpCidr) -> bool {
    let version = list.version;
    let there = list.entries.iter_mut().find(|e| e.until.is_none() && e.cidr == cidr);
    there.is_some_and(|entry| {
        entry.until = Some(version);
        true
    })
}

/// Puts the entries in order, without those that no version has any more.
fn forget(list: &mut PrefixList) {
    let oldest = list.oldest_version();
    list.entries.retain(|entry| entry.until.is_none_or(|until| until > oldest));
    list.entries.sort_by_key(|entry| (entry.cidr, entry.since));
}
