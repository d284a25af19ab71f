//! The dashboard as a browser meets it, but for the script.

mod apps;
mod asks;
mod audit;
mod browser;
mod changes;
mod keys;
mod live;
mod log_in;
mod operating;
mod second_factor;
mod sessions;
mod transport;
mod vpc_changes;
mod vpc_instances;
mod why;
