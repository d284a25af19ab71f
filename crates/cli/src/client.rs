//! The way to a server: its address, who asks, and requests to both of its APIs.

mod address;
mod connection;
mod connector;
mod ec2;
mod http;
mod lines;
mod operator;
mod parsed;
mod refusal;
mod request;
mod sides;
mod signature;
mod stream;
pub(crate) mod trust;
mod upload;

pub(crate) use self::address::{DATA_HOSTS, authority_of, host_of, query, segment};
pub(crate) use self::connection::{As, Connection, noted};
pub(crate) use self::ec2::Ec2;
pub(crate) use self::http::Http;
pub(crate) use self::parsed::Parsed;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::request::Client;
pub(crate) use self::sides::Sides;
pub(crate) use self::trust::TrustArgs;
pub(crate) use self::upload::Upload;
