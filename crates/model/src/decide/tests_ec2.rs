//! Tests of the rules of EC2's side: what each refuses, and what nothing may ever break.

mod acl;
mod fixture;
mod group;
mod instance;
mod instance_state;
mod interface;
mod key_pair;
pub(super) mod random;
mod route;
mod tag;
mod vpc;
