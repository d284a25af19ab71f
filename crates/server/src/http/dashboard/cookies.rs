//! The cookies of the dashboard.
//!
//! None is sent along with a request that a page of another site makes, but for the session's where a
//! link leads here (`SameSite=Lax`): who follows a link to a request that waits is signed in there, and
//! no `GET` changes anything.

use axum::http::{HeaderMap, HeaderValue, header};

/// A cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The session, sealed.
    Session,
    /// An id of who is not signed in, to which the form to sign in belongs.
    Visitor,
    /// The language that was chosen.
    Language,
    /// The theme that was chosen.
    Theme,
    /// Whether the key `/` leads to the search.
    Shortcut,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "causeway_session",
            Self::Visitor => "causeway_visitor",
            Self::Language => "causeway_language",
            Self::Theme => "causeway_theme",
            Self::Shortcut => "causeway_shortcut",
        }
    }

    const fn same_site(self) -> &'static str {
        match self {
            Self::Session | Self::Language | Self::Theme | Self::Shortcut => "Lax",
            Self::Visitor => "Strict",
        }
    }

    /// How long a browser keeps it, in seconds.
    const fn life(self) -> u64 {
        match self {
            Self::Session => super::session::LIFE.as_secs(),
            Self::Visitor => 24 * 3600,
            Self::Language | Self::Theme | Self::Shortcut => 365 * 24 * 3600,
        }
    }

    /// Its value in a request.
    pub(super) fn of(self, headers: &HeaderMap) -> Option<&str> {
        let lines = headers.get_all(header::COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name()).map(|(_, value)| value)
    }

    /// The header that sets it. Its value must be letters, digits, hyphens and underscores.
    pub(super) fn set(self, value: &str, secure: bool) -> HeaderValue {
        self.line(value, self.life(), secure)
    }

    /// The header that removes it.
    pub(super) fn clear(self, secure: bool) -> HeaderValue {
        self.line("", 0, secure)
    }

    fn line(self, value: &str, life: u64, secure: bool) -> HeaderValue {
        let line = format!(
            "{}={value}; Path=/dashboard; Max-Age={life}; HttpOnly; SameSite={}{}",
            self.name(),
            self.same_site(),
            if secure { "; Secure" } else { "" }
        );
        HeaderValue::from_str(&line).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_names_and_kept_from_scripts_and_other_sites() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; causeway_theme=dark;x"));
        headers.append(header::COOKIE, HeaderValue::from_static("xcauseway_session=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("causeway_session=s=1"));
        assert_eq!(Cookie::Theme.of(&headers), Some("dark"));
        assert_eq!(Cookie::Session.of(&headers), Some("s=1"));
        assert_eq!(Cookie::Visitor.of(&headers), None);
        assert_eq!(
            Cookie::Session.set("v", true),
            "causeway_session=v; Path=/dashboard; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Visitor.clear(false),
            "causeway_visitor=; Path=/dashboard; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
