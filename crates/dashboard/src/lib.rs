//! The dashboard's pages as HTML.
//!
//! Everything here is a function of a world, of who looks at it, and of the time: no IO, no clock and
//! no rule. What is allowed is asked of `model`, and `server::http::dashboard` serves the pages.
//!
//! A page is a template below `templates/` and a module that fills it. Every text comes from the
//! catalogue, which is there once for each language; what comes from outside is escaped.

#![warn(unreachable_pub)]

mod answer;
mod app;
mod app_paths;
mod apps;
mod ask;
mod assets;
mod audit;
mod context;
mod destroy;
mod english;
mod factor;
mod fits;
mod flows;
mod home;
mod japanese;
mod keys;
mod language;
mod log_in;
pub mod map;
mod markup;
mod moment;
mod network;
mod operator;
mod operator_paths;
mod paths;
mod peerings;
mod problem;
mod qr;
mod question;
mod refusal;
mod remedies;
mod review;
mod said;
mod search;
mod shell;
mod sign_in;
mod space_head;
mod tabs;
#[cfg(test)]
mod tests;
mod texts;
mod trusted;
mod viewer;
mod vpc;
mod waiting;
mod why;

pub use app::{
    AppTold, DynosPage, LogLine, LogShown, Served, app_config, app_domains, app_dynos,
    app_releases, app_services, formation_shown,
};
pub use app_paths::{
    AppPart, app as app_path, app_log as app_log_path, app_part as app_part_path,
    apps as apps_path, trusted_ips as trusted_ips_path,
};
pub use apps::apps;
pub use ask::{Asked, Typed, Unreadable, ask};
/// Why a page cannot be made: a defect of its template.
pub use askama::Error as RenderError;
pub use assets::Asset;
pub use audit::{AuditAsked, AuditShown, AuditUnreadable, audit};
pub use context::{Context, Theme};
pub use destroy::destroy;
pub use factor::{FactorForm, FactorPage, FactorState, FactorTrouble, second_factor};
pub use home::home;
pub use keys::{KeyTold, KeysPage, Made, Named, keys, keys_shown, lives, tokens_shown};
pub use language::Language;
pub use log_in::{LogIn, LogInState, log_in};
pub use markup::without_turns;
pub use network::{Told, network};
pub use operator::{
    LoopShown, LoopState, Machinery, limit_shown, operator_accounts, operator_health,
    operator_limits, operator_people,
};
pub use operator_paths::{OperatorPart, operator as operator_path};
pub use paths::{
    ASSETS as ASSETS_PATH, AUDIT as AUDIT_PATH, EVENTS as EVENTS_PATH, HOME as HOME_PATH,
    KEYS as KEYS_PATH, LOG_IN as LOG_IN_PATH, MAP as MAP_PATH, MATRIX as MATRIX_PATH,
    PREFERENCES as PREFERENCES_PATH, SEARCH as SEARCH_PATH, SECOND_FACTOR as SECOND_FACTOR_PATH,
    SIGN_IN as SIGN_IN_PATH, SIGN_OUT as SIGN_OUT_PATH, WHY as WHY_PATH, ask as ask_path,
    destroy as destroy_path, has_query, network as network_path, review as review_path,
    vpc as vpc_path,
};
pub use peerings::state_shown;
pub use problem::{Problem, problem};
pub use question::{Protocol, Question, Unanswered};
pub use refusal::Refusal;
pub use remedies::{Asked as RemedyAsked, remedy_asked};
pub use review::review;
pub use said::{CommandWords, HopWords, verdict_words};
pub use search::search;
pub use sign_in::{Challenge, PURPOSE, SERVICE, SignIn, Trouble, Way, sign_in, way_back};
pub use trusted::trusted_ips;
pub use viewer::Viewer;
pub use vpc::{
    Begin, Did, Edit, Field, Fields, FormTrouble, Preview, Wish, acls, after_change_path, change,
    change_path, gateways, group, group_path, instance, instance_path, instance_state_shown,
    instances, instances_path, interfaces, join, join_path, part_path, peerings, table, table_path,
    terminate, terminate_path, vpc,
};
pub use why::{Came, Probed, why};
