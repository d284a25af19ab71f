//! The VPC's side: all supported actions of EC2, STS and IAM, in one table.
//!
//! An action is a line of `ACTIONS` and pure functions of the world. An action that reads writes
//! its answer; one that changes something is parsed into a command and answered from the worlds
//! before and after it. What is allowed is decided by [`World::decide`], not here.

mod absent;
mod acl;
mod address;
mod block_public_access;
mod catalog;
mod classic_link;
mod defaults;
mod describe;
mod dhcp_options;
mod egress_gateway;
mod endpoint_service;
mod eni;
mod eni_address;
mod eni_input;
mod failure;
mod flow_log;
mod gateway;
mod group;
mod group_reference;
mod iam;
mod identity;
mod image;
mod input;
mod insights_analysis;
mod insights_path;
mod instance;
mod instance_attribute;
mod instance_facts;
mod instance_filters;
mod instance_status;
mod instance_type;
mod key_material;
mod key_pair;
mod nat_address;
mod nat_gateway;
mod peering;
mod permission;
mod prefix_list;
mod request;
mod route;
mod route_input;
mod rule;
mod run;
mod sts;
mod subnet;
mod subnet_block;
mod subnet_reservation;
mod tag;
mod volume;
mod vpc;
mod vpc_block;
mod without_effect;

pub(crate) use self::instance::starts;
pub(crate) use self::sts::issued;

use aws::xml::Service;
use model::{Ec2Command, Reply, StsCommand, World};

pub use self::key_material::KeyMaker;
pub use self::request::{Ec2Error, Request};
pub use self::without_effect::refuse_unread;

/// The functions that carry an action out.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// The action changes nothing. The function writes the answer.
    Read(fn(&World, &Request<'_>) -> Result<String, Ec2Error>),
    /// The action changes something.
    Write {
        /// Parses the request into a command.
        parse: fn(&World, &Request<'_>) -> Result<Ec2Command, Ec2Error>,
        /// Writes the answer from the worlds before and after the command.
        answer: fn(&World, &World, &Reply, &Request<'_>) -> String,
    },
    /// The action gives out temporary credentials. It changes nothing, but is recorded as what does.
    Issue(fn(&World, &Request<'_>) -> Result<StsCommand, Ec2Error>),
}

/// The parameters of a presigned request that belong to its signature and not to the action.
pub const SIGNATURE_PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// Finds an action.
///
/// # Errors
///
/// The service has no such version or no such action.
pub fn find(service: Service, version: &str, name: &str) -> Result<&'static Action, Ec2Error> {
    if !knows_version(service, version) {
        let version: String = version.chars().take(64).collect();
        return Err(Ec2Error::new(
            "NoSuchVersion",
            format_args!("The requested version ({version}) of service is not valid"),
        ));
    }
    ACTIONS
        .binary_search_by_key(&name, |entry| entry.1)
        .ok()
        .map(|at| &ACTIONS[at])
        .filter(|entry| entry.0 == service)
        .map(|entry| &entry.2)
        .or_else(|| absent_action(service, name))
        .ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            let message = match service {
                Service::Ec2 => format!("The action {name} is not valid for this web service."),
                Service::Sts | Service::Iam => {
                    format!("Could not find operation {name} for version {}", service.version())
                }
            };
            Ec2Error::new("InvalidAction", message)
        })
}

/// What is counted apart, with its service: each action by its place in the table, then the actions of EC2
/// on what Causeway does not have, then what is no action of each service.
pub(crate) fn counted() -> impl Iterator<Item = (Service, &'static str)> {
    let rest = [
        (Service::Ec2, "absent"),
        (Service::Ec2, "other"),
        (Service::Sts, "other"),
        (Service::Iam, "other"),
    ];
    ACTIONS.iter().map(|(service, name, _)| (*service, *name)).chain(rest)
}

/// The place of an action among those of [`counted`], whatever a client calls it.
pub(crate) fn place(service: Service, name: &str) -> usize {
    match ACTIONS.binary_search_by_key(&name, |entry| entry.1) {
        Ok(at) if ACTIONS[at].0 == service => at,
        _ if absent_action(service, name).is_some() => ACTIONS.len(),
        _ => other_place(service),
    }
}

/// The place of what is no action of a service, or not known to be one.
pub(crate) const fn other_place(service: Service) -> usize {
    let rest = match service {
        Service::Ec2 => 1,
        Service::Sts => 2,
        Service::Iam => 3,
    };
    ACTIONS.len() + rest
}

/// An action of EC2 on something that Causeway does not have.
fn absent_action(service: Service, name: &str) -> Option<&'static Action> {
    if service != Service::Ec2 {
        None
    } else if absent::is_read(name) {
        Some(&Action::Read(absent::read))
    } else {
        absent::is_refused(name).then_some(&Action::Read(absent::refuse))
    }
}

/// The API versions that SDKs have used since EC2 has had peering. The answers have the same form
/// in all of them.
const EC2_VERSIONS: [&str; 11] = [
    "2014-02-01",
    "2014-05-01",
    "2014-06-15",
    "2014-09-01",
    "2014-10-01",
    "2015-03-01",
    "2015-04-15",
    "2015-10-01",
    "2016-04-01",
    "2016-09-15",
    "2016-11-15",
];

fn knows_version(service: Service, version: &str) -> bool {
    match service {
        Service::Sts | Service::Iam => version == service.version(),
        Service::Ec2 => EC2_VERSIONS.contains(&version),
    }
}

/// The answer of actions that only report success.
fn done(_: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| x.el("return", true))
}

const fn write(
    parse: fn(&World, &Request<'_>) -> Result<Ec2Command, Ec2Error>,
    answer: fn(&World, &World, &Reply, &Request<'_>) -> String,
) -> Action {
    Action::Write { parse, answer }
}

macro_rules! actions {
    ($($service:ident $name:ident => $action:expr;)*) => {
        &[$((Service::$service, stringify!($name), $action)),*]
    };
}

/// Every action, by name.
static ACTIONS: &[(Service, &str, Action)] = actions! {
    Ec2 AcceptVpcPeeringConnection => write(peering::accept, peering::accepted);
    Ec2 AllocateAddress => write(address::allocate, address::allocated);
    Ec2 AssignIpv6Addresses => write(eni_address::assign_ipv6, eni_address::ipv6_assigned);
    Ec2 AssignPrivateIpAddresses => write(eni_address::assign, eni_address::assigned);
    Ec2 AssignPrivateNatGatewayAddress => write(nat_address::assign, nat_address::added);
    Ec2 AssociateAddress => write(address::associate, address::associated);
    Ec2 AssociateDhcpOptions => write(dhcp_options::associate, done);
    Ec2 AssociateNatGatewayAddress => write(nat_address::associate, nat_address::added);
    Ec2 AssociateRouteTable => write(route_input::associate, route::associated);
    Ec2 AssociateSubnetCidrBlock => write(subnet_block::associate, subnet_block::associated);
    Ec2 AssociateVpcCidrBlock => write(vpc_block::associate, vpc_block::associated);
    Sts AssumeRole => Action::Issue(sts::assume_role);
    Ec2 AttachClassicLinkVpc => Action::Read(classic_link::retired);
    Ec2 AttachInternetGateway => write(gateway::attach, done);
    Ec2 AttachNetworkInterface => write(eni_input::attach, eni_input::attached);
    Ec2 AuthorizeSecurityGroupEgress => write(permission::authorize_egress, rule::authorized);
    Ec2 AuthorizeSecurityGroupIngress => write(permission::authorize_ingress, rule::authorized);
    Ec2 CreateDefaultSubnet => write(subnet::create_default, subnet::created);
    Ec2 CreateDefaultVpc => write(vpc::create_default, vpc::created);
    Ec2 CreateDhcpOptions => write(dhcp_options::create, dhcp_options::created);
    Ec2 CreateEgressOnlyInternetGateway => write(egress_gateway::create, egress_gateway::created);
    Ec2 CreateFlowLogs => write(flow_log::create, flow_log::created);
    Ec2 CreateInternetGateway => write(gateway::create, gateway::created);
    Ec2 CreateKeyPair => write(key_pair::create, key_pair::created);
    Ec2 CreateManagedPrefixList => write(prefix_list::create, prefix_list::created);
    Ec2 CreateNatGateway => write(nat_gateway::create, nat_gateway::created);
    Ec2 CreateNetworkAcl => write(acl::create, acl::created);
    Ec2 CreateNetworkAclEntry => write(acl::create_entry, done);
    Ec2 CreateNetworkInsightsPath => write(insights_path::create, insights_path::created);
    Ec2 CreateNetworkInterface => write(eni_input::create, eni_input::created);
    Ec2 CreateNetworkInterfacePermission => Action::Read(eni_input::permit);
    Ec2 CreateRoute => write(route_input::create_route, done);
    Ec2 CreateRouteTable => write(route_input::create_table, route::table_created);
    Ec2 CreateSecurityGroup => write(group::create, group::created);
    Ec2 CreateSubnet => write(subnet::create, subnet::created);
    Ec2 CreateSubnetCidrReservation => write(subnet_reservation::create, subnet_reservation::created);
    Ec2 CreateTags => write(tag::create, done);
    Ec2 CreateVpc => write(vpc::create, vpc::created);
    Ec2 CreateVpcPeeringConnection => write(peering::create, peering::created);
    Ec2 DeleteDhcpOptions => write(dhcp_options::delete, done);
    Ec2 DeleteEgressOnlyInternetGateway => write(egress_gateway::delete, egress_gateway::deleted);
    Ec2 DeleteFlowLogs => write(flow_log::delete, flow_log::deleted);
    Ec2 DeleteInternetGateway => write(gateway::delete, done);
    Ec2 DeleteKeyPair => write(key_pair::delete, key_pair::deleted);
    Ec2 DeleteManagedPrefixList => write(prefix_list::delete, prefix_list::deleted);
    Ec2 DeleteNatGateway => write(nat_gateway::delete, nat_gateway::deleted);
    Ec2 DeleteNetworkAcl => write(acl::delete, done);
    Ec2 DeleteNetworkAclEntry => write(acl::delete_entry, done);
    Ec2 DeleteNetworkInsightsAnalysis => write(insights_analysis::delete, insights_analysis::deleted);
    Ec2 DeleteNetworkInsightsPath => write(insights_path::delete, insights_path::deleted);
    Ec2 DeleteNetworkInterface => write(eni_input::delete, done);
    Ec2 DeleteRoute => write(route_input::delete_route, done);
    Ec2 DeleteRouteTable => write(route_input::delete_table, done);
    Ec2 DeleteSecurityGroup => write(group::delete, group::deleted);
    Ec2 DeleteSubnet => write(subnet::delete, done);
    Ec2 DeleteSubnetCidrReservation => write(subnet_reservation::delete, subnet_reservation::deleted);
    Ec2 DeleteTags => write(tag::delete, done);
    Ec2 DeleteVpc => write(vpc::delete, done);
    Ec2 DeleteVpcPeeringConnection => write(peering::delete, done);
    Ec2 DescribeAccountAttributes => Action::Read(catalog::account_attributes);
    Ec2 DescribeAddresses => Action::Read(address::describe);
    Ec2 DescribeAddressesAttribute => Action::Read(address::describe_attribute);
    Ec2 DescribeAvailabilityZones => Action::Read(catalog::zones);
    Ec2 DescribeDhcpOptions => Action::Read(describe::describe::<model::DhcpOptions>);
    Ec2 DescribeEgressOnlyInternetGateways => Action::Read(egress_gateway::describe);
    Ec2 DescribeFlowLogs => Action::Read(flow_log::describe);
    Ec2 DescribeIamInstanceProfileAssociations => Action::Read(instance_status::profiles);
    Ec2 DescribeImageAttribute => Action::Read(image::attribute);
    Ec2 DescribeImages => Action::Read(image::describe);
    Ec2 DescribeInstanceAttribute => Action::Read(instance_attribute::describe);
    Ec2 DescribeInstanceCreditSpecifications => Action::Read(instance_status::credits);
    Ec2 DescribeInstanceStatus => Action::Read(instance_status::describe);
    Ec2 DescribeInstanceTypeOfferings => Action::Read(instance_type::offerings);
    Ec2 DescribeInstanceTypes => Action::Read(instance_type::describe);
    Ec2 DescribeInstances => Action::Read(instance::describe);
    Ec2 DescribeInternetGateways => Action::Read(describe::describe::<model::InternetGateway>);
    Ec2 DescribeKeyPairs => Action::Read(key_pair::describe);
    Ec2 DescribeManagedPrefixLists => Action::Read(describe::describe::<model::PrefixList>);
    Ec2 DescribeNatGateways => Action::Read(describe::describe::<model::NatGateway>);
    Ec2 DescribeNetworkAcls => Action::Read(describe::describe::<model::NetworkAcl>);
    Ec2 DescribeNetworkInsightsAnalyses => Action::Read(insights_analysis::describe);
    Ec2 DescribeNetworkInsightsPaths => Action::Read(describe::describe::<model::NetworkInsightsPath>);
    Ec2 DescribeNetworkInterfaceAttribute => Action::Read(eni_input::attribute);
    Ec2 DescribeNetworkInterfaces => Action::Read(describe::describe::<model::Eni>);
    Ec2 DescribePrefixLists => Action::Read(prefix_list::of_services);
    Ec2 DescribeRegions => Action::Read(catalog::regions);
    Ec2 DescribeRouteTables => Action::Read(describe::describe::<model::RouteTable>);
    Ec2 DescribeSecurityGroupReferences => Action::Read(group_reference::references);
    Ec2 DescribeSecurityGroupRules => Action::Read(rule::describe);
    Ec2 DescribeSecurityGroupVpcAssociations => Action::Read(group_reference::vpc_associations);
    Ec2 DescribeSecurityGroups => Action::Read(group::describe);
    Ec2 DescribeStaleSecurityGroups => Action::Read(group_reference::stale);
    Ec2 DescribeSubnets => Action::Read(describe::describe::<model::Subnet>);
    Ec2 DescribeTags => Action::Read(tag::describe);
    Ec2 DescribeVolumeAttribute => Action::Read(volume::attribute);
    Ec2 DescribeVolumeStatus => Action::Read(volume::status);
    Ec2 DescribeVolumes => Action::Read(volume::describe);
    Ec2 DescribeVpcAttribute => Action::Read(vpc::describe_attribute);
    Ec2 DescribeVpcBlockPublicAccessExclusions => Action::Read(block_public_access::exclusions);
    Ec2 DescribeVpcBlockPublicAccessOptions => Action::Read(block_public_access::options);
    Ec2 DescribeVpcClassicLink => Action::Read(classic_link::vpcs);
    Ec2 DescribeVpcClassicLinkDnsSupport => Action::Read(classic_link::dns_support);
    Ec2 DescribeVpcEndpointServices => Action::Read(endpoint_service::describe);
    Ec2 DescribeVpcPeeringConnections => Action::Read(describe::describe::<model::Peering>);
    Ec2 DescribeVpcs => Action::Read(describe::describe::<model::Vpc>);
    Ec2 DetachClassicLinkVpc => Action::Read(classic_link::retired);
    Ec2 DetachInternetGateway => write(gateway::detach, done);
    Ec2 DetachNetworkInterface => write(eni_input::detach, done);
    Ec2 DisableVgwRoutePropagation => write(route_input::propagation, done);
    Ec2 DisableVpcClassicLink => Action::Read(classic_link::retired);
    Ec2 DisableVpcClassicLinkDnsSupport => Action::Read(classic_link::retired);
    Ec2 DisassociateAddress => write(address::disassociate, done);
    Ec2 DisassociateNatGatewayAddress => write(nat_address::disassociate, nat_address::disassociated);
    Ec2 DisassociateRouteTable => write(route_input::disassociate, done);
    Ec2 DisassociateSubnetCidrBlock => write(subnet_block::disassociate, subnet_block::disassociated);
    Ec2 DisassociateVpcCidrBlock => write(vpc_block::disassociate, vpc_block::disassociated);
    Ec2 EnableVgwRoutePropagation => write(route_input::propagation, done);
    Ec2 EnableVpcClassicLink => Action::Read(classic_link::retired);
    Ec2 EnableVpcClassicLinkDnsSupport => Action::Read(classic_link::retired);
    Iam GetAccountSummary => Action::Read(iam::account_summary);
    Ec2 GetAllowedImagesSettings => Action::Read(defaults::read);
    Sts GetCallerIdentity => Action::Read(identity::caller);
    Ec2 GetConsoleOutput => Action::Read(instance::console);
    Ec2 GetDefaultCreditSpecification => Action::Read(defaults::credits);
    Ec2 GetEbsDefaultKmsKeyId => Action::Read(defaults::read);
    Ec2 GetEbsEncryptionByDefault => Action::Read(defaults::read);
    Ec2 GetImageBlockPublicAccessState => Action::Read(defaults::read);
    Ec2 GetInstanceMetadataDefaults => Action::Read(defaults::read);
    Ec2 GetManagedPrefixListAssociations => Action::Read(prefix_list::associations);
    Ec2 GetManagedPrefixListEntries => Action::Read(prefix_list::list_entries);
    Ec2 GetPasswordData => Action::Read(defaults::password);
    Iam GetRole => Action::Read(iam::role);
    Ec2 GetSecurityGroupsForVpc => Action::Read(group_reference::for_vpc);
    Ec2 GetSerialConsoleAccessStatus => Action::Read(defaults::read);
    Sts GetSessionToken => Action::Issue(sts::session_token);
    Ec2 GetSnapshotBlockPublicAccessState => Action::Read(defaults::read);
    Ec2 GetSubnetCidrReservations => Action::Read(subnet_reservation::get);
    Iam GetUser => Action::Read(identity::user);
    Ec2 ImportKeyPair => write(key_pair::import, key_pair::imported);
    Iam ListAccountAliases => Action::Read(identity::aliases);
    Iam ListRoles => Action::Read(iam::roles);
    Ec2 ModifyInstanceAttribute => write(instance_attribute::modify, done);
    Ec2 ModifyInstanceCreditSpecification => write(instance_attribute::modify_credits, instance_attribute::credits_modified);
    Ec2 ModifyInstanceMaintenanceOptions => write(instance_attribute::modify_maintenance, instance_attribute::maintenance_modified);
    Ec2 ModifyInstanceMetadataOptions => write(instance_attribute::modify_metadata, instance_attribute::metadata_modified);
    Ec2 ModifyManagedPrefixList => write(prefix_list::modify, prefix_list::modified);
    Ec2 ModifyNetworkInterfaceAttribute => write(eni_input::modify, done);
    Ec2 ModifyPrivateDnsNameOptions => write(instance_attribute::modify_names, done);
    Ec2 ModifySecurityGroupRules => write(permission::modify, done);
    Ec2 ModifySubnetAttribute => write(subnet::modify_attribute, done);
    Ec2 ModifyVpcAttribute => write(vpc::modify_attribute, done);
    Ec2 ModifyVpcPeeringConnectionOptions => write(peering::modify, peering::modified);
    Ec2 ModifyVpcTenancy => write(vpc::modify_tenancy, done);
    Ec2 MonitorInstances => write(run::monitor, instance::monitored);
    Ec2 RebootInstances => write(run::reboot, done);
    Ec2 RejectVpcPeeringConnection => write(peering::reject, done);
    Ec2 ReleaseAddress => write(address::release, done);
    Ec2 ReplaceNetworkAclAssociation => write(acl::replace_association, acl::associated);
    Ec2 ReplaceNetworkAclEntry => write(acl::replace_entry, done);
    Ec2 ReplaceRoute => write(route_input::replace_route, done);
    Ec2 ReplaceRouteTableAssociation => write(route_input::replace, route::replaced);
    Ec2 ResetInstanceAttribute => write(instance_attribute::reset, done);
    Ec2 ResetNetworkInterfaceAttribute => write(eni_input::reset, done);
    Ec2 RestoreManagedPrefixListVersion => write(prefix_list::restore, prefix_list::restored);
    Ec2 RevokeSecurityGroupEgress => write(permission::revoke_egress, rule::revoked);
    Ec2 RevokeSecurityGroupIngress => write(permission::revoke_ingress, rule::revoked);
    Ec2 RunInstances => write(run::run, instance::started);
    Ec2 StartInstances => write(run::start, instance::changed);
    Ec2 StartNetworkInsightsAnalysis => write(insights_analysis::start, insights_analysis::started);
    Ec2 StopInstances => write(run::stop, instance::changed);
    Ec2 TerminateInstances => write(run::terminate, instance::changed);
    Ec2 UnassignIpv6Addresses => write(eni_address::unassign_ipv6, eni_address::ipv6_unassigned);
    Ec2 UnassignPrivateIpAddresses => write(eni_address::unassign, done);
    Ec2 UnassignPrivateNatGatewayAddress => write(nat_address::unassign, nat_address::unassigned);
    Ec2 UnmonitorInstances => write(run::unmonitor, instance::monitored);
    Ec2 UpdateSecurityGroupRuleDescriptionsEgress => write(permission::describe_egress, done);
    Ec2 UpdateSecurityGroupRuleDescriptionsIngress => write(permission::describe_ingress, done);
};

#[cfg(test)]
mod tests;
