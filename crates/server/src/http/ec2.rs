//! The VPC's side: all supported actions of EC2, STS and IAM, in one table.
//!
//! An action is a line of `ACTIONS` and pure functions of the world. An action that reads writes
//! its answer; one that changes something is parsed into a command and answered from the worlds
//! before and after it. What is allowed is decided by [`World::decide`], not here.

mod acl;
mod address;
mod catalog;
mod describe;
mod eni;
mod gateway;
mod group;
mod identity;
mod input;
mod instance;
mod nat_gateway;
mod peering;
mod permission;
mod request;
mod route;
mod route_input;
mod rule;
mod run;
mod subnet;
mod tag;
mod vpc;

pub(crate) use self::instance::starts;

use aws::xml::Service;
use model::{Ec2Command, Reply, World};

pub use self::request::{Ec2Error, Request};

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
        .ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            Ec2Error::new(
                "InvalidAction",
                format_args!("The action {name} is not valid for this web service."),
            )
        })
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
    Ec2 AssociateAddress => write(address::associate, address::associated);
    Ec2 AssociateRouteTable => write(route_input::associate, route::associated);
    Ec2 AssociateVpcCidrBlock => write(vpc::associate_cidr, vpc::cidr_associated);
    Ec2 AuthorizeSecurityGroupEgress => write(permission::authorize_egress, rule::authorized);
    Ec2 AuthorizeSecurityGroupIngress => write(permission::authorize_ingress, rule::authorized);
    Ec2 CreateNatGateway => write(nat_gateway::create, nat_gateway::created);
    Ec2 CreateNetworkAcl => write(acl::create, acl::created);
    Ec2 CreateNetworkAclEntry => write(acl::create_entry, done);
    Ec2 CreateRoute => write(route_input::create_route, done);
    Ec2 CreateRouteTable => write(route_input::create_table, route::table_created);
    Ec2 CreateSecurityGroup => write(group::create, group::created);
    Ec2 CreateSubnet => write(subnet::create, subnet::created);
    Ec2 CreateTags => write(tag::create, done);
    Ec2 CreateVpc => write(vpc::create, vpc::created);
    Ec2 CreateVpcPeeringConnection => write(peering::create, peering::created);
    Ec2 DeleteNatGateway => write(nat_gateway::delete, nat_gateway::deleted);
    Ec2 DeleteNetworkAcl => write(acl::delete, done);
    Ec2 DeleteNetworkAclEntry => write(acl::delete_entry, done);
    Ec2 DeleteRoute => write(route_input::delete_route, done);
    Ec2 DeleteRouteTable => write(route_input::delete_table, done);
    Ec2 DeleteSecurityGroup => write(group::delete, group::deleted);
    Ec2 DeleteSubnet => write(subnet::delete, done);
    Ec2 DeleteTags => write(tag::delete, done);
    Ec2 DeleteVpc => write(vpc::delete, done);
    Ec2 DeleteVpcPeeringConnection => write(peering::delete, done);
    Ec2 DescribeAccountAttributes => Action::Read(catalog::account_attributes);
    Ec2 DescribeAddresses => Action::Read(address::describe);
    Ec2 DescribeAddressesAttribute => Action::Read(address::describe_attribute);
    Ec2 DescribeAvailabilityZones => Action::Read(catalog::zones);
    Ec2 DescribeDhcpOptions => Action::Read(describe::describe::<model::DhcpOptions>);
    Ec2 DescribeImages => Action::Read(catalog::images);
    Ec2 DescribeInstanceTypes => Action::Read(catalog::instance_types);
    Ec2 DescribeInstances => Action::Read(instance::describe);
    Ec2 DescribeInternetGateways => Action::Read(describe::describe::<model::InternetGateway>);
    Ec2 DescribeNatGateways => Action::Read(describe::describe::<model::NatGateway>);
    Ec2 DescribeNetworkAcls => Action::Read(describe::describe::<model::NetworkAcl>);
    Ec2 DescribeNetworkInterfaces => Action::Read(describe::describe::<model::Eni>);
    Ec2 DescribeRegions => Action::Read(catalog::regions);
    Ec2 DescribeRouteTables => Action::Read(describe::describe::<model::RouteTable>);
    Ec2 DescribeSecurityGroupRules => Action::Read(rule::describe);
    Ec2 DescribeSecurityGroups => Action::Read(group::describe);
    Ec2 DescribeSubnets => Action::Read(describe::describe::<model::Subnet>);
    Ec2 DescribeTags => Action::Read(tag::describe);
    Ec2 DescribeVpcAttribute => Action::Read(vpc::describe_attribute);
    Ec2 DescribeVpcPeeringConnections => Action::Read(describe::describe::<model::Peering>);
    Ec2 DescribeVpcs => Action::Read(describe::describe::<model::Vpc>);
    Ec2 DisassociateAddress => write(address::disassociate, done);
    Ec2 DisassociateRouteTable => write(route_input::disassociate, done);
    Ec2 DisassociateVpcCidrBlock => write(vpc::disassociate_cidr, vpc::cidr_disassociated);
    Sts GetCallerIdentity => Action::Read(identity::caller);
    Ec2 GetConsoleOutput => Action::Read(instance::console);
    Iam GetUser => Action::Read(identity::user);
    Iam ListAccountAliases => Action::Read(identity::aliases);
    Ec2 ModifyVpcAttribute => write(vpc::modify_attribute, done);
    Ec2 ModifyVpcPeeringConnectionOptions => write(peering::modify, peering::modified);
    Ec2 RejectVpcPeeringConnection => write(peering::reject, done);
    Ec2 ReleaseAddress => write(address::release, done);
    Ec2 ReplaceNetworkAclAssociation => write(acl::replace_association, acl::associated);
    Ec2 ReplaceNetworkAclEntry => write(acl::replace_entry, done);
    Ec2 ReplaceRoute => write(route_input::replace_route, done);
    Ec2 ReplaceRouteTableAssociation => write(route_input::replace, route::replaced);
    Ec2 RevokeSecurityGroupEgress => write(permission::revoke_egress, rule::revoked);
    Ec2 RevokeSecurityGroupIngress => write(permission::revoke_ingress, rule::revoked);
    Ec2 RunInstances => write(run::run, instance::started);
    Ec2 TerminateInstances => write(run::terminate, instance::terminated);
};

#[cfg(test)]
mod tests;
