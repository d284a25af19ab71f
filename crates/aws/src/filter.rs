//! The filters of a Describe action: values are OR-ed, filters AND-ed.
//!
//! In a value `*` stands for any text, `?` for one character, and a backslash takes the meaning
//! from the character after it.

use std::borrow::Cow;

use crate::params::{ParamError, Params, cut};

/// Most filters in one request.
pub const MAX_FILTERS: usize = 50;
/// Most values of one filter.
pub const MAX_VALUES: usize = 200;

/// The filters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(Vec<Filter>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    name: String,
    values: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Wild(Vec<Token>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    AnyText,
}

impl Filters {
    /// Reads `Filter.N.Name` and `Filter.N.Value.N`.
    pub fn parse(params: &Params) -> Result<Self, ParamError> {
        let mut filters = Vec::new();
        for given in params.structs("Filter") {
            if filters.len() == MAX_FILTERS {
                return Err(ParamError::TooManyFilters { what: "filters", limit: MAX_FILTERS });
            }
            let name = given.required("Name")?.to_owned();
            let values: Vec<_> = given.list("Value").take(MAX_VALUES + 1).map(compile).collect();
            if values.len() > MAX_VALUES {
                return Err(ParamError::TooManyFilters {
                    what: "values of one filter",
                    limit: MAX_VALUES,
                });
            }
            // A filter without values would match nothing, and hide the mistake.
            if values.is_empty() {
                return Err(given.missing("Value"));
            }
            filters.push(Filter { name, values });
        }
        Ok(Self(filters))
    }

    /// Whether there is no filter at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a filter whose name is not known. To be asked once per request: [`Self::matches`]
    /// finds out only if there is a resource to match, and only up to the first filter that
    /// does not. `tag:KEY` and `tag-key` are known to all.
    pub fn check_names(&self, known: impl Fn(&str) -> bool) -> Result<(), ParamError> {
        self.0
            .iter()
            .find(|filter| !is_tag(&filter.name) && !known(&filter.name))
            .map_or(Ok(()), |filter| Err(unknown(&filter.name)))
    }

    /// Whether a resource passes all filters. `values` gives what the resource has under a
    /// filter's name, or `None` if there is no filter of that name; [`tag_values`] answers for
    /// tags.
    pub fn matches<'v>(
        &self,
        values: impl Fn(&str) -> Option<Vec<Cow<'v, str>>>,
    ) -> Result<bool, ParamError> {
        for Filter { name, values: wanted } in &self.0 {
            let has = values(name).ok_or_else(|| unknown(name))?;
            if !has.iter().any(|text| wanted.iter().any(|pattern| pattern.matches(text))) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What a resource with these tags has under `tag:KEY`, `tag-key` or `tag-value`; `None` for another
/// name.
pub fn tag_values<'t>(
    name: &str,
    tags: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Option<Vec<Cow<'t, str>>> {
    if name == "tag-key" {
        return Some(tags.into_iter().map(|(key, _)| Cow::Borrowed(key)).collect());
    }
    if name == "tag-value" {
        return Some(tags.into_iter().map(|(_, value)| Cow::Borrowed(value)).collect());
    }
    let wanted = name.strip_prefix("tag:")?;
    let of_key = tags.into_iter().filter(|&(key, _)| key == wanted);
    Some(of_key.map(|(_, value)| Cow::Borrowed(value)).collect())
}

fn is_tag(name: &str) -> bool {
    matches!(name, "tag-key" | "tag-value") || name.starts_with("tag:")
}

fn unknown(name: &str) -> ParamError {
    ParamError::UnknownFilter { name: cut(name) }
}

fn compile(value: &str) -> Pattern {
    if !value.contains(['*', '?', '\\']) {
        return Pattern::Exact(value.to_owned());
    }
    let mut tokens = Vec::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            '*' => Token::AnyText,
            '?' => Token::AnyChar,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            other => Token::Char(other),
        };
        // Runs of * mean what one means, and cost more.
        if token != Token::AnyText || tokens.last() != Some(&Token::AnyText) {
            tokens.push(token);
        }
    }
    Pattern::Wild(tokens)
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Wild(tokens) => wild(tokens, text),
        }
    }
}

/// Greedy match that goes back to the last `*` only: never worse than lengths multiplied.
fn wild(tokens: &[Token], text: &str) -> bool {
    let mut at = 0;
    let mut rest = text.chars();
    let mut retry = None;
    loop {
        if tokens.get(at) == Some(&Token::AnyText) {
            at += 1;
            retry = Some((at, rest.clone()));
            continue;
        }
        let mut next = rest.clone();
        let fits = match (tokens.get(at), next.next()) {
            (None, None) => return true,
            (Some(Token::Char(wanted)), Some(c)) => *wanted == c,
            (Some(Token::AnyChar), Some(_)) => true,
            (Some(_), None) => return false,
            (Some(Token::AnyText) | None, Some(_)) => false,
        };
        if fits {
            at += 1;
            rest = next;
            continue;
        }
        let Some((star, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *star;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filters(form: &str) -> Result<Filters, ParamError> {
        Filters::parse(&Params::parse(form.as_bytes()).unwrap())
    }

    fn matches(form: &str) -> Result<bool, ParamError> {
        let tags = [("Name", "blue one"), ("Empty", "")];
        filters(form)?.matches(|name| {
            tag_values(name, tags).or_else(|| match name {
                "vpc-id" => Some(vec!["vpc-1".into()]),
                "cidr" => Some(vec!["10.0.0.0/16".into(), "10.1.0.0/16".into()]),
                "none" => Some(vec![]),
                _ => None,
            })
        })
    }

    #[test]
    fn values_are_ored_and_filters_anded() {
        let one = "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-0&Filter.1.Value.2=vpc-1";
        assert_eq!(matches(""), Ok(true));
        assert_eq!(matches(one), Ok(true));
        let second = |value| format!("{one}&Filter.2.Name=cidr&Filter.2.Value.1={value}");
        assert_eq!(matches(&second("10.1.0.0/16")), Ok(true));
        assert_eq!(matches(&second("10.2.0.0/16")), Ok(false));
        assert_eq!(matches("Filter.1.Name=none&Filter.1.Value.1=*"), Ok(false));
    }

    #[test]
    fn tags_are_matched_by_key_and_by_value() {
        for (name, value, expected) in [
            ("tag:Name", "blue*", true),
            ("tag:Name", "blue", false),
            ("tag:name", "blue one", false),
            ("tag:Empty", "*", true),
            ("tag:Absent", "*", false),
            ("tag-key", "Name", true),
            ("tag-key", "N?me", true),
            ("tag-key", "Absent", false),
            ("tag-value", "Name", false),
        ] {
            let form = format!("Filter.1.Name={name}&Filter.1.Value.1={value}");
            assert_eq!(matches(&form), Ok(expected), "{form}");
        }
        assert_eq!(matches("Filter.1.Name=tag:Empty&Filter.1.Value.1="), Ok(true));
    }

    #[test]
    fn unknown_names_are_refused_even_without_a_resource() {
        let form = "Filter.1.Name=colour&Filter.1.Value.1=x";
        let error = matches(form).unwrap_err();
        assert_eq!(error.code(), "InvalidParameterValue");
        assert_eq!(error.to_string(), "The filter 'colour' is invalid");
        let filters = filters(form).unwrap();
        assert!(filters.check_names(|name| name == "colour").is_ok());
        assert_eq!(filters.check_names(|_| false), Err(error));
    }

    #[test]
    fn limits_and_gaps_are_refused() {
        let values = |n| (1..=n).map(|i| format!("&Filter.1.Value.{i}=v")).collect::<String>();
        assert!(filters(&format!("Filter.1.Name=a{}", values(200))).is_ok());
        let error = filters(&format!("Filter.1.Name=a{}", values(201))).unwrap_err();
        assert_eq!(error.code(), "FilterLimitExceeded");
        let many: String =
            (1..=51).map(|i| format!("Filter.{i}.Name=a&Filter.{i}.Value.1=v&")).collect();
        assert_eq!(filters(&many).unwrap_err().code(), "FilterLimitExceeded");
        assert_eq!(
            filters("Filter.1.Value.1=v").unwrap_err().to_string(),
            "The request must contain the parameter Filter.1.Name"
        );
        assert_eq!(filters("Filter.1.Name=a").unwrap_err().code(), "MissingParameter");
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*b*c", "a__b__b_c", true),
            ("a*b*c", "a__c__b", false),
            ("**a**", "bab", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a\\?\\\\", "a?\\", true),
            ("a\\", "a\\", true),
            ("\\ab", "ab", true),
            ("vpc-*", "VPC-1", false),
        ] {
            assert_eq!(compile(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    /// The definition, slow and obvious.
    fn naive(tokens: &[Token], text: &[char]) -> bool {
        match (tokens, text) {
            ([], []) => true,
            ([Token::AnyText, tail @ ..], _) => {
                (0..=text.len()).any(|skip| naive(tail, &text[skip..]))
            }
            ([Token::AnyChar, tail @ ..], [_, rest @ ..]) => naive(tail, rest),
            ([Token::Char(c), tail @ ..], [d, rest @ ..]) => c == d && naive(tail, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?\\\\]{0,8}", text in "[ab*]{0,10}") {
            let chars: Vec<char> = text.chars().collect();
            let compiled = compile(&pattern);
            let expected = match &compiled {
                Pattern::Exact(wanted) => *wanted == text,
                Pattern::Wild(tokens) => naive(tokens, &chars),
            };
            prop_assert_eq!(compiled.matches(&text), expected);
        }
    }
}
