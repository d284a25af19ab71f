//! From the rows that there are to those that there must be: the operations of one transaction.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::{Atom, Condition, Datum, Mutation, Row, Transaction, Uuid};

use crate::observed::{Observed, TABLES};
use crate::part::{Part, PartId, RowKey, Wanted};

/// The row that is to hold another one is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoParent(pub(crate) RowKey);

/// Adds the operations that make a part what it must be; none where it is. Nothing is left of a part that is
/// `None`. Says how many rows are inserted, changed and removed.
pub(crate) fn add(
    transaction: &mut Transaction,
    instance: &str,
    id: PartId,
    part: Option<&Part>,
    observed: &Observed,
) -> Result<usize, NoParent> {
    let nothing = BTreeMap::new();
    let wanted = part.map_or(&nothing, |part| &part.rows);
    let mut difference = Difference {
        transaction,
        instance,
        id,
        observed,
        kept: BTreeMap::new(),
        inserted: BTreeMap::new(),
        changes: 0,
    };
    difference.sort_out(wanted);
    for table in TABLES {
        for (key, row) in wanted.iter().filter(|(key, _)| key.table == table) {
            match difference.kept.get(key).copied() {
                Some(uuid) => difference.update(key, row, uuid),
                None => difference.insert(key, row, wanted)?,
            }
        }
    }
    Ok(difference.changes)
}

struct Difference<'a> {
    transaction: &'a mut Transaction,
    instance: &'a str,
    id: PartId,
    observed: &'a Observed,
    /// The rows that stay.
    kept: BTreeMap<RowKey, Uuid>,
    /// The rows that this transaction inserts.
    inserted: BTreeMap<RowKey, Atom>,
    changes: usize,
}

impl Difference<'_> {
    /// Removes what there must not be, and takes note of what stays.
    fn sort_out(&mut self, wanted: &BTreeMap<RowKey, Wanted>) {
        let observed = self.observed;
        for (key, uuids) in observed.part(&self.id.to_string()) {
            for uuid in uuids {
                let stays = wanted.get(key).is_some_and(|row| self.is_held(row, *uuid));
                if stays && !self.kept.contains_key(key) {
                    self.kept.insert(key.clone(), *uuid);
                } else {
                    self.remove(key, *uuid);
                }
            }
        }
    }

    /// Whether a row is held by the row that must hold it.
    fn is_held(&self, wanted: &Wanted, uuid: Uuid) -> bool {
        let Some((parent, column)) = &wanted.parent else { return true };
        let holder = self.observed.find(parent).and_then(|it| self.observed.row(parent.table, it));
        let held = holder.and_then(|row| row.get(column));
        matches!(held, Some(Datum::Set(held)) if held.contains(&Atom::Uuid(uuid)))
    }

    fn remove(&mut self, key: &RowKey, uuid: Uuid) {
        self.changes += 1;
        match holders(key.table) {
            // What nothing holds any more is gone.
            Some((tables, column)) => {
                for table in tables {
                    let holds = [Condition::includes(column, uuid)];
                    self.transaction.mutate(table, &holds, &[Mutation::delete(column, uuid)]);
                }
            }
            None => self.transaction.delete(key.table, &[Condition::row(uuid)]),
        }
    }

    fn update(&mut self, key: &RowKey, wanted: &Wanted, uuid: Uuid) {
        let Some(now) = self.observed.row(key.table, uuid) else { return };
        let mut changed = Row::new();
        for (column, datum) in self.row(key, wanted).columns() {
            if now.get(column) != Some(datum) {
                changed.set(column, datum.clone());
            }
        }
        if !changed.is_empty() {
            self.changes += 1;
            self.transaction.update(key.table, &[Condition::row(uuid)], &changed);
        }
    }

    fn insert(
        &mut self,
        key: &RowKey,
        wanted: &Wanted,
        all: &BTreeMap<RowKey, Wanted>,
    ) -> Result<(), NoParent> {
        self.changes += 1;
        let mut row = self.row(key, wanted);
        // What a row that is not there yet is to hold was inserted before.
        let mut held: BTreeMap<&str, BTreeSet<Atom>> = BTreeMap::new();
        for (child, about) in all {
            if let (Some((parent, column)), Some(atom)) = (&about.parent, self.inserted.get(child))
                && parent == key
            {
                held.entry(*column).or_default().insert(atom.clone());
            }
        }
        for (column, atoms) in held {
            row.set(column, Datum::Set(atoms));
        }
        let is_unique = matches!(key.table, "Logical_Switch" | "Logical_Router");
        if is_unique {
            // The database itself does not see to it that their names are their own.
            let name = Condition::equal("name", key.name.as_str());
            if self.observed_names(key) == 0 {
                self.transaction.require_none(key.table, &[name]);
            }
        }
        let atom = Atom::from(self.transaction.insert(key.table, &row));
        self.inserted.insert(key.clone(), atom.clone());
        let Some((parent, column)) = &wanted.parent else { return Ok(()) };
        let mutation = [Mutation::insert(column, atom)];
        match self.kept.get(parent).copied() {
            Some(holder) => {
                self.transaction.mutate(parent.table, &[Condition::row(holder)], &mutation);
            }
            None if all.contains_key(parent) => {}
            None => {
                let holder = self.observed.find(parent).ok_or_else(|| NoParent(parent.clone()))?;
                self.transaction.mutate(parent.table, &[Condition::row(holder)], &mutation);
            }
        }
        Ok(())
    }

    /// How many rows of this name are removed in the same transaction.
    fn observed_names(&self, key: &RowKey) -> usize {
        let part = self.id.to_string();
        let same = self.observed.part(&part).filter(|(other, _)| *other == key);
        same.map(|(_, uuids)| uuids.len()).sum()
    }

    /// All columns that a row must have.
    fn row(&self, key: &RowKey, wanted: &Wanted) -> Row {
        let mut row = wanted.row.clone();
        row.set("external_ids", wanted.external_ids(self.instance, self.id, key));
        for (column, keys) in &wanted.references {
            let atom = |key: &RowKey| {
                let kept = self.kept.get(key).map(|uuid| Atom::Uuid(*uuid));
                kept.or_else(|| self.inserted.get(key).cloned())
            };
            row.set(column, Datum::Set(keys.iter().filter_map(atom).collect()));
        }
        row
    }
}

/// The tables whose rows hold those of a table, and in which column; `None` for rows that stand alone.
fn holders(table: &str) -> Option<(&'static [&'static str], &'static str)> {
    match table {
        "Logical_Switch_Port" => Some((&["Logical_Switch"], "ports")),
        "Logical_Router_Port" => Some((&["Logical_Router"], "ports")),
        "Logical_Router_Static_Route" => Some((&["Logical_Router"], "static_routes")),
        "Logical_Router_Policy" => Some((&["Logical_Router"], "policies")),
        "ACL" => Some((&["Port_Group", "Logical_Switch"], "acls")),
        _ => None,
    }
}
