//! Rows as types: a struct for a table, with a field for each column that is of interest.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::value::{Atom, Datum, Real, Row};

/// A type whose values are rows of a table. [`crate::record!`] writes the whole of it.
pub trait Record: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];

    /// Reads a row; `None` where a column is absent or holds something else.
    fn from_row(row: &Row) -> Option<Self>;

    /// Writes a row with all of the columns.
    fn to_row(&self) -> Row;
}

/// A type that a column's values are read as.
pub trait Column: Sized {
    /// Reads a value; `None` where it is of another type.
    fn from_datum(datum: &Datum) -> Option<Self>;

    /// Writes the value.
    fn to_datum(&self) -> Datum;
}

/// A type that a single value is read as.
pub trait Scalar: Sized + Ord {
    /// Reads a value; `None` where it is of another type.
    fn from_atom(atom: &Atom) -> Option<Self>;

    /// Writes the value.
    fn to_atom(&self) -> Atom;
}

macro_rules! scalars {
    ($($type:ty = $variant:ident),* $(,)?) => { $(
        impl Scalar for $type {
            fn from_atom(atom: &Atom) -> Option<Self> {
                match atom {
                    Atom::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }

            fn to_atom(&self) -> Atom {
                Atom::$variant(self.clone())
            }
        }

        impl Column for $type {
            fn from_datum(datum: &Datum) -> Option<Self> {
                Self::from_atom(datum.single()?)
            }

            fn to_datum(&self) -> Datum {
                self.to_atom().into()
            }
        }
    )* };
}

scalars!(i64 = Integer, Real = Real, bool = Boolean, String = String, Uuid = Uuid);

impl<T: Scalar> Column for Option<T> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) if atoms.is_empty() => Some(None),
            _ => T::from_atom(datum.single()?).map(Some),
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::set(self.iter().map(T::to_atom))
    }
}

impl<T: Scalar> Column for BTreeSet<T> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) => atoms.iter().map(T::from_atom).collect(),
            Datum::Map(_) => None,
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::set(self.iter().map(T::to_atom))
    }
}

impl<K: Scalar, V: Scalar> Column for BTreeMap<K, V> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        let pair = |(key, value): (&Atom, &Atom)| Some((K::from_atom(key)?, V::from_atom(value)?));
        match datum {
            Datum::Map(pairs) => pairs.iter().map(pair).collect(),
            Datum::Set(_) => None,
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::map(self.iter().map(|(key, value)| (key.to_atom(), value.to_atom())))
    }
}

/// Makes a struct a [`Record`] of a table: each field says its column.
///
/// ```
/// use std::collections::BTreeMap;
///
/// causeway_ovsdb::record! {
///     /// A port of a switch.
///     #[derive(Debug, PartialEq)]
///     pub struct Port = "Logical_Switch_Port" {
///         /// The port's name.
///         pub name: String = "name",
///         /// What kind of port it is; empty for one of a workload.
///         pub kind: String = "type",
///         /// Whether it may be used.
///         pub enabled: Option<bool> = "enabled",
///         /// Notes of those who made it.
///         pub external_ids: BTreeMap<String, String> = "external_ids",
///     }
/// }
/// ```
#[macro_export]
macro_rules! record {
    (
        $(#[$about:meta])*
        $visibility:vis struct $name:ident = $table:literal {
            $(
                $(#[$about_field:meta])*
                $visibility_field:vis $field:ident: $type:ty = $column:literal
            ),* $(,)?
        }
    ) => {
        $(#[$about])*
        $visibility struct $name {
            $( $(#[$about_field])* $visibility_field $field: $type, )*
        }

        impl $crate::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($column),*];

            fn from_row(row: &$crate::Row) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self {
                    $( $field: <$type as $crate::Column>::from_datum(row.get($column)?)?, )*
                })
            }

            fn to_row(&self) -> $crate::Row {
                let mut row = $crate::Row::new();
                $( row.set($column, $crate::Column::to_datum(&self.$field)); )*
                row
            }
        }
    };
}
