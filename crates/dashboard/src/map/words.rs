//! The words of the map and of the matrix in a language. Status words are the APIs' own.

use std::collections::BTreeSet;

use model::{AccountId, PeeringStatus};

use super::scene::{Health, Kind, Map, Peering, Sign};
use crate::language::Language;
use crate::markup::fill_text;
use crate::texts::{MapTexts, Texts};

/// What the map says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    all: &'static Texts,
    /// The texts that have no places to be filled.
    pub t: &'static MapTexts,
}

impl Words {
    pub(super) const fn of(language: Language) -> Self {
        let all = language.texts();
        Self { all, t: &all.map }
    }

    /// `space`, `VPC`.
    pub(super) const fn kind(self, kind: Kind) -> &'static str {
        match kind {
            Kind::Space => self.t.a_space,
            Kind::Vpc => self.t.a_vpc,
        }
    }

    /// How much is on a map.
    pub(super) fn summary(self, map: &Map) -> String {
        let t = self.t;
        let of = |kind| map.nodes.iter().filter(|node| node.kind == kind).count();
        let regions: BTreeSet<_> = map.nodes.iter().map(|node| node.region).collect();
        let pieces = [
            ("regions", counted(t.region_one, t.region_other, regions.len())),
            ("spaces", counted(t.space_one, t.space_other, of(Kind::Space))),
            ("vpcs", self.vpcs(of(Kind::Vpc))),
            ("peerings", self.peerings(map.peerings.len())),
        ];
        fill_text(t.picture, &pieces.each_ref().map(|(place, piece)| (*place, &**piece)))
    }

    /// The name of the picture.
    pub(super) fn map_of(self, what: &str) -> String {
        fill_text(self.t.map_of, &[("what", what)])
    }

    /// How many peerings a node has.
    pub(super) fn peerings(self, count: usize) -> String {
        counted(self.t.peering_one, self.t.peering_other, count)
    }

    /// A number of VPCs.
    pub(super) fn vpcs(self, count: usize) -> String {
        counted(self.t.vpc_one, self.t.vpc_other, count)
    }

    /// An account by its number.
    pub(super) fn account(self, id: AccountId) -> String {
        fill_text(self.all.account_named, &[("account", &id.to_string())])
    }

    /// How many more there are.
    pub(super) fn more(self, count: usize) -> String {
        fill_text(self.t.n_more, &[("n", &count.to_string())])
    }

    /// A state by its sign.
    pub(super) const fn state_word(self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => self.t.state_bad,
            Sign::Warning => self.t.state_warning,
            Sign::Waiting => self.t.state_waiting,
            Sign::Moving => self.t.state_moving,
            Sign::Ok => self.t.state_ok,
            Sign::Ended => self.t.state_ended,
        }
    }

    /// The state of some things of a group, as `1 stopped`.
    pub(super) fn so_many(self, count: usize, sign: Sign) -> String {
        let pieces = [("n", &*count.to_string()), ("state", self.state_word(sign))];
        fill_text(self.t.so_many, &pieces)
    }

    /// A peering's state: its status, and what else there is to say.
    pub(super) fn state(self, peering: &Peering) -> String {
        let status = peering.status.code();
        let with = |text: &str| fill_text(text, &[("status", status)]);
        match (peering.status, peering.health) {
            (PeeringStatus::Active, Health::NoRoute) => with(self.t.with_no_route),
            (PeeringStatus::Active, Health::Stopped) => with(self.t.with_stopped),
            (PeeringStatus::PendingAcceptance, Health::Unacceptable) => {
                with(self.t.with_unacceptable)
            }
            _ => status.to_owned(),
        }
    }

    /// From one thing to another.
    pub(super) fn between(self, from: &str, to: &str) -> String {
        fill_text(self.t.between, &[("from", from), ("to", to)])
    }

    /// What a sign stands for, in the legend.
    pub(super) fn sign(self, sign: Sign) -> String {
        let active = PeeringStatus::Active.code();
        match sign {
            Sign::Bad => fill_text(self.t.with_stopped, &[("status", active)]),
            Sign::Warning => self.t.state_warning.to_owned(),
            Sign::Waiting => PeeringStatus::PendingAcceptance.code().to_owned(),
            Sign::Moving => self.t.legend_moving.to_owned(),
            Sign::Ok => active.to_owned(),
            Sign::Ended => self.t.state_ended.to_owned(),
        }
    }

    /// A state to choose.
    pub(super) const fn state_choice(self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => self.t.choice_bad,
            Sign::Warning | Sign::Waiting => self.t.choice_waiting,
            Sign::Moving => self.t.choice_moving,
            Sign::Ok => self.t.choice_ok,
            Sign::Ended => self.t.choice_ended,
        }
    }

    /// How many of the things on the map were found.
    pub(super) fn found(self, count: usize, of: usize) -> String {
        fill_text(self.t.found, &[("n", &count.to_string()), ("of", &of.to_string())])
    }

    /// How much is on the map.
    pub(super) fn total(self, vpcs: usize, groups: usize) -> String {
        let groups = counted(self.t.group_one, self.t.group_other, groups);
        fill_text(self.t.total, &[("vpcs", &self.vpcs(vpcs)), ("groups", &groups)])
    }

    /// Says whether one end is chosen, or two.
    pub(super) fn chosen(self, count: usize) -> String {
        fill_text(self.t.n_selected, &[("n", &count.to_string())])
    }

    /// Says that the search found nothing.
    pub(super) fn nothing_found(self, query: &str) -> String {
        match query {
            "" => self.t.nothing_in_state.to_owned(),
            query => fill_text(self.t.nothing_matches, &[("query", query)]),
        }
    }

    /// The way between what is chosen.
    pub(super) const fn way(self, passes: Option<bool>) -> &'static str {
        match passes {
            None => self.t.way_chosen,
            Some(true) => self.t.way_passes,
            Some(false) => self.t.way_stopped,
        }
    }

    /// The name of the matrix.
    pub(super) fn who_reaches_whom(self, traffic: &str) -> String {
        fill_text(self.t.who_reaches_whom, &[("traffic", traffic)])
    }

    /// Some are stopped.
    pub(super) fn part_stopped(self, count: usize, of: usize) -> String {
        fill_text(self.t.part_stopped, &[("n", &count.to_string()), ("of", &of.to_string())])
    }

    /// How many of the pairs were looked at.
    pub(super) fn looked_at(self, count: usize, of: usize) -> String {
        fill_text(self.t.looked_at, &[("n", &count.to_string()), ("of", &of.to_string())])
    }

    /// The name of a cell.
    pub(super) fn cell(self, from: &str, to: &str, state: &str) -> String {
        fill_text(self.t.cell, &[("from", from), ("to", to), ("state", state)])
    }

    /// The same for a cell that is a link to ask why.
    pub(super) fn ask_why(self, from: &str, to: &str, state: &str) -> String {
        fill_text(self.t.ask_why, &[("from", from), ("to", to), ("state", state)])
    }

    /// Which rows or columns are shown.
    pub(super) fn part(self, from: usize, to: usize, of: usize) -> String {
        let [from, to, of] = [from, to, of].map(|n| n.to_string());
        fill_text(self.t.part, &[("from", &from), ("to", &to), ("of", &of)])
    }
}

/// A text with a number, in the form that the number wants.
fn counted(one: &str, other: &str, n: usize) -> String {
    fill_text(if n == 1 { one } else { other }, &[("n", &n.to_string())])
}
