//! The plan that takes back what [`plan_peer`](super::plan_peer) made, and only that.

use super::join::{ended, is_ours, live_peering, noted};
use super::planner::{Planner, Proposed};
use super::step::{PeerAsk, PeerPlan, PeerSide, mark};
use crate::command::{Ec2Command, TaggedResource};
use crate::reach::{Act, in_vpc};
use crate::resource::{Direction, Peering, RouteTo, Vpc};
use crate::{Cidr, Key, RouteTableId, SecurityGroupId, SecurityGroupRuleId, Timestamp, World};

/// Says how what was made to join a space and a VPC is taken back: the rules first, so that nothing
/// is let in any more, then the routes, then the peering.
///
/// # Errors
///
/// Says in words what there is not.
pub fn plan_unpeer(world: &World, ask: &PeerAsk<'_>, now: Timestamp) -> Result<PeerPlan, String> {
    let mut planner = Planner::new(world, ask, now);
    let live = live_peering(world, ask, now);
    planner.plan.peering = live.as_ref().map(|peering| (peering.id, peering.status(now)));
    let vpc = world.vpc(ask.vpc).filter(|_| ask.owns_vpc).map(|vpc| &**vpc);
    if ask.owns_vpc && vpc.is_none() {
        return Err(format!("there is no {}", ask.vpc));
    }
    if let Some(vpc) = vpc {
        if vpc.role.is_some() {
            return Err(format!("{} is the platform's: name a customer's VPC", vpc.id));
        }
        rules(&mut planner, vpc);
        routes(&mut planner, vpc);
    } else {
        let what = "take back the routes and rules that `causeway peer` made".to_owned();
        let line = format!("causeway unpeer {} {}", ask.space_vpc, ask.vpc);
        let who = format!("it is for the owner of {}", ask.vpc);
        planner.for_another(PeerSide::Vpc(None), what, line, &who);
    }
    if let Some(peering) = live {
        end(&mut planner, vpc, &peering);
    }
    Ok(planner.plan)
}

/// Revokes marked rules.
fn rules(planner: &mut Planner<'_>, vpc: &Vpc) {
    let mark = mark(planner.ask.space_vpc);
    let mut marked: Vec<(SecurityGroupId, Direction, Vec<SecurityGroupRuleId>)> = Vec::new();
    for group in planner.world.groups_in(Key::Vpc(vpc.id)).filter(|group| group.vpc == vpc.id) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = group.rules.iter().filter(|(_, rule)| {
                rule.direction == direction && rule.description.as_deref() == Some(&*mark)
            });
            let ids: Vec<_> = rules.map(|(id, _)| *id).collect();
            if !ids.is_empty() {
                marked.push((group.id, direction, ids));
            }
        }
    }
    for (group, direction, ids) in marked {
        let rules = Vec::new();
        let revoke = Ec2Command::RevokeSecurityGroup { group, direction, rules, ids };
        let what = format!("revoke the rules of {group} that let the dynos in");
        propose(planner, vpc, what, revoke);
    }
}

/// Deletes noted routes that still lead to the space, or nowhere; and the notes.
fn routes(planner: &mut Planner<'_>, vpc: &Vpc) {
    let space_vpc = planner.ask.space_vpc;
    let key = mark(space_vpc);
    let mut found: Vec<(RouteTableId, Vec<Cidr>)> = Vec::new();
    for table in planner.world.route_tables_in(Key::Vpc(vpc.id)) {
        if !table.tags.contains_key(key.as_str()) {
            continue;
        }
        let ours = |destination: &Cidr| match table.route(*destination) {
            Some(RouteTo::Peering(pcx)) => {
                ended(&planner.world, pcx)
                    || planner.world.peering(pcx).is_some_and(|peering| {
                        peering.other_side(vpc.id).is_some_and(|side| side.vpc == space_vpc)
                    })
            }
            Some(
                RouteTo::Interface(_)
                | RouteTo::Gateway(_)
                | RouteTo::EgressGateway(_)
                | RouteTo::Nat(_),
            )
            | None => false,
        };
        found.push((table.id, noted(table, space_vpc).into_iter().filter(ours).collect()));
    }
    for (table, destinations) in found {
        for destination in destinations {
            let delete =
                Ec2Command::DeleteRoute { route_table: table, destination: destination.into() };
            propose(planner, vpc, format!("delete the route {destination} of {table}"), delete);
        }
        let resources = vec![TaggedResource::RouteTable(table)];
        let untag = Ec2Command::DeleteTags { resources, tags: vec![(key.clone(), None)] };
        propose(planner, vpc, format!("delete the note of that in {table}"), untag);
    }
}

/// Ends a peering that a plan asked for.
fn end(planner: &mut Planner<'_>, vpc: Option<&Vpc>, peering: &Peering) {
    if !is_ours(peering, planner.ask.space_vpc) {
        let space = planner.ask.space.filter(|_| planner.ask.owns_space);
        let name = space.map_or("SPACE", |space| &space.name);
        planner.plan.notes.push(format!(
            "{pcx} stays: somebody else asked for it. `heroku spaces:peerings:destroy {pcx} \
             --space {name}` ends it.",
            pcx = peering.id
        ));
        return;
    }
    let what = format!("end the peering {}", peering.id);
    match (vpc, planner.ask.space) {
        (Some(vpc), _) => {
            let delete = Ec2Command::DeletePeering { peering: peering.id };
            propose(planner, vpc, what, delete);
        }
        (None, Some(space)) => {
            let act = Act::Destroy { space: space.id, peering: peering.id };
            planner.take(Proposed { what, act, undo: None });
        }
        (None, None) => {}
    }
}

fn propose(planner: &mut Planner<'_>, vpc: &Vpc, what: String, command: Ec2Command) {
    if let Some(act) = in_vpc(vpc, command) {
        planner.take(Proposed { what, act, undo: None });
    }
}
