//! What a bucket holds, as S3 says it (`ListObjectsV2`).

use std::time::Duration;

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::Event;

/// The most levels of elements that are read.
const MOST_LEVELS: usize = 16;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Object>,
    /// By what the next page is asked for.
    pub(crate) next: Option<String>,
}

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    /// How long ago it was written, by the server's clock.
    pub(crate) age: Duration,
}

/// What is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's list of objects cannot be read: {0}")]
pub(crate) struct BadListing(String);

/// Reads a page that the server made at a time.
pub(crate) fn read(xml: &str, now: Timestamp) -> Result<Listing, BadListing> {
    let mut listing = Listing::default();
    let (mut object, mut whole) = (Object::default(), false);
    leaves(xml, &mut |path, text| {
        match path {
            ["ListBucketResult"] => whole = true,
            ["ListBucketResult", "NextContinuationToken"] => listing.next = Some(text.to_owned()),
            ["ListBucketResult", "Contents"] => listing.objects.push(std::mem::take(&mut object)),
            ["ListBucketResult", "Contents", "Key"] => object.key = text.to_owned(),
            ["ListBucketResult", "Contents", "Size"] => {
                object.bytes = text.parse().map_err(|_| format!("'{text}' is no size"))?;
            }
            ["ListBucketResult", "Contents", "LastModified"] => {
                let at: Timestamp = text.parse().map_err(|_| format!("'{text}' is no time"))?;
                object.age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
            }
            _ => {}
        }
        Ok(())
    })
    .map_err(BadListing)?;
    match whole {
        true => Ok(listing),
        false => Err(BadListing("it is another document".to_owned())),
    }
}

/// Code and message of an error.
pub(crate) fn error_of(xml: &str) -> Option<(String, String)> {
    let (mut code, mut message) = (None, String::new());
    let read = leaves(xml, &mut |path, text| {
        match path {
            ["Error", "Code"] => code = Some(text.to_owned()),
            ["Error", "Message"] => text.clone_into(&mut message),
            _ => {}
        }
        Ok(())
    });
    read.ok().and(code).map(|code| (code, message))
}

/// Takes the path of an element and its text.
type Each<'a> = &'a mut dyn FnMut(&[&str], &str) -> Result<(), String>;

/// Says of each element, when it ends, where it is and what text it has.
fn leaves(xml: &str, each: Each<'_>) -> Result<(), String> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut text) = (Vec::<String>::new(), String::new());
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if path.len() == MOST_LEVELS {
                    return Err("it is nested too deep".to_owned());
                }
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                each(&names, &text)?;
                path.pop();
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(entity) => {
                let found = entity.resolve_char_ref().map_err(|error| error.to_string())?;
                let named = || match &*entity {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => None,
                };
                text.push(found.or_else(named).ok_or("it has an unknown entity")?);
            }
            Event::DocType(_) => return Err("it has a document type".to_owned()),
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err("it ends too early".to_owned()),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_bucket_is_read() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>code</Name>
            <NextContinuationToken>1/a&amp;b=</NextContinuationToken><IsTruncated>true</IsTruncated>
            <Contents><Key>p/a&#47;1</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>
            <ETag>&quot;x&quot;</ETag><Size>7</Size><Owner><ID>Key</ID></Owner></Contents>
            <Contents><Key>p/b/2</Key><LastModified>2026-01-02T03:05:06Z</LastModified><Size>0</Size></Contents>
            </ListBucketResult>"#;
        let now = "2026-01-02T03:05:05Z".parse().unwrap();
        let page = read(xml, now).unwrap();
        let object = |key: &str, bytes, seconds| Object {
            key: key.to_owned(),
            bytes,
            age: Duration::from_secs(seconds),
        };
        assert_eq!(page.objects, [object("p/a/1", 7, 60), object("p/b/2", 0, 0)]);
        assert_eq!(page.next.as_deref(), Some("1/a&b="));
        let none = read("<ListBucketResult/>", now).unwrap();
        assert_eq!(none, Listing::default());
        for wrong in ["", "<Other/>", "<ListBucketResult>", "<a>&x;</a>", "text"] {
            assert!(read(wrong, now).is_err(), "{wrong}");
        }
        let deep = "<a>".repeat(100);
        assert!(read(&deep, now).unwrap_err().to_string().contains("too deep"));
        let error = "<Error><Code>NoSuchBucket</Code><Message>None &lt;here&gt;</Message></Error>";
        let told = Some(("NoSuchBucket".to_owned(), "None <here>".to_owned()));
        assert_eq!(error_of(error), told);
        assert_eq!(error_of("<Other/>"), None);
    }

    /// Whatever a server says, it is read or refused.
    #[test]
    fn fuzz_s3_listing() {
        ::fuzz::target("s3_listing", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let _ = error_of(&text);
            if let Ok(page) = read(&text, Timestamp::UNIX_EPOCH) {
                assert!(page.objects.len() <= bytes.len());
            }
        });
    }
}
