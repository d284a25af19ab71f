//! The plan of the edge: which names there are in a VPC, and how a space's apps are served.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{joins, names, vpc};
use crate::edge::{
    AppRoute, Backend, BackendState, Domains, EdgeIntent, ResolverIntent, RouterIntent,
};
use crate::resource::{App, Dyno, DynoState, Peering, PeeringSide, Space, SpaceState, Vpc};
use crate::{Key, Record, SpaceId, VpcId, World};

/// Says what the edge must answer. `domains` are the platform's own.
pub fn plan_edge(world: &World, domains: &Domains) -> EdgeIntent {
    let vpcs = world.vpcs().filter_map(|vpc| Some((vpc.id, plan_resolver(world, vpc, domains)?)));
    let spaces =
        world.spaces().filter_map(|space| Some((space.id, plan_router(world, space, domains)?)));
    EdgeIntent { vpcs: vpcs.collect(), spaces: spaces.collect() }
}

/// The spaces whose apps are served otherwise when a resource changes.
pub(super) fn spaces_of(world: &World, key: Key) -> Vec<SpaceId> {
    match world.get(key) {
        Some(Record::Space(space)) => vec![space.id],
        Some(Record::App(app)) => vec![app.space],
        Some(Record::Dyno(dyno)) => vec![dyno.space],
        Some(Record::Eni(eni)) => world
            .vpc(eni.vpc)
            .and_then(|vpc| world.space_of_vpc(vpc))
            .map(|s| s.id)
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// The VPCs that a VPC is joined with.
pub(super) fn peers_of(world: &World, id: VpcId) -> Vec<VpcId> {
    sides(world, id).map(|(_, other)| other.vpc).collect()
}

/// The sides of a VPC's peerings that are carried: its own, the other.
fn sides(world: &World, id: VpcId) -> impl Iterator<Item = (&PeeringSide, &PeeringSide)> + '_ {
    let carried = move |peering: &&Arc<Peering>| joins(world, peering);
    world
        .peerings_of(Key::Vpc(id))
        .filter(carried)
        .filter_map(move |peering| Some((peering.side(id)?, peering.other_side(id)?)))
}

/// Says what the resolver of a VPC answers; `None` where nobody could ask.
pub(super) fn plan_resolver(world: &World, own: &Vpc, domains: &Domains) -> Option<ResolverIntent> {
    let key = Key::Vpc(own.id);
    let asks = world.enis_in(key).any(|eni| eni.attachment.is_some());
    if !own.dns_support || !asks {
        return None;
    }
    let mut plan = ResolverIntent { addresses: vpc::resolvers(own), ..ResolverIntent::default() };
    plan.zones.insert(names::DYNO_ZONE.to_owned());
    plan.zones.extend(names::PRIVATE_ZONES.map(str::to_owned));
    if domains.internal != domains.public {
        plan.zones.insert(domains.internal.clone());
    }
    add_instances(world, own, &mut plan);
    add_public_names(world, own, &mut plan);
    if let Some(space) = world.space_of_vpc(own) {
        add_dynos(world, space, &mut plan);
        add_custom_domains(world, space, domains, &mut plan);
        add_internal_apps(world, space, domains, &mut plan);
    }
    for (_, other) in sides(world, own.id) {
        let Some(peer) = world.vpc(other.vpc) else { continue };
        // A VPC whose own names are switched off has none for others (`ec2.md` §1.8).
        if other.dns_resolution && peer.dns_support && peer.dns_hostnames {
            add_instances(world, peer, &mut plan);
            add_public_names(world, peer, &mut plan);
        }
        // Internal routing reaches as far as the space's peerings do (R26).
        if let Some(space) = world.space_of_vpc(peer) {
            add_internal_apps(world, space, domains, &mut plan);
        }
    }
    Some(plan)
}

/// The private names of whatever has an interface in a VPC.
fn add_instances(world: &World, of: &Vpc, plan: &mut ResolverIntent) {
    for eni in world.enis_in(Key::Vpc(of.id)).filter(|eni| eni.attachment.is_some()) {
        for address in &eni.addresses {
            let name = names::private_name(*address, of.region);
            plan.pointers.entry(*address).or_insert_with(|| name.clone());
            plan.names.entry(name).or_default().push(*address);
        }
    }
}

/// The public names of what has a public address, which lead to the private one (`ec2.md` §1.8).
fn add_public_names(world: &World, of: &Vpc, plan: &mut ResolverIntent) {
    if !of.dns_hostnames {
        return;
    }
    for eni in world.enis_in(Key::Vpc(of.id)).filter(|eni| eni.attachment.is_some()) {
        for private in &eni.addresses {
            if let Some(public) = world.public_of(eni, *private) {
                let name = names::public_name(public.address, of.region);
                plan.names.entry(name).or_default().push(*private);
            }
        }
    }
}

/// The names by which dynos find each other.
fn add_dynos(world: &World, space: &Space, plan: &mut ResolverIntent) {
    for app in world.apps_in(Key::Space(space.id)) {
        for dyno in world.dynos_in(Key::App(app.id)) {
            let found = address(world, dyno).filter(|_| answers(dyno));
            let (Some(address), Some(number)) = (found, dyno.number) else { continue };
            let process = names::process(app, &dyno.process_type);
            plan.pointers.insert(address, names::dyno(number, &process));
            for name in [names::dyno(number, &process), process, names::app(app)] {
                plan.names.entry(name).or_default().push(address);
            }
        }
    }
}

/// Whether a dyno can be expected to answer those who find it by name.
fn answers(dyno: &Dyno) -> bool {
    dyno.state == DynoState::Up
}

/// The names of apps with internal routing: the space's router.
fn add_internal_apps(world: &World, space: &Space, domains: &Domains, plan: &mut ResolverIntent) {
    let routers: Vec<Ipv4Addr> = interfaces(world, space).into_values().collect();
    for app in internal_apps(world, space) {
        plan.names.insert(domains.host(app), routers.clone());
    }
}

/// The custom domains of those apps. Only the space itself takes the word of its people for what
/// names mean: whoever it is peered with would have its own names taken over.
fn add_custom_domains(world: &World, space: &Space, domains: &Domains, plan: &mut ResolverIntent) {
    let routers: Vec<Ipv4Addr> = interfaces(world, space).into_values().collect();
    for app in internal_apps(world, space) {
        for host in custom_domains(app, domains) {
            plan.names.entry(host.clone()).or_insert_with(|| routers.clone());
        }
    }
}

fn internal_apps<'a>(world: &'a World, space: &Space) -> impl Iterator<Item = &'a Arc<App>> {
    world.apps_in(Key::Space(space.id)).filter(|app| app.internal_routing)
}

fn address(world: &World, dyno: &Dyno) -> Option<Ipv4Addr> {
    world.eni(dyno.eni).map(|eni| eni.primary())
}

fn interfaces(world: &World, space: &Space) -> BTreeMap<crate::EniId, Ipv4Addr> {
    let enis = space.router_enis.iter().filter_map(|id| world.eni(*id));
    enis.map(|eni| (eni.id, eni.primary())).collect()
}

/// The names under which an app is served.
fn hosts(app: &App, domains: &Domains) -> BTreeSet<String> {
    custom_domains(app, domains).cloned().chain([domains.host(app)]).collect()
}

/// The custom domains of an app, but none that only the platform may give out: what its domains
/// are is up to the operator, who may have changed them since.
fn custom_domains<'a>(app: &'a App, domains: &'a Domains) -> impl Iterator<Item = &'a String> {
    app.domains.keys().filter(|host| !domains.hold(host))
}

/// Says how the apps of a space are served; `None` before the space is there.
pub(super) fn plan_router(world: &World, space: &Space, domains: &Domains) -> Option<RouterIntent> {
    if space.state != SpaceState::Allocated {
        return None;
    }
    let apps = world.apps_in(Key::Space(space.id));
    Some(RouterIntent {
        vpc: space.vpc,
        interfaces: interfaces(world, space),
        trusted: space.trusted.clone(),
        apps: apps.map(|app| (app.id, plan_app(world, app, domains))).collect(),
    })
}

fn plan_app(world: &World, app: &App, domains: &Domains) -> AppRoute {
    let web = || world.dynos_in(Key::App(app.id)).filter(|dyno| dyno.is_web());
    let backend = |dyno: &Dyno| {
        let state = match dyno.state {
            DynoState::Starting | DynoState::Booting => BackendState::Starting,
            DynoState::Up => BackendState::Up,
            DynoState::Draining => BackendState::Draining,
            DynoState::Stopping | DynoState::Down | DynoState::Crashed => return None,
        };
        let address = address(world, dyno)?;
        Some(Backend { dyno: dyno.id, name: dyno.name.clone(), address, port: dyno.port(), state })
    };
    AppRoute {
        name: app.name.clone(),
        internal: app.internal_routing,
        hosts: hosts(app, domains),
        backends: web().filter_map(|dyno| backend(dyno)).collect(),
        crashed: web().any(|dyno| dyno.state == DynoState::Crashed && !dyno.superseded),
    }
}
