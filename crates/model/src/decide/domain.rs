//! Custom domains: which names an app may have, and whose a name is.

use super::{Decision, Outcome, refuse};
use crate::names::{MAX_NAME, is_domain, is_reserved};
use crate::resource::{App, Domain};
use crate::{AppId, Code, DomainId, Key, Refused};

/// Custom domains of one app.
const MAX_DOMAINS: usize = 1000;

impl Decision<'_> {
    pub(super) fn add_domain(&mut self, app: AppId, hostname: &str) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let hostname = check_hostname(hostname)?;
        self.check_pattern_of_others(&app, &hostname)?;
        self.check_names_of_others(&app, &hostname)?;
        if self.world.app_at(&hostname).is_some() {
            return refuse(
                Code::InvalidParameterValue,
                format!("{hostname} is currently in use by another app, or by this one."),
            );
        }
        if app.domains.len() >= MAX_DOMAINS {
            return refuse(
                Code::LimitExceeded,
                format!("The app {} has {MAX_DOMAINS} custom domains already.", app.name),
            );
        }
        let mut app = App::clone(&app);
        let domain = Domain { id: DomainId::fresh(self.ids), created: self.now };
        app.domains.insert(hostname, domain);
        self.put(App { updated: self.now, ..app.clone() });
        Ok(Key::App(app.id).into())
    }

    /// Refuses a name that a pattern of another team stands for.
    fn check_pattern_of_others(&self, app: &App, hostname: &str) -> Result<(), Refused> {
        for pattern in crate::edge::known_as(hostname).skip(1) {
            if self.world.app_at(&pattern).is_some_and(|holder| holder.team != app.team) {
                return refuse(
                    Code::InvalidParameterValue,
                    format!("{hostname} is currently in use by another app, as {pattern}."),
                );
            }
        }
        Ok(())
    }

    /// Refuses a pattern that stands for a name of another team, or for all that is below one. The
    /// refusal does not say which name that is.
    fn check_names_of_others(&self, app: &App, hostname: &str) -> Result<(), Refused> {
        let Some(parent) = hostname.strip_prefix("*.") else { return Ok(()) };
        let mut holders = self.world.apps_below(parent).chain(self.world.app_at(parent));
        if holders.any(|holder| holder.team != app.team) {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "{hostname} stands for a name that is currently in use by an app of another \
                     team, or for names below it. Add the names that you need one by one."
                ),
            );
        }
        Ok(())
    }

    pub(super) fn remove_domain(&mut self, app: AppId, id: DomainId) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let mut app = App::clone(&app);
        let before = app.domains.len();
        app.domains.retain(|_, domain| domain.id != id);
        if app.domains.len() == before {
            return refuse(Code::NotFound, "Couldn't find that domain name.");
        }
        self.put(App { updated: self.now, ..app.clone() });
        Ok(Key::App(app.id).into())
    }
}

/// A host's name in lower case: labels of letters, digits and hyphens, at least two of them, as
/// one below a top-level domain has. A pattern does not stand for names under which anybody may
/// register, which the Public Suffix List names.
fn check_hostname(text: &str) -> Result<String, Refused> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    let address = labels.rsplit('.').next().is_some_and(|l| l.bytes().all(|c| c.is_ascii_digit()));
    if is_reserved(labels) {
        return refuse(
            Code::InvalidParameterValue,
            format!("'{text}' lies in a domain that the platform itself keeps."),
        );
    }
    if name.len() <= MAX_NAME && labels.contains('.') && is_domain(labels) && !address {
        if labels.len() < name.len() && is_public_suffix(labels) {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "'{text}' stands for names of many owners, as anybody may register a name \
                     under {labels}. Give a name or a pattern under one of your own, such as \
                     *.example.{labels}."
                ),
            );
        }
        return Ok(name);
    }
    if !text.is_ascii() {
        return refuse(
            Code::InvalidParameterValue,
            format!(
                "'{text}' has letters that DNS does not know; give the name in punycode, as in \
                 xn--mnchen-3ya.de for m\u{fc}nchen.de."
            ),
        );
    }
    refuse(
        Code::InvalidParameterValue,
        format!(
            "'{text}' is not a valid domain name; one is like www.example.com or *.example.com."
        ),
    )
}

/// Whether anybody may register names directly under a domain, or under every name below it, as
/// under those of `kobe.jp`.
fn is_public_suffix(domain: &str) -> bool {
    let is_suffix = |name: &str| psl::suffix_str(name) == Some(name);
    is_suffix(domain) || is_suffix(&format!("any.{domain}"))
}
