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
            C::CreateRouteTable { .. }
            | C::DeleteRouteTable { .. }
            | C::AssociateRouteTable { .. }
            | C::DisassociateRouteTable { .. }
            | C::ReplaceRouteTableAssociation { .. }
            | C::CreateRoute { .. }
            | C::ReplaceRoute { .. }
            | C::DeleteRoute { .. } => self.route_command(scope, command),
            C::CreateSecurityGroup { .. }
            | C::DeleteSecurityGroup { .. }
            | C::AuthorizeSecurityGroup { .. }
            | C::RevokeSecurityGroup { .. } => self.group_command(scope, command),
            C::CreateNetworkAcl { .. }
            | C::DeleteNetworkAcl { .. }
            | C::CreateNetworkAclEntry { .. }
            | C::ReplaceNetworkAclEntry { .. }
            | C::DeleteNetworkAclEntry { .. }
            | C::ReplaceNetworkAclAssociation { .. } => self.acl_command(scope, command),
            C::RunInstances(_) | C::TerminateInstances { .. } => {
                self.instance_command(scope, command)
            }
            C::CreatePeering { .. }
            | C::AcceptPeering { .. }
            | C::RejectPeering { .. }
            | C::DeletePeering { .. }
            | C::ModifyPeeringOptions { .. } => self.peering_command(scope, command),
            C::CreateTags { resources, tags } => self.create_tags(scope, resources, tags),
            C::DeleteTags { resources, tags } => self.delete_tags(scope, resources, tags),
        }
    }
}
