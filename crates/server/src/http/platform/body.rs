//! The body of a request: a JSON object. Unknown fields are ignored.

use std::collections::BTreeMap;

use axum::body::Body as Incoming;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::failure::Failure;

/// The most bytes of a body, which is more than any request needs.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// The fields of a request. `null` means absent, because clients send both.
#[derive(Debug, Default)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body. An empty one has no fields.
    pub(super) async fn read(incoming: Incoming) -> Result<Self, Failure> {
        let bytes = match Limited::new(incoming, MOST_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Failure::too_large(MOST_BYTES));
            }
            Err(error) if crate::http::listen::is_late(&*error) => return Err(Failure::late()),
            Err(_) => return Err(Failure::bad_request("The request's body was cut short.")),
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) => Err(Failure::bad_request("The request's body must be a JSON object.")),
            Err(error) => {
                let at = format!("line {}, column {}", error.line(), error.column());
                Err(Failure::bad_request(format!("The request's body is not JSON: see {at}.")))
            }
        }
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// An optional text.
    pub(super) fn text(&self, field: &str) -> Result<Option<&str>, Failure> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(field, "a string")),
        }
    }

    /// A required text.
    pub(super) fn required_text(&self, field: &str) -> Result<&str, Failure> {
        self.text(field)?.ok_or_else(|| Failure::invalid(format!("`{field}` must be given.")))
    }

    /// An optional id or name, given as a text or as an object that has one of them.
    pub(super) fn identity(&self, field: &str) -> Result<Option<&str>, Failure> {
        let Some(Value::Object(object)) = self.get(field) else { return self.text(field) };
        match object.get("id").or_else(|| object.get("name")) {
            Some(Value::String(text)) => Ok(Some(text)),
            _ => Err(wrong_type(field, "an id or a name")),
        }
    }

    /// An optional list.
    pub(super) fn list(&self, field: &str) -> Result<Option<&[Value]>, Failure> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(wrong_type(field, "a list")),
        }
    }

    /// An optional integer.
    pub(super) fn integer(&self, field: &str) -> Result<Option<i64>, Failure> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong_type(field, "an integer")),
        }
    }

    /// An optional boolean.
    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, Failure> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong_type(field, "true or false")),
        }
    }

    /// A map of texts. Numbers are accepted too, because the CLI sends the terminal's size as
    /// numbers.
    pub(super) fn texts(&self, field: &str) -> Result<BTreeMap<String, String>, Failure> {
        let entries = match self.get(field) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(wrong_type(field, "an object")),
        };
        entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name.clone(), text.clone())),
                Value::Number(number) => Ok((name.clone(), number.to_string())),
                _ => Err(wrong_type(&format!("{field}.{name}"), "a string")),
            })
            .collect()
    }

    /// An object, which is empty if the field is absent.
    pub(super) fn object(&self, field: &str) -> Result<Self, Failure> {
        match self.get(field) {
            None => Ok(Self::default()),
            Some(Value::Object(fields)) => Ok(Self(fields.clone())),
            Some(_) => Err(wrong_type(field, "an object")),
        }
    }

    /// The name of one of the fields, if there is any.
    pub(super) fn first_field(&self) -> Option<&str> {
        self.0.iter().find(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    /// A list of objects, which is empty if the field is absent.
    pub(super) fn objects(&self, field: &str) -> Result<Vec<Self>, Failure> {
        let wrong = || wrong_type(field, "a list of objects");
        match self.get(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_object().cloned().map(Self).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// An optional unsigned integer or text, as a text.
    pub(super) fn number_or_text(&self, field: &str) -> Result<Option<String>, Failure> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(_) => Err(wrong_type(field, "an integer from 0 on, or a text such as +1 or -1")),
        }
    }

    /// The whole body as changes to texts, where `null` removes one.
    pub(super) fn changes(&self) -> Result<BTreeMap<String, Option<String>>, Failure> {
        self.0
            .iter()
            .map(|(name, value)| match value {
                Value::Null => Ok((name.clone(), None)),
                Value::String(text) => Ok((name.clone(), Some(text.clone()))),
                _ => Err(wrong_type(name, "a string, or null to remove it")),
            })
            .collect()
    }

    /// An optional value that is parsed from its text.
    pub(super) fn parsed<T: std::str::FromStr>(&self, field: &str) -> Result<Option<T>, Failure>
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(field)? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|error| Failure::invalid(format!("Invalid value for `{field}`: {error}.")))
    }
}

fn wrong_type(field: &str, wanted: &str) -> Failure {
    Failure::invalid(format!("Invalid value for `{field}`: it must be {wanted}."))
}
