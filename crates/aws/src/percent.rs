//! Percent-encoding as SigV4 wants it, and the decoding that forms and signatures share.
//!
//! The decoding is our own, since the crate `percent-encoding` takes a bad escape for text, which here is
//! an error, and does not know `+`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// All but the unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An escape that is not `%` and two hexadecimal digits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadEscape;

/// Decodes `%XX` and `+` (a space). Both readers of a query, the parameters and the signature,
/// must agree on its meaning, or a signed space could be swapped for a plus.
pub(crate) fn decode(raw: &[u8]) -> Result<Cow<'_, [u8]>, BadEscape> {
    let Some(first) = raw.iter().position(|&b| b == b'%' || b == b'+') else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut out = Vec::with_capacity(raw.len());
    out.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (pair, tail) = tail.split_first_chunk::<2>().ok_or(BadEscape)?;
                let high = nibble(pair[0]).ok_or(BadEscape)?;
                let low = nibble(pair[1]).ok_or(BadEscape)?;
                out.push(high << 4 | low);
                rest = tail;
            }
            other => out.push(other),
        }
    }
    Ok(Cow::Owned(out))
}

/// Appends `raw` with everything but unreserved characters escaped.
pub(crate) fn encode_into(out: &mut Vec<u8>, raw: &[u8]) {
    for piece in percent_encode(raw, ESCAPED) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// A text as a URL can hold it.
pub fn encode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    encode_into(&mut out, text.as_bytes());
    out.into_iter().map(char::from).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["%", "%4", "a%zz", "%+1", "%4g"] {
            assert_eq!(decode(raw.as_bytes()), Err(BadEscape), "{raw}");
        }
        assert_eq!(decode(b"a+b%2B%2f").unwrap().as_ref(), b"a b+/");
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(raw: Vec<u8>) {
            let mut out = Vec::new();
            encode_into(&mut out, &raw);
            prop_assert!(out.iter().all(u8::is_ascii_graphic));
            prop_assert_eq!(decode(&out).unwrap().into_owned(), raw);
        }
    }
}
