//! Accounts, teams and regions, which clients ask for first (`heroku.md` §1.3, §1.4).

use std::sync::Arc;

use model::{Caller, IdentityCommand, Region, Role, Subject, Team, Timestamp, User};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::call::{Call, Outcome, list, ok};
use super::failure::Failure;
use crate::ledger::Committed;

/// The e-mail address that is shown for the operator, who is not a user.
pub(super) const OPERATOR: &str = "operator@causeway.localhost";

/// An id derived from a name, for things that have no stored id. It is the same everywhere and
/// never changes.
pub(super) fn derived_id(kind: &str, name: &str) -> Uuid {
    let digest = Sha256::digest(format!("causeway/{kind}/{name}"));
    let bytes = digest.first_chunk().expect("SHA-256 has 32 bytes");
    uuid::Builder::from_custom_bytes(*bytes).into_uuid()
}

pub(super) fn account(call: &Call, (): &()) -> Outcome {
    let (id, email, created, updated) = match call.user().map(Arc::as_ref) {
        Some(User { id, email, created, updated, .. }) => {
            (id.0, email.as_str(), *created, *updated)
        }
        // The operator is not a user, but may see everything.
        None => {
            let since = call.state.settings().created;
            (derived_id("user", "operator"), OPERATOR, since, since)
        }
    };
    let team = call.teams().into_iter().next().map(|team| team_ref(team));
    ok(json!({
        "id": id,
        "email": email,
        "name": Value::Null,
        "created_at": time(created),
        "updated_at": time(updated),
        "allow_tracking": false,
        "beta": false,
        "country_of_residence": Value::Null,
        "default_organization": team,
        "default_team": team,
        "delinquent_at": Value::Null,
        "federated": false,
        "identity_provider": Value::Null,
        "last_login": Value::Null,
        "sms_number": Value::Null,
        "suspended_at": Value::Null,
        "two_factor_authentication":
            call.user().is_some_and(|user| user.second_factor.is_some()),
        "verified": true,
    }))
}

pub(super) fn delete_account(call: &Call, (): &()) -> Result<IdentityCommand, Failure> {
    match call.user() {
        Some(user) => Ok(IdentityCommand::Destroy { subject: Subject::User(user.id) }),
        None => Err(Failure::invalid("The operator is no user, and has no account to delete.")),
    }
}

/// Shows the account as it was: the call has the world from before.
pub(super) fn deleted_account(call: &Call, (): &(), _: &Committed) -> Outcome {
    account(call, &())
}

pub(super) fn delete_team(_: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    Ok(IdentityCommand::Destroy { subject: Subject::Team(team.id) })
}

pub(super) fn deleted_team(call: &Call, before: &Arc<Team>, _: &Committed) -> Outcome {
    team(call, before)
}

pub(super) fn rate_limits(call: &Call, (): &()) -> Outcome {
    let rates = &call.state.rates;
    let remaining = match call.caller {
        Caller::User(user) => rates.remaining(user, call.now),
        Caller::Operator | Caller::System | Caller::Account { .. } => rates.unlimited(),
    };
    ok(json!({ "remaining": remaining }))
}

pub(super) fn generations(_: &Call, (): &()) -> Outcome {
    list([cedar()])
}

pub(super) fn team_generations(_: &Call, _: &Arc<Team>) -> Outcome {
    list([cedar()])
}

/// Teams have no features that can be switched. The CLI asks before it lists members.
pub(super) fn team_features(_: &Call, _: &Arc<Team>) -> Outcome {
    list([])
}

pub(super) fn generation(call: &Call, (): &()) -> Outcome {
    let (cedar, wanted) = (cedar(), call.param("generation"));
    if cedar["id"] == wanted || cedar["name"] == wanted {
        return ok(cedar);
    }
    Err(Failure::not_found("generation", "generation"))
}

/// The only generation, which is the one with peering.
pub(super) fn cedar() -> Value {
    json!({ "id": derived_id("generation", "cedar"), "name": "cedar" })
}

pub(super) fn regions(call: &Call, (): &()) -> Outcome {
    let since = call.state.settings().created;
    list(private_regions().map(|region| region_view(region, since)))
}

pub(super) fn region(call: &Call, (): &()) -> Outcome {
    match find_region(call.param("region")) {
        Some(region) => ok(region_view(region, call.state.settings().created)),
        None => Err(Failure::not_found("region", "region")),
    }
}

/// Finds a region by id, by name, or by EC2's name for it.
pub(super) fn find_region(identity: &str) -> Option<Region> {
    private_regions().find(|region| {
        let name = platform_name(*region);
        name == identity
            || region.name() == identity
            || Uuid::try_parse(identity).is_ok_and(|id| id == derived_id("region", name))
    })
}

fn private_regions() -> impl Iterator<Item = Region> {
    Region::all().filter(|region| region.facts().platform.is_some())
}

/// The Platform API's name of a region.
pub(super) fn platform_name(region: Region) -> &'static str {
    region.facts().platform.unwrap_or(region.name())
}

/// The short form of a region in other answers. `spaces:info` prints the description.
pub(super) fn region_ref(region: Region) -> Value {
    let name = platform_name(region);
    let description = region.facts().description;
    json!({ "id": derived_id("region", name), "name": name, "description": description })
}

fn region_view(region: Region, since: Timestamp) -> Value {
    let facts = region.facts();
    let name = platform_name(region);
    json!({
        "id": derived_id("region", name),
        "name": name,
        "description": facts.description,
        "country": facts.country,
        "locale": facts.locale,
        "private_capable": true,
        "provider": { "name": "amazon-web-services", "region": facts.name },
        "created_at": time(since),
        "updated_at": time(since),
    })
}

pub(super) fn teams(call: &Call, (): &()) -> Outcome {
    list(call.teams().into_iter().map(|team| team_view(call, team)))
}

pub(super) fn team(call: &Call, team: &Arc<Team>) -> Outcome {
    ok(team_view(call, team))
}

fn team_view(call: &Call, team: &Team) -> Value {
    json!({
        "id": team.id,
        "name": team.name,
        "role": call.role(team).map(Role::name),
        "type": "team",
        "default": false,
        "credit_card_collections": false,
        "provisioned_licenses": false,
        "membership_limit": Value::Null,
        "enterprise_account": Value::Null,
        "identity_provider": Value::Null,
        "created_at": time(team.created),
        "updated_at": time(team.updated),
    })
}

/// The short form of a team in other answers.
pub(super) fn team_ref(team: &Team) -> Value {
    json!({ "id": team.id, "name": team.name })
}

/// Formats a time as the Platform API does.
pub(super) fn time(at: Timestamp) -> String {
    at.to_seconds_string()
}
