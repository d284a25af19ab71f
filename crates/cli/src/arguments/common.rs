//! What several commands take.

use clap::Args;

use crate::client::Connection;

/// What most commands take.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Common {
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Which space, given either way, as the `heroku` command takes it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Space {
    /// The space
    #[arg(value_name = "SPACE", required_unless_present = "space")]
    pub(crate) name: Option<String>,
    /// The space
    #[arg(long, short, conflicts_with = "name")]
    pub(crate) space: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Space {
    /// The space that was named, as an argument or by `--space`.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().or(self.space.as_deref()).unwrap_or_default()
    }
}
