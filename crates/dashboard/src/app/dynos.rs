//! The first page of an app: its dynos, its process types and its log.

use askama::Template;

use super::dyno_row::{self, DynoRow};
use super::log::{LogShown, LogView};
use super::process_row::{self, ProcessRow};
use super::served::{Head, Served};
use super::told::AppTold;
use crate::app_paths::AppPart;
use crate::assets::LOG_SCRIPT;
use crate::context::Context;
use crate::markup::{Markup, command};
use crate::refusal::Refusal;
use crate::shell::Shell;

/// What the page shows beside the world.
#[derive(Debug, Clone, Copy, Default)]
pub struct DynosPage<'a> {
    /// The log.
    pub log: LogShown<'a>,
    /// What was just done.
    pub told: Option<&'a AppTold>,
    /// Why something was not done.
    pub refused: Option<&'a Refusal>,
}

#[derive(Template)]
#[template(path = "app.html")]
struct Page<'a> {
    shell: Shell<'a>,
    head: Head,
    told: Option<Markup>,
    refused: Option<Markup>,
    dynos: Vec<DynoRow>,
    processes: Vec<ProcessRow>,
    log: LogView,
    log_script: &'static str,
    deploy: Markup,
    scale: Markup,
}

/// The dynos, the process types and the log of an app.
pub fn app_dynos(
    of: &Context<'_>,
    served: &Served<'_>,
    page: &DynosPage<'_>,
) -> askama::Result<String> {
    let t = of.texts();
    let app = served.app;
    let processes = process_row::rows(of, app);
    let app_option = format!("--app {}", app.name);
    let scaled = processes.iter().filter(|row| row.is_scaled);
    let wanted: Vec<String> =
        scaled.map(|row| format!("{}={}", row.name, row.quantity.max(1))).collect();
    let mut scale = vec!["heroku", "ps:scale"];
    scale.extend(wanted.iter().map(String::as_str));
    scale.push(&app_option);
    Page {
        shell: Shell::new(of, app.name.as_str().into()),
        head: Head::new(of, served, AppPart::Dynos),
        told: page.told.and_then(|told| told.sentence(of, app)),
        refused: page.refused.map(|refusal| refusal.sentence(of)),
        dynos: dyno_row::rows(of, app),
        log: LogView::new(of, served.space, app, &page.log),
        log_script: LOG_SCRIPT.path(),
        deploy: command(t, &["causeway", "deploy", &app_option, "."]),
        scale: command(t, &scale),
        processes,
    }
    .render()
}
