//! The heads of requests and responses: what is refused, what is removed, and what is added.

mod check;
mod fields;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub(crate) use check::{Malformed, check, length, number};
pub(crate) use fields::names_http2;
pub(crate) use request::{
    ForwardedHeaders, Framing, RequestHead, to_dyno, trailers, turned_away, upgrade,
};
pub(crate) use response::{ERROR, to_client};
