//! Which rule decides on which action of EC2.

use super::{Decision, Outcome};
use crate::Scope;
use crate::command::Ec2Command;

impl Decision<'_> {
    pub(super) fn ec2(&mut self, scope: Scope, command: &Ec2Command) -> Outcome {
        use Ec2Command as C;
        match command {
            C::CreateVpc { cidr, tags } => self.create_vpc(scope, *cidr, tags),
            C::DeleteVpc { vpc } => self.delete_vpc(scope, *vpc),
            C::ModifyVpcAttribute { vpc, attribute } => {
                self.modify_vpc_attribute(scope, *vpc, *attribute)
            }
            C::AssociateVpcCidrBlock { vpc, cidr } => self.associate_cidr(scope, *vpc, *cidr),
            C::DisassociateVpcCidrBlock { association } => {
                self.disassociate_cidr(scope, *association)
            }
            C::CreateSubnet { vpc, cidr, zone, tags } => {
                self.create_subnet(scope, *vpc, *cidr, *zone, tags)
            }
            C::DeleteSubnet { subnet } => self.delete_subnet(scope, *subnet),
            C::CreateRouteTable { vpc, client_token, tags } => {
                self.create_route_table(scope, *vpc, client_token.as_ref(), tags)
            }
            C::DeleteRouteTable { route_table } => self.delete_route_table(scope, *route_table),
            C::AssociateRouteTable { route_table, subnet } => {
                self.associate_route_table(scope, *route_table, *subnet)
            }
            C::DisassociateRouteTable { association } => {
                self.disassociate_route_table(scope, *association)
            }
            C::ReplaceRouteTableAssociation { association, route_table } => {
                self.replace_route_table(scope, *association, *route_table)
            }
            C::CreateRoute { route_table, destination, target } => {
                self.create_route(scope, *route_table, *destination, *target)
            }
            C::ReplaceRoute { route_table, destination, target } => {
                self.replace_route(scope, *route_table, *destination, *target)
            }
            C::DeleteRoute { route_table, destination } => {
                self.delete_route(scope, *route_table, *destination)
            }
            C::CreateSecurityGroup { vpc, name, description, tags } => {
                self.create_group(scope, *vpc, name, description, tags)
            }
            C::DeleteSecurityGroup { group } => self.delete_group(scope, *group),
            C::AuthorizeSecurityGroup { group, direction, rules, tags } => {
                self.authorize(scope, *group, *direction, rules, tags)
            }
            C::RevokeSecurityGroup { group, direction, rules, ids } => {
                self.revoke(scope, *group, *direction, rules, ids)
            }
            C::CreateNetworkAcl { vpc, client_token, tags } => {
                self.create_acl(scope, *vpc, client_token.as_ref(), tags)
            }
            C::DeleteNetworkAcl { acl } => self.delete_acl(scope, *acl),
            C::CreateNetworkAclEntry { acl, direction, number, entry } => {
                self.create_acl_entry(scope, *acl, *direction, *number, *entry)
            }
            C::ReplaceNetworkAclEntry { acl, direction, number, entry } => {
                self.replace_acl_entry(scope, *acl, *direction, *number, *entry)
            }
            C::DeleteNetworkAclEntry { acl, direction, number } => {
                self.delete_acl_entry(scope, *acl, *direction, *number)
            }
            C::ReplaceNetworkAclAssociation { association, acl } => {
                self.replace_acl_association(scope, *association, *acl)
            }
            C::RunInstances(run) => self.run_instances(scope, run),
            C::TerminateInstances { instances } => self.terminate_instances(scope, instances),
            C::AllocateAddress { address, tags } => self.allocate_address(scope, *address, tags),
            C::AssociateAddress { which, target, private, reassociate } => {
                self.associate_address(scope, *which, *target, *private, *reassociate)
            }
            C::DisassociateAddress { which } => self.disassociate_address(scope, *which),
            C::ReleaseAddress { which } => self.release_address(scope, *which),
            C::CreateNatGateway(new) => self.create_nat_gateway(scope, new),
            C::DeleteNatGateway { nat_gateway } => self.delete_nat_gateway(scope, *nat_gateway),
            C::CreatePeering { vpc, peer_vpc, peer_owner, peer_region, tags } => {
                let owner = peer_owner.unwrap_or(scope.account);
                let region = peer_region.unwrap_or(scope.region);
                self.request_peering(scope, *vpc, *peer_vpc, (owner, region), tags)
            }
            C::AcceptPeering { peering } => self.accept_peering(scope, *peering),
            C::RejectPeering { peering } => self.reject_peering(scope, *peering),
            C::DeletePeering { peering } => self.delete_peering(scope, *peering),
            C::ModifyPeeringOptions { peering, requester_dns, accepter_dns } => {
                self.modify_peering(scope, *peering, *requester_dns, *accepter_dns)
            }
            C::CreateTags { resources, tags } => self.create_tags(scope, resources, tags),
            C::DeleteTags { resources, tags } => self.delete_tags(scope, resources, tags),
        }
    }
}
