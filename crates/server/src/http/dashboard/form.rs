//! Forms that pages send.

use axum::body::Body;
use axum::http::{HeaderMap, header};

/// The most bytes of a form. The longest has the script of an instance: 16 kB, written for an address.
const MOST_BYTES: usize = 64 << 10;

/// A form.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form; `None` if it is none, or too long.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        let bytes = axum::body::to_bytes(body, MOST_BYTES).await.ok()?;
        Some(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// Reads the query of an address.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        Self(form_urlencoded::parse(query).into_owned().collect())
    }

    /// The first field, with its value.
    pub(super) fn first(&self) -> Option<(&str, &str)> {
        self.0.first().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Its fields, in order.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// All values of a field, as of boxes that are ticked.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field; `None` if there is none, or more than one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(field, _)| field == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}
