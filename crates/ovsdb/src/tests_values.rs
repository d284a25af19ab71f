//! Values are read as they are written, and changes lead from one to the other as servers tell them.

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::schema::{AtomType, ColumnType};
use crate::value::{Atom, Datum, Real};

fn atom(kind: AtomType) -> BoxedStrategy<Atom> {
    match kind {
        AtomType::Integer => any::<i64>().prop_map(Atom::Integer).boxed(),
        AtomType::Real => {
            (-1.0e12..1.0e12).prop_filter_map("finite", Real::new).prop_map(Atom::Real).boxed()
        }
        AtomType::Boolean => any::<bool>().prop_map(Atom::Boolean).boxed(),
        AtomType::String => prop_oneof!["[ab]?", "\\PC{0,6}", "[\\x00-\\x1f\"\\\\]{0,3}"]
            .prop_map(Atom::String)
            .boxed(),
        AtomType::Uuid => any::<u128>().prop_map(|bits| Atom::Uuid(Uuid::from_u128(bits))).boxed(),
    }
}

fn atom_type() -> impl Strategy<Value = AtomType> {
    use AtomType::{Boolean, Integer, Real, String, Uuid};
    prop::sample::select(vec![Integer, Real, Boolean, String, Uuid])
}

fn column_type() -> impl Strategy<Value = ColumnType> {
    (atom_type(), prop::option::of(atom_type()), any::<bool>(), any::<bool>())
        .prop_map(|(key, value, optional, many)| ColumnType { key, value, optional, many })
}

fn datum(kind: ColumnType) -> BoxedStrategy<Datum> {
    let parts = usize::from(!kind.optional)..=if kind.many { 4 } else { 1 };
    let parts = if matches!(kind.key, AtomType::Boolean) { *parts.start()..=1 } else { parts };
    match kind.value {
        None => btree_set(atom(kind.key), parts).prop_map(Datum::Set).boxed(),
        Some(value) => btree_map(atom(kind.key), atom(value), parts).prop_map(Datum::Map).boxed(),
    }
}

/// What a server tells of a change.
fn difference(kind: ColumnType, old: &Datum, new: &Datum) -> Value {
    match (old, new) {
        _ if !kind.many => new.to_json(),
        (Datum::Set(old), Datum::Set(new)) => {
            Datum::Set(old.symmetric_difference(new).cloned().collect()).to_json()
        }
        (Datum::Map(old), Datum::Map(new)) => {
            let gone = old.iter().filter(|(key, _)| !new.contains_key(key));
            let put = new.iter().filter(|(key, value)| old.get(key) != Some(value));
            Datum::Map(gone.chain(put).map(|(key, value)| (key.clone(), value.clone())).collect())
                .to_json()
        }
        _ => unreachable!("both are of one type"),
    }
}

proptest! {
    #[test]
    fn values_are_read_as_they_are_written(
        (kind, value) in column_type().prop_flat_map(|kind| (Just(kind), datum(kind))),
    ) {
        let text = value.to_json().to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(kind.read_datum(&read).unwrap(), value, "{}", text);
    }

    #[test]
    fn changes_lead_from_the_old_value_to_the_new(
        (kind, old, new) in column_type().prop_flat_map(|kind| (Just(kind), datum(kind), datum(kind))),
    ) {
        let told = difference(kind, &old, &new);
        prop_assert_eq!(kind.changed(&old, &told).unwrap(), new, "{}", told);
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let set = ColumnType { key: AtomType::Integer, value: None, optional: false, many: false };
    let map = ColumnType { value: Some(AtomType::String), optional: true, many: true, ..set };
    let wrong = [
        (set, json!("1")),
        (set, json!(1.5)),
        (set, json!(["set", []])),
        (set, json!(["set", [1, 2]])),
        (set, json!(["map", []])),
        (map, json!(["set", []])),
        (map, json!(["map", [[1]]])),
        (map, json!(["map", [[1, 2]]])),
        (map, json!(["map", {}])),
        (ColumnType { key: AtomType::Uuid, ..set }, json!(["uuid", "x"])),
        (ColumnType { key: AtomType::Uuid, ..set }, json!(["named-uuid", "x"])),
    ];
    for (kind, value) in wrong {
        assert!(kind.read_datum(&value).is_err(), "{value}");
    }
}
