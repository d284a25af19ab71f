//! What a command is about, whatever comes of it: for the audit, where a refusal and a removal
//! name nothing themselves.

use super::{
    Command, DynoSelection, Ec2Command, ElasticIpName, HostCommand, IdentityCommand,
    ModifyPrefixList, NewSubnet, PlatformCommand, QuotaOf, StsCommand, SystemCommand,
};
use crate::{Key, SettingsKey, WebhookOwner};

impl Command {
    /// The resource that it names and is about; `None` where it makes one, or names none.
    pub fn about(&self) -> Option<Key> {
        match self {
            Self::Identity(command) => identity(command),
            Self::Host(command) => host(command),
            Self::Platform(command) => platform(command),
            Self::Ec2(command) => ec2(command),
            // A role is named by its account and name, which is no key.
            Self::Sts(StsCommand::AssumeRole(_)) => None,
            Self::Sts(StsCommand::GetSessionToken { by, .. }) => by.key.map(Key::AccessKey),
            Self::System(command) => match command {
                SystemCommand::StoreSlug { slug, .. } | SystemCommand::KeepCode { slug, .. } => {
                    Some(Key::Slug(*slug))
                }
                SystemCommand::ResetAccount { account } => Some(Key::Account(*account)),
                SystemCommand::Observe(_)
                | SystemCommand::Tick
                | SystemCommand::Reset
                | SystemCommand::LoadSnapshot { .. } => None,
            },
        }
    }
}

fn identity(command: &IdentityCommand) -> Option<Key> {
    use IdentityCommand as C;
    match command {
        C::CreateAccessKey { id, .. } | C::DeleteAccessKey { id } => Some(Key::AccessKey(*id)),
        C::CreateIamRole(new) => Some(Key::Account(new.account)),
        C::DeleteIamRole { id } => Some(Key::IamRole(*id)),
        C::CreateToken(new) => Some(Key::User(new.user)),
        C::SetPassword { user, .. }
        | C::EnableSecondFactor { user, .. }
        | C::UseSecondFactor { user, .. }
        | C::ReplaceRecoveryCodes { user, .. }
        | C::DisableSecondFactor { user, .. } => Some(Key::User(*user)),
        C::DescribeToken { id, .. } | C::ReplaceToken { id, .. } | C::DeleteToken { id } => {
            Some(Key::Token(*id))
        }
        C::CreateWebhook(new) => match new.owner {
            WebhookOwner::Operator => None,
            WebhookOwner::Account(id) => Some(Key::Account(id)),
            WebhookOwner::Team(id) => Some(Key::Team(id)),
            WebhookOwner::App(id) => Some(Key::App(id)),
        },
        C::DeleteWebhook { id } => Some(Key::Webhook(*id)),
        C::SetMember { team, .. } | C::DemandSecondFactor { team, .. } => Some(Key::Team(*team)),
        C::Disable { subject } | C::Enable { subject } | C::Destroy { subject } => {
            Some(subject.key())
        }
        C::EnsureAccount { id, .. } => Some(Key::Account(*id)),
        C::SetQuota { of: QuotaOf::Account(id), .. } => Some(Key::Account(*id)),
        C::SetQuota { of: QuotaOf::Team(id), .. } => Some(Key::Team(*id)),
        C::SetInstance { .. }
        | C::DriveFabric { .. }
        | C::LeaveFabric { .. }
        | C::SetOutbound { .. }
        | C::SetQuota { of: QuotaOf::All, .. }
        | C::SetLikeAws { .. }
        | C::AdvanceClock { .. } => Some(Key::Settings(SettingsKey)),
        C::SetUp { .. } | C::CreateAccount { .. } | C::CreateUser { .. } | C::CreateTeam { .. } => {
            None
        }
    }
}

fn host(command: &HostCommand) -> Option<Key> {
    use HostCommand as C;
    match command {
        C::Connected { host, .. }
        | C::Drain { host }
        | C::Undrain { host }
        | C::Remove { host, .. }
        | C::Lost { host } => Some(Key::Host(*host)),
        C::Init(_)
        | C::Join(_)
        | C::CreateJoinToken { .. }
        | C::Enrol { .. }
        | C::Listen
        | C::Heard { .. } => None,
    }
}

fn platform(command: &PlatformCommand) -> Option<Key> {
    use PlatformCommand as C;
    Some(match command {
        C::CreateSpace { team, .. } => Key::Team(*team),
        C::RenameSpace { space, .. }
        | C::DeleteSpace { space }
        | C::SetPeeringLimit { space, .. }
        | C::SetInboundRules { space, .. }
        | C::SetSpaceLogDrain { space, .. }
        | C::SetSpaceAccess { space, .. }
        | C::TransferSpace { space, .. }
        | C::CreateApp { space, .. } => Key::Space(*space),
        C::AcceptPeering { peering, .. } | C::DeletePeering { peering, .. } => {
            Key::Peering(*peering)
        }
        C::RunInside { dyno: id, .. }
        | C::RestartDynos { which: DynoSelection::One(id), .. }
        | C::StopDynos { which: DynoSelection::One(id), .. } => Key::Dyno(*id),
        C::DeleteApp { app }
        | C::CreateSlug { app, .. }
        | C::CreateRelease { app, .. }
        | C::Rollback { app, .. }
        | C::SetConfig { app, .. }
        | C::SetFenceStop { app, .. }
        | C::Scale { app, .. }
        | C::RestartDynos { app, .. }
        | C::StartDyno { app, .. }
        | C::StopDynos { app, .. }
        | C::AddDomain { app, .. }
        | C::RemoveDomain { app, .. }
        | C::AddLogDrain { app, .. }
        | C::RemoveLogDrain { app, .. }
        | C::CreateAppWebhook { app, .. }
        | C::UpdateAppWebhook { app, .. }
        | C::DeleteAppWebhook { app, .. }
        | C::CreateAddon { app, .. } => Key::App(*app),
        C::AttachAddon { addon, .. } | C::DetachAddon { addon, .. } | C::DeleteAddon { addon } => {
            Key::Addon(*addon)
        }
    })
}

fn ec2(command: &Ec2Command) -> Option<Key> {
    use Ec2Command as C;
    match command {
        C::CreateVpc(_)
        | C::CreateDefaultVpc
        | C::CreateDefaultSubnet { .. }
        | C::CreateInternetGateway { .. }
        | C::CreateDhcpOptions { .. }
        | C::CreatePrefixList(_)
        | C::DisassociateVpcCidrBlock { .. }
        | C::DisassociateSubnetCidrBlock { .. }
        | C::DisassociateRouteTable { .. }
        | C::AllocateAddress { .. }
        | C::DisassociateAddress { .. } => None,
        C::AssociateAddress { which, .. } | C::ReleaseAddress { which } => match which {
            ElasticIpName::Allocation(id) => Some(Key::ElasticIp(*id)),
            ElasticIpName::Address(_) => None,
        },
        C::CreateNatGateway(new) => Some(Key::Subnet(new.subnet)),
        C::DeleteNatGateway { nat_gateway }
        | C::AddNatGatewayAddresses { nat_gateway, .. }
        | C::DisassociateNatGatewayAddress { nat_gateway, .. }
        | C::UnassignPrivateNatGatewayAddress { nat_gateway, .. } => {
            Some(Key::NatGateway(*nat_gateway))
        }
        C::DeleteVpc { vpc }
        | C::ModifyVpcAttribute { vpc, .. }
        | C::ModifyVpcTenancy { vpc }
        | C::AssociateVpcCidrBlock { vpc, .. }
        | C::AssociateVpcIpv6CidrBlock { vpc }
        | C::CreateSubnet(NewSubnet { vpc, .. })
        | C::CreateRouteTable { vpc, .. }
        | C::CreateSecurityGroup { vpc, .. }
        | C::CreateNetworkAcl { vpc, .. }
        | C::AssociateDhcpOptions { vpc, .. }
        | C::CreateEgressOnlyInternetGateway { vpc, .. }
        | C::CreatePeering { vpc, .. } => Some(Key::Vpc(*vpc)),
        C::DeleteDhcpOptions { options } => Some(Key::DhcpOptions(*options)),
        C::AttachInternetGateway { gateway, .. }
        | C::DetachInternetGateway { gateway, .. }
        | C::DeleteInternetGateway { gateway } => Some(Key::InternetGateway(*gateway)),
        C::DeleteEgressOnlyInternetGateway { gateway } => Some(Key::EgressGateway(*gateway)),
        C::DeleteSubnet { subnet }
        | C::ModifySubnetAttribute { subnet, .. }
        | C::AssociateSubnetCidrBlock { subnet, .. }
        | C::CreateSubnetCidrReservation { subnet, .. } => Some(Key::Subnet(*subnet)),
        C::DeleteSubnetCidrReservation { reservation } => {
            Some(Key::SubnetReservation(*reservation))
        }
        C::DeleteRouteTable { route_table }
        | C::AssociateRouteTable { route_table, .. }
        | C::ReplaceRouteTableAssociation { route_table, .. }
        | C::CreateRoute { route_table, .. }
        | C::ReplaceRoute { route_table, .. }
        | C::RestoreLocalRoute { route_table, .. }
        | C::DeleteRoute { route_table, .. } => Some(Key::RouteTable(*route_table)),
        C::DeleteSecurityGroup { group }
        | C::AuthorizeSecurityGroup { group, .. }
        | C::RevokeSecurityGroup { group, .. }
        | C::ModifySecurityGroupRules { group, .. }
        | C::DescribeSecurityGroupRules { group, .. } => Some(Key::SecurityGroup(*group)),
        C::ModifyPrefixList(ModifyPrefixList { list, .. })
        | C::RestorePrefixList { list, .. }
        | C::DeletePrefixList { list } => Some(Key::PrefixList(*list)),
        C::DeleteNetworkAcl { acl }
        | C::CreateNetworkAclEntry { acl, .. }
        | C::ReplaceNetworkAclEntry { acl, .. }
        | C::DeleteNetworkAclEntry { acl, .. }
        | C::ReplaceNetworkAclAssociation { acl, .. } => Some(Key::NetworkAcl(*acl)),
        C::RunInstances(run) => run.subnet.map(Key::Subnet),
        C::TerminateInstances { instances }
        | C::StartInstances { instances }
        | C::StopInstances { instances }
        | C::RebootInstances { instances }
        | C::MonitorInstances { instances, .. } => instances.first().copied().map(Key::Instance),
        C::ModifyInstanceAttribute { instance, .. } => Some(Key::Instance(*instance)),
        C::ModifyInstanceCreditSpecification { credits } => {
            credits.first().map(|(instance, _)| Key::Instance(*instance))
        }
        C::CreateKeyPair(_) | C::ImportKeyPair(_) => None,
        C::CreateFlowLogs(new) => new.of.first().map(|of| of.key()),
        C::DeleteFlowLogs { flow_logs } => flow_logs.first().copied().map(Key::FlowLog),
        C::CreateNetworkInsightsPath(new) => Some(new.packets.source.key()),
        C::DeleteNetworkInsightsPath { path } => Some(Key::NetworkInsightsPath(*path)),
        C::StartNetworkInsightsAnalysis(new) => Some(Key::NetworkInsightsPath(new.path)),
        C::DeleteNetworkInsightsAnalysis { analysis } => {
            Some(Key::NetworkInsightsAnalysis(*analysis))
        }
        C::DeleteKeyPair { id, .. } => id.map(Key::KeyPair),
        C::CreateNetworkInterface(new) => Some(Key::Subnet(new.subnet)),
        C::DetachNetworkInterface { .. } => None,
        C::DeleteNetworkInterface { interface }
        | C::AttachNetworkInterface { interface, .. }
        | C::ModifyNetworkInterfaceAttribute { interface, .. }
        | C::AssignIpv6Addresses { interface, .. }
        | C::UnassignIpv6Addresses { interface, .. }
        | C::AssignPrivateIpAddresses { interface, .. }
        | C::UnassignPrivateIpAddresses { interface, .. } => Some(Key::Eni(*interface)),
        C::AcceptPeering { peering }
        | C::RejectPeering { peering }
        | C::DeletePeering { peering }
        | C::ModifyPeeringOptions { peering, .. } => Some(Key::Peering(*peering)),
        C::CreateTags { resources, .. } | C::DeleteTags { resources, .. } => {
            resources.iter().find_map(|tagged| tagged.key())
        }
    }
}
