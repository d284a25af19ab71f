//! `MaxResults` and `NextToken`.
//!
//! A token holds the key of the last item that was given out, so a page goes on at the right
//! place whatever was made or deleted in between, and nothing is remembered for it.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::params::{ParamError, Params};

/// Longest token that is looked at; a key is an identifier.
const MAX_TOKEN: usize = 1024;
/// Bytes of the check. It finds mistakes; a forged token only moves its own caller's page.
const CHECK: usize = 8;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    action: String,
    limit: Option<usize>,
    after: Option<String>,
}

impl Paging {
    /// Reads the page that `action` is asked for. `bounds` are those of its `MaxResults`, and
    /// `ids` is the parameter of explicit identifiers, which excludes paging.
    pub fn parse(
        params: &Params,
        action: &str,
        bounds: RangeInclusive<u16>,
        ids: Option<&str>,
    ) -> Result<Self, ParamError> {
        let bounds = i64::from(*bounds.start())..=i64::from(*bounds.end());
        let limit = params.integer("MaxResults", bounds)?;
        let token = params.get("NextToken").filter(|token| !token.is_empty());
        if let Some(ids) = ids.filter(|ids| params.contains(ids)) {
            let paged = [("MaxResults", limit.is_some()), ("NextToken", token.is_some())];
            if let Some((other, _)) = paged.into_iter().find(|(_, given)| *given) {
                return Err(ParamError::Combination { name: ids.into(), other: other.into() });
            }
        }
        Ok(Self {
            action: action.to_owned(),
            limit: limit.and_then(|n| usize::try_from(n).ok()),
            after: token.map(|token| open(action, token)).transpose()?,
        })
    }

    /// The key that the page begins after, for a caller that can seek.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// How many items the page holds at most; `None` is all of them.
    pub const fn limit(&self) -> Option<usize> {
        self.limit
    }
}

/// The page and the token of the next, if there is more. `items` come sorted by `key`, byte by
/// byte; they may begin at any item up to the first of the page.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
    paging: &Paging,
) -> (Vec<T>, Option<String>) {
    let mut seen = paging.after.is_none();
    let mut rest = items.into_iter().skip_while(|item| {
        seen = seen || paging.after.as_deref().is_some_and(|after| *key(item) > *after);
        !seen
    });
    let Some(limit) = paging.limit else { return (rest.collect(), None) };
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let token = last.map(|item| seal(&paging.action, &key(item)));
    (page, token)
}

fn seal(action: &str, key: &str) -> String {
    let mut bytes = check(action, key.as_bytes()).to_vec();
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(action: &str, token: &str) -> Result<String, ParamError> {
    const WRONG: ParamError = ParamError::InvalidNextToken;
    if token.len() > MAX_TOKEN {
        return Err(WRONG);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| WRONG)?;
    let (given, key) = bytes.split_first_chunk::<CHECK>().ok_or(WRONG)?;
    if *given != check(action, key) {
        return Err(WRONG);
    }
    String::from_utf8(key.to_vec()).map_err(|_| WRONG)
}

fn check(action: &str, key: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::new()
        .chain_update(b"causeway page 2\0")
        .chain_update(action)
        .chain_update(b"\0")
        .chain_update(key)
        .finalize();
    *digest.first_chunk().expect("a SHA-256 is longer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(action: &str, form: &str) -> Result<Paging, ParamError> {
        let params = Params::parse(form.as_bytes()).unwrap();
        Paging::parse(&params, action, 5..=1000, Some("VpcId"))
    }

    fn numbers(paging: &Paging, last: u32) -> (Vec<String>, Option<String>) {
        page((0..last).map(|n| format!("vpc-{n:04}")), Clone::clone, paging)
    }

    #[test]
    fn everything_without_a_limit() {
        let (all, next) = numbers(&parse("A", "").unwrap(), 12);
        assert_eq!((all.len(), next), (12, None));
    }

    #[test]
    fn bounds_tokens_and_ids_are_checked() {
        let error = parse("A", "MaxResults=4").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Value (4) for parameter maxResults is invalid. \
             Expecting an integer between 5 and 1000."
        );
        assert_eq!(parse("A", "MaxResults=1001").unwrap_err().code(), "InvalidParameterValue");
        let (_, next) = numbers(&parse("A", "MaxResults=5").unwrap(), 6);
        let next = next.unwrap();
        assert_eq!(parse("A", &format!("NextToken={next}")).unwrap().after(), Some("vpc-0004"));
        for token in [next.as_str(), "x", "%21", "AAAAAAAAAAAAAAAAAAA"] {
            let error = parse("B", &format!("NextToken={token}")).unwrap_err();
            assert_eq!(error.code(), "InvalidNextToken", "{token}");
        }
        for form in ["VpcId.1=v&MaxResults=5", &format!("VpcId.1=v&NextToken={next}")] {
            assert_eq!(parse("A", form).unwrap_err().code(), "InvalidParameterCombination");
        }
        assert!(parse("A", "VpcId.1=v").is_ok());
    }

    #[test]
    fn a_page_goes_on_where_a_deleted_item_was() {
        let (_, next) = numbers(&parse("A", "MaxResults=5").unwrap(), 9);
        let paging = parse("A", &format!("NextToken={}", next.unwrap())).unwrap();
        let left = ["vpc-0001", "vpc-0003", "vpc-0007"].map(str::to_owned);
        assert_eq!(page(left, Clone::clone, &paging), (vec!["vpc-0007".to_owned()], None));
    }

    proptest! {
        #[test]
        fn pages_are_the_whole(last in 0u32..60, size in 5u32..20) {
            let mut all = Vec::new();
            let mut token = String::new();
            loop {
                let form = format!("MaxResults={size}&NextToken={token}");
                let (page, next) = numbers(&parse("A", &form).unwrap(), last);
                prop_assert!(page.len() <= size as usize);
                all.extend(page);
                match next {
                    Some(next) => token = next,
                    None => break,
                }
            }
            let expected: Vec<_> = (0..last).map(|n| format!("vpc-{n:04}")).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
