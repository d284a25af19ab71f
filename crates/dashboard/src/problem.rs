//! Pages that say why there is no other.

use askama::Template;

use crate::context::Context;
use crate::markup::{Markup, in_english};
use crate::shell::Shell;

/// Why there is no page, or why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no such page, or it is not the viewer's to see.
    NotFound,
    /// The form cannot be read.
    BadRequest,
    /// The request came from a page of somebody else, or from a form of another session.
    CrossSite,
    /// Too many requests.
    TooFast,
    /// The server failed; in its words.
    Failed(String),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    shell: Shell<'a>,
    text: Markup,
}

/// A page that says why there is no other.
pub fn problem(of: &Context<'_>, problem: &Problem) -> askama::Result<String> {
    let t = of.texts();
    let (title, text) = match problem {
        Problem::NotFound => (t.not_found, t.not_found_text.into()),
        Problem::BadRequest => (t.bad_request, t.bad_request_text.into()),
        Problem::CrossSite => (t.cross_site, t.cross_site_text.into()),
        Problem::TooFast => (t.too_fast, t.busy.into()),
        Problem::Failed(words) if words.is_empty() => (t.failed, t.failed_text.into()),
        Problem::Failed(words) => (t.failed, in_english(t, words)),
    };
    Page { shell: Shell::new(of, title.into()), text }.render()
}
