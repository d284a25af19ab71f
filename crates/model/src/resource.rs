//! Every resource: plain data, stored as JSON, changed only by [`crate::World::decide`].
//!
//! A resource names others by id; what it mentions is listed in one place
//! ([`crate::Record::mentions`]), which the world turns into an index.

mod access;
mod app;
mod ec2;
mod identity;
mod image;
mod peering;
mod platform;

pub use access::*;
pub use app::*;
pub use ec2::*;
pub use identity::*;
pub use image::*;
pub use peering::*;
pub use platform::*;

/// A resource's tags, by key.
pub type Tags = crate::SmallMap<String, String>;
