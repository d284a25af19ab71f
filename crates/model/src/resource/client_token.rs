//! Tokens by which a client repeats a request.

use serde::{Deserialize, Serialize};

use crate::{Alias, Kind, Scope};

/// A request's token: the same token with the same parameters is the same request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// The token, as the client chose it.
    pub token: String,
    /// A digest of the parameters: [`ClientToken::of_parameters`]. What earlier versions stored was a digest
    /// of the command as the program of that version printed it.
    pub digest: String,
    /// Where it means something: with who sent it, in that region. The decision sets it.
    #[serde(default)]
    pub scope: Option<Scope>,
}

/// What stored digests of parameters begin with. Digests of earlier versions have no `:`.
const OF_PARAMETERS: &str = "parameters:";

impl ClientToken {
    /// A token as it comes with a request, and a digest of the request's other parameters.
    pub fn of_parameters(token: &str, digest: &[u8]) -> Self {
        let digest = format!("{OF_PARAMETERS}{}", hex::encode(digest));
        Self { token: token.to_owned(), digest, scope: None }
    }

    /// Whether a later request with the same token is the same request. If one of the digests is of another
    /// kind, the parameters cannot be compared, and the token alone decides: a repeat after an upgrade makes
    /// nothing twice.
    pub(crate) fn is_repeated_by(&self, later: &Self) -> bool {
        let kind = |token: &Self| token.digest.starts_with(OF_PARAMETERS);
        self.digest == later.digest || kind(self) != kind(later)
    }

    /// The same as it is used in a scope.
    pub(crate) fn of(&self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self.clone() }
    }

    /// The name by which a repeat finds what the first request made.
    pub(crate) fn alias(&self, kind: Kind) -> Option<Alias> {
        Some(Alias::Request(self.scope?, kind, self.token.as_str().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_with_those_of_their_kind_alone() {
        let token = |digest: &[u8]| ClientToken::of_parameters("once", digest);
        assert_eq!(token(&[0, 0xab]).digest, "parameters:00ab");
        assert!(token(&[1]).is_repeated_by(&token(&[1])));
        assert!(!token(&[1]).is_repeated_by(&token(&[2])));
        let of_before = |digest: &str| ClientToken { digest: digest.to_owned(), ..token(&[]) };
        assert!(of_before("5f0c").is_repeated_by(&token(&[1])));
        assert!(!of_before("5f0c").is_repeated_by(&of_before("5f0d")));
    }
}
