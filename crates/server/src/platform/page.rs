//! Lists in parts: `Range`, `Content-Range`, `Next-Range` (`heroku.md` §1.1).

use std::cmp::Ordering;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::failure::Failure;

const DEFAULT_MAX: usize = 200;
const MOST: usize = 1000;
/// Longer than any range that a client has a use for.
const LONGEST: usize = 512;

/// One entry of a list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What it is sorted by; its id, where it has one to show.
    pub(super) key: String,
    /// What is shown of it.
    pub(super) body: Value,
}

impl Item {
    /// An entry that shows its own id.
    pub(super) fn by_id(body: Value) -> Self {
        let key = body["id"].as_str().unwrap_or_default().to_owned();
        Self { key, body }
    }
}

/// What a client asks for of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    field: Field,
    /// Where to start, in the order asked for.
    start: Option<Bound>,
    /// Where to end.
    end: Option<Bound>,
    max: usize,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Name,
    /// Of releases, of which every app has one.
    Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    value: String,
    exclusive: bool,
}

impl Default for Range {
    fn default() -> Self {
        Self { field: Field::Id, start: None, end: None, max: DEFAULT_MAX, descending: false }
    }
}

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Range {
    /// Reads the header. Clients separate by `;`, by `,` and by spaces, and send empty ones.
    ///
    /// # Errors
    ///
    /// 416 for what cannot be understood.
    pub(super) fn of(request: &HeaderMap) -> Result<Self, Failure> {
        match request.get("range").map(HeaderValue::to_str) {
            None => Ok(Self::default()),
            Some(Ok(text)) if text.len() <= LONGEST => Self::parse(text),
            Some(_) => Err(Failure::bad_range("The `Range` header is no text of a sane length.")),
        }
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let nonsense = || {
            Failure::bad_range(format!(
                "The range `{text}` cannot be understood. A range is like `id ..; max=200`, by \
                 `id`, `name` or, of releases, `version`."
            ))
        };
        let mut range = Self::default();
        for word in text.split([';', ',', ' ', '\t']).filter(|word| !word.is_empty()) {
            if let Some((start, end)) = word.split_once("..") {
                range.start = Bound::read(start);
                range.end = Bound::read(end);
            } else if let Some(max) = word.strip_prefix("max=") {
                let max: u64 = max.parse().map_err(|_| nonsense())?;
                range.max = usize::try_from(max).unwrap_or(MOST).min(MOST);
            } else {
                match word {
                    "id" => range.field = Field::Id,
                    "name" => range.field = Field::Name,
                    "version" => range.field = Field::Version,
                    "order=asc" => range.descending = false,
                    "order=desc" => range.descending = true,
                    _ => return Err(nonsense()),
                }
            }
        }
        if range.max == 0 {
            return Err(nonsense());
        }
        // Some clients name the lower end first whatever the order is.
        if let (Some(start), Some(end)) = (&range.start, &range.end)
            && range.before(&end.value, &start.value).is_lt()
        {
            std::mem::swap(&mut range.start, &mut range.end);
        }
        Ok(range)
    }

    /// Cuts a list.
    pub(super) fn cut(&self, items: Vec<Item>) -> Page {
        let mut inside: Vec<(String, Value)> = items
            .into_iter()
            .map(|item| (self.value_of(&item), item.body))
            .filter(|(value, _)| self.holds(value))
            .collect();
        // Stable, so that a list's own order decides between equals.
        inside.sort_by(|(a, _), (b, _)| self.before(a, b));
        let more = inside.len() > self.max;
        inside.truncate(self.max);

        let ends = inside.first().zip(inside.last()).map(|((a, _), (b, _))| (a.clone(), b.clone()));
        let mut headers = Vec::new();
        push(&mut headers, "accept-ranges", "id, name, version".to_owned());
        if let Some((first, last)) = ends {
            let field = self.field.name();
            push(&mut headers, "content-range", format!("{field} {first}..{last}"));
            if more {
                push(&mut headers, "next-range", self.after(&last));
            }
        }
        Page {
            status: if more { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK },
            body: inside.into_iter().map(|(_, body)| body).collect(),
            headers,
        }
    }

    fn after(&self, last: &str) -> String {
        let end = match &self.end {
            Some(Bound { value, exclusive: true }) => format!("{value}["),
            Some(Bound { value, exclusive: false }) => value.clone(),
            None => String::new(),
        };
        let order = if self.descending { ",order=desc" } else { "" };
        format!("{} ]{last}..{end}; max={}{order}", self.field.name(), self.max)
    }

    fn value_of(&self, item: &Item) -> String {
        match self.field {
            Field::Id => item.key.clone(),
            Field::Name => item.body["name"].as_str().unwrap_or_default().to_owned(),
            Field::Version => item.body["version"].to_string(),
        }
    }

    fn before(&self, a: &str, b: &str) -> Ordering {
        // Versions are numbers: the shorter one is the smaller one.
        let lengths = match self.field {
            Field::Version => a.len().cmp(&b.len()),
            Field::Id | Field::Name => Ordering::Equal,
        };
        let order = lengths.then_with(|| a.cmp(b));
        if self.descending { order.reverse() } else { order }
    }

    fn holds(&self, value: &str) -> bool {
        let after_start = self.start.as_ref().is_none_or(|start| {
            let order = self.before(&start.value, value);
            order.is_lt() || (order.is_eq() && !start.exclusive)
        });
        let before_end = self.end.as_ref().is_none_or(|end| {
            let order = self.before(value, &end.value);
            order.is_lt() || (order.is_eq() && !end.exclusive)
        });
        after_start && before_end
    }
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Version => "version",
        }
    }
}

impl Bound {
    /// `]a` begins after `a`, `a[` ends before it.
    fn read(text: &str) -> Option<Self> {
        let value = text.trim_matches(['[', ']']);
        let exclusive = text.starts_with(']') || text.ends_with('[');
        (!value.is_empty()).then(|| Self { value: value.to_owned(), exclusive })
    }
}

fn push(headers: &mut Vec<(HeaderName, HeaderValue)>, name: &'static str, value: String) {
    // Names and ids are ASCII; a list whose entries are not can do without.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.push((HeaderName::from_static(name), value));
    }
}
