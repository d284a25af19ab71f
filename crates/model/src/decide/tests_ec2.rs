//! Tests of the rules of EC2's side: what each refuses, and what nothing may ever break.

mod acl;
mod address;
mod default_vpc;
mod dhcp_options;
mod fixture;
mod flow_log;
mod gateway;
mod group;
mod group_rule;
mod instance;
mod instance_state;
mod interface;
mod ipv6;
mod key_pair;
mod network_insights;
mod prefix_list;
pub(super) mod random;
mod route;
mod subnet;
mod tag;
mod vpc;
