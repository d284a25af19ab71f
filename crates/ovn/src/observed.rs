//! The rows of ours that the database holds.

use std::collections::{BTreeMap, BTreeSet};

use model::PcxId;
use ovsdb::{Database, Row, Uuid};

use crate::links::Links;
use crate::part::{NAME, OWNER, PART, RowKey};
use crate::peering::LINK;

/// The rows of one installation, as a database held them at some time.
#[derive(Debug, Clone)]
pub struct Observed {
    rows: Database,
    /// The rows of each part. There may be several by one name, if somebody made them.
    parts: BTreeMap<String, BTreeMap<RowKey, Vec<Uuid>>>,
}

/// The tables in which rows of ours are: first what others refer to.
pub(crate) const TABLES: [&str; 9] = [
    "Logical_Switch_Port",
    "Logical_Router_Port",
    "Logical_Router_Static_Route",
    "Logical_Router_Policy",
    "ACL",
    "Address_Set",
    "Port_Group",
    "Logical_Switch",
    "Logical_Router",
];

impl Observed {
    /// Finds the rows of an installation.
    pub fn of(database: Database, instance: &str) -> Self {
        let mut parts: BTreeMap<String, BTreeMap<RowKey, Vec<Uuid>>> = BTreeMap::new();
        for table in TABLES {
            for (uuid, row) in database.rows(table) {
                let note = |key| row.text_of_key("external_ids", key);
                let (Some(owner), Some(part), Some(name)) = (note(OWNER), note(PART), note(NAME))
                else {
                    continue;
                };
                if owner == instance {
                    let rows = parts.entry(part.to_owned()).or_default();
                    rows.entry(RowKey::new(table, name)).or_default().push(uuid);
                }
            }
        }
        Self { rows: database, parts }
    }

    /// The parts of which there are rows, by name.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The rows of a part.
    pub(crate) fn part(&self, part: &str) -> impl Iterator<Item = (&RowKey, &[Uuid])> {
        let rows = self.parts.get(part).into_iter().flatten();
        rows.map(|(key, uuids)| (key, uuids.as_slice()))
    }

    /// A row, in whatever part: the first where there are several.
    pub(crate) fn find(&self, key: &RowKey) -> Option<Uuid> {
        self.parts.values().find_map(|rows| rows.get(key)?.first().copied())
    }

    pub(crate) fn row(&self, table: &str, uuid: Uuid) -> Option<&Row> {
        self.rows.table(table)?.get(uuid)
    }

    /// The numbers of the links that there are.
    pub fn links(&self) -> Links {
        let mut ends: BTreeMap<PcxId, ([Option<model::VpcId>; 2], BTreeSet<u16>)> = BTreeMap::new();
        for (part, rows) in &self.parts {
            let Ok(pcx) = part.parse::<PcxId>() else { continue };
            for (key, uuids) in rows {
                for row in uuids.iter().filter_map(|uuid| self.row(key.table, *uuid)) {
                    let note = |key| row.text_of_key("external_ids", key);
                    let number = note(LINK).and_then(|number| number.parse().ok());
                    let vpc = note("vpc").and_then(|vpc| vpc.parse().ok());
                    let end = usize::from(note("end") == Some("accepter"));
                    let (Some(number), Some(vpc)) = (number, vpc) else { continue };
                    let (found, numbers) = ends.entry(pcx).or_default();
                    found[end] = Some(vpc);
                    numbers.insert(number);
                }
            }
        }
        let mut links = Links::default();
        for (pcx, (found, numbers)) in ends {
            if let ([Some(one), Some(other)], Some(number)) = (found, numbers.first()) {
                links.insert(pcx, [one, other], *number);
            }
        }
        links
    }
}
