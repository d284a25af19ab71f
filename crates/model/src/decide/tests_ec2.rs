//! Tests of the rules of EC2's side: what each refuses, and what nothing may ever break.

mod acl;
mod address;
mod fixture;
mod group;
mod instance;
pub(super) mod random;
mod route;
mod tag;
mod vpc;
