//! An app: its dynos and its log, releases, config vars, domains and data services.

mod config;
mod domains;
mod dyno_row;
mod dynos;
mod log;
mod process_row;
mod releases;
mod served;
mod services;
mod told;

pub use config::app_config;
pub use domains::app_domains;
pub use dynos::{DynosPage, app_dynos};
pub use log::{LogLine, LogShown};
pub use process_row::formation_shown;
pub use releases::app_releases;
pub use served::Served;
pub(crate) use served::{Up, current_release};
pub use services::app_services;
pub use told::AppTold;
