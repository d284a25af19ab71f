//! The names that people know things by.

use std::collections::BTreeMap;

use model::{AccountId, TeamId, TokenBound, Vpc, VpcId, World};

/// The name of an account; its id where there is no such account any more.
pub(super) fn of_account(world: &World, id: AccountId) -> String {
    world.account(id).map_or_else(|| id.to_string(), |account| account.name.clone())
}

/// The name of a team; its id where there is no such team any more.
pub(super) fn of_team(world: &World, id: TeamId) -> String {
    world.team(id).map_or_else(|| id.to_string(), |team| team.name.clone())
}

/// What a token is bound to, with its kind; its id where there is no such thing any more.
pub(super) fn of_bound(world: &World, bound: TokenBound) -> String {
    let (kind, name, id) = match bound {
        TokenBound::App(id) => ("app", world.app(id).map(|app| app.name.clone()), id.to_string()),
        TokenBound::Space(id) => {
            ("space", world.space(id).map(|space| space.name.clone()), id.to_string())
        }
    };
    format!("{kind} {}", name.unwrap_or(id))
}

/// The name of a VPC: what it is to a space, or its tag `Name`, which may be missing.
pub(super) fn of_vpc(world: &World, vpc: &Vpc) -> String {
    match world.space_of_vpc(vpc) {
        Some(space) if space.vpc == vpc.id => space.name.clone(),
        Some(space) => format!("{} (data)", space.name),
        None => vpc.tags.get("Name").cloned().unwrap_or_default(),
    }
}

/// The name of who owns a VPC: the team of its space, or its account.
pub(super) fn of_owner(world: &World, vpc: &Vpc) -> String {
    match world.space_of_vpc(vpc) {
        Some(space) => of_team(world, space.team),
        None => of_account(world, vpc.account),
    }
}

/// Puts names to the ids in some texts: of VPCs, peerings, instances, dynos and data services.
pub(super) fn in_texts<'t>(
    world: &World,
    texts: impl Iterator<Item = &'t str>,
) -> BTreeMap<String, String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let words = texts.flat_map(|text| text.split(move |letter| !is_part(letter)));
    words.filter_map(|word| Some((word.to_owned(), of_id(world, word)?))).collect()
}

/// The name of what has an id, with its owner's.
fn of_id(world: &World, id: &str) -> Option<String> {
    let of_vpc_id = |id: VpcId| {
        let vpc = world.vpc(id)?;
        let (name, owner) = (of_vpc(world, vpc), of_owner(world, vpc));
        let kind = if world.space_of_vpc(vpc).is_some() { "space " } else { "" };
        Some(if name.is_empty() { owner } else { format!("{kind}{name} of {owner}") })
    };
    if id.starts_with("vpc-") {
        return of_vpc_id(id.parse().ok()?);
    }
    if id.starts_with("pcx-") {
        let peering = world.peering(id.parse().ok()?)?;
        let [one, other] = [peering.requester.vpc, peering.accepter.vpc]
            .map(|vpc| of_vpc_id(vpc).unwrap_or_else(|| vpc.to_string()));
        return Some(format!("{one} to {other}"));
    }
    if id.starts_with("i-") {
        let instance = world.instance(id.parse().ok()?)?;
        let owner = of_account(world, instance.account);
        return Some(match instance.tags.get("Name") {
            Some(name) => format!("{name} of {owner}"),
            None => owner,
        });
    }
    if let Some(id) = id.strip_prefix("dyno-") {
        let dyno = world.dyno(id.parse().ok()?)?;
        return Some(format!("{}/{}", world.app(dyno.app)?.name, dyno.name));
    }
    let addon = world.addon(id.strip_prefix("service-")?.parse().ok()?)?;
    Some(format!("{} of {}", addon.name, world.app(addon.app)?.name))
}
