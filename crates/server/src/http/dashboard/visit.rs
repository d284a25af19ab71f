//! A request of the dashboard: from whom, in which language, and by which session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::header;
use axum::http::request::Parts;
use dashboard::{Context, Language, Theme, Viewer};
use model::{IdSource, Timestamp, UserId, World};
use store::{AuditRow, Secret};
use subtle::ConstantTimeEq;

use super::cookies::Cookie;
use super::session::Session;
use super::shared::Dashboard;
use crate::clock::SystemIds;
use crate::http::listen::Arrived;
use crate::http::refusals::Refusal;
use crate::http::state::Origin;
use crate::party::{Party, network};

/// A request of the dashboard.
pub(super) struct Visit {
    pub(super) dashboard: Dashboard,
    /// The world of the last commit.
    pub(super) world: Arc<World>,
    pub(super) now: Timestamp,
    pub(super) origin: Origin,
    /// The path of the page, which forms come back to.
    pub(super) path: String,
    pub(super) language: Language,
    pub(super) theme: Option<Theme>,
    /// Whether the key `/` leads to the search.
    pub(super) shortcut: bool,
    /// Whether the browser came by TLS, which a proxy says.
    pub(super) secure: bool,
    /// Who is signed in.
    pub(super) session: Option<Session>,
    pub(super) viewer: Viewer,
    /// The user of the session who has yet to enable a second factor, and is nobody on other pages.
    pub(super) enrols: Option<UserId>,
    /// Whether a session came that has ended.
    pub(super) is_over: bool,
    /// The id of who is not signed in; nothing where it must be given one first.
    pub(super) visitor: String,
    /// Whether the browser has that id already.
    pub(super) is_known_visitor: bool,
    pub(super) form_token: String,
}

impl Visit {
    pub(super) fn of(dashboard: &Dashboard, parts: &Parts) -> Self {
        let headers = &parts.headers;
        let state = &dashboard.state;
        let (world, now) = (state.world(), state.clock.now());
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let sealed = Cookie::Session.of(headers);
        let session = sealed
            .and_then(|sealed| Session::open(&state.secret, sealed))
            .filter(|session| !dashboard.ended.has(&session.id));
        let viewer = session.as_ref().and_then(|session| session.viewer(&world, now));
        let enrols = session.as_ref().and_then(|session| session.enrols(&world, now));
        let session = session.filter(|_| viewer.is_some() || enrols.is_some());
        let visitor = Cookie::Visitor.of(headers).filter(|id| is_id(id));
        let is_known_visitor = visitor.is_some();
        let visitor = visitor.map_or_else(fresh_id, str::to_owned);
        let of_form = session.as_ref().map_or(&visitor, |session| &session.id);
        let form_token = form_token(&state.secret, of_form);
        let chosen = Cookie::Language.of(headers).and_then(Language::find);
        let accepted = || {
            let accepted = headers.get(header::ACCEPT_LANGUAGE);
            Language::preferred(accepted.and_then(|a| a.to_str().ok()).unwrap_or_default())
        };
        let path = parts.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = match parts.uri.query().filter(|_| ::dashboard::has_query(path)) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Self {
            dashboard: dashboard.clone(),
            world,
            now,
            origin: Origin { address, request_id: fresh_id() },
            path,
            language: chosen.unwrap_or_else(accepted),
            theme: Cookie::Theme.of(headers).and_then(Theme::find),
            shortcut: Cookie::Shortcut.of(headers) != Some("off"),
            secure: is_secure(parts),
            is_over: sealed.is_some() && session.is_none(),
            session,
            viewer: viewer.unwrap_or_default(),
            enrols,
            visitor,
            is_known_visitor,
            form_token,
        }
    }

    /// What its pages are made from.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            world: &self.world,
            viewer: self.viewer,
            language: self.language,
            theme: self.theme,
            shortcut: self.shortcut,
            now: self.now,
            form_token: &self.form_token,
            path: &self.path,
        }
    }

    /// The same request on the world of the last commit, for what is shown after a change.
    pub(super) fn renewed(mut self) -> Self {
        self.world = self.dashboard.state.world();
        self.now = self.dashboard.state.clock.now();
        self
    }

    /// The same request with another session in place of its own, on the world of the last commit.
    pub(super) fn in_session(self, session: Session) -> Self {
        let mut renewed = self.renewed();
        let (world, now) = (&renewed.world, renewed.now);
        renewed.viewer = session.viewer(world, now).unwrap_or_default();
        renewed.enrols = session.enrols(world, now);
        renewed.form_token = form_token(&renewed.dashboard.state.secret, &session.id);
        renewed.session = Some(session);
        renewed
    }

    /// Whether somebody is signed in to whom pages are open.
    pub(super) fn is_in(&self) -> bool {
        self.session.is_some() && !self.must_enrol()
    }

    /// Whether nothing is open but the page where a user enables a second factor. The side of an account that
    /// the session speaks for as well is open still.
    pub(super) fn must_enrol(&self) -> bool {
        self.enrols.is_some() && self.viewer.account.is_none()
    }

    /// Whether a form is one of this session's, or of this visitor's.
    pub(super) fn is_own_form(&self, token: Option<&str>) -> bool {
        let token = token.unwrap_or_default().as_bytes();
        bool::from(self.form_token.as_bytes().ct_eq(token))
    }

    /// For whom limited resources are counted.
    pub(super) fn party(&self) -> Party {
        match self.viewer {
            Viewer { operator: true, .. } => Party::Operator,
            Viewer { user: Some(user), .. } => Party::User(user),
            Viewer { account: Some(account), .. } => Party::Account(account),
            Viewer { .. } => match self.enrols {
                Some(user) => Party::User(user),
                None => Party::Network(self.origin.address.map(network)),
            },
        }
    }

    /// Has the audit know of a request that was refused before it became a command.
    pub(super) fn note_refused(&self, action: &str, resource: &str, outcome: &str, message: &str) {
        let user = self.viewer.platform_caller().map(|caller| caller.to_string());
        let account = self.viewer.account.map(|account| format!("account/{account}"));
        let row = AuditRow {
            actor: user.or(account).unwrap_or_else(|| "nobody".to_owned()),
            account: self.viewer.account.map(|id| id.to_string()).unwrap_or_default(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            outcome: outcome.to_owned(),
            message: message.to_owned(),
            request_id: self.origin.request_id.clone(),
            ..AuditRow::default()
        };
        let source: Option<IpAddr> = self.origin.address;
        self.dashboard.state.refused(Refusal { source, row });
    }
}

/// What the forms of a session, or of a visitor, send back.
fn form_token(secret: &Secret, of: &str) -> String {
    hex::encode(&secret.derive("dashboard-form", of)[..16])
}

/// A fresh id of 128 bits.
pub(super) fn fresh_id() -> String {
    format!("{:032x}", SystemIds.next_bits())
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Whether the browser speaks TLS, with us or, as it says, with a proxy. A browser that does not cannot
/// claim it for somebody else.
fn is_secure(parts: &Parts) -> bool {
    let arrived = parts.extensions.get::<Arrived>().copied().unwrap_or_default();
    let proto = parts.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    arrived.secure || proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}
