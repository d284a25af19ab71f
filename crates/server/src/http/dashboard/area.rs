//! The pages that need more of a server than the world: what is read from files, from other threads,
//! or from the settings of this start.

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{AppPart, Context, DynosPage, Machinery, OperatorPart, Problem};

use super::answer::{page, problem};
use super::form::Form;
use super::shared::Dashboard;
use super::visit::Visit;
use super::{app_place, apps, audit, keys, operating};

type Page = Result<String, dashboard::RenderError>;

/// A page that needs more of a server than the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Area {
    Apps { space: String },
    App { space: String, app: String, part: AppPart },
    TrustedIps { space: String },
    Audit,
    Keys,
    Operator(OperatorPart),
}

impl Area {
    /// Reads the parts of an address, below that of the first page.
    pub(super) fn of(parts: &[&str]) -> Option<Self> {
        let app = |space: &str, app: &str, part| Self::App {
            space: space.to_owned(),
            app: app.to_owned(),
            part,
        };
        match *parts {
            ["spaces", space, "apps"] => Some(Self::Apps { space: space.to_owned() }),
            ["spaces", space, "apps", name] => Some(app(space, name, AppPart::Dynos)),
            ["spaces", space, "apps", name, part] => Some(app(space, name, AppPart::find(part)?)),
            ["audit"] => Some(Self::Audit),
            ["keys"] => Some(Self::Keys),
            ["operator"] => Some(Self::Operator(OperatorPart::Health)),
            ["operator", part] => Some(Self::Operator(OperatorPart::find(part)?)),
            ["spaces", space, "trusted-ips"] => Some(Self::TrustedIps { space: space.to_owned() }),
            _ => None,
        }
    }

    /// The page as far as it is of the world, by which a live one sees that it has changed; `None` if
    /// what it is about is not there for the viewer.
    pub(super) fn look(&self, of: &Context<'_>, dashboard: &Dashboard) -> Option<Page> {
        let (world, viewer) = (of.world, of.viewer);
        let domains = &dashboard.state.web.domains;
        match self {
            Self::Apps { space } => Some(dashboard::apps(of, viewer.space(world, space)?, domains)),
            Self::App { space, app, part } => {
                let found = app_place::find(world, viewer, space, app)?;
                let url = dashboard.state.web.url(found.1);
                let served = apps::served(dashboard, found, &url);
                Some(match part {
                    AppPart::Dynos => dashboard::app_dynos(of, &served, &DynosPage::default()),
                    AppPart::Releases => dashboard::app_releases(of, &served, None),
                    AppPart::Config => dashboard::app_config(of, &served, false),
                    AppPart::Domains => dashboard::app_domains(of, &served),
                    AppPart::Services => dashboard::app_services(of, &served),
                })
            }
            // Its rows are of a time and do not change under who reads them.
            Self::Audit => Some(dashboard::audit(of, &dashboard::AuditShown::default())),
            Self::Keys => Some(dashboard::keys(of, &dashboard::KeysPage::default())),
            Self::Operator(_) if !viewer.operator => None,
            Self::Operator(OperatorPart::Health) => {
                let fabric = dashboard.state.fabric();
                let machinery = Machinery { fabric: &fabric, lost: &[], loops: &[] };
                Some(dashboard::operator_health(of, &machinery))
            }
            Self::Operator(OperatorPart::Accounts) => Some(dashboard::operator_accounts(of)),
            Self::Operator(OperatorPart::People) => Some(dashboard::operator_people(of)),
            Self::Operator(OperatorPart::Limits) => {
                Some(dashboard::operator_limits(of, None, None))
            }
            Self::TrustedIps { space } => {
                Some(dashboard::trusted_ips(of, viewer.space(world, space)?))
            }
        }
    }
}

/// A page.
pub(super) async fn show(visit: &Visit, area: &Area, query: &Form) -> Response {
    let of = visit.context();
    match area {
        Area::App { space, app, part: AppPart::Dynos } => {
            return apps::show_dynos(visit, space, app, query).await;
        }
        Area::App { space, app, part: AppPart::Releases } => {
            return apps::show_releases(visit, space, app, query);
        }
        Area::Audit => return audit::show(visit, query).await,
        Area::Keys => return keys::show(visit, query),
        Area::Operator(OperatorPart::Health) if visit.viewer.operator => {
            return operating::show_health(visit).await;
        }
        Area::Operator(OperatorPart::Limits) if visit.viewer.operator => {
            return operating::show_limits(visit, query);
        }
        Area::Apps { .. } | Area::App { .. } | Area::TrustedIps { .. } | Area::Operator(_) => {}
    }
    match area.look(&of, &visit.dashboard) {
        Some(html) => page(StatusCode::OK, html),
        None => problem(&of, &Problem::NotFound),
    }
}

/// Carries out what the form of a page asks for.
pub(super) async fn change(visit: Visit, area: &Area, form: &Form) -> Response {
    match area {
        Area::App { space, app, part: AppPart::Dynos } => {
            apps::change(visit, space, app, form).await
        }
        Area::App { space, app, part: AppPart::Config } => apps::reveal(&visit, space, app, form),
        Area::Keys => keys::change(visit, form).await,
        Area::Operator(OperatorPart::Limits) if visit.viewer.operator => {
            operating::set_limit(visit, form).await
        }
        Area::Operator(_) => {
            let message = "The form is the operator's alone.";
            visit.note_refused("POST /dashboard", "", "forbidden", message);
            problem(&visit.context(), &Problem::NotFound)
        }
        Area::App { .. } | Area::Apps { .. } | Area::TrustedIps { .. } | Area::Audit => {
            problem(&visit.context(), &Problem::NotFound)
        }
    }
}
