//! Whether a VPC could be peered with a space, before it asks (R8).

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use model::fit::{Fit, Side};
use model::{AccountId, Caller, Cidr, Key, PeeringKind, Region, Space, Vpc, VpcId};
use serde_json::json;

use super::call::{Call, Outcome, ok};
use super::failure::Failure;

/// The query: blocks of a VPC that there need not be, or a VPC that has asked.
#[derive(Default)]
struct Asked {
    cidrs: Vec<Cidr>,
    vpc: Option<VpcId>,
    account: Option<AccountId>,
    region: Option<Region>,
}

pub(super) fn check(call: &Call, space: &Arc<Space>) -> Outcome {
    let asked = Asked::read(call)?;
    let requester = match asked.vpc {
        Some(id) => Side::of(&call.world, find(call, space, id, &asked)?),
        None => {
            let region = asked.region.unwrap_or(space.region);
            Side::planned(asked.cidrs, region).map_err(Failure::invalid)?
        }
    };
    let fit = Fit::of(requester, Side::of_space(&call.world, space));
    ok(json!(api::PeeringCheck::from(&fit)))
}

impl Asked {
    fn read(call: &Call) -> Result<Self, Failure> {
        let mut asked = Self::default();
        for (name, value) in call.query()? {
            match name.as_str() {
                "cidr" => {
                    for block in value.split(',') {
                        asked.cidrs.push(parse(&name, block)?);
                    }
                }
                "vpc" => once(&name, &mut asked.vpc, &value)?,
                "account" => once(&name, &mut asked.account, &value)?,
                "region" => once(&name, &mut asked.region, &value)?,
                _ => {
                    let name: String = name.chars().take(64).collect();
                    return Err(Failure::invalid(format!(
                        "There is no parameter `{name}`; there are `cidr`, `vpc`, `account` and \
                         `region`."
                    )));
                }
            }
        }
        if asked.cidrs.is_empty() == asked.vpc.is_none() {
            return Err(Failure::invalid(
                "Either `cidr` must be given, once for each block of a VPC with its primary block \
                 first, or `vpc`.",
            ));
        }
        if asked.account.is_some() && asked.vpc.is_none() {
            return Err(Failure::invalid("`account` says whose `vpc` is meant; give that too."));
        }
        Ok(asked)
    }
}

fn once<T: FromStr<Err: Display>>(
    name: &str,
    into: &mut Option<T>,
    value: &str,
) -> Result<(), Failure> {
    match into.replace(parse(name, value)?) {
        None => Ok(()),
        Some(_) => Err(Failure::invalid(format!("`{name}` is given twice."))),
    }
}

fn parse<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Failure> {
    let read = value.trim().parse();
    read.map_err(|why| Failure::invalid(format!("Invalid value for `{name}`: {why}.")))
}

/// Finds a customer's VPC. The members of a space see those that ask to be peered with it, or are;
/// whether there are others is their owners' business.
fn find<'a>(
    call: &'a Call,
    space: &Space,
    id: VpcId,
    asked: &Asked,
) -> Result<&'a Arc<Vpc>, Failure> {
    let operator = matches!(call.caller, Caller::Operator | Caller::System);
    let everything = operator || call.state.emulator;
    let seen = || {
        call.world
            .peerings_of(Key::Vpc(space.vpc))
            .filter(|p| p.kind == PeeringKind::Customer && !p.status(call.now).ended())
            .any(|peering| peering.side(id).is_some())
    };
    let meant = |vpc: &&Arc<Vpc>| {
        vpc.role.is_none()
            && asked.account.is_none_or(|account| vpc.account == account)
            && asked.region.is_none_or(|region| vpc.region == region)
            && (everything || seen())
    };
    call.world.vpc(id).filter(meant).ok_or_else(|| {
        let message = format!(
            "Couldn't find that VPC. No {id} of that account and region asks to be peered with the \
             space {name}, or is; whoever owns it can ask for its blocks to be checked: \
             `causeway spaces:peering:check {name} --cidr BLOCK`.",
            name = space.name
        );
        Failure::absent("vpc", message)
    })
}
