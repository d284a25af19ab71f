//! The schema of a database: what its columns hold, and how a value is read from the wire.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::SessionError;
use crate::value::{Atom, Datum, Real, Row};

/// The tables of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The name of the database.
    pub name: String,
    /// The schema's version, as its authors count.
    pub version: String,
    /// The tables.
    pub tables: BTreeMap<String, TableSchema>,
}

/// The columns of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSchema {
    /// The type of each column.
    pub columns: BTreeMap<String, ColumnType>,
}

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnType {
    /// The type of a set's values, or of a map's keys.
    pub key: AtomType,
    /// The type of a map's values; `None` for a set.
    pub value: Option<AtomType>,
    /// Whether it may be empty.
    pub optional: bool,
    /// Whether it may hold more than one value.
    pub many: bool,
}

/// The type of a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomType {
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Real,
    /// True or false.
    Boolean,
    /// Text.
    String,
    /// A row's identity.
    Uuid,
}

impl Schema {
    /// Reads what a server answers to `get_schema`.
    pub(crate) fn read(schema: &Value) -> Result<Self, SessionError> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").ok_or_else(|| malformed("a schema without a name"))?;
        let tables = object(schema.get("tables"), "a schema's tables")?;
        let tables =
            tables.iter().map(|(name, table)| Ok((name.clone(), TableSchema::read(table)?)));
        let tables = tables.collect::<Result<_, SessionError>>()?;
        Ok(Self { name, version: text("version").unwrap_or_default(), tables })
    }
}

impl TableSchema {
    fn read(table: &Value) -> Result<Self, SessionError> {
        let columns = object(table.get("columns"), "a table's columns")?;
        let columns = columns.iter().map(|(name, column)| {
            let kind = column.get("type").ok_or_else(|| malformed("a column without a type"))?;
            Ok((name.clone(), ColumnType::read(kind)?))
        });
        Ok(Self { columns: columns.collect::<Result<_, SessionError>>()? })
    }

    /// Reads a row whose columns that are not there have their defaults, of these columns.
    pub(crate) fn read_whole<'a>(
        &self,
        row: &Value,
        columns: impl IntoIterator<Item = &'a String>,
    ) -> Result<Row, SessionError> {
        let row = object(Some(row), "a row")?;
        let column = |name: &'a String| {
            let kind = self.column(name)?;
            let datum =
                row.get(name).map_or_else(|| Ok(kind.default()), |value| kind.read_datum(value));
            Ok((name.clone(), datum?))
        };
        columns.into_iter().map(column).collect()
    }

    /// The type of a column.
    pub(crate) fn column(&self, name: &str) -> Result<ColumnType, SessionError> {
        let known = self.columns.get(name).copied();
        known.ok_or_else(|| SessionError::Malformed(format!("an unknown column {name:?}")))
    }
}

impl ColumnType {
    fn read(kind: &Value) -> Result<Self, SessionError> {
        if kind.is_string() {
            let key = AtomType::read(kind)?;
            return Ok(Self { key, value: None, optional: false, many: false });
        }
        let key = kind.get("key").ok_or_else(|| malformed("a type without a key"))?;
        let value = kind.get("value").map(AtomType::read).transpose()?;
        let optional = kind.get("min").is_some_and(|min| min.as_u64() == Some(0));
        let many = kind.get("max").is_some_and(|max| max.as_u64() != Some(1));
        Ok(Self { key: AtomType::read(key)?, value, optional, many })
    }

    /// What a server leaves out of a row.
    pub(crate) fn default(self) -> Datum {
        match (self.value, self.optional) {
            (Some(value), false) => Datum::map([(self.key.default(), value.default())]),
            (Some(_), true) => Datum::Map(BTreeMap::new()),
            (None, true) => Datum::none(),
            (None, false) => self.key.default().into(),
        }
    }

    /// Reads a value of this type.
    pub(crate) fn read_datum(self, datum: &Value) -> Result<Datum, SessionError> {
        let datum = self.read_difference(datum)?;
        let count = match &datum {
            Datum::Set(atoms) => atoms.len(),
            Datum::Map(pairs) => pairs.len(),
        };
        if (count == 0 && !self.optional) || (count > 1 && !self.many) {
            return Err(malformed("a value with more or fewer parts than its column may have"));
        }
        Ok(datum)
    }

    /// Reads what tells two values of this type apart, or such a value: it may have any number of parts.
    fn read_difference(self, datum: &Value) -> Result<Datum, SessionError> {
        let Some(value) = self.value else {
            let atoms = match tagged(datum, "set") {
                Some(atoms) => {
                    array(atoms, "a set")?.iter().map(|atom| self.key.read_atom(atom)).collect()
                }
                None => self.key.read_atom(datum).map(|atom| [atom].into()),
            };
            return Ok(Datum::Set(atoms?));
        };
        let pairs = tagged(datum, "map").ok_or_else(|| malformed("a map that is none"))?;
        let pair = |pair: &Value| match array(pair, "a pair")? {
            [key, mapped] => Ok((self.key.read_atom(key)?, value.read_atom(mapped)?)),
            _ => Err(malformed("a pair that is none")),
        };
        Ok(Datum::Map(array(pairs, "a map")?.iter().map(pair).collect::<Result<_, _>>()?))
    }

    /// The value that came of an old one by a change, as `update2` and `update3` tell it: the whole new
    /// value of a column that holds no more than one, else the parts that are not in both.
    pub(crate) fn changed(self, old: &Datum, change: &Value) -> Result<Datum, SessionError> {
        if !self.many {
            return self.read_datum(change);
        }
        match (old.clone(), self.read_difference(change)?) {
            (Datum::Set(mut atoms), Datum::Set(difference)) => {
                for atom in difference {
                    if !atoms.remove(&atom) {
                        atoms.insert(atom);
                    }
                }
                Ok(Datum::Set(atoms))
            }
            (Datum::Map(mut pairs), Datum::Map(difference)) => {
                for (key, value) in difference {
                    if pairs.get(&key) == Some(&value) {
                        pairs.remove(&key);
                    } else {
                        pairs.insert(key, value);
                    }
                }
                Ok(Datum::Map(pairs))
            }
            _ => Err(malformed("a change of another type")),
        }
    }
}

impl AtomType {
    fn read(kind: &Value) -> Result<Self, SessionError> {
        match kind.as_str().or_else(|| kind.get("type")?.as_str()) {
            Some("integer") => Ok(Self::Integer),
            Some("real") => Ok(Self::Real),
            Some("boolean") => Ok(Self::Boolean),
            Some("string") => Ok(Self::String),
            Some("uuid") => Ok(Self::Uuid),
            _ => Err(malformed("an unknown type")),
        }
    }

    fn default(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(Real::default()),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String(String::new()),
            Self::Uuid => Atom::Uuid(uuid::Uuid::nil()),
        }
    }

    fn read_atom(self, atom: &Value) -> Result<Atom, SessionError> {
        let read = match self {
            Self::Integer => atom.as_i64().map(Atom::Integer),
            Self::Real => atom.as_f64().and_then(Real::new).map(Atom::Real),
            Self::Boolean => atom.as_bool().map(Atom::Boolean),
            Self::String => atom.as_str().map(Atom::from),
            Self::Uuid => {
                tagged(atom, "uuid").and_then(|uuid| uuid.as_str()?.parse().ok()).map(Atom::Uuid)
            }
        };
        read.ok_or_else(|| SessionError::Malformed(format!("a value that is no {self:?}")))
    }
}

/// What stands behind a tag, as in `["set", [...]]`.
fn tagged<'a>(value: &'a Value, tag: &str) -> Option<&'a Value> {
    match value.as_array()?.as_slice() {
        [first, tagged] if first == tag => Some(tagged),
        _ => None,
    }
}

fn malformed(what: &str) -> SessionError {
    SessionError::Malformed(what.to_owned())
}

/// An array's values.
pub(crate) fn array<'a>(value: &'a Value, what: &str) -> Result<&'a [Value], SessionError> {
    let values = value.as_array().map(Vec::as_slice);
    values.ok_or_else(|| SessionError::Malformed(format!("{what} that is no array")))
}

/// An object's members.
pub(crate) fn object<'a>(
    value: Option<&'a Value>,
    what: &str,
) -> Result<&'a serde_json::Map<String, Value>, SessionError> {
    let members = value.and_then(Value::as_object);
    members.ok_or_else(|| SessionError::Malformed(format!("{what} that is no object")))
}
