//! Reads the few parts of certificates and of requests for them that are needed here, from their DER.
//! Whoever signed them was checked before, or is checked with what is read.

/// A sequence of elements.
pub(crate) const SEQUENCE: u8 = 0x30;
/// A number.
pub(crate) const INTEGER: u8 = 0x02;
/// Bits; the first byte says how many of the last one are none.
pub(crate) const BIT_STRING: u8 = 0x03;
/// Bytes.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// The name of an algorithm, or of an extension.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// Yes or no.
pub(crate) const BOOLEAN: u8 = 0x01;

/// One element, and what comes after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// What it is.
    pub tag: u8,
    /// What it holds.
    pub content: &'a [u8],
    /// All of it, with its tag and its length.
    pub whole: &'a [u8],
    /// What comes after it.
    pub rest: &'a [u8],
}

/// The first element.
pub(crate) fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - rest.len()];
    Some(Element { tag, content, whole, rest })
}

/// The first element, if it is of a kind.
pub(crate) fn tagged(tag: u8, bytes: &[u8]) -> Option<Element<'_>> {
    element(bytes).filter(|element| element.tag == tag)
}

/// The elements within another one, as far as they can be read.
pub(crate) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let element = element(bytes)?;
        bytes = element.rest;
        Some(element)
    })
}

/// What a certificate says, after its version: the serial number, the algorithm, who issued it, from
/// when until when it is valid, whose it is, the key and so on.
pub(crate) fn certificate(der: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    let signed = tagged(SEQUENCE, tagged(SEQUENCE, der)?.content)?.content;
    let version = element(signed)?;
    Some(if version.tag == VERSION { version.rest } else { signed })
}
