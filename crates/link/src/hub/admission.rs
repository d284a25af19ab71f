//! Who is let in: a newcomer by its token, and a host by its certificate and the registry.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::state::Shared;
use crate::authority::{AuthorityError, to_pem};
use crate::identity::HostId;
use crate::message::{About, Hello, Join, Joined, Refusal, RefusalCode, ToHost, Versions};
use crate::registry::{EnrolError, Newcomer, NotServed};
use crate::request::ProvedKey;
use crate::token::JoinToken;

/// What a host that is served has agreed on.
pub(super) struct Admitted {
    /// The version of the messages.
    pub version: u16,
    /// Which leader this server is.
    pub epoch: u64,
}

fn refusal(code: RefusalCode, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

/// Why no version is spoken.
fn no_version(theirs: Versions, ours: Versions) -> Refusal {
    let (what, which) = if theirs.newest < ours.oldest {
        ("this host", "its release of Causeway is too old; upgrade it")
    } else {
        ("this server", "it is older than this host; upgrade the servers first")
    };
    let spoken = |it: Versions| format!("{} to {}", it.oldest, it.newest);
    let message = format!(
        "the host speaks versions {} of the protocol and the server {}: {what} does not follow, as {which}",
        spoken(theirs),
        spoken(ours)
    );
    refusal(RefusalCode::Version, message)
}

/// Answers a newcomer.
pub(super) async fn join(shared: &Arc<Shared>, join: Join, from: IpAddr) -> ToHost {
    let shared = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || shared.enrol(&join, from)).await {
        Ok(Ok(joined)) => ToHost::Joined(Box::new(joined)),
        Ok(Err(refusal)) => ToHost::Refused(refusal),
        Err(_) => ToHost::Refused(refusal(RefusalCode::Other, "the server failed")),
    }
}

impl Shared {
    fn enrol(&self, join: &Join, from: IpAddr) -> Result<Joined, Refusal> {
        let parts = &self.parts;
        if parts.versions.common(join.versions).is_none() {
            return Err(no_version(join.versions, parts.versions));
        }
        let malformed = |why: String| refusal(RefusalCode::Other, why);
        let request =
            STANDARD.decode(&join.request).map_err(|error| malformed(error.to_string()))?;
        let key = ProvedKey::of_request(&request).map_err(|error| malformed(error.to_string()))?;
        let token = JoinToken::hash_of_shown(&join.secret)
            .ok_or_else(|| refusal(RefusalCode::Token, EnrolError::Token.to_string()))?;
        let newcomer = Newcomer { token: &token, key: &key.digest(), about: &join.about, from };
        let host = parts.registry.enrol(newcomer).map_err(|error| {
            let code = match &error {
                EnrolError::Token => RefusalCode::Token,
                EnrolError::Expired => RefusalCode::TokenExpired,
                EnrolError::Refused(_) | EnrolError::Store(_) => RefusalCode::Other,
            };
            tracing::warn!(
                name = join.about.name,
                error = os::error_chain(&error),
                "no host joined"
            );
            refusal(code, error.to_string())
        })?;
        let certificate = self.certificate(&host, &key).map_err(|error| {
            tracing::error!(%host, error = os::error_chain(&error), "a host has no certificate");
            malformed(error.to_string())
        })?;
        tracing::info!(%host, name = join.about.name, "a host joined");
        Ok(Joined {
            host,
            certificate,
            authority: to_pem(parts.authority.certificate()),
            settings: parts.settings.clone(),
            servers: (parts.servers)().all,
        })
    }

    /// Another certificate of a host, in PEM.
    pub(super) fn certificate(
        &self,
        host: &HostId,
        key: &ProvedKey,
    ) -> Result<String, AuthorityError> {
        let parts = &self.parts;
        let made = parts.authority.host_certificate(host, key, (parts.now)(), parts.lifetime)?;
        Ok(to_pem(&made))
    }

    /// Whether a host is served, and how.
    pub(super) fn admit(&self, hello: &Hello) -> Result<Admitted, Box<ToHost>> {
        let parts = &self.parts;
        let version = parts.versions.common(hello.versions);
        let refused = || Box::new(ToHost::Refused(no_version(hello.versions, parts.versions)));
        let version = version.ok_or_else(refused)?;
        let epoch = (parts.epoch)().ok_or_else(|| Box::new(self.elsewhere()))?;
        if hello.epoch > epoch {
            let message = format!(
                "this server leads in epoch {epoch}, and the host has heard from one of epoch {}",
                hello.epoch
            );
            return Err(Box::new(ToHost::Refused(refusal(RefusalCode::Older, message))));
        }
        Ok(Admitted { version, epoch })
    }

    /// Takes note of a host that is about to be served. Who was removed is known for certain only here: what
    /// this server knows by itself may lack a host that another one has just let in.
    pub(super) fn note(
        &self,
        host: &HostId,
        about: &About,
        from: IpAddr,
    ) -> Result<(), Box<ToHost>> {
        let answer = |error| match error {
            NotServed::Removed => ToHost::Refused(removed(host)),
            NotServed::NotLeading => self.elsewhere(),
            NotServed::Store(_) => ToHost::Refused(refusal(RefusalCode::Other, error.to_string())),
        };
        let noted = self.parts.registry.connected(host, about, from);
        noted.map_err(|error| Box::new(answer(error)))
    }

    /// What a host is told while this server does not lead.
    pub(super) fn elsewhere(&self) -> ToHost {
        let message = "this server does not lead at present".to_owned();
        ToHost::Elsewhere { message, leader: (self.parts.servers)().leader }
    }
}

/// What a host is told that was removed.
pub(super) fn removed(host: &HostId) -> Refusal {
    let message = format!("{host} is not one of the installation's hosts any more");
    refusal(RefusalCode::Removed, message)
}
