//! Every route of the Platform API, in one table, with what the caller must belong to and what the
//! caller's token must be for.

use model::Need::{Everything, Identity, Nothing, Read as Reads, ReadProtected, WriteProtected};

use super::route::Scope::{
    Addon as OfAddon, App as InApp, Attachment as Attached, SignIn, Space as InSpace,
    Team as InTeam, Token as Own, User as Any,
};
use super::route::Work::{Issue, Look, People, Read, Write};
use super::route::{Method, Route, Scope};
use super::{
    absent, addon, app, attachment, domain, dyno, feature, formation, host, identity, inbound, log,
    log_drain, member, peering, peering_check, release, second_factor, session, size, slug, space,
    space_access, webhook,
};

/// The only route that does not count towards the rate limit.
pub(super) const RATE_LIMITS: &str = "/account/rate-limits";

/// Every route of the Platform API. The token of a request must be one for reading, or for changing
/// where the method is no `GET`, unless the route says by `needs` what else it must be for.
pub(super) static ROUTES: &[Route] = &[
    get("/oauth/authorizations", Any(Read(session::list_own))).needs(Everything),
    post("/oauth/authorizations", SignIn(Issue(session::create, session::issued)))
        .needs(Everything),
    get("/oauth/authorizations/{authorization}", Own(Read(session::info))).needs(Everything),
    patch(
        "/oauth/authorizations/{authorization}",
        Own(People(session::describe, session::described)),
    )
    .needs(Everything),
    delete("/oauth/authorizations/{authorization}", Own(People(session::revoke, session::revoked)))
        .needs(Everything),
    post(
        "/oauth/authorizations/{authorization}/actions/regenerate-tokens",
        Own(Issue(session::rotate, session::rotated)),
    )
    .needs(Everything),
    get("/oauth/sessions", Any(Read(session::no_sessions))).needs(Everything),
    delete("/oauth/sessions/{session}", Any(Read(session::no_session))).needs(Nothing),
    get("/account", Any(Read(identity::account))).needs(Identity),
    delete("/account", Any(People(identity::delete_account, identity::deleted_account)))
        .needs(Everything)
        .confirmed(),
    get("/account/features", Any(Read(absent::features))).needs(Identity),
    get("/account/features/{feature}", Any(Read(absent::feature))).needs(Identity),
    patch("/account/features/{feature}", Any(Read(absent::feature))).needs(Everything),
    get("/account/keys", Any(Read(absent::keys))).needs(Identity),
    post("/account/keys", Any(Read(absent::key))).needs(Everything),
    get("/account/keys/{key}", Any(Read(absent::key))).needs(Identity),
    delete("/account/keys/{key}", Any(Read(absent::key))).needs(Everything),
    post("/account/app-transfers", Any(Read(absent::transfer))).needs(Everything),
    get(RATE_LIMITS, Any(Read(identity::rate_limits))).needs(Nothing),
    get("/account/two-factor", Any(Read(second_factor::info))).needs(Identity),
    post("/account/two-factor/actions/enrol", Any(Read(second_factor::enrol))).needs(Everything),
    put("/account/two-factor", Any(Issue(second_factor::enable, second_factor::with_codes)))
        .needs(Everything),
    post(
        "/account/two-factor/actions/disable",
        Any(People(second_factor::disable, second_factor::disabled)),
    )
    .needs(Everything),
    post(
        "/account/two-factor/recovery-codes",
        Any(Issue(second_factor::renew_codes, second_factor::with_codes)),
    )
    .needs(Everything),
    get("/users/~", Any(Read(identity::account))).needs(Identity),
    get("/users/~/apps", Any(Read(app::list_apps))),
    get("/dyno-sizes", Any(Read(size::list_sizes))).needs(Nothing),
    get("/dyno-sizes/{size}", Any(Read(size::size))).needs(Nothing),
    get("/stacks", Any(Read(size::list_stacks))).needs(Nothing),
    get("/stacks/{stack}", Any(Read(size::one_stack))).needs(Nothing),
    post("/sources", Any(Read(absent::source))).needs(WriteProtected),
    post("/app-setups", Any(Read(absent::app_setup))).needs(WriteProtected),
    get("/app-setups/{setup}", Any(Read(absent::app_setup))).needs(ReadProtected),
    post("/telemetry-drains", Any(Read(absent::telemetry))),
    get("/telemetry-drains/{drain}", Any(Read(absent::telemetry))),
    patch("/telemetry-drains/{drain}", Any(Read(absent::telemetry))),
    delete("/telemetry-drains/{drain}", Any(Read(absent::telemetry))),
    get("/generations", Any(Read(identity::generations))).needs(Nothing),
    get("/generations/{generation}", Any(Read(identity::generation))).needs(Nothing),
    get("/regions", Any(Read(identity::regions))).needs(Nothing),
    get("/regions/{region}", Any(Read(identity::region))).needs(Nothing),
    get("/teams", Any(Read(identity::teams))),
    get("/teams/{team}", InTeam(Read(identity::team))),
    delete("/teams/{team}", InTeam(People(identity::delete_team, identity::deleted_team)))
        .needs(Everything),
    get("/teams/{team}/features", InTeam(Read(identity::team_features))),
    get("/teams/permissions", Any(Read(member::permissions))).needs(Nothing),
    put(
        "/teams/{team}/two-factor",
        InTeam(People(second_factor::demand, second_factor::demand_shown)),
    )
    .needs(Everything),
    get("/teams/{team}/members", InTeam(Read(member::list_members))),
    put("/teams/{team}/members", InTeam(People(member::set, member::shown))).needs(Everything),
    post("/teams/{team}/members", InTeam(People(member::add, member::shown))).needs(Everything),
    patch("/teams/{team}/members", InTeam(People(member::change, member::shown))).needs(Everything),
    delete("/teams/{team}/members/{member}", InTeam(People(member::remove, member::removed)))
        .needs(Everything),
    get("/teams/{team}/invitations", InTeam(Read(member::invitations))),
    put("/teams/{team}/invitations", InTeam(Read(member::invite))).needs(Everything),
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
    )
    .needs(Everything),
    get("/spaces/{space}/members", InSpace(Read(space_access::list_members))),
    get("/spaces/{space}/members/{member}", InSpace(Read(space_access::member))),
    patch(
        "/spaces/{space}/members/{member}",
        InSpace(Write(space_access::set, space_access::shown)),
    )
    .needs(Everything),
    get("/spaces/{space}/inbound-ruleset", InSpace(Read(inbound::current))),
    put("/spaces/{space}/inbound-ruleset", InSpace(Write(inbound::set, inbound::shown))),
    get("/spaces/{space}/inbound-rulesets", InSpace(Read(inbound::list_rulesets))),
    get("/spaces/{space}/inbound-rulesets/{ruleset}", InSpace(Read(inbound::one))),
    get("/spaces/{space}/outbound-ruleset", InSpace(Read(absent::outbound_ruleset))),
    put("/spaces/{space}/outbound-ruleset", InSpace(Read(absent::outbound_ruleset))),
    get("/spaces/{space}/outbound-rulesets", InSpace(Read(absent::outbound_ruleset))),
    get("/spaces/{space}/outbound-rulesets/{ruleset}", InSpace(Read(absent::outbound_ruleset))),
    get("/spaces/{space}/telemetry-drains", InSpace(Read(absent::no_space_telemetry))),
    get("/spaces/{space}/hosts", InSpace(Read(host::list_hosts))),
    get("/spaces/{space}/log-drain", InSpace(Read(log_drain::of_space))).needs(ReadProtected),
    put("/spaces/{space}/log-drain", InSpace(Write(log_drain::set, log_drain::was_set))),
    get("/spaces/{space}/vpn-connections", InSpace(Read(absent::vpn))),
    post("/spaces/{space}/vpn-connections", InSpace(Read(absent::vpn))),
    get("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    patch("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    delete("/spaces/{space}/vpn-connections/{vpn}", InSpace(Read(absent::vpn))),
    get("/spaces/{space}/topology", InSpace(Read(space::topology))),
    get("/spaces/{space}/dynos", InSpace(Read(dyno::list_space_dynos))),
    get("/spaces/{space}/peering-info", InSpace(Read(peering::info))),
    get("/spaces/{space}/peering-check", InSpace(Read(peering_check::check))),
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
    get("/apps/{app}/config-vars", InApp(Read(release::config_vars))).needs(ReadProtected),
    patch("/apps/{app}/config-vars", InApp(Write(release::set_config, release::config_was_set)))
        .needs(WriteProtected),
    get("/addon-services", Any(Read(addon::list_services))).needs(Nothing),
    get("/addon-services/{service}", Any(Read(addon::service))).needs(Nothing),
    get("/addon-services/{service}/plans", Any(Read(addon::list_plans))).needs(Nothing),
    get("/addon-services/{service}/plans/{plan}", Any(Read(addon::plan))).needs(Nothing),
    get("/plans/{plan}", Any(Read(addon::plan))).needs(Nothing),
    get("/addons", Any(Read(addon::list_all))),
    get("/addons/{addon}", OfAddon(Read(addon::info))),
    get("/addons/{addon}/addon-attachments", OfAddon(Read(attachment::list_of_addon))),
    get("/addon-attachments", Any(Read(attachment::list_all))),
    post("/addon-attachments", Any(Write(attachment::attach, attachment::attached)))
        .needs(WriteProtected),
    get("/addon-attachments/{attachment}", Attached(Read(attachment::info))),
    delete(
        "/addon-attachments/{attachment}",
        Attached(Write(attachment::detach, attachment::detached)),
    )
    .needs(WriteProtected),
    post("/actions/addon-attachments/resolve", Any(Read(attachment::resolve))).needs(Reads),
    post("/actions/addons/resolve", Any(Read(addon::resolve))).needs(Reads),
    get("/apps/{app}/addons", InApp(Read(addon::list_addons))),
    post("/apps/{app}/addons", InApp(Write(addon::create, addon::made))).needs(WriteProtected),
    get("/apps/{app}/addons/{addon}", InApp(Read(addon::of_app))),
    delete("/apps/{app}/addons/{addon}", InApp(Write(addon::delete, addon::deleted)))
        .needs(WriteProtected),
    get("/apps/{app}/addon-attachments", InApp(Read(attachment::list_of_app))),
    get("/apps/{app}/addon-attachments/{attachment}", InApp(Read(attachment::of_app_info))),
    patch("/apps/{app}/addons/{addon}", InApp(Read(absent::addon_change))).needs(WriteProtected),
    get("/apps/{app}/buildpack-installations", InApp(Read(app::nothing))).needs(ReadProtected),
    put("/apps/{app}/buildpack-installations", InApp(Read(absent::build))).needs(WriteProtected),
    get("/apps/{app}/builds", InApp(Read(app::nothing))).needs(ReadProtected),
    post("/apps/{app}/builds", InApp(Read(absent::build))).needs(WriteProtected),
    post("/apps/{app}/sources", InApp(Read(absent::build))).needs(WriteProtected),
    get("/apps/{app}/webhooks", InApp(Read(webhook::list_webhooks))).needs(ReadProtected),
    post("/apps/{app}/webhooks", InApp(Write(webhook::create, webhook::made)))
        .needs(WriteProtected),
    get("/apps/{app}/webhooks/{webhook}", InApp(Read(webhook::info))).needs(ReadProtected),
    patch("/apps/{app}/webhooks/{webhook}", InApp(Write(webhook::update, webhook::updated)))
        .needs(WriteProtected),
    delete("/apps/{app}/webhooks/{webhook}", InApp(Write(webhook::remove, webhook::removed)))
        .needs(WriteProtected),
    get("/apps/{app}/webhook-deliveries", InApp(Look(webhook::question, webhook::list_deliveries)))
        .needs(ReadProtected),
    get(
        "/apps/{app}/webhook-deliveries/{delivery}",
        InApp(Look(webhook::question, webhook::delivery)),
    )
    .needs(ReadProtected),
    get("/apps/{app}/webhook-events", InApp(Look(webhook::question, webhook::list_events)))
        .needs(ReadProtected),
    get("/apps/{app}/webhook-events/{event}", InApp(Look(webhook::question, webhook::event)))
        .needs(ReadProtected),
    get("/apps/{app}/log-drains", InApp(Read(log_drain::list_drains))).needs(ReadProtected),
    post("/apps/{app}/log-drains", InApp(Write(log_drain::add, log_drain::added))),
    get("/apps/{app}/log-drains/{drain}", InApp(Read(log_drain::info))).needs(ReadProtected),
    delete("/apps/{app}/log-drains/{drain}", InApp(Write(log_drain::remove, log_drain::removed))),
    get("/apps/{app}/features", InApp(Read(feature::list_features))),
    get("/apps/{app}/features/{feature}", InApp(Read(feature::info))),
    patch("/apps/{app}/features/{feature}", InApp(Write(feature::switch, feature::switched))),
    get("/apps/{app}/pipeline-couplings", InApp(Read(absent::pipeline_of_app))),
    get("/pipelines", Any(Read(absent::pipelines))),
    post("/pipelines", Any(Read(absent::pipeline))),
    get("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    patch("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    delete("/pipelines/{pipeline}", Any(Read(absent::pipeline))),
    post("/pipeline-couplings", Any(Read(absent::pipeline))),
    post("/pipeline-promotions", Any(Read(absent::pipeline))).needs(WriteProtected),
    get("/apps/{app}/collaborators", InApp(Read(member::collaborators))),
    post("/apps/{app}/collaborators", InApp(Read(member::no_collaborators))).needs(Everything),
    delete("/apps/{app}/collaborators/{member}", InApp(Read(member::no_collaborators)))
        .needs(Everything),
    post("/teams/apps/{app}/collaborators", InApp(Read(member::no_collaborators)))
        .needs(Everything),
    patch("/teams/apps/{app}/collaborators/{member}", InApp(Read(member::no_collaborators)))
        .needs(Everything),
    get("/apps/{app}/domains", InApp(Read(domain::list_domains))),
    post("/apps/{app}/domains", InApp(Write(domain::add, domain::added))),
    get("/apps/{app}/domains/{domain}", InApp(Read(domain::one))),
    patch("/apps/{app}/domains/{domain}", InApp(Read(absent::certificate))),
    delete("/apps/{app}/domains/{domain}", InApp(Write(domain::remove, domain::removed))),
    get("/apps/{app}/available-dyno-sizes", InApp(Read(size::sizes_of_app))),
    get("/apps/{app}/telemetry-drains", InApp(Read(absent::no_app_telemetry))),
    get("/apps/{app}/formation", InApp(Read(formation::list_formation))),
    patch("/apps/{app}/formation", InApp(Write(formation::scale, formation::scaled))),
    get("/apps/{app}/formation/{type}", InApp(Read(formation::one))),
    patch(
        "/apps/{app}/formation/{type}",
        InApp(Write(formation::scale_one, formation::scaled_one)),
    ),
    get("/apps/{app}/slugs", InApp(Read(slug::list_slugs))).needs(ReadProtected),
    post("/apps/{app}/slugs", InApp(Write(slug::create, slug::made))).needs(WriteProtected),
    get("/apps/{app}/slugs/{slug}", InApp(Read(slug::info))).needs(ReadProtected),
    get("/apps/{app}/releases", InApp(Read(release::list_releases))).needs(ReadProtected),
    post("/apps/{app}/releases", InApp(Write(release::create, release::made)))
        .needs(WriteProtected),
    get("/apps/{app}/releases/{release}", InApp(Read(release::info))).needs(ReadProtected),
    get("/apps/{app}/releases/{release}/config-vars", InApp(Read(release::config_of)))
        .needs(ReadProtected),
    post("/apps/{app}/log-sessions", InApp(Read(log::start))).needs(Reads),
    get("/apps/{app}/sni-endpoints", InApp(Read(app::nothing))),
    post("/apps/{app}/sni-endpoints", InApp(Read(absent::certificate))),
    get("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    patch("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    delete("/apps/{app}/sni-endpoints/{endpoint}", InApp(Read(absent::certificate))),
    post("/apps/{app}/acm", InApp(Read(absent::certificate))),
    delete("/apps/{app}/acm", InApp(Read(absent::certificate))),
    get("/apps/{app}/dynos", InApp(Read(dyno::list_dynos))),
    post("/apps/{app}/dynos", InApp(Write(dyno::start, dyno::started))).needs(WriteProtected),
    post("/apps/{app}/dynos/{dyno}", InApp(Write(dyno::run_inside, dyno::runs_inside)))
        .needs(WriteProtected),
    delete("/apps/{app}/dynos", InApp(Write(dyno::restart_all, dyno::several))),
    get("/apps/{app}/dynos/{dyno}", InApp(Read(dyno::info))),
    delete("/apps/{app}/dynos/{dyno}", InApp(Write(dyno::restart, dyno::stopped))),
    delete("/apps/{app}/formations/{type}", InApp(Write(dyno::restart_type, dyno::several))),
    post(
        "/apps/{app}/formations/{type}/actions/stop",
        InApp(Write(dyno::stop_type, dyno::several)),
    ),
    post("/apps/{app}/dynos/{dyno}/actions/stop", InApp(Write(dyno::stop, dyno::stopped))),
    // Heroku's data services have an API on another host, which `causeway env` points at this
    // server.
    get("/client/v11/{*path}", Any(Read(absent::data))).needs(ReadProtected),
    post("/client/v11/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    put("/client/v11/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    patch("/client/v11/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    delete("/client/v11/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    get("/postgres/v0/{*path}", Any(Read(absent::data))).needs(ReadProtected),
    post("/postgres/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    put("/postgres/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    patch("/postgres/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    delete("/postgres/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    get("/redis/v0/{*path}", Any(Read(absent::data))).needs(ReadProtected),
    post("/redis/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    put("/redis/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    patch("/redis/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    delete("/redis/v0/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    get("/data/{*path}", Any(Read(absent::data))).needs(ReadProtected),
    post("/data/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    put("/data/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    patch("/data/{*path}", Any(Read(absent::data))).needs(WriteProtected),
    delete("/data/{*path}", Any(Read(absent::data))).needs(WriteProtected),
];

const fn get(path: &'static str, scope: Scope) -> Route {
    route(Method::Get, path, scope)
}

const fn post(path: &'static str, scope: Scope) -> Route {
    route(Method::Post, path, scope)
}

const fn put(path: &'static str, scope: Scope) -> Route {
    route(Method::Put, path, scope)
}

const fn patch(path: &'static str, scope: Scope) -> Route {
    route(Method::Patch, path, scope)
}

const fn delete(path: &'static str, scope: Scope) -> Route {
    route(Method::Delete, path, scope)
}

const fn route(method: Method, path: &'static str, scope: Scope) -> Route {
    Route { method, path, need: method.need(), scope, confirmed: false }
}
