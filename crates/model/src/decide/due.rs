//! Rules of time: what it alone changes, and when.
//!
//! The world keeps an index of what waits, so that neither asking for the next deadline nor doing
//! what is due costs more because there are many others.

use super::Decision;
use crate::{Errand, Key, Record, SlugId, Timestamp, World};

impl World {
    /// When time alone will next change something: a crashed dyno is tried again, one that does
    /// not come up is given up, one that drains is stopped. What is to be forgotten can wait.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting(Errand::Act).next().map(|(at, _)| at)
    }

    /// The resources for which an errand is due, longest due first.
    fn due(&self, errand: Errand, now: Timestamp) -> Vec<Record> {
        let due = self.waiting(errand).take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, key)| self.get(key).cloned()).collect()
    }
}

impl Decision<'_> {
    /// Does what is due because time has passed.
    pub(super) fn tick(&mut self) {
        for record in self.world.due(Errand::Act, self.now) {
            if self.world.get(record.key()) != Some(&record) {
                // Something else was done with it by what was due before it. If more is due, the next
                // tick sees to that.
                continue;
            }
            if let Record::Dyno(dyno) = &record {
                self.dyno_is_due(dyno);
            } else if let Record::Addon(addon) = &record {
                self.try_addon_again(addon);
            } else if let Record::Host(host) = &record {
                self.lose_host(host.id);
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
