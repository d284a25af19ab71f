//! Defaults that the server and its clients share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// GiB of unpacked code that stay on a machine where nothing else is said.
pub(super) const SLUG_CACHE: u32 = 20;

/// The address where `serve` listens, and where clients look for it.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4880);

/// The data directory.
pub(crate) fn default_data() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/causeway".into();
    }
    let share = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    share.or_else(home).unwrap_or_else(|| ".".into()).join("causeway")
}
