//! The pages of who runs the installation.

mod accounts;
mod health;
mod limits;
mod people;
mod tabs;

pub use accounts::operator_accounts;
pub use health::{LoopShown, LoopState, Machinery, operator_health};
pub use limits::{limit_shown, operator_limits};
pub use people::operator_people;
