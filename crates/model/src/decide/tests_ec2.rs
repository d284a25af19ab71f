//! Tests of the rules of EC2's side: what each refuses, and what nothing may ever break.

mod acl;
mod fixture;
mod group;
mod group_rule;
mod instance;
mod prefix_list;
pub(super) mod random;
mod route;
mod tag;
mod vpc;
