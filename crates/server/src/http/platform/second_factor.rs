//! A user's second factor: enabling it, its recovery codes, and teams that demand it. Signing in with it is
//! in `sign_in`.

use std::sync::Arc;

use model::{FactorProof, IdentityCommand, Team, User};
use serde_json::{Value, json};

use super::call::{Call, Outcome, ok};
use super::failure::Failure;
use super::identity::time;
use crate::http::second_factor::{
    NotProved, check, offer, recovery_codes, recovery_hashes, take_up, was_right,
};
use crate::ledger::Committed;

fn user(call: &Call) -> Result<&Arc<User>, Failure> {
    call.user().ok_or_else(|| Failure::forbidden("The operator is not a user and has no password."))
}

pub(super) fn info(call: &Call, (): &()) -> Outcome {
    ok(view(call, user(call)?))
}

fn view(call: &Call, user: &User) -> Value {
    let teams = call.teams().into_iter().filter(|team| team.demands_second_factor);
    let factor = user.second_factor.as_ref();
    json!({
        "enabled": factor.is_some(),
        "enabled_at": factor.map(|factor| time(factor.since)),
        "recovery_codes_left": factor.map_or(0, |factor| factor.recovery.len()),
        "demanded_by": teams.map(|team| team.name.clone()).collect::<Vec<_>>(),
    })
}

/// Offers a secret. Nothing is kept of it before its first code shows that the user has it.
pub(super) fn enrol(call: &Call, (): &()) -> Outcome {
    let user = user(call)?;
    if user.second_factor.is_some() {
        return Err(Failure::conflict(
            "You have a second factor already; disable it before you enable another one.",
        ));
    }
    let offered = offer(&call.state, user, call.now).map_err(|_| Failure::internal())?;
    ok(json!({
        "secret": offered.secret, "url": offered.url, "enrolment": offered.enrolment,
    }))
}

pub(super) fn enable(call: &Call, (): &(), from: String) -> Result<IdentityCommand, Failure> {
    let user = user(call)?.id;
    let (enrolment, code) =
        (call.body.required_text("enrolment")?, call.body.required_text("code")?);
    let taken = take_up(&call.state, user, enrolment, code, call.now);
    let (sealed_secret, step) = taken.ok_or_else(|| {
        Failure::invalid(
            "Invalid value for `code`: it is not the code that follows from this secret now. Look \
             whether the clock of the phone is right; after 15 minutes, begin anew.",
        )
    })?;
    let recovery = recovery_hashes(&recovery_codes(&call.state.secret, &from));
    Ok(IdentityCommand::EnableSecondFactor { user, sealed_secret, step, recovery })
}

/// Shows the recovery codes, once. They follow from the same text as those that were hashed.
pub(super) fn with_codes(call: &Call, (): &(), committed: &Committed, from: &str) -> Outcome {
    let from = crate::credentials::token_hash(from);
    let user = committed.after.user(user(call)?.id).ok_or_else(Failure::internal)?;
    let mut view = view(call, user);
    view["recovery_codes"] = recovery_codes(&call.state.secret, &from).into();
    ok(view)
}

pub(super) fn renew_codes(call: &Call, (): &(), from: String) -> Result<IdentityCommand, Failure> {
    let proof = proved(call)?;
    let recovery = recovery_hashes(&recovery_codes(&call.state.secret, &from));
    Ok(IdentityCommand::ReplaceRecoveryCodes { user: user(call)?.id, recovery, proof })
}

pub(super) fn disable(call: &Call, (): &()) -> Result<IdentityCommand, Failure> {
    let proof = Some(proved(call)?);
    Ok(IdentityCommand::DisableSecondFactor { user: user(call)?.id, proof })
}

pub(super) fn disabled(call: &Call, (): &(), committed: &Committed) -> Outcome {
    let user = committed.after.user(user(call)?.id).ok_or_else(Failure::internal)?;
    ok(view(call, user))
}

/// Checks the code in the body. The ledger sees to it that it is not used twice.
fn proved(call: &Call) -> Result<FactorProof, Failure> {
    let user = user(call)?;
    let code = call.body.required_text("code")?;
    if user.second_factor.is_none() {
        return Err(Failure::conflict(
            "There is no second factor; `causeway 2fa:enable` makes one.",
        ));
    }
    let checked = check(&call.state, user, code, call.now).map_err(not_proved)?;
    was_right(&call.state, &checked);
    Ok(checked.proof)
}

/// The answer to a code that proves nothing.
pub(super) fn not_proved(why: NotProved) -> Failure {
    match why {
        NotProved::Wrong => Failure::two_factor(
            "This code is wrong, too old, or was used before. Wait for the next one, or take a \
             recovery code.",
        ),
        NotProved::TooMany(wait) => {
            let minutes = wait.as_secs().div_ceil(60);
            let message = format!(
                "Too many codes were wrong. The next one is looked at in {minutes} minutes."
            );
            Failure::too_many(message, wait)
        }
        NotProved::Failed(error) => error.into(),
    }
}

pub(super) fn demand(call: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    let Some(demanded) = call.body.flag("demanded")? else {
        return Err(Failure::invalid("`demanded` must be given."));
    };
    Ok(IdentityCommand::DemandSecondFactor { team: team.id, demanded })
}

pub(super) fn demand_shown(_: &Call, team: &Arc<Team>, committed: &Committed) -> Outcome {
    let team = committed.after.team(team.id).unwrap_or(team);
    ok(json!({ "id": team.id, "name": team.name, "demanded": team.demands_second_factor }))
}
