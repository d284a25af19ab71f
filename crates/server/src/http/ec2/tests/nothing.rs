//! What EC2 has and Causeway does not: there is none, none is found, and none can be made.

use aws::xml::to_json;

use super::stage::{Stage, alice};

#[test]
fn there_is_none_of_it() {
    let mut stage = Stage::new();
    for (form, set) in [
        (
            "Action=DescribeVpnGateways&Filter.1.Name=attachment.vpc-id&Filter.1.Value.1=vpc-1",
            "vpnGatewaySet",
        ),
        ("Action=DescribeCustomerGateways", "customerGatewaySet"),
        (
            "Action=DescribeVpnConnections&Filter.1.Name=tag:Name&Filter.1.Value.1=x",
            "vpnConnectionSet",
        ),
        ("Action=DescribeTransitGateways&MaxResults=5", "transitGatewaySet"),
        ("Action=DescribeTransitGatewayAttachments", "transitGatewayAttachments"),
        ("Action=DescribeTransitGatewayRouteTables", "transitGatewayRouteTables"),
        (
            "Action=DescribeVpcEndpoints&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1",
            "vpcEndpointSet",
        ),
        ("Action=DescribeCarrierGateways", "carrierGatewaySet"),
        ("Action=DescribePlacementGroups", "placementGroupSet"),
        ("Action=DescribeAddressTransfers", "addressTransferSet"),
        ("Action=DescribeSnapshots&Owner.1=self", "snapshotSet"),
        ("Action=DescribeSpotInstanceRequests", "spotInstanceRequestSet"),
        ("Action=DescribeCapacityReservations", "capacityReservationSet"),
        ("Action=DescribeLaunchTemplates", "launchTemplates"),
        ("Action=DescribeLocalGateways", "localGatewaySet"),
        ("Action=DescribeNetworkInsightsAccessScopes", "networkInsightsAccessScopeSet"),
        ("Action=DescribeIpams", "ipamSet"),
        ("Action=DescribeTrafficMirrorSessions", "trafficMirrorSessionSet"),
        ("Action=DescribeClientVpnEndpoints", "clientVpnEndpoint"),
        ("Action=DescribeInstanceConnectEndpoints", "instanceConnectEndpointSet"),
        ("Action=DescribeVerifiedAccessInstances", "verifiedAccessInstanceSet"),
        ("Action=DescribeVolumesModifications", "volumeModificationSet"),
    ] {
        let answer = stage.call(alice(), form).unwrap_or_else(|error| panic!("{form}: {error:?}"));
        assert!(answer.contains(&format!("<{set}/>")), "{form}: {answer}");
        assert!(to_json(&answer).is_ok());
    }
    for form in [
        "Action=DescribeVpnGateways&Filter.1.Name=colour&Filter.1.Value.1=red",
        "Action=DescribeTransitGateways&MaxResults=0",
    ] {
        assert_eq!(stage.call(alice(), form).unwrap_err().code, "InvalidParameterValue", "{form}");
    }
    let unread = "Action=DescribeVpnGateways&Colour=red";
    assert_eq!(stage.call(alice(), unread).unwrap_err().code, "UnknownParameter");
}

#[test]
fn none_of_it_is_found() {
    for (form, code) in [
        ("DescribeVpnGateways&VpnGatewayId.1=vgw-12345678", "InvalidVpnGatewayID.NotFound"),
        ("DescribeVpnGateways&VpnGatewayId.1=igw-12345678", "InvalidVpnGatewayID.Malformed"),
        (
            "DescribeTransitGateways&TransitGatewayIds.1=tgw-12345678",
            "InvalidTransitGatewayID.NotFound",
        ),
        (
            "SearchTransitGatewayRoutes&TransitGatewayRouteTableId=tgw-rtb-12345678\
             &Filter.1.Name=type&Filter.1.Value.1=static",
            "InvalidRouteTableID.NotFound",
        ),
        ("DescribeVpcEndpoints&VpcEndpointId.1=vpce-12345678", "InvalidVpcEndpointId.NotFound"),
        ("DescribeSnapshots&SnapshotId.1=snap-12345678", "InvalidSnapshot.NotFound"),
        (
            "DescribeLaunchTemplates&LaunchTemplateId.1=lt-12345678",
            "InvalidLaunchTemplateId.NotFound",
        ),
        (
            "DescribeLaunchTemplates&LaunchTemplateName.1=web",
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ("DescribePlacementGroups&GroupName.1=web", "InvalidPlacementGroup.Unknown"),
        ("DescribeRouteServers&RouteServerId.1=rs-12345678", "InvalidRouteServerId.NotFound"),
        ("DeleteVpnGateway&VpnGatewayId=vgw-12345678", "InvalidVpnGatewayID.NotFound"),
        ("DeleteTransitGateway&TransitGatewayId=tgw-12345678", "InvalidTransitGatewayID.NotFound"),
        ("DeleteVpcEndpoints&VpcEndpointId.1=vpce-12345678", "InvalidVpcEndpointId.NotFound"),
        ("DeleteSnapshot&SnapshotId=snap-12345678", "InvalidSnapshot.NotFound"),
    ] {
        let form = format!("Action={form}");
        assert_eq!(Stage::new().call(alice(), &form).unwrap_err().code, code, "{form}");
    }
}

#[test]
fn none_of_it_can_be_made() {
    for (form, instead) in [
        (
            "CreateVpnGateway&Type=ipsec.1",
            "VPN gateways are not offered here. VPCs are joined by VPC peering",
        ),
        ("AttachVpnGateway&VpnGatewayId=vgw-1&VpcId=vpc-1", "VPN gateways"),
        ("CreateTransitGateway", "Transit gateways"),
        ("CreateVpcEndpoint&VpcId=vpc-1", "VPC endpoints"),
        ("CreateVolume&Size=1", "root volume"),
        ("AttachVolume&VolumeId=vol-1", "root volume"),
        ("CreateSnapshot&VolumeId=vol-1", "Snapshots"),
        ("CreateImage&InstanceId=i-1", "DescribeImages"),
        ("RequestSpotInstances", "RunInstances"),
        ("CreateLaunchTemplate", "RunInstances"),
        ("CreatePlacementGroup&GroupName=a", "Placement groups"),
        ("AssociateIamInstanceProfile&InstanceId=i-1", "user data"),
    ] {
        let form = format!("Action={form}");
        let error = Stage::new().call(alice(), &form).unwrap_err();
        assert_eq!(error.code, "UnsupportedOperation", "{form}");
        assert!(error.message.contains(instead), "{form}: {}", error.message);
    }
}
