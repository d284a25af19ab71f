//! Reads an answer back.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Deepest nesting that is read; EC2's own answers stay below ten.
const MAX_DEPTH: usize = 64;

/// Lists of VPC actions whose name does not end in `Set`; only needed to read an empty one.
const LISTS: [&str; 18] = [
    "assignedIpv6Addresses",
    "availabilityZoneInfo",
    "blockDeviceMapping",
    "groups",
    "ipPermissions",
    "ipPermissionsEgress",
    "ipRanges",
    "ipv6Ranges",
    "prefixListIds",
    "productCodes",
    "regionInfo",
    "securityGroupIds",
    "securityGroupInfo",
    "staleIpPermissions",
    "staleIpPermissionsEgress",
    "subnetIds",
    "unassignedIpv6Addresses",
    "unsuccessful",
];

/// An answer that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not readable XML: {why}")]
pub struct XmlError {
    /// What is wrong with it.
    pub why: String,
}

/// An element that is being read.
struct Open {
    name: String,
    text: String,
    fields: Map<String, Value>,
    items: Option<Vec<Value>>,
}

/// The content of the root element: a leaf is a string, a list of `item` or `member` an array,
/// anything else an object. An empty element is `[]` if it is known to be a list, else `""`.
pub fn to_json(xml: &str) -> Result<Value, XmlError> {
    read(xml).map(|(_, value)| value)
}

/// Code and message, if the answer is an error of EC2, STS or IAM.
pub fn error_of(xml: &str) -> Option<(String, String)> {
    let (root, value) = read(xml).ok()?;
    let error = match root.as_str() {
        "Response" => value.pointer("/Errors/Error")?,
        "ErrorResponse" => value.get("Error")?,
        _ => return None,
    };
    // A list of several errors is allowed by the format; the first says why.
    let error = error.get(0).unwrap_or(error);
    let text = |name| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((text("Code"), text("Message")))
}

fn read(xml: &str) -> Result<(String, Value), XmlError> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(|e| wrong(e.to_string()))? {
            Event::Start(start) if root.is_none() && open.len() < MAX_DEPTH => {
                open.push(Open::new(start.local_name().as_ref()));
            }
            Event::Start(_) => return Err(wrong("a second root, or too deep")),
            Event::End(_) => {
                let (name, value) = open.pop().ok_or_else(|| wrong("an end tag too many"))?.close();
                match open.last_mut() {
                    Some(parent) => parent.add(name, value),
                    None => root = Some((name, value)),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(entity) => {
                let character = match entity.resolve_char_ref().map_err(|e| wrong(e.to_string()))? {
                    Some(character) => character,
                    None => named(&entity).ok_or_else(|| wrong("an unknown entity"))?,
                };
                append(&mut open, character.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(wrong("a document type")),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or_else(|| wrong("no element")),
            Event::Eof => return Err(wrong("it ends too early")),
        }
    }
}

impl Open {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), text: String::new(), fields: Map::new(), items: None }
    }

    fn add(&mut self, name: String, value: Value) {
        if name == "item" || name == "member" {
            self.items.get_or_insert_default().push(value);
            return;
        }
        match self.fields.get_mut(&name) {
            None => {
                self.fields.insert(name, value);
            }
            // Without item: the element itself is repeated.
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }

    fn close(mut self) -> (String, Value) {
        let value = match self.items {
            Some(items) if self.fields.is_empty() => Value::Array(items),
            Some(items) => {
                self.fields.insert("item".to_owned(), Value::Array(items));
                Value::Object(self.fields)
            }
            None if !self.fields.is_empty() => Value::Object(self.fields),
            None if self.text.is_empty() && is_list(&self.name) => Value::Array(Vec::new()),
            None => Value::String(self.text),
        };
        (self.name, value)
    }
}

fn append(open: &mut [Open], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(wrong("text outside of the root")),
    }
    Ok(())
}

fn is_list(name: &str) -> bool {
    name.ends_with("Set") || LISTS.contains(&name)
}

fn named(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn wrong(why: impl Into<String>) -> XmlError {
    XmlError { why: why.into() }
}
