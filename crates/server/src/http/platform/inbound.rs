//! Trusted IP ranges: the addresses from which the public apps of a space may be reached
//! (`heroku.md` §1.3, §4).

use std::sync::Arc;

use model::{InboundAction, InboundRule, MalformedCidr, PlatformCommand, Space, World};
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, Outcome, list, ok};
use super::failure::Failure;
use super::identity::{OPERATOR, derived_id, time};
use crate::ledger::Committed;

pub(super) fn current(call: &Call, space: &Arc<Space>) -> Outcome {
    ok(view(&call.world, space))
}

/// Lists the ruleset in effect. Earlier ones are not kept.
pub(super) fn list_rulesets(call: &Call, space: &Arc<Space>) -> Outcome {
    list([view(&call.world, space)])
}

pub(super) fn one(call: &Call, space: &Arc<Space>) -> Outcome {
    let wanted = Uuid::try_parse(call.param("ruleset")).ok();
    if wanted == Some(id(space)) {
        return current(call, space);
    }
    Err(Failure::not_found("inbound_ruleset", "inbound ruleset"))
}

/// The CLI sends back the whole ruleset that it was shown, Terraform only the rules.
pub(super) fn set(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    let rules = call.body.list("rules")?.ok_or_else(|| {
        Failure::invalid("`rules` must be given; an empty list blocks all web requests.")
    })?;
    let rules =
        rules.iter().enumerate().map(|(n, rule)| read(n, rule)).collect::<Result<_, _>>()?;
    Ok(PlatformCommand::SetInboundRules { space: space.id, rules })
}

pub(super) fn shown(_: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    let space = committed.after.space(space.id).ok_or_else(Failure::internal)?;
    ok(view(&committed.after, space))
}

fn read(n: usize, rule: &Value) -> Result<InboundRule, Failure> {
    let action = match rule["action"].as_str() {
        Some("allow") => InboundAction::Allow,
        Some("deny") => InboundAction::Deny,
        _ => {
            return Err(Failure::invalid(format!(
                "Invalid value for `rules[{n}].action`: it must be `allow` or `deny`."
            )));
        }
    };
    let Some(text) = rule["source"].as_str() else {
        return Err(Failure::invalid(format!(
            "Invalid value for `rules[{n}].source`: it must be a block such as 192.0.2.0/24."
        )));
    };
    // Only the canonical notation is accepted: clients compare ranges as texts, so they must get
    // back what they sent.
    let source = text.parse().map_err(|why: MalformedCidr| {
        Failure::invalid(format!("Invalid value for `rules[{n}].source`: {why}."))
    })?;
    Ok(InboundRule { action, source })
}

fn id(space: &Space) -> Uuid {
    derived_id("inbound-ruleset", &space.id.to_string())
}

fn view(world: &World, space: &Space) -> Value {
    let (since, by) = match &space.inbound {
        Some(ruleset) => (ruleset.since, ruleset.by),
        None => (space.created, None),
    };
    let by = by.and_then(|id| world.email_of(id)).unwrap_or(OPERATOR);
    let rules: Vec<Value> = space
        .inbound_rules()
        .iter()
        .map(|rule| json!({ "action": rule.action.name(), "source": rule.source }))
        .collect();
    json!({
        "id": id(space),
        "space": { "id": space.id, "name": space.name },
        "rules": rules,
        "created_at": time(since),
        "created_by": by,
        // The router applies every change at once.
        "applied": true,
    })
}
