//! What a server is called among those that share its database.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use model::IdSource;
use store::BoxError;

use crate::clock::SystemIds;
use crate::cluster::Me;
use crate::config::Config;

/// The file, in a data directory, with the id of the server that has it.
const FILE: &str = "server-id";

/// What a server says of itself, which clients of its own machine reach at an address.
pub(super) fn read(config: &Config, here: SocketAddr) -> Result<Me, BoxError> {
    let scheme = if config.transport.certificate.is_some() { "https" } else { "http" };
    let listens = || format!("{scheme}://{here}");
    let name = match &config.cluster.name {
        Some(name) => name.clone(),
        None => nix::unistd::gethostname()?.to_string_lossy().into_owned(),
    };
    Ok(Me {
        id: id(&config.data)?,
        start: fresh(),
        name,
        address: config.cluster.advertise.clone().unwrap_or_else(listens),
    })
}

/// The id of a data directory, which is made with the first start that needs one.
fn id(data: &Path) -> Result<String, BoxError> {
    let path = data.join(FILE);
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known = known.trim();
    if !known.is_empty() {
        return Ok(known.to_owned());
    }
    let id = fresh();
    fs::write(&path, format!("{id}\n"))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(id)
}

fn fresh() -> String {
    format!("{:016x}", SystemIds.next_bits() as u64)
}
