//! The token that reads `/metrics` and nothing else.

use std::path::Path;
use std::sync::Arc;

use crate::error::ServeError;

/// The least characters of a token: what is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The token in the file of `--metrics-token`.
pub(super) fn read(path: Option<&Path>) -> Result<Option<Arc<str>>, ServeError> {
    let Some(path) = path else { return Ok(None) };
    let wrong = |why: String| ServeError::MetricsToken { path: path.to_owned(), why };
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let token = text.trim();
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "holds no token: it is one line of at least 16 letters, digits and signs";
        return Err(wrong(why.to_owned()));
    }
    Ok(Some(token.into()))
}
