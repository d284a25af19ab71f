//! Pages of lists: `Range`, `Content-Range` and `Next-Range` (`heroku.md` §1.1).

use std::cmp::Ordering;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::failure::Failure;

const DEFAULT_MAX: usize = 200;
const MOST: usize = 1000;
/// The longest `Range` header that is parsed, in bytes.
const LONGEST: usize = 1024;
const ID: &str = "id";
const CREATED: &str = "created_at";
/// Separates a value from the key of an entry that has it.
const ENTRY: char = '|';

/// An entry of a list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The key that it is sorted by: its id, if it has one.
    pub(super) key: String,
    /// The entry as it is shown.
    pub(super) body: Value,
}

impl Item {
    /// An entry that shows its own id.
    pub(super) fn by_id(body: Value) -> Self {
        let key = body["id"].as_str().unwrap_or_default().to_owned();
        Self { key, body }
    }
}

/// A parsed `Range` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// The field to sort by; `None` for the order of creation.
    field: Option<String>,
    /// The first bound in the requested order.
    start: Option<Bound>,
    /// The last bound.
    end: Option<Bound>,
    max: usize,
    descending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    value: String,
    /// The key of an entry with the start value, after which the page begins. Every `Next-Range`
    /// has it, because many entries may have the same value.
    entry: Option<String>,
    exclusive: bool,
}

impl Default for Range {
    fn default() -> Self {
        Self { field: None, start: None, end: None, max: DEFAULT_MAX, descending: false }
    }
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Range {
    /// Parses the header. Clients separate its parts by `;`, `,` or spaces, and some send an empty
    /// header.
    ///
    /// # Errors
    ///
    /// 416 for a header that cannot be parsed.
    pub(super) fn of(request: &HeaderMap) -> Result<Self, Failure> {
        match request.get("range").map(HeaderValue::to_str) {
            None => Ok(Self::default()),
            Some(Ok(text)) if text.len() <= LONGEST => Self::parse(text),
            Some(_) => Err(Failure::bad_range(format!(
                "The `Range` header must be ASCII text of at most {LONGEST} bytes."
            ))),
        }
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let nonsense = || {
            Failure::bad_range(format!(
                "The range `{text}` cannot be understood. A range is like `id ..; max=200`, by any \
                 field of what is listed."
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
                    "order=asc" => range.descending = false,
                    "order=desc" => range.descending = true,
                    field if range.field.is_none() && is_field(field) => {
                        range.field = Some(field.to_owned());
                    }
                    _ => return Err(nonsense()),
                }
            }
        }
        if range.max == 0 {
            return Err(nonsense());
        }
        Ok(range)
    }

    /// Cuts the page out of a list that is sorted by creation.
    ///
    /// # Errors
    ///
    /// 416 for a field that the entries do not have.
    pub(super) fn cut(&self, items: Vec<Item>) -> Result<Page, Failure> {
        let field = self.field_of(&items)?;
        let order = Order { numbers: are_numbers(&items, &field), descending: self.descending };
        let mut inside: Vec<(String, Item)> =
            items.into_iter().map(|item| (value_of(&item, &field), item)).collect();
        let as_it_is = self.is_open() && field == ID && inside.len() <= self.max;
        if !as_it_is {
            // The sort is stable, so that entries with equal values stay in the order of creation.
            inside.sort_by(|(a, _), (b, _)| order.of(a, b));
        }
        let (start, end) = match (&self.start, &self.end) {
            // Some clients name the lower bound first even in descending order.
            (Some(start), Some(end)) if order.of(&end.value, &start.value).is_lt() => {
                (Some(end), Some(start))
            }
            (start, end) => (start.as_ref(), end.as_ref()),
        };
        if let Some(start) = start {
            let first = inside.iter().position(|(value, _)| order.of(value, &start.value).is_ge());
            inside.drain(..first.unwrap_or(inside.len()));
            let same = inside.iter().take_while(|(value, _)| *value == start.value);
            // If the entry is gone, entries with the same value are shown again rather than lost.
            let shown = match &start.entry {
                Some(entry) => {
                    same.clone().position(|(_, item)| item.key == *entry).map(|at| at + 1)
                }
                None => start.exclusive.then(|| same.count()),
            };
            inside.drain(..shown.unwrap_or(0));
        }
        if let Some(end) = end {
            inside.retain(|(value, _)| {
                let order = order.of(value, &end.value);
                order.is_lt() || (order.is_eq() && !end.exclusive)
            });
        }
        let more = inside.len() > self.max;
        inside.truncate(self.max);

        let mut headers = Vec::new();
        push(&mut headers, "accept-ranges", fields_of(inside.first().map(|(_, item)| item)));
        if let (Some((first, _)), Some((last, item))) = (inside.first(), inside.last()) {
            push(&mut headers, "content-range", format!("{field} {first}..{last}"));
            if more {
                push(&mut headers, "next-range", self.after(&field, last, &item.key, end));
            }
        }
        Ok(Page {
            status: if more { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK },
            body: inside.into_iter().map(|(_, item)| item.body).collect(),
            headers,
        })
    }

    /// Whether the client asks for neither an order nor bounds.
    fn is_open(&self) -> bool {
        self.field.is_none() && self.start.is_none() && self.end.is_none() && !self.descending
    }

    /// The field to sort by. Some clients call the `hostname` of a domain `domain`.
    fn field_of(&self, items: &[Item]) -> Result<String, Failure> {
        let all_have = |field: &str| items.iter().all(|item| has(item, field));
        match self.field.as_deref() {
            None if self.is_open() && all_have(CREATED) => Ok(CREATED.to_owned()),
            None => Ok(ID.to_owned()),
            Some(field) if field == ID || all_have(field) => Ok(field.to_owned()),
            Some("domain") if all_have("hostname") => Ok("hostname".to_owned()),
            Some(field) => Err(Failure::bad_range(format!(
                "What is listed here has no field `{field}` to sort by. It has {}.",
                fields_of(items.first())
            ))),
        }
    }

    fn after(&self, field: &str, last: &str, entry: &str, end: Option<&Bound>) -> String {
        let end = match end {
            Some(Bound { value, exclusive: true, .. }) => format!("{value}["),
            Some(Bound { value, exclusive: false, .. }) => value.clone(),
            None => String::new(),
        };
        let entry = if last == entry { String::new() } else { format!("{ENTRY}{entry}") };
        let order = if self.descending { ",order=desc" } else { "" };
        format!("{field} ]{last}{entry}..{end}; max={}{order}", self.max)
    }
}

/// An order of values.
struct Order {
    numbers: bool,
    descending: bool,
}

impl Order {
    fn of(&self, a: &str, b: &str) -> Ordering {
        let number = |text: &str| text.parse::<i64>().ok();
        let order = if self.numbers { number(a).cmp(&number(b)) } else { a.cmp(b) };
        if self.descending { order.reverse() } else { order }
    }
}

fn are_numbers(items: &[Item], field: &str) -> bool {
    field != ID && items.iter().all(|item| item.body[field].is_i64())
}

fn is_field(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether an entry has a sortable value in a field.
fn has(item: &Item, field: &str) -> bool {
    item.body.get(field).is_some_and(|value| !value.is_object() && !value.is_array())
}

fn value_of(item: &Item, field: &str) -> String {
    match &item.body[field] {
        _ if field == ID => item.key.clone(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The fields that a list can be sorted by, for a message.
fn fields_of(item: Option<&Item>) -> String {
    let body = item.and_then(|item| item.body.as_object());
    let names = body.into_iter().flat_map(|body| body.keys().map(String::as_str));
    let names = names.filter(|name| *name != ID && item.is_some_and(|item| has(item, name)));
    [ID].into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

impl Bound {
    /// `]a` begins after `a`, `a[` ends before it.
    fn read(text: &str) -> Option<Self> {
        let value = text.trim_matches(['[', ']']);
        let exclusive = text.starts_with(']') || text.ends_with('[');
        let (value, entry) = match value.split_once(ENTRY) {
            Some((value, entry)) => (value, Some(entry.to_owned())),
            None => (value, None),
        };
        (!value.is_empty() || entry.is_some()).then(|| Self {
            value: value.to_owned(),
            entry,
            exclusive,
        })
    }
}

fn push(headers: &mut Vec<(HeaderName, HeaderValue)>, name: &'static str, value: String) {
    // Names and ids are ASCII. A list with other values has no such header.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.push((HeaderName::from_static(name), value));
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use serde_json::json;

    use super::*;

    fn pages(items: &[Item], range: &str) -> Vec<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        let mut all = Vec::new();
        loop {
            let page = Range::of(&headers).unwrap().cut(items.to_vec()).unwrap();
            all.extend(page.body.as_array().unwrap().iter().map(|entry| entry["id"].clone()));
            let Some((_, next)) = page.headers.iter().find(|(name, _)| name == "next-range") else {
                return all;
            };
            headers.insert(header::RANGE, next.clone());
        }
    }

    /// Entries in the order of creation, three for each time.
    fn made_in_threes(count: usize) -> Vec<Item> {
        let entry = |n: usize| {
            let created = format!("2026-11-30T00:00:{:02}Z", n / 3);
            // The ids are in another order than the entries.
            Item::by_id(json!({ "id": format!("{:04}", n * 7919 % 1000), "created_at": created }))
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn lists_come_in_the_order_of_creation_and_lose_nothing_between_parts() {
        let items = made_in_threes(32);
        let made: Vec<Value> = items.iter().map(|item| item.body["id"].clone()).collect();
        for max in [1, 2, 3, 4, 5, 31, 32, 200] {
            assert_eq!(pages(&items, &format!("max={max}")), made, "{max}");
            assert_eq!(pages(&items, &format!("created_at ..; max={max}")), made, "{max}");
            let mut newest = pages(&items, &format!("created_at ..; max={max},order=desc"));
            assert_eq!(newest[0], items[30].body["id"], "the first of the last moment");
            newest.sort_by_key(Value::to_string);
            let mut all = made.clone();
            all.sort_by_key(Value::to_string);
            assert_eq!(newest, all, "{max}");
            assert_eq!(pages(&items, &format!("id ..; max={max}")), all, "{max}");
        }
    }

    #[test]
    fn a_part_goes_on_where_the_last_entry_of_the_one_before_has_gone() {
        let mut items = made_in_threes(9);
        let range = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            Range::of(&headers).unwrap()
        };
        let first = range("max=5").cut(items.clone()).unwrap();
        let next = &first.headers.iter().find(|(name, _)| name == "next-range").unwrap().1;
        items.remove(4);
        let second = range(next.to_str().unwrap()).cut(items.clone()).unwrap();
        // The other entry with the same time as the removed one is shown again.
        let rest: Vec<Value> = items[3..].iter().map(|item| item.body.clone()).collect();
        assert_eq!(second.body, Value::Array(rest));
    }

    #[test]
    fn domains_are_sorted_by_what_clients_call_their_names() {
        let items: Vec<Item> = [("2", "a.example"), ("1", "b.example")]
            .map(|(id, host)| Item::by_id(json!({ "id": id, "hostname": host, "app": {} })))
            .into();
        for range in ["domain ..", "hostname ..; max=1"] {
            assert_eq!(pages(&items, range), ["2", "1"], "{range}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "app ..".parse().unwrap());
        assert!(Range::of(&headers).unwrap().cut(items).is_err(), "an object has no order");
        assert_eq!(pages(&[], "anything ..; max=7"), [Value::Null; 0]);
    }
}
