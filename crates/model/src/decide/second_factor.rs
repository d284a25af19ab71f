//! Rules of second factors: who has one, who must, and that each proof holds once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::identity::not_found;
use super::lookup::is_sha256;
use super::{Decision, Outcome, refuse};
use crate::command::Caller;
use crate::resource::{FactorProof, Role, SecondFactor, Team, User};
use crate::{Code, Key, Refused, TeamId, UserId, World};

/// How many recovery codes there may be at most.
const MOST_RECOVERY_CODES: usize = 20;

impl World {
    /// The team that demands a second factor of a user who has none. Until there is one, the user is
    /// to be let into nothing but enabling it.
    pub fn wants_second_factor(&self, user: UserId) -> Option<&Arc<Team>> {
        let has_one = self.user(user).is_none_or(|user| user.second_factor.is_some());
        let demands = |team: &&Arc<Team>| team.demands_factor_now();
        if has_one { None } else { self.teams_of(Key::User(user)).find(demands) }
    }
}

impl Decision<'_> {
    pub(super) fn enable_second_factor(
        &mut self,
        id: UserId,
        sealed_secret: &str,
        step: u64,
        recovery: &BTreeSet<String>,
    ) -> Outcome {
        let user = self.own_user(id)?;
        if user.second_factor.is_some() {
            return refuse(
                Code::Conflict,
                "You have a second factor already; disable it before you enable another one.",
            );
        }
        if sealed_secret.is_empty() {
            return refuse(Code::MissingParameter, "A second factor needs its secret.");
        }
        check_recovery(recovery)?;
        let second_factor = Some(SecondFactor {
            sealed_secret: sealed_secret.to_owned(),
            last_step: step,
            recovery: recovery.clone(),
            since: self.now,
        });
        self.put(User { second_factor, updated: self.now, ..user });
        Ok(Key::User(id).into())
    }

    /// Whoever signs in is nobody yet, so the server itself tells that the proof is right.
    pub(super) fn use_second_factor(&mut self, id: UserId, proof: &FactorProof) -> Outcome {
        self.operator_only()?;
        let Some(user) = self.world.user(id).cloned() else { return not_found("user") };
        let left = left_of(&user, proof)?;
        self.put(User { second_factor: Some(left), ..User::clone(&user) });
        Ok(Key::User(id).into())
    }

    pub(super) fn replace_recovery_codes(
        &mut self,
        id: UserId,
        recovery: &BTreeSet<String>,
        proof: &FactorProof,
    ) -> Outcome {
        let user = self.own_user(id)?;
        check_recovery(recovery)?;
        let left = left_of(&user, proof)?;
        let second_factor = Some(SecondFactor { recovery: recovery.clone(), ..left });
        self.put(User { second_factor, updated: self.now, ..user });
        Ok(Key::User(id).into())
    }

    /// By its user with a proof, or by the operator for somebody who has lost it.
    pub(super) fn disable_second_factor(
        &mut self,
        id: UserId,
        proof: Option<&FactorProof>,
    ) -> Outcome {
        if let Some(proof) = proof {
            left_of(&self.own_user(id)?, proof)?;
            let mut teams = self.world.teams_of(Key::User(id));
            if let Some(team) = teams.find(|team| team.demands_factor_now()) {
                let message = format!(
                    "The team {} demands a second factor of its members; leave the team first.",
                    team.name
                );
                return refuse(Code::Conflict, message);
            }
        } else {
            self.operator_only()?;
        }
        let Some(user) = self.world.user(id) else { return not_found("user") };
        let user = User::clone(user);
        if user.second_factor.is_some() {
            self.put(User { second_factor: None, updated: self.now, ..user });
        }
        Ok(Key::User(id).into())
    }

    /// Whoever demands it of others has it, and so do those others: a member who has none would be let
    /// into nothing, in no other team either. The operator may demand it all the same.
    pub(super) fn demand_second_factor(&mut self, id: TeamId, demanded: bool) -> Outcome {
        match self.role_in(id, "Couldn't find that team.")? {
            Role::Admin => {}
            Role::Member => {
                return refuse(
                    Code::UnauthorizedOperation,
                    "You do not have access to change the team; only its admins can change it.",
                );
            }
        }
        if let Caller::User(user) = self.caller
            && demanded
            && self.world.user(user).is_none_or(|user| user.second_factor.is_none())
        {
            return refuse(
                Code::Conflict,
                "Enable a second factor for yourself first: `causeway 2fa:enable`.",
            );
        }
        let Some(team) = self.world.team(id).cloned() else { return not_found("team") };
        if let (Caller::User(_), true) = (self.caller, demanded && !team.demands_second_factor) {
            let members = team.members.keys().filter_map(|member| self.world.user(*member));
            let without = members.filter(|member| member.second_factor.is_none());
            let names: Vec<_> = without.map(|member| member.email.as_str()).collect();
            if !names.is_empty() {
                let message = format!(
                    "These members have no second factor yet: {}. Each enables one by `causeway \
                     2fa:enable`, or leaves the team, before it is demanded.",
                    names.join(", ")
                );
                return refuse(Code::Conflict, message);
            }
        }
        if team.demands_second_factor != demanded {
            let updated = self.now;
            self.put(Team { demands_second_factor: demanded, updated, ..Team::clone(&team) });
        }
        Ok(Key::Team(id).into())
    }

    /// The caller, if it is that user.
    fn own_user(&self, id: UserId) -> Result<User, Refused> {
        if self.caller != Caller::User(id) {
            return refuse(
                Code::UnauthorizedOperation,
                "A second factor is its user's alone to enable and to change.",
            );
        }
        match self.world.user(id) {
            Some(user) => Ok(User::clone(user)),
            None => refuse(Code::NotFound, "Couldn't find that user."),
        }
    }
}

fn left_of(user: &User, proof: &FactorProof) -> Result<SecondFactor, Refused> {
    let Some(factor) = &user.second_factor else {
        return refuse(
            Code::Conflict,
            "There is no second factor; `causeway 2fa:enable` makes one.",
        );
    };
    factor.used(proof).ok_or_else(|| {
        Refused::new(Code::Conflict, "This code was used already; wait for the next one.")
    })
}

fn check_recovery(codes: &BTreeSet<String>) -> Result<(), Refused> {
    let well_formed =
        |hash: &String| is_sha256(hash) && !hash.contains(|c: char| c.is_ascii_uppercase());
    if (1..=MOST_RECOVERY_CODES).contains(&codes.len()) && codes.iter().all(well_formed) {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        "A second factor has 1 to 20 recovery codes, each known by its SHA-256.",
    )
}
