//! Values of OVSDB: atoms, the sets and maps that columns hold, and rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(Real),
    /// True or false.
    Boolean(bool),
    /// Text.
    String(String),
    /// The identity of a row, or a reference to one.
    Uuid(Uuid),
    /// A reference to a row that the same transaction inserts. Servers never send it.
    Named(NamedUuid),
}

/// A finite number: JSON has no others. Zero has one sign only, so that numbers that compare as equal are
/// the same.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Real(f64);

impl Real {
    /// A number, unless it is infinite or none at all.
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero takes the sign from a negative zero.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// Every number that there can be equals itself.
impl Eq for Real {}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a row within the transaction that inserts it: [`crate::Transaction::insert`] gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedUuid(pub(crate) String);

impl Atom {
    /// The atom as RFC 7047 writes it.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Integer(number) => json!(number),
            Self::Real(number) => json!(number.0),
            Self::Boolean(truth) => json!(truth),
            Self::String(text) => json!(text),
            Self::Uuid(uuid) => json!(["uuid", uuid]),
            Self::Named(name) => json!(["named-uuid", name.0]),
        }
    }
}

impl From<i64> for Atom {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Real> for Atom {
    fn from(number: Real) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Atom {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Uuid> for Atom {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl From<NamedUuid> for Atom {
    fn from(name: NamedUuid) -> Self {
        Self::Named(name)
    }
}

impl From<&NamedUuid> for Atom {
    fn from(name: &NamedUuid) -> Self {
        Self::Named(name.clone())
    }
}

/// What a column of a row holds. A single value is a set of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// Values without an order, each of them once.
    Set(BTreeSet<Atom>),
    /// Values by keys.
    Map(BTreeMap<Atom, Atom>),
}

impl Datum {
    /// The empty set: an optional value that is absent.
    pub fn none() -> Self {
        Self::Set(BTreeSet::new())
    }

    /// A set.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        Self::Set(atoms.into_iter().map(Into::into).collect())
    }

    /// A map.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// The only value of a set; `None` where there are more or fewer, or it is a map.
    pub fn single(&self) -> Option<&Atom> {
        match self {
            Self::Set(atoms) if atoms.len() == 1 => atoms.first(),
            _ => None,
        }
    }

    /// The datum as RFC 7047 writes it.
    pub(crate) fn to_json(&self) -> Value {
        match (self, self.single()) {
            (_, Some(single)) => single.to_json(),
            (Self::Set(atoms), None) => {
                json!(["set", atoms.iter().map(Atom::to_json).collect::<Vec<_>>()])
            }
            (Self::Map(pairs), None) => {
                let pair = |(key, value): (&Atom, &Atom)| json!([key.to_json(), value.to_json()]);
                json!(["map", pairs.iter().map(pair).collect::<Vec<_>>()])
            }
        }
    }
}

impl<A: Into<Atom>> From<A> for Datum {
    fn from(atom: A) -> Self {
        Self::set([atom])
    }
}

/// Some columns of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<String, Datum>);

impl Row {
    /// A row of no columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with this in a column.
    #[must_use]
    pub fn with(mut self, column: &str, datum: impl Into<Datum>) -> Self {
        self.set(column, datum.into());
        self
    }

    /// Puts this into a column.
    pub fn set(&mut self, column: &str, datum: Datum) {
        self.0.insert(column.to_owned(), datum);
    }

    /// What a column holds.
    pub fn get(&self, column: &str) -> Option<&Datum> {
        self.0.get(column)
    }

    /// The text in a column; `None` where it holds something else.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.get(column)?.single()? {
            Atom::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text that a column's map has for a key.
    pub fn text_of_key(&self, column: &str, key: &str) -> Option<&str> {
        let Datum::Map(pairs) = self.get(column)? else { return None };
        match pairs.get(&Atom::from(key))? {
            Atom::String(text) => Some(text),
            _ => None,
        }
    }

    /// All columns, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.0.iter().map(|(column, datum)| (column.as_str(), datum))
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The row as RFC 7047 writes it.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, datum)| (name.clone(), datum.to_json())).collect())
    }
}

impl FromIterator<(String, Datum)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, Datum)>>(columns: I) -> Self {
        Self(columns.into_iter().collect())
    }
}
