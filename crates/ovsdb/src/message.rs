//! Messages of JSON-RPC, both ways.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::SessionError;

/// What a server sends.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// The answer to a request of ours.
    Answer {
        /// The request.
        id: u64,
        /// What it led to, or the error.
        outcome: Result<Value, Value>,
    },
    /// A question whether we are there: it wants the same back.
    Echo {
        /// The question's number, which is whatever the server likes.
        id: Value,
        /// What it wants back.
        params: Value,
    },
    /// A change of what is watched.
    Update {
        /// The name of the watch.
        watch: String,
        /// The transaction that changed it.
        transaction: String,
        /// The rows.
        rows: Value,
    },
    /// A watch has ended: the database is about to change as a whole.
    Canceled {
        /// The name of the watch.
        watch: String,
    },
    /// Something that wants nothing of a client like this.
    Other,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Value,
}

impl Message {
    /// Reads one message.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SessionError> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| SessionError::Malformed(format!("no message of JSON-RPC: {error}")))?;
        let Some(method) = raw.method else {
            // An answer to what was never asked, such as one to a message that the server could not read.
            let Some(id) = raw.id.as_u64() else {
                return Err(SessionError::Malformed(format!("an answer to {}", raw.id)));
            };
            let outcome = if raw.error.is_null() { Ok(raw.result) } else { Err(raw.error) };
            return Ok(Self::Answer { id, outcome });
        };
        let malformed = || SessionError::Malformed(format!("{method} with other parameters"));
        match method.as_str() {
            "echo" => Ok(Self::Echo { id: raw.id, params: raw.params }),
            "update3" => {
                let Value::Array(params) = raw.params else { return Err(malformed()) };
                let params: [Value; 3] = params.try_into().map_err(|_| malformed())?;
                let [Value::String(watch), Value::String(transaction), rows] = params else {
                    return Err(malformed());
                };
                Ok(Self::Update { watch, transaction, rows })
            }
            "monitor_canceled" => {
                let watch = raw.params.get(0).and_then(Value::as_str).ok_or_else(malformed)?;
                Ok(Self::Canceled { watch: watch.to_owned() })
            }
            _ => Ok(Self::Other),
        }
    }
}

/// A request as it is sent.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({ "method": method, "params": params, "id": id }).to_string().into_bytes()
}

/// The answer to an echo.
pub(crate) fn echoed(id: &Value, params: &Value) -> Vec<u8> {
    json!({ "result": params, "error": null, "id": id }).to_string().into_bytes()
}
