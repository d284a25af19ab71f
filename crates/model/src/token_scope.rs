//! What a token may do: its scopes, as the Platform API names them, and what a request needs.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a token may do of all that its user may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum TokenScope {
    /// All that the user may do, tokens and memberships included.
    Global,
    /// Reading who the user is.
    Identity,
    /// Reading apps and what belongs to them, but for their config vars, releases and code.
    Read,
    /// Reading those as well.
    ReadProtected,
    /// Reading as by `Read`, and changing.
    Write,
    /// Reading and changing, config vars, releases and code included, and running commands, which
    /// see the config vars.
    WriteProtected,
}

impl TokenScope {
    /// Its name in the Platform API.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a request needs of the token that it comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any token: what is told is nobody's.
    Nothing,
    /// To read who the user is.
    Identity,
    /// To read what is the user's or their teams'.
    Read,
    /// To read secrets of apps as well.
    ReadProtected,
    /// To change what is the user's or their teams'.
    Write,
    /// To change secrets of apps, or to run commands, which see them.
    WriteProtected,
    /// All that the user may do: by less, a token could give itself or somebody else more.
    Everything,
}

impl Need {
    /// The scopes of which one is enough.
    pub const fn accepted(self) -> &'static [TokenScope] {
        use TokenScope::{Global, Identity, Read, ReadProtected, Write, WriteProtected};
        match self {
            Self::Nothing => &[Global, Identity, Read, ReadProtected, Write, WriteProtected],
            Self::Identity => &[Global, Identity],
            Self::Read => &[Global, Read, ReadProtected, Write, WriteProtected],
            Self::ReadProtected => &[Global, ReadProtected, WriteProtected],
            Self::Write => &[Global, Write, WriteProtected],
            Self::WriteProtected => &[Global, WriteProtected],
            Self::Everything => &[Global],
        }
    }
}

/// The scopes of a token. A token of an older version, which has none, may do all that its user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenScopes(BTreeSet<TokenScope>);

impl Default for TokenScopes {
    fn default() -> Self {
        Self([TokenScope::Global].into())
    }
}

impl FromIterator<TokenScope> for TokenScopes {
    fn from_iter<I: IntoIterator<Item = TokenScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl TokenScopes {
    /// The scopes, each once.
    pub fn iter(&self) -> impl Iterator<Item = TokenScope> {
        self.0.iter().copied()
    }

    /// Whether there are none, by which nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is enough for a request.
    pub fn allow(&self, need: Need) -> bool {
        need.accepted().iter().any(|scope| self.0.contains(scope))
    }
}

impl fmt::Display for TokenScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|scope| scope.name()).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    const NEEDS: [Need; 7] = [
        Need::Nothing,
        Need::Identity,
        Need::Read,
        Need::ReadProtected,
        Need::Write,
        Need::WriteProtected,
        Need::Everything,
    ];

    /// The whole table, by name. A row is a scope, a column is a need.
    #[test]
    fn each_scope_allows_these_needs_and_no_others() {
        let rows = [
            ("global", "1111111"),
            ("identity", "1100000"),
            ("read", "1010000"),
            ("read-protected", "1011000"),
            ("write", "1010100"),
            ("write-protected", "1011110"),
        ];
        assert_eq!(rows.len(), TokenScope::VARIANTS.len());
        for (name, row) in rows {
            let scopes: TokenScopes = [name.parse().unwrap()].into_iter().collect();
            let allowed = NEEDS.map(|need| if scopes.allow(need) { '1' } else { '0' });
            assert_eq!(allowed.iter().collect::<String>(), row, "{name}");
        }
    }

    #[test]
    fn several_allow_what_any_of_them_does_and_none_nothing() {
        let both: TokenScopes = [TokenScope::Read, TokenScope::Identity].into_iter().collect();
        assert!(both.allow(Need::Read) && both.allow(Need::Identity) && !both.allow(Need::Write));
        assert_eq!(both.to_string(), "identity read");
        let none: TokenScopes = [].into_iter().collect();
        assert!(none.is_empty() && NEEDS.iter().all(|need| !none.allow(*need)));
    }

    #[test]
    fn names_are_those_of_the_platform_api() {
        for scope in TokenScope::VARIANTS {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
            assert_eq!(scope.name().parse(), Ok(*scope));
        }
        assert!("Global".parse::<TokenScope>().is_err() && "".parse::<TokenScope>().is_err());
    }
}
