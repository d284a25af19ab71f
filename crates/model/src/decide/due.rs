//! Rules of time: what it alone changes, and when.
//!
//! The world keeps an index of what waits, so that neither asking for the next deadline nor doing
//! what is due costs more because there are many others.

use std::time::Duration;

use super::{Decision, addon, dyno};
use crate::resource::{InstanceState, Peering};
use crate::{Key, Record, SlugId, Timestamp, World};

/// How long dynos and instances that have ended can be looked at.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a slug may wait for its code, and for a release.
const SLUG_WAITS: Duration = Duration::from_secs(24 * 3600);

/// What is to be done with a resource that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    /// Something is to happen, at once when it is due.
    Act,
    /// Nobody needs it any more: it is to be forgotten, at leisure.
    Forget,
}

impl Record {
    /// What time alone does to it, and when.
    pub(crate) fn due(&self) -> Option<(Errand, Timestamp)> {
        let act = |at| (Errand::Act, at);
        let forget = |at| (Errand::Forget, at);
        match self {
            Self::Dyno(r) => dyno::deadline(r)
                .map(act)
                .or_else(|| r.state.ended().then(|| forget(r.updated + KEPT))),
            Self::Addon(r) => addon::deadline(r).map(act),
            Self::Instance(r) => {
                (r.state == InstanceState::Terminated).then(|| forget(r.since + KEPT))
            }
            Self::Peering(r) => forgotten(r).map(forget),
            Self::Token(r) => r.expires.map(forget),
            Self::Slug(r) => (!r.released).then(|| forget(r.updated + SLUG_WAITS)),
            Self::Settings(_)
            | Self::Account(_)
            | Self::AccessKey(_)
            | Self::User(_)
            | Self::Team(_)
            | Self::Space(_)
            | Self::App(_)
            | Self::Release(_)
            | Self::Vpc(_)
            | Self::Subnet(_)
            | Self::RouteTable(_)
            | Self::SecurityGroup(_)
            | Self::NetworkAcl(_)
            | Self::Eni(_)
            | Self::InternetGateway(_)
            | Self::DhcpOptions(_) => None,
        }
    }
}

/// When nobody sees a peering any more, if it stays what it is: a request that nobody accepts
/// expires.
fn forgotten(peering: &Peering) -> Option<Timestamp> {
    let sides = [peering.requester.account, peering.accepter.account];
    let [one, other] = sides.map(|account| peering.visible_until(account, Timestamp::MAX));
    Some(one?.max(other?))
}

impl World {
    /// When time alone will next change something: a crashed dyno is tried again, one that does
    /// not come up is given up, one that drains is stopped. What is to be forgotten can wait.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting(Errand::Act).next().map(|(at, _)| at)
    }

    /// What an errand is due of, longest due first.
    fn due(&self, errand: Errand, now: Timestamp) -> Vec<Record> {
        let due = self.waiting(errand).take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, key)| self.get(key).cloned()).collect()
    }
}

impl Decision<'_> {
    /// Does what is due because time has passed.
    pub(super) fn tick(&mut self) {
        for record in self.world.due(Errand::Act, self.now) {
            if let Record::Dyno(dyno) = &record {
                self.dyno_is_due(dyno);
            } else if let Record::Addon(addon) = &record {
                self.try_addon_again(addon);
            }
        }
        for record in self.world.due(Errand::Forget, self.now) {
            match &record {
                Record::Slug(slug) => self.forget_slug(slug.id),
                Record::Peering(peering) => {
                    // Customers' routes to it stay what they were: blackholes.
                    self.remove_platform_routes(peering.id);
                    self.delete(record.key());
                }
                Record::Dyno(dyno) => self.forget_dyno(dyno),
                other => self.delete(other.key()),
            }
        }
    }

    /// Forgets code that no release has, once it had its time to be released.
    fn forget_slug(&mut self, id: SlugId) {
        let key = Key::Slug(id);
        if self.world.releases_of(key).next().is_none() {
            self.delete(key);
        } else if let Some(slug) = self.world.slug(id).cloned() {
            self.put(crate::Slug { released: true, ..crate::Slug::clone(&slug) });
        }
    }
}
