//! The definition of a route: its method, its path, its scope, and the functions that carry it out.
//!
//! The scope says what the caller must belong to. It is checked before the route's own functions
//! run, which take the team, space or app as a parameter, so that the check cannot be forgotten. So is
//! the need, which the caller's token must allow.

use std::sync::Arc;

use axum::routing::MethodFilter;
use model::{Addon, App, IdentityCommand, Need, PlatformCommand, Space, Team, Token};

use store::{DeliveryRow, EventRow, Store};

use super::attachment::Attachment;
use super::call::{Call, Outcome};
use super::failure::Failure;
use crate::ledger::Committed;

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What the caller's token must be for.
    pub(super) need: Need,
    pub(super) scope: Scope,
    /// Whether a user who has a password must send it along.
    pub(super) confirmed: bool,
}

impl Route {
    /// The same with another need than its method's.
    pub(super) const fn needs(self, need: Need) -> Self {
        let Self { method, path, scope, confirmed, .. } = self;
        Self { method, path, need, scope, confirmed }
    }

    /// The same, confirmed by the user's password.
    pub(super) const fn confirmed(self) -> Self {
        let Self { method, path, scope, need, .. } = self;
        Self { method, path, need, scope, confirmed: true }
    }

    /// Whether it serves users who have yet to enable a second factor that a team demands: by it they
    /// do so, or learn who they are.
    pub(super) fn is_for_anybody(&self) -> bool {
        matches!(self.need, Need::Nothing | Need::Identity)
            || self.path.starts_with("/account/two-factor")
            || matches!(self.scope, Scope::SignIn(_))
    }
}

/// The methods of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What the caller must belong to, with the functions that carry the route out.
pub(super) enum Scope {
    /// Any authenticated caller.
    User(Work<()>),
    /// Any caller, who may also authenticate by a password to get a token.
    SignIn(Work<()>),
    /// The caller's own token in the path.
    Token(Work<Arc<Token>>),
    /// The team in the path.
    Team(Work<Arc<Team>>),
    /// The team of the space in the path.
    Space(Work<Arc<Space>>),
    /// The team of the app in the path.
    App(Work<Arc<App>>),
    /// The team of the app that the add-on in the path is of.
    Addon(Work<Arc<Addon>>),
    /// The teams of both apps of the attachment in the path.
    Attachment(Work<Attachment>),
}

/// Asks the store for what is kept beside the world.
pub(super) type Question = Box<dyn FnOnce(&dyn Store) -> store::Result<Kept> + Send>;

/// What is kept beside the world.
pub(super) struct Kept {
    /// What happened.
    pub(super) events: Vec<EventRow>,
    /// What became of it at webhooks.
    pub(super) deliveries: Vec<DeliveryRow>,
}

/// The functions that carry a route out.
pub(super) enum Work<S> {
    /// Reads the world.
    Read(fn(&Call, &S) -> Outcome),
    /// Reads what is kept beside the world, on a thread that may wait.
    Look(fn(&Call, &S) -> Question, fn(&Call, &S, &Kept) -> Outcome),
    /// Submits a command about users, teams and tokens, and shows the result.
    People(fn(&Call, &S) -> Result<IdentityCommand, Failure>, fn(&Call, &S, &Committed) -> Outcome),
    /// Makes a secret, submits a command that stores its hash, and shows the secret once.
    Issue(
        fn(&Call, &S, String) -> Result<IdentityCommand, Failure>,
        fn(&Call, &S, &Committed, &str) -> Outcome,
    ),
    /// Submits a command, and shows the result.
    Write(fn(&Call, &S) -> Result<PlatformCommand, Failure>, fn(&Call, &S, &Committed) -> Outcome),
}

impl Method {
    /// What a token must be for, where the route says nothing else.
    pub(super) const fn need(self) -> Need {
        match self {
            Self::Get => Need::Read,
            Self::Post | Self::Put | Self::Patch | Self::Delete => Need::Write,
        }
    }

    /// The router's filter for the method.
    pub(super) const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// The method's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether requests have a body.
    pub(super) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}
