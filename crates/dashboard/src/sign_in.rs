//! Where one signs in, by one of three ways.

use askama::Template;

use crate::context::Context;
use crate::paths;
use crate::shell::Shell;

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// A user's token, or the operator's.
    #[default]
    Token,
    /// A user's e-mail address and password.
    Password,
    /// An account's access key, whose secret stays in the page.
    AccessKey,
}

impl Way {
    /// Every way, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Token, Self::Password, Self::AccessKey];

    /// Its name in addresses and forms.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::AccessKey => "access-key",
        }
    }

    /// Finds a way by its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// Why somebody was not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The token, the password or the signature is wrong.
    Wrong,
    /// Too many attempts; so many seconds until the next one.
    TooMany(u64),
    /// Too much is under way.
    Busy,
    /// The form is too old, or of another visit.
    Stale,
    /// The session ended, and nothing was done.
    Over,
    /// The password is right, and a code is wanted as well.
    Code,
    /// The code is wrong.
    WrongCode,
    /// The token is not for all that its user may.
    Narrow,
}

/// What the page is made from, beside its context.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The way that is shown.
    pub way: Way,
    /// Why the last attempt failed.
    pub trouble: Option<Trouble>,
    /// The e-mail address, or the access key's id, that was typed then.
    pub name: &'a str,
    /// What the page that asks for a code sends back; empty where none is asked for.
    pub step: &'a str,
    /// What the page signs with an access key's secret.
    pub challenge: &'a Challenge,
    /// Where to go then.
    pub back: &'a str,
}

/// What the page of an access key signs: it derives a key as Signature Version 4 does, for this day,
/// region and service, and makes an HMAC of the nonce with it.
#[derive(Debug, Clone, Default)]
pub struct Challenge {
    /// What the server made up.
    pub nonce: String,
    /// The day, as `20261130`.
    pub date: String,
    /// The region.
    pub region: String,
}

/// The service for which the page derives its key: no request of an API can be signed with it.
pub const SERVICE: &str = "causeway-dashboard";
/// What the signed text begins with, before the nonce.
pub const PURPOSE: &str = "causeway-dashboard sign-in\n";

#[derive(Template)]
#[template(path = "sign-in.html")]
struct Page<'a> {
    shell: Shell<'a>,
    of: &'a SignIn<'a>,
    /// The name of the way that is shown, and all ways with their labels.
    way: &'static str,
    ways: [(&'static str, &'static str, bool); 3],
    trouble: Option<String>,
    wrong: Option<&'static str>,
    service: &'static str,
    purpose: &'static str,
}

/// Where one signs in.
pub fn sign_in(of: &Context<'_>, page: &SignIn<'_>) -> askama::Result<String> {
    let t = of.texts();
    let wrong = match page.way {
        Way::Token => t.wrong_token,
        Way::Password => t.wrong_password,
        Way::AccessKey => t.wrong_signature,
    };
    Page {
        shell: Shell::new(of, t.sign_in.into()),
        of: page,
        way: page.way.name(),
        ways: [(Way::Token, t.token), (Way::Password, t.password), (Way::AccessKey, t.access_key)]
            .map(|(way, label)| (way.name(), label, way == page.way)),
        trouble: match page.trouble {
            Some(Trouble::TooMany(seconds)) => {
                Some(t.too_many_attempts.replace("{n}", &seconds.to_string()))
            }
            Some(Trouble::Busy) => Some(t.busy.to_owned()),
            Some(Trouble::Stale) => Some(t.stale_form.to_owned()),
            Some(Trouble::Over) => Some(t.session_over.to_owned()),
            Some(Trouble::Narrow) => Some(t.narrow_token.to_owned()),
            Some(Trouble::Wrong | Trouble::Code | Trouble::WrongCode) | None => None,
        },
        wrong: match page.trouble {
            Some(Trouble::Wrong) => Some(wrong),
            Some(Trouble::WrongCode) => Some(t.wrong_code),
            _ => None,
        },
        service: SERVICE,
        purpose: PURPOSE,
    }
    .render()
}

/// Where a page leads to after a sign-in: an address of the dashboard, and nothing else.
pub fn way_back(asked: &str) -> &str {
    let own = asked == paths::HOME || asked.starts_with("/dashboard/");
    let plain = asked.bytes().all(|c| c.is_ascii_graphic() && c != b'\\');
    let leads_on =
        ![paths::SIGN_IN, paths::SECOND_FACTOR, paths::EVENTS, paths::ASSETS, paths::SIGN_OUT]
            .iter()
            .any(|path| asked.starts_with(path));
    if own && plain && leads_on && asked.len() <= 512 { asked } else { paths::HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_the_dashboard_and_nowhere_else() {
        for (asked, back) in [
            ("/dashboard", "/dashboard"),
            ("/dashboard/spaces/a/network", "/dashboard/spaces/a/network"),
            ("", "/dashboard"),
            ("//evil.example", "/dashboard"),
            ("https://evil.example/dashboard/", "/dashboard"),
            ("/dashboardx", "/dashboard"),
            ("/dashboard/\\evil", "/dashboard"),
            ("/dashboard/a\r\nset-cookie: b", "/dashboard"),
            ("/dashboard/sign-in?with=token", "/dashboard"),
            ("/dashboard/events", "/dashboard"),
        ] {
            assert_eq!(way_back(asked), back, "{asked}");
        }
        assert_eq!(way_back(&format!("/dashboard/{}", "a".repeat(600))), "/dashboard");
    }
}
