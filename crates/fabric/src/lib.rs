//! What carries packets: the Linux fabric, its workloads, and the fabric that carries none.

#![warn(unreachable_pub)]

pub mod driver;
pub mod flows;
pub mod instance;
pub mod linux;
pub mod runtime;
pub mod slug;
