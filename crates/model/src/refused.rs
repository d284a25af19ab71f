//! Refusals: what somebody asked for and may not have, with the codes of both APIs in one place.

use std::fmt;

/// A request that was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The rule that refused the command.
    pub code: Code,
    /// The message for people, which says what to do next.
    pub message: String,
}

impl Refused {
    /// A refusal with a message.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The refusal of somebody who was disabled, or whose team was.
    pub(crate) fn suspended(what: &str) -> Self {
        Self::new(
            Code::Suspended,
            format_args!(
                "This {what} was suspended. Ask whoever runs this installation to let you in again."
            ),
        )
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $ec2:literal, $platform:ident;)*) => {
        /// Which rule refused a request, named after EC2's code where EC2 has one
        /// (`ec2.md` §1.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// EC2's error code.
            pub const fn ec2(self) -> &'static str {
                match self { $(Self::$name => $ec2,)* }
            }

            /// The Platform API's status and id (`heroku.md` §1.2).
            pub const fn platform(self) -> PlatformError {
                match self { $(Self::$name => PlatformError::$platform,)* }
            }
        }
    };
}

/// The Platform API's kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformError {
    /// The request makes no sense.
    Invalid,
    /// The caller may not do this.
    Forbidden,
    /// The caller was disabled.
    Suspended,
    /// There is no such resource, or the caller may not see it.
    NotFound,
    /// The resource's state forbids this, or it exists already.
    Conflict,
    /// It is another than the request is about.
    Precondition,
}

impl PlatformError {
    /// HTTP's status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Forbidden | Self::Suspended => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Precondition => 412,
        }
    }

    /// The body's `id`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_params",
            Self::Forbidden => "forbidden",
            Self::Suspended => "suspended",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Precondition => "precondition_failed",
        }
    }
}

impl Code {
    /// HTTP's status in EC2's answers.
    pub const fn ec2_status(self) -> u16 {
        match self {
            Self::UnauthorizedOperation | Self::AccessDenied => 403,
            Self::Suspended => 401,
            _ => 400,
        }
    }
}

codes! {
    /// The caller may not do this (R4).
    UnauthorizedOperation => "UnauthorizedOperation", Forbidden;
    /// The caller may not do this, in the words of STS and IAM.
    AccessDenied => "AccessDenied", Forbidden;
    /// The caller was disabled.
    Suspended => "AuthFailure", Suspended;
    /// A value of a request of STS or IAM is out of its range.
    ValidationError => "ValidationError", Invalid;
    /// The caller may not do this, or the resource's state forbids it.
    OperationNotPermitted => "OperationNotPermitted", Forbidden;
    /// A value is out of its range or does not fit.
    InvalidParameterValue => "InvalidParameterValue", Invalid;
    /// A value is out of its range or missing, in the words of the actions on flow logs.
    InvalidParameter => "InvalidParameter", Invalid;
    /// Two values do not go together.
    InvalidParameterCombination => "InvalidParameterCombination", Invalid;
    /// A value is missing.
    MissingParameter => "MissingParameter", Invalid;
    /// The same token with other parameters.
    IdempotentParameterMismatch => "IdempotentParameterMismatch", Conflict;
    /// Something else still needs it.
    DependencyViolation => "DependencyViolation", Conflict;
    /// The life cycle does not have this step.
    InvalidStateTransition => "InvalidStateTransition", Conflict;
    /// There is no such thing on the platform's side.
    NotFound => "InvalidResource.NotFound", NotFound;
    /// There is one already on the platform's side.
    Conflict => "ResourceAlreadyExists", Conflict;
    /// It was changed since the caller saw it.
    PreconditionFailed => "PreconditionFailed", Precondition;
    /// More than the limit.
    LimitExceeded => "ResourceLimitExceeded", Invalid;
    /// An id of a resource is malformed.
    InvalidIdMalformed => "InvalidID.Malformed", Invalid;
    /// No such resource to tag.
    InvalidId => "InvalidID", NotFound;
    /// No such VPC.
    VpcNotFound => "InvalidVpcID.NotFound", NotFound;
    /// Too many VPCs.
    VpcLimit => "VpcLimitExceeded", Invalid;
    /// A VPC's block has a size that is not allowed.
    VpcRange => "InvalidVpc.Range", Invalid;
    /// A block cannot be added.
    VpcCidrConflict => "InvalidVpc.Conflict", Invalid;
    /// Too many blocks.
    VpcCidrLimit => "CidrLimitExceeded", Invalid;
    /// A block is still needed.
    CidrInUse => "InvalidCidrBlock.InUse", Conflict;
    /// The region has a default VPC already.
    DefaultVpcExists => "DefaultVpcAlreadyExists", Conflict;
    /// The region has no default VPC.
    DefaultVpcMissing => "DefaultVpcDoesNotExist", NotFound;
    /// The zone has a default subnet already.
    DefaultSubnetExists => "DefaultSubnetAlreadyExistsInAvailabilityZone", Conflict;
    /// No such association of a block.
    VpcCidrAssociationNotFound => "InvalidVpcCidrBlockAssociationID.NotFound", NotFound;
    /// No such subnet.
    SubnetNotFound => "InvalidSubnetID.NotFound", NotFound;
    /// Too many subnets.
    SubnetLimit => "SubnetLimitExceeded", Invalid;
    /// A subnet's block has a size that is not allowed, or lies outside.
    SubnetRange => "InvalidSubnet.Range", Invalid;
    /// A subnet's block overlaps another's.
    SubnetConflict => "InvalidSubnet.Conflict", Invalid;
    /// No such association of an IPv6 block with a subnet.
    SubnetCidrAssociationNotFound => "InvalidSubnetCidrBlockAssociationID.NotFound", NotFound;
    /// No such reservation of addresses.
    SubnetReservationNotFound => "InvalidSubnetCidrReservationID.NotFound", NotFound;
    /// A subnet is full.
    InsufficientFreeAddresses => "InsufficientFreeAddressesInSubnet", Invalid;
    /// No such allocation of an elastic IP address.
    AllocationNotFound => "InvalidAllocationID.NotFound", NotFound;
    /// No such public address.
    AddressNotFound => "InvalidAddress.NotFound", NotFound;
    /// Too many elastic IP addresses.
    AddressLimitExceeded => "AddressLimitExceeded", Invalid;
    /// The pool of public addresses is used up.
    InsufficientAddressCapacity => "InsufficientAddressCapacity", Conflict;
    /// What belongs to another service is none of the caller's.
    AuthFailure => "AuthFailure", Forbidden;
    /// No such NAT gateway.
    NatGatewayNotFound => "NatGatewayNotFound", NotFound;
    /// No such NAT gateway that a route could lead to.
    NatTargetNotFound => "InvalidNatGatewayID.NotFound", NotFound;
    /// Too many NAT gateways.
    NatGatewayLimitExceeded => "NatGatewayLimitExceeded", Invalid;
    /// An address is taken.
    AddressInUse => "InvalidIPAddress.InUse", Conflict;
    /// No such route table.
    RouteTableNotFound => "InvalidRouteTableID.NotFound", NotFound;
    /// Too many route tables.
    RouteTableLimit => "RouteTableLimitExceeded", Invalid;
    /// No such association.
    AssociationNotFound => "InvalidAssociationID.NotFound", NotFound;
    /// The subnet has a route table of its own already, or the gateway is attached.
    AlreadyAssociated => "Resource.AlreadyAssociated", Conflict;
    /// There is such a route already.
    RouteAlreadyExists => "RouteAlreadyExists", Conflict;
    /// No such route.
    RouteNotFound => "InvalidRoute.NotFound", NotFound;
    /// Too many routes.
    RouteLimitExceeded => "RouteLimitExceeded", Invalid;
    /// No such internet gateway.
    GatewayNotFound => "InvalidInternetGatewayID.NotFound", NotFound;
    /// Too many internet gateways.
    InternetGatewayLimit => "InternetGatewayLimitExceeded", Invalid;
    /// The internet gateway is not attached to the VPC, or a VPC has none.
    GatewayNotAttached => "Gateway.NotAttached", Invalid;
    /// No such egress-only internet gateway.
    EgressGatewayNotFound => "InvalidGatewayID.NotFound", NotFound;
    /// No such DHCP option set.
    DhcpOptionsNotFound => "InvalidDhcpOptionID.NotFound", NotFound;
    /// No such security group.
    GroupNotFound => "InvalidGroup.NotFound", NotFound;
    /// Too many security groups.
    GroupLimit => "SecurityGroupLimitExceeded", Invalid;
    /// There is a group of that name already.
    GroupDuplicate => "InvalidGroup.Duplicate", Conflict;
    /// The name is reserved.
    GroupReserved => "InvalidGroup.Reserved", Invalid;
    /// The default group stays.
    CannotDelete => "CannotDelete", Invalid;
    /// There is such a rule already.
    PermissionDuplicate => "InvalidPermission.Duplicate", Conflict;
    /// No such rule.
    PermissionNotFound => "InvalidPermission.NotFound", NotFound;
    /// A rule makes no sense.
    PermissionMalformed => "InvalidPermission.Malformed", Invalid;
    /// No such rule's id.
    GroupRuleNotFound => "InvalidSecurityGroupRuleId.NotFound", NotFound;
    /// Too many rules.
    RuleLimitExceeded => "RulesPerSecurityGroupLimitExceeded", Invalid;
    /// Too many groups on an interface.
    GroupsPerInterfaceLimit => "SecurityGroupsPerInterfaceLimitExceeded", Invalid;
    /// No such network ACL.
    AclNotFound => "InvalidNetworkAclID.NotFound", NotFound;
    /// Too many network ACLs.
    AclLimit => "NetworkAclLimitExceeded", Invalid;
    /// There is such an entry already.
    AclEntryExists => "NetworkAclEntryAlreadyExists", Conflict;
    /// No such entry.
    AclEntryNotFound => "InvalidNetworkAclEntry.NotFound", NotFound;
    /// Too many entries.
    AclEntryLimit => "NetworkAclEntryLimitExceeded", Invalid;
    /// No such prefix list.
    PrefixListNotFound => "InvalidPrefixListID.NotFound", NotFound;
    /// A prefix list has no such entry to remove.
    PrefixListModification => "InvalidPrefixListModification", Invalid;
    /// More entries than a prefix list may have.
    PrefixListMaxEntries => "PrefixListMaxEntriesExceeded", Invalid;
    /// A prefix list was changed meanwhile.
    PrefixListVersion => "PrefixListVersionMismatch", Conflict;
    /// No such interface.
    EniNotFound => "InvalidNetworkInterfaceID.NotFound", NotFound;
    /// Too many interfaces.
    InterfaceLimit => "NetworkInterfaceLimitExceeded", Invalid;
    /// The interface is in use.
    EniInUse => "InvalidNetworkInterface.InUse", Conflict;
    /// No such attachment of an interface.
    AttachmentNotFound => "InvalidAttachmentID.NotFound", NotFound;
    /// Too many interfaces on an instance.
    AttachmentLimit => "AttachmentLimitExceeded", Invalid;
    /// Too many addresses on an interface.
    AddressLimit => "PrivateIpAddressLimitExceeded", Invalid;
    /// No such instance.
    InstanceNotFound => "InvalidInstanceID.NotFound", NotFound;
    /// It cannot be done to an instance that has several interfaces.
    InstanceAmbiguous => "InvalidInstanceID", Invalid;
    /// Too many instances.
    InstanceLimitExceeded => "InstanceLimitExceeded", Invalid;
    /// The host of an instance has no room for it.
    InsufficientInstanceCapacity => "InsufficientInstanceCapacity", Conflict;
    /// An instance is in another state than this needs.
    InstanceState => "IncorrectInstanceState", Conflict;
    /// There is no default to be used where nothing is named.
    MissingInput => "MissingInput", Invalid;
    /// No such volume.
    VolumeNotFound => "InvalidVolume.NotFound", NotFound;
    /// A device is mapped to a volume that cannot be.
    BlockDeviceMapping => "InvalidBlockDeviceMapping", Invalid;
    /// No volume has this device.
    BlockDeviceNotFound => "InvalidInstanceAttributeValue", NotFound;
    /// An image's id is malformed.
    ImageMalformed => "InvalidAMIID.Malformed", Invalid;
    /// An instance has ended or is about to.
    InstanceUnfit => "InvalidInstanceID", Conflict;
    /// No such image.
    ImageNotFound => "InvalidAMIID.NotFound", NotFound;
    /// No such key pair.
    KeyPairNotFound => "InvalidKeyPair.NotFound", NotFound;
    /// There is a key pair of that name already.
    KeyPairDuplicate => "InvalidKeyPair.Duplicate", Conflict;
    /// User data that is not base64 or too long.
    UserDataMalformed => "InvalidUserData.Malformed", Invalid;
    /// No such peering connection.
    PeeringNotFound => "InvalidVpcPeeringConnectionID.NotFound", NotFound;
    /// There is one between the two already.
    PeeringExists => "VpcPeeringConnectionAlreadyExists", Conflict;
    /// Too many requests wait.
    PeeringOutstandingLimit => "OutstandingVpcPeeringConnectionLimitExceeded", Invalid;
    /// Too many peerings.
    PeeringActiveLimit => "ActiveVpcPeeringConnectionPerVpcLimitExceeded", Invalid;
    /// Names cannot be resolved in a VPC without them.
    PeeringDnsDisabled => "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", Invalid;
    /// No such flow log.
    FlowLogNotFound => "InvalidFlowLogId.NotFound", NotFound;
    /// There is such a flow log already.
    FlowLogAlreadyExists => "FlowLogAlreadyExists", Conflict;
    /// Too many flow logs.
    FlowLogsLimitExceeded => "FlowLogsLimitExceeded", Invalid;
    /// No such path of Network Insights.
    InsightsPathNotFound => "InvalidNetworkInsightsPathId.NotFound", NotFound;
    /// A path of Network Insights has analyses.
    AnalysisExists => "AnalysisExistsForNetworkInsightsPath", Conflict;
    /// No such analysis of a path of Network Insights.
    AnalysisNotFound => "InvalidNetworkInsightsAnalysisId.NotFound", NotFound;
    /// Too many tags.
    TagLimitExceeded => "TagLimitExceeded", Invalid;
    /// A tag's key is not allowed.
    TagKeyMalformed => "InvalidTagKey.Malformed", Invalid;
}
