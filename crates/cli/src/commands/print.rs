//! What several commands print: answers in words or in JSON, tables, fields.

use serde::Serialize;
use serde_json::Value;

use crate::arguments::Common;
use crate::output::Out;

/// Prints an answer: as JSON where that is asked for, or in words.
pub(super) fn say(common: &Common, out: &mut Out, answer: &impl Serialize, words: &str) {
    if common.json { out.json(answer) } else { out.line(words) }
}

/// Prints a list: as JSON where that is asked for, or as a table of the fields of its objects.
pub(super) fn table(common: &Common, out: &mut Out, list: &Value, names: &[&str], fields: &[&str]) {
    if common.json { out.json(list) } else { out.table(names, &rows(list, fields)) }
}

/// Prints one thing: as JSON where that is asked for, or as a line for each of its fields.
pub(super) fn print_fields(
    common: &Common,
    out: &mut Out,
    answer: &impl Serialize,
    fields: &[(&str, String)],
) {
    if common.json {
        return out.json(answer);
    }
    let width = fields.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0);
    for (name, value) in fields {
        out.line(format!("{:<width$}{value}", format!("{name}:")).trim_end());
    }
}

/// Prints the members of an object, one under the other.
pub(super) fn print_members(object: &Value, out: &mut Out) {
    let pairs = || object.as_object().into_iter().flatten();
    let width = pairs().map(|(name, _)| name.chars().count() + 1).max().unwrap_or(0);
    for (name, value) in pairs() {
        out.line(format_args!("{:<width$} {}", format!("{name}:"), show(value)));
    }
}

/// A value as a person reads it: text without quotes, nothing for null.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(show).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The rows of a table, from a list of objects. A field is a path with dots.
pub(super) fn rows(list: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| fields.iter().map(|path| show(at(item, path))).collect())
        .collect()
}

/// Puts a list into the order of one of its fields; a path with dots, as for [`rows`].
pub(super) fn sort(list: &mut Value, field: &str) {
    if let Value::Array(items) = list {
        items.sort_by_cached_key(|item| at(item, field).as_str().unwrap_or_default().to_owned());
    }
}

/// What is at the end of a path with dots; null where the path leads nowhere.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, name| &value[name])
}

/// What dynos are sorted by: their type, and then their number, so that `web.2` is before `web.10`.
pub(super) fn dyno_order(name: &str) -> (String, u64) {
    let (process, number) = name.rsplit_once('.').unwrap_or((name, ""));
    (process.to_owned(), number.parse().unwrap_or(0))
}

/// A word as a shell takes it for one.
pub(super) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A number of things: `1 slug`, `2 slugs`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_by_a_field() {
        let mut list = serde_json::json!([{ "a": { "b": "y" } }, {}, { "a": { "b": "x" } }]);
        sort(&mut list, "a.b");
        assert_eq!(list, serde_json::json!([{}, { "a": { "b": "x" } }, { "a": { "b": "y" } }]));
    }

    #[test]
    fn dynos_are_in_the_order_of_their_numbers() {
        let mut names = ["web.10", "worker.1", "web.2", "run.1234", "web"];
        names.sort_by_cached_key(|name| dyno_order(name));
        assert_eq!(names, ["run.1234", "web", "web.2", "web.10", "worker.1"]);
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quote("http://127.0.0.1:4880"), "http://127.0.0.1:4880");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quote(""), "''");
    }
}
