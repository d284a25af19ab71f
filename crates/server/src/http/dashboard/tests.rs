//! The dashboard as a browser meets it, but for the script.

mod asks;
mod browser;
mod changes;
mod live;
mod sessions;
mod transport;
mod vpc_changes;
mod vpc_instances;
