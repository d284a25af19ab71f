//! The parameters of a request: a form read into a tree.
//!
//! `IpPermissions.1.IpRanges.2.CidrIp=10.0.0.0/8` is a path through [`Params`]. Every node is a
//! `Params` itself, so a structure is read the same way as the request that holds it. What was
//! read is remembered: a parameter that no action asked for is an error ([`Params::unused`]),
//! because a misspelt `CidrIp` silently ignored would open or close the wrong door.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{percent, xml};

/// Most parameters in one request; EC2's largest legitimate requests stay well below.
pub const MAX_PARAMS: usize = 10_000;
/// Highest `N` of `Name.N`.
pub const MAX_INDEX: u16 = 10_000;
/// Most dotted parts of a name.
pub const MAX_DEPTH: usize = 10;
/// Longest part of a value or name that an error repeats.
const MAX_ECHO: usize = 256;

/// What is wrong with a request's parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// The form cannot be read.
    #[error("The query string is malformed: {why}")]
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// A required parameter is absent.
    #[error("The request must contain the parameter {name}")]
    Missing {
        /// Its full name.
        name: String,
    },
    /// A parameter has a value that it cannot have.
    #[error("Value ({value}) for parameter {} is invalid. {why}", as_ec2_says(name))]
    Invalid {
        /// Its full name.
        name: String,
        /// The value, cut if it is long.
        value: String,
        /// What would be valid.
        why: String,
    },
    /// Nothing reads a parameter of this name.
    #[error("The parameter {name} is not recognized")]
    Unknown {
        /// Its full name.
        name: String,
    },
    /// Two parameters exclude each other.
    #[error("The parameter {name} cannot be used with the parameter {other}")]
    Combination {
        /// One of the two.
        name: String,
        /// The other.
        other: String,
    },
    /// The action has no filter of this name.
    #[error("The filter '{name}' is invalid")]
    UnknownFilter {
        /// The filter's name, cut if it is long.
        name: String,
    },
    /// There are more filters, or values of one filter, than a request may have.
    #[error("The request has too many {what}; at most {limit} are allowed")]
    TooManyFilters {
        /// Filters, or values of a filter.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// `NextToken` was not given out by this action.
    #[error("The token is not valid for this action")]
    InvalidNextToken,
}

impl ParamError {
    /// An [`ParamError::Invalid`] whose value is cut to a length fit for an answer.
    pub fn invalid(name: impl Into<String>, value: &str, why: impl Into<String>) -> Self {
        Self::Invalid { name: name.into(), value: cut(value), why: why.into() }
    }

    /// The error code that EC2 gives for it. The HTTP status is 400 for all.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "MalformedQueryString",
            Self::Missing { .. } => "MissingParameter",
            Self::Invalid { .. } | Self::UnknownFilter { .. } => "InvalidParameterValue",
            Self::Unknown { .. } => "UnknownParameter",
            Self::Combination { .. } => "InvalidParameterCombination",
            Self::TooManyFilters { .. } => "FilterLimitExceeded",
            Self::InvalidNextToken => "InvalidNextToken",
        }
    }
}

/// A parameter as EC2 calls it in what it says of its value: `CidrBlock` is `cidrBlock` there.
fn as_ec2_says(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if !name.contains('.') => {
            first.to_ascii_lowercase().to_string() + letters.as_str()
        }
        Some(_) | None => name.to_owned(),
    }
}

/// Parameters of a request, or of one structure inside it.
#[derive(Default)]
pub struct Params {
    /// Full dotted name; empty at the root.
    path: Box<str>,
    value: Option<String>,
    used: AtomicBool,
    items: BTreeMap<u16, Params>,
    names: BTreeMap<Box<str>, Params>,
    /// Counts what was read into the root.
    count: usize,
}

impl Params {
    /// Reads a query string or an `application/x-www-form-urlencoded` body.
    pub fn parse(form: &[u8]) -> Result<Self, ParamError> {
        let mut params = Self::default();
        params.extend(form)?;
        Ok(params)
    }

    /// Reads a second form, such as the body after the query string, into the same tree.
    pub fn extend(&mut self, form: &[u8]) -> Result<(), ParamError> {
        for pair in form.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            self.count += 1;
            if self.count > MAX_PARAMS {
                return Err(malformed(format!("more than {MAX_PARAMS} parameters")));
            }
            let (name, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (name, value) = (text(name)?, text(value)?);
            // It could be kept, but never be shown again.
            if let Some(wrong) = value.chars().find(|c| !xml::can_hold(*c)) {
                let why = format!("It has the character U+{:04X}.", u32::from(wrong));
                return Err(ParamError::invalid(name, &value, why));
            }
            self.insert(&name, value.into_owned())?;
        }
        Ok(())
    }

    /// The value of `name`, which may be a path such as `Tag.1.Key`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.node(name)?.read()
    }

    /// Whether anything is given under `name`, a value or a structure. Does not count as reading.
    pub fn contains(&self, name: &str) -> bool {
        self.node(name).is_some()
    }

    /// The value of `name`, which must be there and not be empty.
    pub fn required(&self, name: &str) -> Result<&str, ParamError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| self.missing(name))
    }

    /// The value of `name`, `true` or `false` in any case.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, ParamError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.eq_ignore_ascii_case("true") {
            Ok(Some(true))
        } else if value.eq_ignore_ascii_case("false") {
            Ok(Some(false))
        } else {
            Err(self.invalid(name, value, "Expecting true or false."))
        }
    }

    /// The value of `name`, a whole number within `bounds`.
    pub fn integer(
        &self,
        name: &str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ParamError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = bounds.into_inner();
                let why = format!("Expecting an integer between {low} and {high}.");
                Err(self.invalid(name, value, &why))
            }
        }
    }

    /// The values of `name.1`, `name.2`, … in numeric order. A bare `name`, as old clients send
    /// it, comes first; `name.member.1`, as STS and IAM spell it, is understood.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let node = self.node(name);
        let bare = node.and_then(Self::read).filter(|value| !value.is_empty());
        bare.into_iter().chain(node.into_iter().flat_map(Self::elements).filter_map(Self::read))
    }

    /// The structures `name.1.*`, `name.2.*`, … in numeric order.
    pub fn structs(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.node(name).into_iter().flat_map(Self::elements)
    }

    /// The one structure `name.*`.
    pub fn structure(&self, name: &str) -> Option<&Self> {
        self.node(name)
    }

    /// The full name of `name` inside this structure, for an error.
    pub fn full_name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// An [`ParamError::Missing`] for `name` inside this structure.
    pub fn missing(&self, name: &str) -> ParamError {
        ParamError::Missing { name: self.full_name(name) }
    }

    /// An [`ParamError::Invalid`] for `name` inside this structure.
    pub fn invalid(&self, name: &str, value: &str, why: &str) -> ParamError {
        ParamError::invalid(self.full_name(name), value, why)
    }

    /// The parameters as one form, but for those whose full name is to be left out: the same bytes for the
    /// same names and values, in whatever order and with whatever escapes they came. Every pair ends in
    /// `&`. Does not count as reading. The form is stored in digests, so it must never change.
    pub fn canonical(&self, leave_out: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_canonical(&leave_out, &mut out);
        out
    }

    /// Whether the value of `name` was read.
    pub fn was_read(&self, name: &str) -> bool {
        self.node(name).is_some_and(|node| node.used.load(Ordering::Relaxed))
    }

    /// The full name of the first parameter that has a value nobody asked for. The parameters of
    /// a presigned query (`X-Amz-*`) are the signature's and are left out.
    pub fn unused(&self) -> Option<String> {
        let own = self.value.is_some()
            && !self.used.load(Ordering::Relaxed)
            && !self.path.starts_with("X-Amz-");
        if own {
            return Some(self.path.to_string());
        }
        self.items.values().chain(self.names.values()).find_map(Self::unused)
    }

    /// Refuses a request with a parameter that nobody asked for.
    pub fn refuse_unused(&self) -> Result<(), ParamError> {
        self.unused().map_or(Ok(()), |name| Err(ParamError::Unknown { name: cut(&name) }))
    }

    fn node(&self, name: &str) -> Option<&Self> {
        name.split('.').try_fold(self, |node, part| match index(part) {
            Some(n) => node.items.get(&n),
            None => node.names.get(part),
        })
    }

    fn read(&self) -> Option<&str> {
        let value = self.value.as_deref()?;
        self.used.store(true, Ordering::Relaxed);
        Some(value)
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        let members = self.names.get("member").into_iter().flat_map(|node| node.items.values());
        self.items.values().chain(members)
    }

    fn write_canonical(&self, leave_out: &dyn Fn(&str) -> bool, out: &mut Vec<u8>) {
        if let Some(value) = &self.value
            && !leave_out(&self.path)
        {
            percent::encode_into(out, self.path.as_bytes());
            out.push(b'=');
            percent::encode_into(out, value.as_bytes());
            out.push(b'&');
        }
        for child in self.items.values().chain(self.names.values()) {
            child.write_canonical(leave_out, out);
        }
    }

    fn insert(&mut self, name: &str, value: String) -> Result<(), ParamError> {
        let mut node = self;
        let mut end = 0;
        for (depth, part) in name.split('.').enumerate() {
            if depth == MAX_DEPTH {
                let name = cut(name);
                return Err(malformed(format!("the name {name} has more than {MAX_DEPTH} parts")));
            }
            if part.is_empty() {
                return Err(malformed(format!("the name '{}' has an empty part", cut(name))));
            }
            end += part.len() + usize::from(depth > 0);
            let child = match index(part) {
                Some(n) if n > MAX_INDEX => return Err(too_high(name)),
                Some(n) => node.items.entry(n).or_default(),
                None if part.len() > 4 && part.bytes().all(|b| b.is_ascii_digit()) => {
                    return Err(too_high(name));
                }
                None => match node.names.contains_key(part) {
                    true => node.names.get_mut(part).expect("it was found just now"),
                    false => node.names.entry(part.into()).or_default(),
                },
            };
            if child.path.is_empty() {
                child.path = name[..end].into();
            }
            node = child;
        }
        match node.value.replace(value) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("the parameter {} is given twice", cut(name)))),
        }
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            if node.value.is_some() {
                list.entry(&node.path);
            }
            open.extend(node.names.values().rev().chain(node.items.values().rev()));
        }
        list.finish()
    }
}

/// `1` to `65535` without leading zeros or sign; anything else is a name.
fn index(part: &str) -> Option<u16> {
    if part.starts_with(|c: char| ('1'..='9').contains(&c)) { part.parse().ok() } else { None }
}

fn text(raw: &[u8]) -> Result<Cow<'_, str>, ParamError> {
    let bytes = percent::decode(raw).map_err(|_| malformed("a % is not followed by two digits"))?;
    let text = match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.ok_or_else(|| malformed("it is not UTF-8"))
}

fn malformed(why: impl Into<String>) -> ParamError {
    ParamError::Malformed { why: why.into() }
}

fn too_high(name: &str) -> ParamError {
    malformed(format!("the name {} has a number above {MAX_INDEX}", cut(name)))
}

/// The beginning of `text`, fit to be repeated in an answer.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
