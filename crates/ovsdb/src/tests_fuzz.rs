//! Whatever a server sends is read, or refused: in one piece or in many, with the same outcome.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::database::{Database, Watched, WatchedTable};
use crate::frame::Framer;
use crate::message::Message;
use crate::schema::{Schema, TableSchema};
use crate::transaction::{Condition, Transaction, read_answer};
use crate::value::Row;

/// What the messages of a stream lead to, up to the first that is refused.
fn read(stream: &[u8], piece: usize) -> (Vec<String>, Watched, Database) {
    let mut framer = Framer::new(1 << 16);
    let (mut said, mut database) = (Vec::new(), Database::default());
    let mut watched = Watched::default();
    let mut transaction = Transaction::new();
    transaction.insert("T", &Row::new());
    transaction.delete("T", &[Condition::equal("name", "x")]);
    for piece in stream.chunks(piece.max(1)) {
        framer.push(piece);
        loop {
            let message = match framer.take() {
                Ok(Some(message)) => Message::read(message),
                Ok(None) => break,
                Err(error) => {
                    said.push(error.to_string());
                    return (said, watched, database);
                }
            };
            said.push(match message {
                Ok(Message::Update { rows, .. }) => {
                    format!("{:?}", database.apply(&watched, &rows))
                }
                Ok(Message::Answer { id, outcome }) if id % 2 == 0 => {
                    format!("{:?}", read_answer(&transaction, &outcome))
                }
                Ok(Message::Answer { outcome: Ok(schema), .. }) => match Schema::read(&schema) {
                    Ok(schema) => {
                        let table = |(name, schema): (&String, &TableSchema)| {
                            let columns = schema.columns.keys().cloned().collect();
                            (name.clone(), WatchedTable { schema: schema.clone(), columns })
                        };
                        watched = Watched(schema.tables.iter().map(table).collect());
                        database = Database::default();
                        format!("{schema:?}")
                    }
                    Err(error) => error.to_string(),
                },
                other => format!("{other:?}"),
            });
        }
    }
    (said, watched, database)
}

#[test]
fn fuzz_ovsdb() {
    fuzz::target("ovsdb", |input| {
        let Some((piece, stream)) = input.split_first() else { return };
        let (said, watched, database) = read(stream, usize::MAX);
        let again = read(stream, usize::from(*piece));
        assert_eq!((&again.0, &again.2), (&said, &database));
        // What was read is the same once it is told as a whole.
        let rows = |table| -> Map<String, Value> {
            let told =
                |(uuid, row): (Uuid, &Row)| (uuid.to_string(), json!({ "insert": row.to_json() }));
            database.rows(table).map(told).collect()
        };
        let told: Map<_, _> =
            watched.0.keys().map(|table| (table.clone(), Value::Object(rows(table)))).collect();
        let mut copy = Database::default();
        assert!(copy.apply(&watched, &Value::Object(told)).is_ok());
        assert_eq!(copy, database);
    });
}
