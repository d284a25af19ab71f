//! Every route, in one table: what it takes, and whom it is for.
//!
//! A route's scope says what the caller must belong to. It is checked before the route's own code
//! runs, which is handed the team, space or app and cannot be written without.

use std::sync::Arc;

use axum::routing::MethodFilter;
use model::{Addon, App, IdentityCommand, PlatformCommand, Space, Team, Token};

use super::attachment::Attachment;
use super::call::{Call, Outcome};
use super::failure::Failure;
use super::{
    absent, addon, app, attachment, domain, dyno, formation, host, identity, inbound, log, member,
    peering, release, session, slug, space, space_access,
};
use crate::ledger::Committed;

/// One route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) scope: Scope,
}

/// The methods of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What the caller must belong to, and what is done then.
pub(super) enum Scope {
    /// Nothing: it is about the caller, or the same for everybody.
    User(Work<()>),
    /// Nothing; who it is may be shown by a password too, for which a token is made.
    SignIn(Work<()>),
    /// The caller's own token in the path.
    Token(Work<Arc<Token>>),
    /// The team in the path.
    Team(Work<Arc<Team>>),
    /// The team of the space in the path.
    Space(Work<Arc<Space>>),
    /// The team of the app in the path.
    App(Work<Arc<App>>),
    /// The team of the app that the add-on in the path is of.
    Addon(Work<Arc<Addon>>),
    /// The teams of both apps of the attachment in the path.
    Attachment(Work<Attachment>),
}

/// What is done.
pub(super) enum Work<S> {
    /// The world is looked at.
    Read(fn(&Call, &S) -> Outcome),
    /// A command about people is decided on, and what came of it shown.
    People(fn(&Call, &S) -> Result<IdentityCommand, Failure>, fn(&Call, &S, &Committed) -> Outcome),
    /// A secret is made, a command stores its hash, and the secret is shown this once.
    Issue(
        fn(&Call, &S, String) -> Result<IdentityCommand, Failure>,
        fn(&Call, &S, &Committed, &str) -> Outcome,
    ),
    /// A command is decided on, and what came of it shown.
    Write(fn(&Call, &S) -> Result<PlatformCommand, Failure>, fn(&Call, &S, &Committed) -> Outcome),
}

use Scope::{
    Addon as OfAddon, App as InApp, Attachment as Attached, SignIn, Space as InSpace,
    Team as InTeam, Token as Own, User as Any,
};
use Work::{Issue, People, Read, Write};

/// The one request that costs none.
pub(super) const RATE_LIMITS: &str = "/account/rate-limits";

/// Every route of the Platform API.
pub(super) static ROUTES: &[Route] = &[
    get("/oauth/authorizations", Any(Read(session::list_own))),
    post("/oauth/authorizations", SignIn(Issue(session::create, session::issued))),
    get("/oauth/authorizations/{authorization}", Own(Read(session::info))),
    patch(
        "/oauth/authorizations/{authorization}",
        Own(People(session::describe, session::described)),
    ),
    delete("/oauth/authorizations/{authorization}", Own(People(session::revoke, session::revoked))),
    post(
        "/oauth/authorizations/{authorization}/actions/regenerate-tokens",
        Own(Issue(session::rotate, session::rotated)),
    ),
    get("/oauth/sessions", Any(Read(session::no_sessions))),
    delete("/oauth/sessions/{session}", Any(Read(session::no_session))),
    get("/account", Any(Read(identity::account))),
    get("/account/features", Any(Read(absent::features))),
    get("/account/features/{feature}", Any(Read(absent::feature))),
    patch("/account/features/{feature}", Any(Read(absent::feature))),
    get("/account/keys", Any(Read(absent::keys))),
    post("/account/keys", Any(Read(absent::key))),
    get("/account/keys/{key}", Any(Read(absent::key))),
    delete("/account/keys/{key}", Any(Read(absent::key))),
    post("/account/app-transfers", Any(Read(absent::transfer))),
    get(RATE_LIMITS, Any(Read(identity::rate_limits))),
    get("/users/~", Any(Read(identity::account))),
    get("/users/~/apps", Any(Read(app::list_apps))),
    get("/generations", Any(Read(identity::generations))),
    get("/generations/{generation}", Any(Read(identity::generation))),
    get("/regions", Any(Read(identity::regions))),
    get("/regions/{region}", Any(Read(identity::region))),
    get("/teams", Any(Read(identity::teams))),
    get("/teams/{team}", InTeam(Read(identity::team))),
    get("/teams/{team}/features", InTeam(Read(identity::team_features))),
    get("/teams/permissions", Any(Read(member::permissions))),
    get("/teams/{team}/members", InTeam(Read(member::list_members))),
    put("/teams/{team}/members", InTeam(People(member::set, member::shown))),
    post("/teams/{team}/members", InTeam(People(member::add, member::shown))),
    patch("/teams/{team}/members", InTeam(People(member::change, member::shown))),
    delete("/teams/{team}/members/{member}", InTeam(People(member::remove, member::removed))),
    get("/teams/{team}/invitations", InTeam(Read(member::invitations))),
    put("/teams/{team}/invitations", InTeam(Read(member::invite))),
    get("/teams/{team}/spaces", InTeam(Read(space::list_team_spaces))),
    get("/teams/{team}/apps", InTeam(Read(app::list_team_apps))),
    get("/teams/{team}/available-generations", InTeam(Read(identity::team_generations))),
    get("/spaces", Any(Read(space::list_spaces))),
    post("/spaces", Any(Write(space::create, space::created_space))),
    get("/spaces/{space}", InSpace(Read(space::info))),
    patch("/spaces/{space}", InSpace(Write(space::rename, space::renamed))),
    delete("/spaces/{space}", InSpace(Write(space::delete, space::deleted))),
    get("/spaces/{space}/nat", InSpace(Read(space::nat))),
    post(
        "/spaces/{space}/transfer",
        InSpace(Write(space_access::transfer, space_access::transferred)),
    ),
    get("/spaces/{space}/members", InSpace(Read(space_access::list_members))),
    get("/spaces/{space}/members/{member}", InSpace(Read(space_access::member))),
    patch(
        "/spaces/{space}/members/{member}",
        InSpace(Write(space_access::set, space_access::shown)),
    ),
    get("/spaces/{space}/inbound-ruleset", InSpace(Read(inbound::current))),
    put("/spaces/{space}/inbound-ruleset", InSpace(Write(inbound::set, inbound::shown))),
    get("/spaces/{space}/inbound-rulesets", InSpace(Read(inbound::list_rulesets))),
    get("/spaces/{space}/inbound-rulesets/{ruleset}", InSpace(Read(inbound::one))),
    get("/spaces/{space}/hosts", InSpace(Read(host::list_hosts))),
    get("/spaces/{space}/log-drain", InSpace(Read(absent::log_drain))),
    put("/spaces/{space}/log-drain", InSpace(Read(absent::log_drain))),
    get("/spaces/{space}/vpn-connections", InSpace(Read(absent::vpn))),
    post("/spaces/{space}/vpn-connections", InSpace(Read(absent::vpn))),
    get("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    patch("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    delete("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    get("/spaces/{space}/topology", InSpace(Read(space::topology))),
    get("/spaces/{space}/dynos", InSpace(Read(dyno::list_space_dynos))),
    get("/spaces/{space}/peering-info", InSpace(Read(peering::info))),
    get("/spaces/{space}/peerings", InSpace(Read(peering::list_peerings))),
    post("/spaces/{space}/peerings", InSpace(Write(peering::accept_in_body, peering::accepted))),
    get("/spaces/{space}/peerings/{pcx}", InSpace(Read(peering::one))),
    delete("/spaces/{space}/peerings/{pcx}", InSpace(Write(peering::destroy, peering::destroyed))),
    post(
        "/spaces/{space}/peerings/{pcx}/actions/accept",
        InSpace(Write(peering::accept_in_path, peering::accepted)),
    ),
    get("/apps", Any(Read(app::list_apps))),
    post("/apps", Any(Write(app::create, app::created_app))),
    post("/teams/apps", Any(Write(app::create, app::created_team_app))),
    get("/teams/apps/{app}", InApp(Read(app::team_app))),
    patch("/teams/apps/{app}", InApp(Read(absent::team_app_change))),
    get("/apps/{app}", InApp(Read(app::info))),
    patch("/apps/{app}", InApp(Read(absent::app_change))),
    delete("/apps/{app}", InApp(Write(app::delete, app::deleted))),
    get("/apps/{app}/config-vars", InApp(Read(release::config_vars))),
    patch("/apps/{app}/config-vars", InApp(Write(release::set_config, release::config_was_set))),
    get("/addon-services", Any(Read(addon::list_services))),
    get("/addon-services/{service}", Any(Read(addon::service))),
    get("/addon-services/{service}/plans", Any(Read(addon::list_plans))),
    get("/addon-services/{service}/plans/{plan}", Any(Read(addon::plan))),
    get("/plans/{plan}", Any(Read(addon::plan))),
    get("/addons", Any(Read(addon::list_all))),
    get("/addons/{addon}", OfAddon(Read(addon::info))),
    get("/addons/{addon}/addon-attachments", OfAddon(Read(attachment::list_of_addon))),
    get("/addon-attachments", Any(Read(attachment::list_all))),
    post("/addon-attachments", Any(Write(attachment::attach, attachment::attached))),
    get("/addon-attachments/{attachment}", Attached(Read(attachment::info))),
    delete(
        "/addon-attachments/{attachment}",
        Attached(Write(attachment::detach, attachment::detached)),
    ),
    post("/actions/addon-attachments/resolve", Any(Read(attachment::resolve))),
    post("/actions/addons/resolve", Any(Read(addon::resolve))),
    get("/apps/{app}/addons", InApp(Read(addon::list_addons))),
    post("/apps/{app}/addons", InApp(Write(addon::create, addon::made))),
    get("/apps/{app}/addons/{addon}", InApp(Read(addon::of_app))),
    delete("/apps/{app}/addons/{addon}", InApp(Write(addon::delete, addon::deleted))),
    get("/apps/{app}/addon-attachments", InApp(Read(attachment::list_of_app))),
    get("/apps/{app}/addon-attachments/{attachment}", InApp(Read(attachment::of_app_info))),
    patch("/apps/{app}/addons/{addon}", InApp(Read(absent::addon_change))),
    get("/apps/{app}/buildpack-installations", InApp(Read(app::nothing))),
    put("/apps/{app}/buildpack-installations", InApp(Read(absent::build))),
    get("/apps/{app}/builds", InApp(Read(app::nothing))),
    post("/apps/{app}/builds", InApp(Read(absent::build))),
    post("/apps/{app}/sources", InApp(Read(absent::build))),
    get("/apps/{app}/webhooks", InApp(Read(app::nothing))),
    post("/apps/{app}/webhooks", InApp(Read(absent::webhook))),
    get("/apps/{app}/log-drains", InApp(Read(app::nothing))),
    post("/apps/{app}/log-drains", InApp(Read(absent::app_log_drain))),
    get("/apps/{app}/log-drains/{drain}", InApp(Read(absent::app_log_drain))),
    delete("/apps/{app}/log-drains/{drain}", InApp(Read(absent::app_log_drain))),
    get("/apps/{app}/features", InApp(Read(app::nothing))),
    get("/apps/{app}/features/{feature}", InApp(Read(absent::app_feature))),
    patch("/apps/{app}/features/{feature}", InApp(Read(absent::app_feature))),
    get("/apps/{app}/pipeline-couplings", InApp(Read(absent::pipeline_of_app))),
    get("/pipelines", Any(Read(absent::pipelines))),
    post("/pipelines", Any(Read(absent::pipeline))),
    get("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    patch("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    delete("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    post("/pipeline-couplings", Any(Read(absent::pipeline))),
    post("/pipeline-promotions", Any(Read(absent::pipeline))),
    get("/apps/{app}/collaborators", InApp(Read(member::collaborators))),
    post("/apps/{app}/collaborators", InApp(Read(member::no_collaborators))),
    delete("/apps/{app}/collaborators/{member}", InApp(Read(member::no_collaborators))),
    post("/teams/apps/{app}/collaborators", InApp(Read(member::no_collaborators))),
    patch("/teams/apps/{app}/collaborators/{member}", InApp(Read(member::no_collaborators))),
    get("/apps/{app}/domains", InApp(Read(domain::list_domains))),
    post("/apps/{app}/domains", InApp(Write(domain::add, domain::added))),
    get("/apps/{app}/domains/{domain}", InApp(Read(domain::one))),
    patch("/apps/{app}/domains/{domain}", InApp(Read(absent::certificate))),
    delete("/apps/{app}/domains/{domain}", InApp(Write(domain::remove, domain::removed))),
    get("/apps/{app}/formation", InApp(Read(formation::list_formation))),
    patch("/apps/{app}/formation", InApp(Write(formation::scale, formation::scaled))),
    get("/apps/{app}/formation/{type}", InApp(Read(formation::one))),
    patch(
        "/apps/{app}/formation/{type}",
        InApp(Write(formation::scale_one, formation::scaled_one)),
    ),
    get("/apps/{app}/slugs", InApp(Read(slug::list_slugs))),
    post("/apps/{app}/slugs", InApp(Write(slug::create, slug::made))),
    get("/apps/{app}/slugs/{slug}", InApp(Read(slug::info))),
    get("/apps/{app}/releases", InApp(Read(release::list_releases))),
    post("/apps/{app}/releases", InApp(Write(release::create, release::made))),
    get("/apps/{app}/releases/{release}", InApp(Read(release::info))),
    get("/apps/{app}/releases/{release}/config-vars", InApp(Read(release::config_of))),
    post("/apps/{app}/log-sessions", InApp(Read(log::start))),
    get("/apps/{app}/sni-endpoints", InApp(Read(app::nothing))),
    post("/apps/{app}/sni-endpoints", InApp(Read(absent::certificate))),
    get("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    patch("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    delete("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    post("/apps/{app}/acm", InApp(Read(absent::certificate))),
    delete("/apps/{app}/acm", InApp(Read(absent::certificate))),
    get("/apps/{app}/dynos", InApp(Read(dyno::list_dynos))),
    post("/apps/{app}/dynos", InApp(Write(dyno::start, dyno::started))),
    delete("/apps/{app}/dynos", InApp(Write(dyno::restart_all, dyno::several))),
    get("/apps/{app}/dynos/{dyno}", InApp(Read(dyno::info))),
    delete("/apps/{app}/dynos/{dyno}", InApp(Write(dyno::restart, dyno::stopped))),
    delete("/apps/{app}/formations/{type}", InApp(Write(dyno::restart_type, dyno::several))),
    post(
        "/apps/{app}/formations/{type}/actions/stop",
        InApp(Write(dyno::stop_type, dyno::several)),
    ),
    post("/apps/{app}/dynos/{dyno}/actions/stop", InApp(Write(dyno::stop, dyno::stopped))),
    // Heroku's data services have an API on a host of their own, which `causeway env` makes ours.
    get("/client/v11/{*path}", Any(Read(absent::data))),
    post("/client/v11/{*path}", Any(Read(absent::data))),
    put("/client/v11/{*path}", Any(Read(absent::data))),
    patch("/client/v11/{*path}", Any(Read(absent::data))),
    delete("/client/v11/{*path}", Any(Read(absent::data))),
    get("/postgres/v0/{*path}", Any(Read(absent::data))),
    post("/postgres/v0/{*path}", Any(Read(absent::data))),
    put("/postgres/v0/{*path}", Any(Read(absent::data))),
    patch("/postgres/v0/{*path}", Any(Read(absent::data))),
    delete("/postgres/v0/{*path}", Any(Read(absent::data))),
    get("/redis/v0/{*path}", Any(Read(absent::data))),
    post("/redis/v0/{*path}", Any(Read(absent::data))),
    put("/redis/v0/{*path}", Any(Read(absent::data))),
    patch("/redis/v0/{*path}", Any(Read(absent::data))),
    delete("/redis/v0/{*path}", Any(Read(absent::data))),
    get("/data/{*path}", Any(Read(absent::data))),
    post("/data/{*path}", Any(Read(absent::data))),
    put("/data/{*path}", Any(Read(absent::data))),
    patch("/data/{*path}", Any(Read(absent::data))),
    delete("/data/{*path}", Any(Read(absent::data))),
];

const fn get(path: &'static str, scope: Scope) -> Route {
    Route { method: Method::Get, path, scope }
}

const fn post(path: &'static str, scope: Scope) -> Route {
    Route { method: Method::Post, path, scope }
}

const fn put(path: &'static str, scope: Scope) -> Route {
    Route { method: Method::Put, path, scope }
}

const fn patch(path: &'static str, scope: Scope) -> Route {
    Route { method: Method::Patch, path, scope }
}

const fn delete(path: &'static str, scope: Scope) -> Route {
    Route { method: Method::Delete, path, scope }
}

impl Method {
    /// As the router knows it.
    pub(super) const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// Whether a body is read.
    pub(super) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}
