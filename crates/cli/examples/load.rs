//! Measures a server from outside, as its clients meet it: `load api`, `load cluster`, `load dashboard`,
//! `load fabric`, `load flows` and `load packets`.
//!
//! `$CAUSEWAY` names the binary; each run has a server and a directory of its own.

#![expect(clippy::print_stdout, reason = "its rows are what it is for")]

mod load {
    pub mod api;
    pub mod bare;
    pub mod client;
    pub mod cluster;
    pub mod crowd;
    pub mod dashboard;
    pub mod fabric;
    pub mod flows;
    pub mod packets;
    #[allow(dead_code, clippy::allow_attributes, reason = "the tests use all of it")]
    #[expect(
        clippy::unwrap_used,
        reason = "a measurement ends where something is not as it must be"
    )]
    #[path = "../../../store/src/postgres/tests/server.rs"]
    pub mod postgres;
    pub mod rounds;
    pub mod sweeping;
    pub mod visitor;
}

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("api") => load::api::run(std::env::args().nth(2).as_deref()),
        Some(load::bare::ARGUMENT) => load::bare::serve(),
        Some("cluster") => load::cluster::run(),
        Some("dashboard") => load::dashboard::run(),
        Some("fabric") => load::fabric::run(),
        Some("flows") => load::flows::run(),
        Some("packets") => load::packets::run(),
        _ => anyhow::bail!(
            "usage: load api | load cluster | load dashboard | load fabric | load flows | load packets"
        ),
    }
}

/// Prints a row of the table.
pub fn row(what: &str, figure: impl std::fmt::Display, wanted: &str) {
    let wanted = if wanted.is_empty() { String::new() } else { format!("   wanted {wanted}") };
    println!("{what:<58} {figure:>24}{wanted}");
}
