//! Where a user allows a command to log in.

use askama::Template;
use model::Timestamp;

use crate::context::Context;
use crate::moment;
use crate::shell::Shell;

/// What the page is made from, beside its context.
#[derive(Debug, Clone, Copy)]
pub struct LogIn<'a> {
    /// What there is to say.
    pub state: LogInState<'a>,
}

/// How a request fares.
#[derive(Debug, Clone, Copy)]
pub enum LogInState<'a> {
    /// It waits for an answer.
    Asks {
        /// What the command says of itself.
        description: &'a str,
        /// The address that it came from.
        from: &'a str,
        /// When it came.
        made: Timestamp,
        /// Whether it came from elsewhere, so that its address must be typed to allow it.
        must_type: bool,
        /// Whether something else was typed.
        typed_wrong: bool,
    },
    /// It was allowed.
    Allowed,
    /// It was denied.
    Denied,
    /// There is none, or none any more.
    Gone,
    /// Whoever is signed in is no user.
    NoUser,
}

#[derive(Template)]
#[template(path = "log-in.html")]
struct Page<'a> {
    shell: Shell<'a>,
    title: &'static str,
    text: &'static str,
    asks: Option<Asks<'a>>,
}

struct Asks<'a> {
    description: &'a str,
    from: &'a str,
    made: String,
    must_type: bool,
    typed_wrong: bool,
    /// As whom the command will act.
    user: &'a str,
}

/// The page.
pub fn log_in(of: &Context<'_>, page: &LogIn<'_>) -> askama::Result<String> {
    let t = of.texts();
    let user = of.viewer.user.and_then(|user| of.world.user(user)).map(|user| user.email.as_str());
    let (title, text, asks) = match (page.state, user) {
        (LogInState::Asks { description, from, made, must_type, typed_wrong }, Some(user)) => {
            let made = moment::date_time(t, made);
            let asks = Asks { description, from, made, must_type, typed_wrong, user };
            (t.log_in_title, t.log_in_warning, Some(asks))
        }
        (LogInState::Asks { .. } | LogInState::NoUser, _) => {
            (t.log_in_title, t.log_in_no_user, None)
        }
        (LogInState::Allowed, _) => (t.log_in_allowed, t.log_in_back, None),
        (LogInState::Denied, _) => (t.log_in_denied, t.log_in_denied_text, None),
        (LogInState::Gone, _) => (t.log_in_gone, t.log_in_gone_text, None),
    };
    Page { shell: Shell::new(of, title.into()).still(), title, text, asks }.render()
}
