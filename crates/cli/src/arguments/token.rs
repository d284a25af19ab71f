//! What a token that is made may do.

use model::TokenScope;

/// What a token may do of all that its user may.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TokenLimits {
    /// What the token may do, with commas between several: global, identity, read, write,
    /// read-protected or write-protected. By default it may do all that its user may
    #[arg(long, short, value_name = "SCOPES", value_delimiter = ',', value_parser = scope)]
    pub(crate) scope: Vec<TokenScope>,
    /// Bind the token to an app: for it, there is nothing else
    #[arg(long, value_name = "APP", conflicts_with = "space")]
    pub(crate) app: Option<String>,
    /// Bind the token to a space and the apps in it
    #[arg(long, value_name = "SPACE")]
    pub(crate) space: Option<String>,
}

fn scope(name: &str) -> Result<TokenScope, String> {
    name.parse().map_err(|_| {
        "not one of global, identity, read, write, read-protected and write-protected".to_owned()
    })
}
