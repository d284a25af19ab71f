//! The kinds of things of which there are none: their ids, and how EC2 says that there is no such one.

use super::super::request::Ec2Error;

/// The parameter that names things of a kind, the prefix of their ids (empty where they have none), the
/// noun of EC2's message, and the error code.
pub(super) type Row = (&'static str, &'static str, &'static str, &'static str);

/// The kinds that EC2 has words of its own for.
pub(super) const KINDS: &[Row] = &[
    ("AllocationId", "eipalloc", "allocation ID", "InvalidAllocationID.NotFound"),
    (
        "CapacityReservationId",
        "cr",
        "capacity reservation ID",
        "InvalidCapacityReservationId.NotFound",
    ),
    ("CarrierGatewayId", "cagw", "carrierGateway ID", "InvalidCarrierGatewayID.NotFound"),
    (
        "ClientVpnEndpointId",
        "cvpn-endpoint",
        "Client VPN endpoint ID",
        "InvalidClientVpnEndpointId.NotFound",
    ),
    (
        "ConnectionNotificationId",
        "vpce-nfn",
        "connection notification ID",
        "InvalidConnectionNotification",
    ),
    ("CustomerGatewayId", "cgw", "customerGateway ID", "InvalidCustomerGatewayID.NotFound"),
    (
        "ExclusionId",
        "vpcbpa-exclude",
        "VPC BPA exclusion ID",
        "InvalidVpcBlockPublicAccessExclusionId.NotFound",
    ),
    ("FleetId", "fleet", "fleet ID", "InvalidFleetId.NotFound"),
    ("GroupId", "pg", "Placement Group", "InvalidPlacementGroup.Unknown"),
    ("GroupName", "", "Placement Group", "InvalidPlacementGroup.Unknown"),
    ("HostId", "h", "host ID", "InvalidHostID.NotFound"),
    (
        "InstanceConnectEndpointId",
        "eice",
        "EC2 Instance Connect Endpoint ID",
        "InvalidInstanceConnectEndpointId.NotFound",
    ),
    ("IpamId", "ipam", "IPAM ID", "InvalidIpamId.NotFound"),
    (
        "IpamPoolAllocationId",
        "ipam-pool-alloc",
        "IPAM pool allocation ID",
        "InvalidIpamPoolAllocationId.NotFound",
    ),
    ("IpamPoolId", "ipam-pool", "IPAM pool ID", "InvalidIpamPoolId.NotFound"),
    (
        "IpamResourceDiscoveryAssociationId",
        "ipam-res-disco-assoc",
        "IPAM resource discovery association ID",
        "InvalidIpamResourceDiscoveryAssociationId.NotFound",
    ),
    (
        "IpamResourceDiscoveryId",
        "ipam-res-disco",
        "IPAM resource discovery ID",
        "InvalidIpamResourceDiscoveryId.NotFound",
    ),
    ("IpamScopeId", "ipam-scope", "IPAM scope ID", "InvalidIpamScopeId.NotFound"),
    (
        "LaunchTemplateId",
        "lt",
        "launch template, with template ID",
        "InvalidLaunchTemplateId.NotFound",
    ),
    (
        "LaunchTemplateName",
        "",
        "launch template, with template name",
        "InvalidLaunchTemplateName.NotFoundException",
    ),
    ("LocalGatewayId", "lgw", "local gateway ID", "InvalidLocalGatewayID.NotFound"),
    (
        "LocalGatewayRouteTableId",
        "lgw-rtb",
        "local gateway route table ID",
        "InvalidLocalGatewayRouteTableID.NotFound",
    ),
    (
        "NetworkInsightsAccessScopeAnalysisId",
        "nisa",
        "network insights access scope analysis ID",
        "InvalidNetworkInsightsAccessScopeAnalysisId.NotFound",
    ),
    (
        "NetworkInsightsAccessScopeId",
        "nis",
        "network insights access scope ID",
        "InvalidNetworkInsightsAccessScopeId.NotFound",
    ),
    (
        "NetworkInterfacePermissionId",
        "eni-perm",
        "network interface permission ID",
        "InvalidPermissionID.NotFound",
    ),
    ("PoolId", "", "pool ID", "InvalidPoolID.NotFound"),
    ("ReservedInstancesId", "", "reserved instances ID", "InvalidReservedInstancesId"),
    ("ServiceId", "vpce-svc", "VpcEndpointService Id", "InvalidVpcEndpointServiceId.NotFound"),
    ("SnapshotId", "snap", "snapshot", "InvalidSnapshot.NotFound"),
    ("SpotFleetRequestId", "", "spot fleet request ID", "InvalidSpotFleetRequestId.NotFound"),
    (
        "SpotInstanceRequestId",
        "sir",
        "spot instance request ID",
        "InvalidSpotInstanceRequestID.NotFound",
    ),
    (
        "TrafficMirrorFilterId",
        "tmf",
        "traffic mirror filter ID",
        "InvalidTrafficMirrorFilterId.NotFound",
    ),
    (
        "TrafficMirrorFilterRuleId",
        "tmfr",
        "traffic mirror filter rule ID",
        "InvalidTrafficMirrorFilterRuleId.NotFound",
    ),
    (
        "TrafficMirrorSessionId",
        "tms",
        "traffic mirror session ID",
        "InvalidTrafficMirrorSessionId.NotFound",
    ),
    (
        "TrafficMirrorTargetId",
        "tmt",
        "traffic mirror target ID",
        "InvalidTrafficMirrorTargetId.NotFound",
    ),
    (
        "TransitGatewayAttachmentId",
        "tgw-attach",
        "transitGatewayAttachment ID",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    (
        "TransitGatewayConnectPeerId",
        "tgw-connect-peer",
        "transitGatewayConnectPeer ID",
        "InvalidTransitGatewayConnectPeerID.NotFound",
    ),
    ("TransitGatewayId", "tgw", "transitGateway ID", "InvalidTransitGatewayID.NotFound"),
    (
        "TransitGatewayMulticastDomainId",
        "tgw-mcast-domain",
        "transitGatewayMulticastDomain ID",
        "InvalidTransitGatewayMulticastDomainId.NotFound",
    ),
    (
        "TransitGatewayPolicyTableId",
        "tgw-ptb",
        "transitGatewayPolicyTable ID",
        "InvalidTransitGatewayPolicyTableId.NotFound",
    ),
    (
        "TransitGatewayRouteTableId",
        "tgw-rtb",
        "transitGatewayRouteTable ID",
        "InvalidRouteTableID.NotFound",
    ),
    (
        "VerifiedAccessEndpointId",
        "vae",
        "Verified Access endpoint ID",
        "InvalidVerifiedAccessEndpointId.NotFound",
    ),
    (
        "VerifiedAccessGroupId",
        "vagr",
        "Verified Access group ID",
        "InvalidVerifiedAccessGroupId.NotFound",
    ),
    (
        "VerifiedAccessInstanceId",
        "vai",
        "Verified Access instance ID",
        "InvalidVerifiedAccessInstanceId.NotFound",
    ),
    (
        "VerifiedAccessTrustProviderId",
        "vatp",
        "Verified Access trust provider ID",
        "InvalidVerifiedAccessTrustProviderId.NotFound",
    ),
    ("VpcEndpointId", "vpce", "Vpc Endpoint Id", "InvalidVpcEndpointId.NotFound"),
    ("VpnConnectionId", "vpn", "vpnConnection ID", "InvalidVpnConnectionID.NotFound"),
    ("VpnGatewayId", "vgw", "vpnGateway ID", "InvalidVpnGatewayID.NotFound"),
];

/// A kind of things of which there are none.
pub(super) struct Kind {
    prefix: &'static str,
    noun: String,
    code: String,
}

impl Kind {
    /// The kind that a parameter names. Where EC2 is not known to have words of its own for it, they are
    /// formed as it forms them.
    pub(super) fn of(parameter: &str) -> Self {
        // The newest actions have a plural where the others have none.
        let name = match parameter.strip_suffix("Ids") {
            Some(base) => format!("{base}Id"),
            None => parameter.to_owned(),
        };
        match KINDS.iter().find(|(known, ..)| *known == name) {
            Some((_, prefix, noun, code)) => {
                Self { prefix, noun: (*noun).to_owned(), code: (*code).to_owned() }
            }
            None => {
                let base = name.strip_suffix("Id").unwrap_or(&name);
                let mut first = base.chars();
                let lower = first.next().map(|letter| letter.to_ascii_lowercase());
                let lower: String = lower.into_iter().chain(first).collect();
                let code = format!("Invalid{base}Id.NotFound");
                Self { prefix: "", noun: format!("{lower} ID"), code }
            }
        }
    }
}

/// The error for ids of which none is known.
pub(super) fn not_found(kind: &Kind, ids: &[&str]) -> Ec2Error {
    let cut = |id: &str| id.chars().take(64).collect::<String>();
    if let Some(id) = ids.iter().find(|id| !is_of(kind, id)) {
        let code = kind.code.replace(".NotFound", ".Malformed");
        let message = format!("Invalid id: \"{}\" (expecting \"{}-...\")", cut(id), kind.prefix);
        return Ec2Error { code: code.into(), message, status: 400 };
    }
    let several = ids.len() > 1;
    let noun = match kind.noun.strip_suffix("ID").filter(|_| several) {
        Some(noun) => format!("{noun}IDs"),
        None => kind.noun.clone(),
    };
    let does = if several { "do" } else { "does" };
    let ids: Vec<String> = ids.iter().take(16).map(|id| cut(id)).collect();
    let message = format!("The {noun} '{}' {does} not exist", ids.join(", "));
    Ec2Error { code: kind.code.clone().into(), message, status: 400 }
}

fn is_of(kind: &Kind, id: &str) -> bool {
    let digits = id.strip_prefix(kind.prefix).and_then(|rest| rest.strip_prefix('-'));
    kind.prefix.is_empty()
        || digits.is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        })
}
