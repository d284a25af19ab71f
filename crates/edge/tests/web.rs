//! The routers and the control socket over real sockets, in the process's own namespace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod web {
    pub mod backend;
    pub mod bench;
    pub mod codes;
    pub mod control;
    pub mod dynos;
    pub mod protocols;
    pub mod replacing;
    pub mod smuggling;
    pub mod upgrade;
}
