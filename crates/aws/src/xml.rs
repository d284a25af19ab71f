//! Answers and errors in XML: written for clients, read back by our own.

mod read;

pub use read::{XmlError, error_of, to_json};

use std::fmt::{self, Display, Write};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// What most answers about one resource fit into.
const CAPACITY: usize = 1024;

/// A service of the family: they differ in namespace and in the frame around an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// EC2: VPCs and everything in them.
    Ec2,
    /// The Security Token Service: who am I.
    Sts,
    /// Identity and Access Management.
    Iam,
}

impl Service {
    /// The service that a signature's scope names.
    pub fn of_scope(name: &str) -> Option<Self> {
        match name {
            "ec2" => Some(Self::Ec2),
            "sts" => Some(Self::Sts),
            "iam" => Some(Self::Iam),
            _ => None,
        }
    }

    /// Its name in a signature's scope.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Iam => "iam",
        }
    }

    /// The `Version` parameter that its clients send.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Ec2 => "2016-11-15",
            Self::Sts => "2011-06-15",
            Self::Iam => "2010-05-08",
        }
    }

    /// The XML namespace of its answers.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }
}

/// Writes elements, one after the other and in each other. Text is escaped; characters that
/// XML 1.0 cannot hold are left out.
#[derive(Debug, Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `<name>value</name>`.
    pub fn el(&mut self, name: &str, value: impl Display) {
        self.open(name);
        let start = self.text.len();
        self.escaped(value);
        self.close(name, start);
    }

    /// Writes `<name>value</name>` if there is a value.
    pub fn opt(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.el(name, value);
        }
    }

    /// Writes `<name>…</name>` around what `inside` writes, `<name/>` if that is nothing.
    pub fn nest(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name);
        let start = self.text.len();
        inside(self);
        self.close(name, start);
    }

    /// Writes a list: `<name><item>…</item>…</name>`, `<name/>` if it is empty.
    pub fn items<I: IntoIterator>(
        &mut self,
        name: &str,
        items: I,
        each: impl FnMut(&mut Self, I::Item),
    ) {
        self.list(name, "item", items, each);
    }

    /// Writes a list as STS and IAM do, of `<member>`s.
    pub fn members<I: IntoIterator>(
        &mut self,
        name: &str,
        items: I,
        each: impl FnMut(&mut Self, I::Item),
    ) {
        self.list(name, "member", items, each);
    }

    /// Writes the text of a list's item that has no elements of its own.
    pub fn text(&mut self, value: impl Display) {
        self.escaped(value);
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.text
    }

    fn list<I: IntoIterator>(
        &mut self,
        name: &str,
        element: &str,
        items: I,
        mut each: impl FnMut(&mut Self, I::Item),
    ) {
        self.nest(name, |x| {
            for item in items {
                x.nest(element, |x| each(x, item));
            }
        });
    }

    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    fn close(&mut self, name: &str, start: usize) {
        if self.text.len() == start {
            self.text.truncate(start - 1);
            self.text.push_str("/>");
        } else {
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push('>');
        }
    }

    fn escaped(&mut self, value: impl Display) {
        let result = write!(Escape(&mut self.text), "{value}");
        debug_assert!(result.is_ok(), "a String takes everything");
    }
}

/// An EC2 answer: `<ActionResponse>` with the request's id and what `inside` writes.
pub fn response(action: &str, request_id: &str, inside: impl FnOnce(&mut Xml)) -> String {
    framed(Service::Ec2, action, |x| {
        x.el("requestId", request_id);
        inside(x);
    })
}

/// An STS or IAM answer: `<ActionResponse>` with `<ActionResult>` and `<ResponseMetadata>`.
pub fn query_response(
    service: Service,
    action: &str,
    request_id: &str,
    inside: impl FnOnce(&mut Xml),
) -> String {
    framed(service, action, |x| {
        x.nest(&format!("{}Result", Name(action)), inside);
        x.nest("ResponseMetadata", |x| x.el("RequestId", request_id));
    })
}

/// An error, in the frame of the service.
pub fn error(service: Service, code: &str, message: &str, request_id: &str) -> String {
    let mut x = Xml { text: String::with_capacity(CAPACITY) };
    x.text.push_str(DECLARATION);
    if service == Service::Ec2 {
        x.nest("Response", |x| {
            x.nest("Errors", |x| {
                x.nest("Error", |x| {
                    x.el("Code", code);
                    x.el("Message", message);
                });
            });
            x.el("RequestID", request_id);
        });
        return x.finish();
    }
    let whose = match code {
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => "Receiver",
        _ => "Sender",
    };
    x.open_root("ErrorResponse", service);
    x.nest("Error", |x| {
        x.el("Type", whose);
        x.el("Code", code);
        x.el("Message", message);
    });
    x.el("RequestId", request_id);
    x.text.push_str("</ErrorResponse>");
    x.finish()
}

fn framed(service: Service, action: &str, inside: impl FnOnce(&mut Xml)) -> String {
    let mut x = Xml { text: String::with_capacity(CAPACITY) };
    x.text.push_str(DECLARATION);
    let root = format!("{}Response", Name(action));
    x.open_root(&root, service);
    inside(&mut x);
    x.text.push_str("</");
    x.text.push_str(&root);
    x.text.push('>');
    x.finish()
}

impl Xml {
    fn open_root(&mut self, name: &str, service: Service) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" xmlns=\"");
        self.text.push_str(service.namespace());
        self.text.push_str("\">");
    }
}

/// An action's name cut to what an element may be called, so that a request cannot shape the
/// answer's elements.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.bytes().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(self.0.len());
        f.write_str(&self.0[..end])
    }
}

/// Whether XML 1.0 can hold a character at all, escaped or not.
pub const fn can_hold(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..'\u{20}' | '\u{FFFE}' | '\u{FFFF}' => false,
        _ => true,
    }
}

struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all values have nothing to be escaped, and several bytes are compared at once.
        if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
            self.0.push_str(text);
            return Ok(());
        }
        let mut clean = 0;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            if !is_special(byte) {
                continue;
            }
            // U+FFFE and U+FFFF are EF BF BE and EF BF BF; other characters share the first byte.
            let (replacement, len) = match byte {
                b'<' => ("&lt;", 1),
                b'>' => ("&gt;", 1),
                b'&' => ("&amp;", 1),
                b'"' => ("&quot;", 1),
                b'\'' => ("&apos;", 1),
                b'\r' => ("&#13;", 1),
                0xEF if matches!(text.as_bytes()[at..], [_, 0xBF, 0xBE | 0xBF, ..]) => ("", 3),
                0xEF => continue,
                _ => ("", 1),
            };
            self.0.push_str(&text[clean..at]);
            self.0.push_str(replacement);
            clean = at + len;
        }
        self.0.push_str(&text[clean..]);
        Ok(())
    }
}

/// Whether [`Escape`] has to look twice at a byte.
const fn is_special(byte: u8) -> bool {
    let control = byte < 0x20 && byte != b'\t' && byte != b'\n';
    control | (byte == 0xEF) | matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'')
}

#[cfg(test)]
mod tests;
