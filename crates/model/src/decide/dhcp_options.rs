//! Rules of DHCP option sets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::lookup::{absent, missing};
use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::{DhcpOptions, Tags, Vpc};
use crate::{Code, DhcpOptionsId, Key, Kind, PrefixedId, Refused, Scope, VpcId, names};

/// The most servers of one kind.
const MAX_SERVERS: usize = 4;
/// The longest text of names.
const MAX_DOMAIN_NAME: usize = 255;

impl Decision<'_> {
    /// The option set that new VPCs of an account in a region get. It is made with the first VPC.
    pub(super) fn default_dhcp_options(&mut self, scope: Scope) -> DhcpOptionsId {
        let known = self
            .world
            .dhcp_option_sets_of(Key::Account(scope.account))
            .find(|set| set.region == scope.region && !set.custom);
        if let Some(set) = known {
            return set.id;
        }
        let text = str::to_owned;
        let options = BTreeMap::from([
            (text(DhcpOptions::DOMAIN_NAME), vec![names::private_zone(scope.region)]),
            (text(DhcpOptions::DOMAIN_NAME_SERVERS), vec![text(DhcpOptions::OWN_RESOLVER)]),
        ]);
        self.make_dhcp_options(scope, options, false, Tags::new())
    }

    fn make_dhcp_options(
        &mut self,
        scope: Scope,
        options: BTreeMap<String, Vec<String>>,
        custom: bool,
        tags: Tags,
    ) -> DhcpOptionsId {
        let id = DhcpOptionsId::fresh(self.ids);
        let (account, region, created) = (scope.account, scope.region, self.now);
        self.put(DhcpOptions { id, account, region, options, custom, tags, created });
        id
    }

    pub(super) fn create_dhcp_options(
        &mut self,
        scope: Scope,
        options: &BTreeMap<String, Vec<String>>,
        tags: &Tags,
    ) -> Outcome {
        if options.is_empty() {
            return missing("dhcpConfiguration");
        }
        for (name, values) in options {
            check_option(name, values)?;
        }
        super::tag::check_tags(tags)?;
        let id = self.make_dhcp_options(scope, options.clone(), true, tags.clone());
        Ok(Key::DhcpOptions(id).into())
    }

    fn own_dhcp_options(
        &self,
        scope: Scope,
        id: DhcpOptionsId,
    ) -> Result<Arc<DhcpOptions>, Refused> {
        let mine = |set: &DhcpOptions| set.account == scope.account && set.region == scope.region;
        let found = self.world.dhcp_options(id).filter(|set| mine(set));
        found.cloned().ok_or_else(|| absent(Code::DhcpOptionsNotFound, "dhcpOption ID", id))
    }

    /// The one that new VPCs get is always needed.
    pub(super) fn delete_dhcp_options(&mut self, scope: Scope, id: DhcpOptionsId) -> Outcome {
        let set = self.own_dhcp_options(scope, id)?;
        let used = self.world.naming(Key::DhcpOptions(id), Kind::Vpc).next().is_some();
        if used || !set.custom {
            return refuse(
                Code::DependencyViolation,
                format_args!("The dhcpOptions '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete(Key::DhcpOptions(id));
        Ok(Reply::Done)
    }

    pub(super) fn associate_dhcp_options(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        options: Option<DhcpOptionsId>,
    ) -> Outcome {
        let old = self.editable_vpc(scope, vpc)?;
        let dhcp_options = match options {
            Some(id) => Some(self.own_dhcp_options(scope, id)?.id),
            None => None,
        };
        let vpc = Vpc { dhcp_options, ..Vpc::clone(&old) };
        if vpc != *old {
            self.put(vpc);
        }
        Ok(Reply::Done)
    }
}

/// Whether an option can be handed out with these values. All of it ends up in a configuration file
/// of instances, so nothing may break out of its line there.
fn check_option(name: &str, values: &[String]) -> Result<(), Refused> {
    let one = |check: fn(&str) -> bool| (1, check);
    let (most, check) = match name {
        DhcpOptions::DOMAIN_NAME => one(is_domain_name),
        DhcpOptions::DOMAIN_NAME_SERVERS => (MAX_SERVERS, is_resolver as fn(&str) -> bool),
        "ntp-servers" => (MAX_SERVERS, is_address as fn(&str) -> bool),
        "netbios-name-servers" => (MAX_SERVERS, is_ipv4 as fn(&str) -> bool),
        "netbios-node-type" => one(|value| ["1", "2", "4", "8"].contains(&value)),
        "ipv6-address-preferred-lease-time" => one(|value| {
            value.parse().is_ok_and(|time: u32| (140..=i32::MAX as u32).contains(&time))
        }),
        _ => {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Value ({}) for parameter name is invalid. Unknown DHCP option",
                    name.chars().take(64).collect::<String>()
                ),
            );
        }
    };
    if values.is_empty() {
        return missing("dhcpConfiguration value");
    }
    if values.len() > most {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("The DHCP option {name} has at most {most} values"),
        );
    }
    match values.iter().find(|value| !check(value)) {
        None => Ok(()),
        Some(value) => refuse(
            Code::InvalidParameterValue,
            format_args!(
                "Value ({}) for parameter value is invalid. Invalid value for the DHCP option \
                 {name}",
                value.chars().take(64).collect::<String>()
            ),
        ),
    }
}

/// Several names may stand there, with spaces in between.
fn is_domain_name(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    value.len() <= MAX_DOMAIN_NAME && !value.trim().is_empty() && value.bytes().all(plain)
}

fn is_resolver(value: &str) -> bool {
    value == DhcpOptions::OWN_RESOLVER || is_address(value)
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok()
}

fn is_ipv4(value: &str) -> bool {
    value.parse::<Ipv4Addr>().is_ok()
}
