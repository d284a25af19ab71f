//! Endpoints of features that Causeway does not have. Each answer names what is missing and what
//! there is instead.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use model::{App, Space};
use serde_json::json;

use super::call::{Call, Outcome, list};
use super::failure::Failure;

/// Terraform waits on a 404 only if its message is `VPN is not found` (`heroku.md` §1.2).
pub(super) fn vpn(call: &Call, space: &Arc<Space>) -> Outcome {
    let which = match call.param("vpn") {
        "" => String::new(),
        name => format!(" `{}`", name.chars().take(64).collect::<String>()),
    };
    Err(Failure::absent(
        "vpn-connection",
        format!(
            "VPN is not found: the space {} has no VPN connection{which}, as they do not exist \
             here yet. Join the other network as a VPC: see `heroku spaces:peerings:info`.",
            space.name
        ),
    ))
}

/// Accounts have no features that can be switched.
pub(super) fn features(_: &Call, (): &()) -> Outcome {
    list([])
}

pub(super) fn feature(call: &Call, (): &()) -> Outcome {
    Err(no_feature(call))
}

/// The feature that commands which use SSH ask for first.
const EXEC: &str = "runtime-heroku-exec";

/// What an app has is in `feature.rs`.
pub(super) fn no_feature(call: &Call) -> Failure {
    let name: String = call.param("feature").chars().take(64).collect();
    if name == EXEC {
        return Failure::absent(
            "feature",
            "Feature is not found: dynos have no SSH server here, so `ps:exec`, `ps:copy`, \
             `ps:forward` and `ps:socks` reach none. Run a command, or a shell, inside a dyno with \
             `run:inside DYNO bash --app APP`.",
        );
    }
    Failure::absent(
        "feature",
        format!(
            "Feature is not found: there is no feature `{name}` here. Apps have \
             `fence-stop` to switch; what else there is, is on."
        ),
    )
}

pub(super) fn keys(_: &Call, (): &()) -> Outcome {
    list([])
}

pub(super) fn key(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "key",
        "Key is not found: there are no SSH keys here, as nothing is pushed by git. Deploy code \
         with `causeway deploy --app APP DIR`.",
    ))
}

pub(super) fn pipelines(_: &Call, (): &()) -> Outcome {
    list([])
}

pub(super) fn pipeline(_: &Call, (): &()) -> Outcome {
    Err(no_pipeline())
}

pub(super) fn pipeline_of_app(_: &Call, _: &Arc<App>) -> Outcome {
    Err(no_pipeline())
}

fn no_pipeline() -> Failure {
    Failure::absent(
        "pipeline",
        "Pipeline is not found: pipelines do not exist here yet. Deploy the same code to each app \
         with `causeway deploy --app APP DIR`.",
    )
}

/// The buildpack registry, which `causeway env` points the CLI at. The CLI asks it without a token
/// whether a buildpack exists, and sets the buildpack only if it does. So every name exists here,
/// and [`build`] then says what there is instead of buildpacks.
pub(super) fn buildpack_registry() -> Router {
    Router::new().route("/buildpacks/{name}", get(|| std::future::ready(Json(json!({})))))
}

pub(super) fn build(_: &Call, app: &Arc<App>) -> Outcome {
    Err(Failure::absent(
        "build",
        format!(
            "Build is not found: nothing is built here, neither by buildpacks nor from a \
             Dockerfile. Upload what can run with `causeway deploy --app {} DIR`.",
            app.name
        ),
    ))
}

/// The address where a client would upload code for a build.
pub(super) fn source(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "source",
        "Source is not found: nothing is built here from sources. Upload what can run with \
         `causeway deploy --app APP DIR`.",
    ))
}

pub(super) fn app_setup(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "app-setup",
        "App setup is not found: no app is made from an app.json here. Make it with `apps:create \
         NAME --space SPACE`, its add-ons with `addons:create`, its config vars with `config:set`, \
         and upload what can run with `causeway deploy --app NAME DIR`.",
    ))
}

/// The outbound rules of an older Platform API.
pub(super) fn outbound_ruleset(_: &Call, space: &Arc<Space>) -> Outcome {
    Err(Failure::absent(
        "outbound-ruleset",
        format!(
            "Outbound ruleset is not found: the space {} has none, as its dynos reach no more than \
             the space itself and the VPCs peered with it. What a peered VPC lets in, its owner \
             says with security groups and network ACLs.",
            space.name
        ),
    ))
}

pub(super) fn no_app_telemetry(_: &Call, _: &Arc<App>) -> Outcome {
    list([])
}

pub(super) fn no_space_telemetry(_: &Call, _: &Arc<Space>) -> Outcome {
    list([])
}

pub(super) fn telemetry(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "telemetry-drain",
        "Telemetry drain is not found: telemetry is not sent anywhere here. Follow an app with \
         `logs --tail --app APP`, and the whole installation with `causeway status`.",
    ))
}

pub(super) fn other_stack() -> Failure {
    Failure::absent(
        "stack",
        "Stack is not found: there is one stack here, `container`: what an app's slug holds runs \
         with the programs of this machine.",
    )
}

/// Certificates of custom domains.
pub(super) fn certificate(_: &Call, _: &Arc<App>) -> Outcome {
    Err(Failure::absent(
        "sni-endpoint",
        "Certificate is not found: apps have no certificates of their own here. The router has \
         one for all names, which the operator gives it: `causeway serve --router-tls ADDR \
         --router-cert FILE --router-key FILE`.",
    ))
}

/// Changes of an app whose settings are fixed.
pub(super) fn app_change(call: &Call, app: &Arc<App>) -> Outcome {
    let body = &call.body;
    if body.text("name")?.is_some() {
        return Err(Failure::absent(
            "app",
            format!(
                "Renaming is not found: an app keeps the name that it was made with here, as its \
                 running dynos are found by it in DNS ({}.app.localspace). Make another app, \
                 deploy to it, and destroy {}.",
                app.name, app.name
            ),
        ));
    }
    if let Some(stack) = body.identity("build_stack")?.or(body.text("stack")?) {
        // The stack that every app has.
        if super::app::stack()["name"] == stack {
            return super::app::info(call, app);
        }
        return Err(other_stack());
    }
    match body.flag("maintenance")? {
        Some(true) => Err(Failure::absent(
            "app",
            format!(
                "Maintenance mode is not found: it does not exist here yet. To take {} off the \
                 web, scale it to nothing with `ps:scale web=0 --app {}`.",
                app.name, app.name
            ),
        )),
        // Maintenance mode is off already.
        Some(false) => super::app::info(call, app),
        None => Err(Failure::absent(
            "app",
            "That change is not found: of an app that there is, only its config vars, code, \
             formation, domains and add-ons can be changed here.",
        )),
    }
}

pub(super) fn team_app_change(_: &Call, _: &Arc<App>) -> Outcome {
    Err(Failure::absent(
        "app",
        "Transfer is not found: an app belongs to the team of its space here, and cannot be \
         locked. Give the whole space to another team with `spaces:transfer`.",
    ))
}

pub(super) fn transfer(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "app-transfer",
        "Transfer is not found: an app belongs to the team of its space here. Give the whole \
         space to another team with `spaces:transfer`.",
    ))
}

/// Changes of an add-on's name or plan.
pub(super) fn addon_change(call: &Call, app: &Arc<App>) -> Outcome {
    let addon = call.addon(call.param("addon"))?;
    let (name, app) = (&addon.name, &app.name);
    let what = if call.body.identity("plan")?.is_some() {
        format!(
            "Upgrade is not found: an add-on keeps the plan that it was made with here. Make one \
             of the other plan with `addons:create PLAN --app {app}`, copy the data, and destroy \
             {name}."
        )
    } else {
        format!(
            "Renaming is not found: an add-on keeps the name that it was made with here. Attach \
             it under another name with `addons:attach {name} --app {app} --as NAME`, or name a \
             new one with `addons:create PLAN --app {app} --name NAME`."
        )
    };
    Err(Failure::absent("add_on", what))
}

/// The API of Heroku's own data services.
pub(super) fn data(_: &Call, (): &()) -> Outcome {
    Err(Failure::absent(
        "database",
        "Database is not found: data services have no API of their own here, so `pg:`, `redis:` \
         and `data:` commands find nothing. Its address is private, so nothing connects to it from \
         your machine. `addons:info` shows a service, and in a dyno of its app the usual programs \
         open it by its config var: `run 'psql $DATABASE_URL' --app APP`.",
    ))
}
