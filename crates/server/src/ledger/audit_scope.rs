//! The team and the space that an audit row belongs to.

use model::{Key, SpaceId, TeamId, VpcId, WebhookOwner, World};

/// The team and the space of a resource, if it belongs to any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AuditScope {
    team: Option<TeamId>,
    space: Option<SpaceId>,
}

impl AuditScope {
    /// The ids as texts, which are empty for a resource without them.
    pub(crate) fn texts(self) -> (String, String) {
        let team = self.team.map(|id| id.to_string()).unwrap_or_default();
        (team, self.space.map(|id| id.to_string()).unwrap_or_default())
    }
}

/// The scope of a resource in a world. A world that does not have the resource knows of none.
pub(crate) fn of(world: &World, key: Key) -> AuditScope {
    match key {
        Key::Team(id) => AuditScope { team: Some(id), space: None },
        Key::Space(id) => of_space(world, id),
        Key::Webhook(id) => match world.webhook(id).map(|hook| hook.owner) {
            Some(WebhookOwner::Team(team)) => AuditScope { team: Some(team), space: None },
            Some(WebhookOwner::App(app)) => of(world, Key::App(app)),
            _ => AuditScope::default(),
        },
        Key::Vpc(id) => of_vpc(world, id),
        Key::Peering(id) => {
            let sides = world.peering(id).map(|p| [p.accepter.vpc, p.requester.vpc]);
            let scopes = sides.into_iter().flatten().map(|vpc| of_vpc(world, vpc));
            scopes.into_iter().find(|scope| scope.space.is_some()).unwrap_or_default()
        }
        other => world.app_of(other).map_or(AuditScope::default(), |app| AuditScope {
            team: Some(app.team),
            space: Some(app.space),
        }),
    }
}

fn of_space(world: &World, id: SpaceId) -> AuditScope {
    world.space(id).map_or(AuditScope::default(), |space| AuditScope {
        team: Some(space.team),
        space: Some(id),
    })
}

fn of_vpc(world: &World, id: VpcId) -> AuditScope {
    let space = world.vpc(id).and_then(|vpc| world.space_of_vpc(vpc));
    space.map_or(AuditScope::default(), |space| of_space(world, space.id))
}
