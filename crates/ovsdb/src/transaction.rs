//! Transactions: several operations that take effect together or not at all.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{SessionError, TransactError};
use crate::schema::array;
use crate::value::{Datum, NamedUuid, Row};

/// Operations that a server does in their order, all of them or none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transaction {
    operations: Vec<Value>,
    /// The operation that inserts each row that has a name.
    inserts: BTreeMap<NamedUuid, usize>,
}

/// What a row's column must hold for an operation to be about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    column: String,
    function: Function,
    value: Datum,
}

/// How a column is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// It holds just that.
    Equal,
    /// It holds something else.
    NotEqual,
    /// It holds all of that, and perhaps more.
    Includes,
    /// It holds nothing of that.
    Excludes,
    /// It holds a lesser number.
    Less,
    /// It holds that number or a lesser one.
    LessOrEqual,
    /// It holds a greater number.
    Greater,
    /// It holds that number or a greater one.
    GreaterOrEqual,
}

/// A change of a column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    column: String,
    mutator: &'static str,
    value: Datum,
}

impl Condition {
    /// A condition on a column.
    pub fn new(column: &str, function: Function, value: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), function, value: value.into() }
    }

    /// The condition that a column holds just this.
    pub fn equal(column: &str, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Equal, value)
    }

    /// The condition that a column holds all of this, and perhaps more.
    pub fn includes(column: &str, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Includes, value)
    }

    /// The condition that only this row meets.
    pub fn row(uuid: Uuid) -> Self {
        Self::equal("_uuid", uuid)
    }

    pub(crate) fn to_json(&self) -> Value {
        let function = match self.function {
            Function::Equal => "==",
            Function::NotEqual => "!=",
            Function::Includes => "includes",
            Function::Excludes => "excludes",
            Function::Less => "<",
            Function::LessOrEqual => "<=",
            Function::Greater => ">",
            Function::GreaterOrEqual => ">=",
        };
        json!([self.column, function, self.value.to_json()])
    }
}

impl Mutation {
    /// Adds to a number.
    pub fn add(column: &str, number: i64) -> Self {
        Self { column: column.to_owned(), mutator: "+=", value: number.into() }
    }

    /// Puts parts into a set or a map. What a map has for a key stays.
    pub fn insert(column: &str, parts: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), mutator: "insert", value: parts.into() }
    }

    /// Takes parts out of a set or a map: those of a map by a set of their keys, or by a map of those
    /// that must also have these values.
    pub fn delete(column: &str, parts: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), mutator: "delete", value: parts.into() }
    }

    fn to_json(&self) -> Value {
        json!([self.column, self.mutator, self.value.to_json()])
    }
}

impl Transaction {
    /// A transaction of no operation.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Inserts a row, and says the name by which the other operations may refer to it, be they before
    /// or behind this one.
    pub fn insert(&mut self, table: &str, row: &Row) -> NamedUuid {
        let name = NamedUuid(format!("row{}", self.operations.len()));
        self.inserts.insert(name.clone(), self.operations.len());
        let (uuid_name, row) = (&name.0, row.to_json());
        self.operations
            .push(json!({ "op": "insert", "table": table, "uuid-name": uuid_name, "row": row }));
        name
    }

    /// Sets these columns of all rows that meet all conditions.
    pub fn update(&mut self, table: &str, conditions: &[Condition], row: &Row) {
        let conditions = all(conditions);
        self.operations.push(
            json!({ "op": "update", "table": table, "where": conditions, "row": row.to_json() }),
        );
    }

    /// Changes columns of all rows that meet all conditions.
    pub fn mutate(&mut self, table: &str, conditions: &[Condition], mutations: &[Mutation]) {
        let mutations: Vec<_> = mutations.iter().map(Mutation::to_json).collect();
        let conditions = all(conditions);
        self.operations.push(
            json!({ "op": "mutate", "table": table, "where": conditions, "mutations": mutations }),
        );
    }

    /// Deletes all rows that meet all conditions.
    pub fn delete(&mut self, table: &str, conditions: &[Condition]) {
        self.operations.push(json!({ "op": "delete", "table": table, "where": all(conditions) }));
    }

    /// Does nothing at all unless some row meets all conditions at this point.
    pub fn require_any(&mut self, table: &str, conditions: &[Condition]) {
        self.wait(table, conditions, "!=");
    }

    /// Does nothing at all if a row meets all conditions at this point.
    pub fn require_none(&mut self, table: &str, conditions: &[Condition]) {
        self.wait(table, conditions, "==");
    }

    /// Compares the rows that meet all conditions with no rows, without any waiting.
    fn wait(&mut self, table: &str, conditions: &[Condition], until: &str) {
        self.operations.push(json!({
            "op": "wait",
            "timeout": 0,
            "table": table,
            "where": all(conditions),
            "columns": ["_uuid"],
            "until": until,
            "rows": [],
        }));
    }

    /// Does nothing at all unless this client has the lock.
    pub fn require_lock(&mut self, lock: &str) {
        self.operations.push(json!({ "op": "assert", "lock": lock }));
    }

    /// Notes why, in the server's log of transactions.
    pub fn comment(&mut self, comment: &str) {
        self.operations.push(json!({ "op": "comment", "comment": comment }));
    }

    /// The parameters of the request.
    pub(crate) fn params(&self, database: &str) -> Value {
        std::iter::once(json!(database)).chain(self.operations.iter().cloned()).collect()
    }
}

fn all(conditions: &[Condition]) -> Vec<Value> {
    conditions.iter().map(Condition::to_json).collect()
}

/// What a transaction led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    inserted: BTreeMap<NamedUuid, Uuid>,
    counts: Vec<Option<u64>>,
}

impl Committed {
    /// The identity of a row that was inserted.
    pub fn uuid(&self, name: &NamedUuid) -> Option<Uuid> {
        self.inserted.get(name).copied()
    }

    /// How many rows an operation was about, by its place; `None` for one that is about none in particular.
    pub fn count(&self, operation: usize) -> Option<u64> {
        self.counts.get(operation).copied().flatten()
    }
}

/// Why an answer is not that of a commit.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It says what became of the transaction.
    Told(TransactError),
    /// It is none to this transaction.
    Unfit(SessionError),
}

/// The errors after which it is open whether the transaction is, or will be, in the cluster's log.
const OPEN: [&str; 3] = ["canceled", "cluster error", "I/O error"];

/// Reads the answer to a transaction.
pub(crate) fn read_answer(
    transaction: &Transaction,
    outcome: &Result<Value, Value>,
) -> Result<Committed, Failure> {
    let result = match outcome {
        Ok(result) => array(result, "an answer to a transaction").map_err(Failure::Unfit)?,
        Err(error) => return Err(Failure::Told(refused(None, error))),
    };
    let failed = |(_, result): &(usize, &Value)| result.get("error").is_some();
    if let Some((index, error)) = result.iter().enumerate().find(failed) {
        // An error behind those of all operations is one of the commit.
        let operation = (index < transaction.len()).then_some(index);
        return Err(Failure::Told(refused(operation, error)));
    }
    let unfit = |what: &str| Failure::Unfit(SessionError::Malformed(what.to_owned()));
    if result.len() != transaction.len() {
        return Err(unfit("an answer to a transaction of another length"));
    }
    let uuid = |index: usize| result.get(index)?.get("uuid")?.get(1)?.as_str()?.parse().ok();
    let inserted =
        transaction.inserts.iter().map(|(name, index)| Some((name.clone(), uuid(*index)?)));
    let inserted =
        inserted.collect::<Option<_>>().ok_or_else(|| unfit("an insertion of no row"))?;
    let counts = result.iter().map(|result| result.get("count")?.as_u64()).collect();
    Ok(Committed { inserted, counts })
}

fn refused(operation: Option<usize>, error: &Value) -> TransactError {
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("error").or_else(|| error.as_str().map(str::to_owned));
    let kind = kind.unwrap_or_else(|| error.to_string());
    let details = text("details").unwrap_or_default();
    if OPEN.contains(&kind.as_str()) {
        return TransactError::Unknown(format!("{kind}: {details}"));
    }
    TransactError::Refused { operation, error: kind, details }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (Transaction, NamedUuid) {
        let mut transaction = Transaction::new();
        let name = transaction.insert("T", &Row::new().with("name", "a"));
        transaction.delete("T", &[Condition::equal("name", "b")]);
        (transaction, name)
    }

    #[test]
    fn answers_are_told_apart() {
        let (transaction, name) = two();
        let uuid = Uuid::from_u128(7);
        let done = json!([{ "uuid": ["uuid", uuid] }, { "count": 3 }]);
        let committed = read_answer(&transaction, &Ok(done)).unwrap();
        assert_eq!((committed.uuid(&name), committed.count(1)), (Some(uuid), Some(3)));
        assert_eq!(committed.count(0), None);

        let told = |outcome| match read_answer(&transaction, &outcome) {
            Err(Failure::Told(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let wrong = json!({ "error": "timed out", "details": "no" });
        assert_eq!(told(Ok(json!([wrong, null]))), "operation 0: timed out: no");
        assert_eq!(told(Ok(json!([{}, {}, wrong]))), "commit: timed out: no");
        assert_eq!(told(Err(json!("unknown database"))), "commit: unknown database: ");
        assert_eq!(told(Err(json!("canceled"))), "whether it took effect is unknown: canceled: ");

        for unfit in [json!([]), json!({}), json!([{}, {}]), json!([{ "uuid": 1 }, {}])] {
            let answer = read_answer(&transaction, &Ok(unfit.clone()));
            assert!(matches!(answer, Err(Failure::Unfit(_))), "{unfit}");
        }
    }
}
