//! Changes of the world as the store has them: rows that are put and rows that are deleted.

use std::collections::BTreeMap;

use model::{Change, Key, Record, World};
use store::{Batch, Row, Secret, Store};

use super::document;

/// Reads the whole world from a store, with its revision.
///
/// # Errors
///
/// The store's, and rows that cannot be read.
pub(crate) fn load(store: &mut dyn Store, secret: &Secret) -> store::Result<(World, u64)> {
    let mut world = World::default();
    let revision = store.load(&mut |row| {
        world.apply(&Change::Put(document::read(&row, secret)?));
        Ok(())
    })?;
    Ok((world, revision))
}

/// Puts the last state of every resource that changed into a batch.
pub(super) fn add_rows(
    batch: &mut Batch,
    world: &World,
    changes: &[Change],
    secret: &Secret,
) -> store::Result<()> {
    let last: BTreeMap<Key, &Change> = changes.iter().map(|c| (c.key(), c)).collect();
    for (key, change) in last {
        let (kind, id) = (key.kind().name().to_owned(), key.to_string());
        match change {
            Change::Put(record) => batch.puts.push(Row {
                kind,
                id,
                account: world.owner(record).map(|a| a.to_string()).unwrap_or_default(),
                revision: batch.revision,
                body: document::write(record, secret)?,
            }),
            Change::Delete(_) => batch.deletes.push((kind, id)),
        }
    }
    Ok(())
}

/// The changes that a store tells of.
pub(super) fn read_changes(
    changes: &[store::Change],
    secret: &Secret,
) -> store::Result<Vec<Change>> {
    let read = |change: &store::Change| match change {
        store::Change::Put(row) => document::read(row, secret).map(Change::Put).map_err(|source| {
            store::Error::Rejected { kind: row.kind.clone(), id: row.id.clone(), source }
        }),
        store::Change::Delete { kind, id, .. } => {
            Key::parse(kind, id).map(Change::Delete).map_err(|error| store::Error::Rejected {
                kind: kind.clone(),
                id: id.clone(),
                source: error.into(),
            })
        }
    };
    changes.iter().map(read).collect()
}

/// The world after changes of which each is the last of its resource. A name or an address may have gone
/// from one resource to another since, so all old states go before any new one comes.
pub(super) fn followed(before: &World, changes: &[Change]) -> World {
    let mut world = before.clone();
    for change in changes {
        world.apply(&Change::Delete(change.key()));
    }
    for change in changes.iter().filter(|change| matches!(change, Change::Put(_))) {
        world.apply(change);
    }
    world
}

/// What makes one world of another.
pub(super) fn difference(before: &World, after: &World) -> Vec<Change> {
    let gone = before
        .records()
        .map(Record::key)
        .filter(|key| after.get(*key).is_none())
        .map(Change::Delete);
    let new = after
        .records()
        .filter(|record| before.get(record.key()) != Some(record))
        .map(|record| Change::Put(record.clone()));
    gone.chain(new).collect()
}
