//! Which rule decides on which action of EC2.

use super::{Decision, Outcome};
use crate::Scope;
use crate::command::Ec2Command;

impl Decision<'_> {
    pub(super) fn ec2(&mut self, scope: Scope, command: &Ec2Command) -> Outcome {
        use Ec2Command as C;
        match command {
            C::CreateVpc(new) => self.create_vpc(scope, new),
            C::CreateDefaultVpc => self.create_default_vpc(scope),
            C::DeleteVpc { vpc } => self.delete_vpc(scope, *vpc),
            C::ModifyVpcAttribute { vpc, attribute } => {
                self.modify_vpc_attribute(scope, *vpc, *attribute)
            }
            C::ModifyVpcTenancy { vpc } => self.modify_vpc_tenancy(scope, *vpc),
            C::AssociateVpcCidrBlock { vpc, cidr } => self.associate_cidr(scope, *vpc, *cidr),
            C::AssociateVpcIpv6CidrBlock { vpc } => self.associate_ipv6(scope, *vpc),
            C::DisassociateVpcCidrBlock { association } => {
                self.disassociate_cidr(scope, *association)
            }
            C::CreateSubnet(new) => self.create_subnet(scope, new),
            C::CreateDefaultSubnet { zone } => self.create_default_subnet(scope, *zone),
            C::DeleteSubnet { subnet } => self.delete_subnet(scope, *subnet),
            C::ModifySubnetAttribute { subnet, attribute } => {
                self.modify_subnet_attribute(scope, *subnet, *attribute)
            }
            C::AssociateSubnetCidrBlock { subnet, cidr } => {
                self.associate_subnet_ipv6(scope, *subnet, *cidr)
            }
            C::DisassociateSubnetCidrBlock { association } => {
                self.disassociate_subnet_ipv6(scope, *association)
            }
            C::CreateSubnetCidrReservation { subnet, cidr, kind, description, tags } => {
                self.reserve_addresses(scope, *subnet, *cidr, *kind, description.clone(), tags)
            }
            C::DeleteSubnetCidrReservation { reservation } => {
                self.delete_reservation(scope, *reservation)
            }
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
            C::RestoreLocalRoute { route_table, destination } => {
                self.restore_local_route(scope, *route_table, *destination)
            }
            C::DeleteRoute { route_table, destination } => {
                self.delete_route(scope, *route_table, *destination)
            }
            C::CreateInternetGateway { tags } => self.create_gateway(scope, tags),
            C::AttachInternetGateway { gateway, vpc } => self.attach_gateway(scope, *gateway, *vpc),
            C::DetachInternetGateway { gateway, vpc } => self.detach_gateway(scope, *gateway, *vpc),
            C::DeleteInternetGateway { gateway } => self.delete_gateway(scope, *gateway),
            C::CreateEgressOnlyInternetGateway { vpc, client_token, tags } => {
                self.create_egress_gateway(scope, *vpc, client_token.as_ref(), tags)
            }
            C::DeleteEgressOnlyInternetGateway { gateway } => {
                self.delete_egress_gateway(scope, *gateway)
            }
            C::CreateDhcpOptions { options, tags } => {
                self.create_dhcp_options(scope, options, tags)
            }
            C::DeleteDhcpOptions { options } => self.delete_dhcp_options(scope, *options),
            C::AssociateDhcpOptions { vpc, options } => {
                self.associate_dhcp_options(scope, *vpc, *options)
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
            C::ModifySecurityGroupRules { group, rules } => self.modify_rules(scope, *group, rules),
            C::DescribeSecurityGroupRules { group, direction, rules, ids } => {
                self.describe_rules(scope, *group, *direction, rules, ids)
            }
            C::CreatePrefixList(create) => self.create_prefix_list(scope, create),
            C::ModifyPrefixList(modify) => self.modify_prefix_list(scope, modify),
            C::RestorePrefixList { list, previous, current } => {
                self.restore_prefix_list(scope, *list, *previous, *current)
            }
            C::DeletePrefixList { list } => self.delete_prefix_list(scope, *list),
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
            C::StartInstances { instances } => self.start_instances(scope, instances),
            C::StopInstances { instances } => self.stop_instances(scope, instances),
            C::RebootInstances { instances } => self.reboot_instances(scope, instances),
            C::TerminateInstances { instances } => self.terminate_instances(scope, instances),
            C::ModifyInstanceAttribute { instance, change } => {
                self.modify_instance(scope, *instance, change)
            }
            C::ModifyInstanceCreditSpecification { credits } => self.modify_credits(scope, credits),
            C::MonitorInstances { instances, on } => self.monitor(scope, instances, *on),
            C::CreateNetworkInterface(new) => self.create_interface(scope, new),
            C::DeleteNetworkInterface { interface } => self.delete_interface(scope, *interface),
            C::AttachNetworkInterface { interface, instance, device_index } => {
                self.attach_interface(scope, *interface, *instance, *device_index)
            }
            C::DetachNetworkInterface { attachment } => self.detach_interface(scope, *attachment),
            C::ModifyNetworkInterfaceAttribute { interface, change } => {
                self.modify_interface(scope, *interface, change)
            }
            C::AssignPrivateIpAddresses { interface, addresses, count, take } => {
                self.assign_addresses(scope, *interface, addresses, *count, *take)
            }
            C::UnassignPrivateIpAddresses { interface, addresses } => {
                self.unassign_addresses(scope, *interface, addresses)
            }
            C::CreateKeyPair(new) | C::ImportKeyPair(new) => self.create_key_pair(scope, new),
            C::DeleteKeyPair { id, name } => self.delete_key_pair(scope, *id, name.as_deref()),
            C::CreateFlowLogs(new) => self.create_flow_logs(scope, new),
            C::DeleteFlowLogs { flow_logs } => self.delete_flow_logs(scope, flow_logs),
            C::CreateNetworkInsightsPath(new) => self.create_insights_path(scope, new),
            C::DeleteNetworkInsightsPath { path } => self.delete_insights_path(scope, *path),
            C::StartNetworkInsightsAnalysis(new) => self.start_analysis(scope, new),
            C::DeleteNetworkInsightsAnalysis { analysis } => self.delete_analysis(scope, *analysis),
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
