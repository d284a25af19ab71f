//! The dashboard's pages as HTML.
//!
//! Everything here is a function of a world, of who looks at it, and of the time: no IO, no clock and
//! no rule. What is allowed is asked of `model`, and `server::http::dashboard` serves the pages.
//!
//! A page is a template below `templates/` and a module that fills it. Every text comes from the
//! catalogue, which is there once for each language; what comes from outside is escaped.

#![warn(unreachable_pub)]

mod ask;
mod assets;
mod context;
mod destroy;
mod english;
mod fits;
mod home;
mod japanese;
mod language;
pub mod map;
mod markup;
mod moment;
mod network;
mod paths;
mod peerings;
mod problem;
mod refusal;
mod review;
mod search;
mod shell;
mod sign_in;
#[cfg(test)]
mod tests;
mod texts;
mod viewer;
mod vpc;
mod waiting;

pub use ask::{Asked, Typed, Unreadable, ask};
/// Why a page cannot be made: a defect of its template.
pub use askama::Error as RenderError;
pub use assets::Asset;
pub use context::{Context, Theme};
pub use destroy::destroy;
pub use home::home;
pub use language::Language;
pub use network::{Told, network};
pub use paths::{
    ASSETS as ASSETS_PATH, EVENTS as EVENTS_PATH, HOME as HOME_PATH,
    PREFERENCES as PREFERENCES_PATH, SEARCH as SEARCH_PATH, SIGN_IN as SIGN_IN_PATH,
    SIGN_OUT as SIGN_OUT_PATH, ask as ask_path, destroy as destroy_path, network as network_path,
    review as review_path, vpc as vpc_path,
};
pub use peerings::state_shown;
pub use problem::{Problem, problem};
pub use refusal::Refusal;
pub use review::review;
pub use search::search;
pub use sign_in::{Challenge, PURPOSE, SERVICE, SignIn, Trouble, Way, sign_in, way_back};
pub use viewer::Viewer;
pub use vpc::vpc;
