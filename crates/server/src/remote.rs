//! What this server asks of processes that run on other hosts, and how an agent answers: over streams of
//! [`link`], each kind of which is one of [`message`].

mod agent;
mod commands;
mod console;
mod dial;
mod frame;
mod gone;
mod message;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::agent::kinds;
pub(crate) use self::console::HostConsole;
pub(crate) use self::gone::{kinds as server_kinds, remove as remove_disks};
