//! What can be asked for and is not offered, and what there is instead.

const PEERING: &str = "VPCs are joined by VPC peering connections: CreateVpcPeeringConnection.";
const OWN: &str = "Instances reach other networks by peering, gateways and addresses alone.";
const VOLUMES: &str = "An instance has its root volume alone, which follows from the instance.";
const IMAGES: &str = "Every instance runs the programs of the host: DescribeImages lists what it can \
                      be started from.";
const MARKET: &str = "RunInstances starts instances; they share the machine and cost nothing.";
const CAPACITY: &str = "Instances share the machine; its capacity cannot be set apart.";
const BLOCKS: &str = "Blocks are chosen by who makes a VPC or a subnet.";
const EXEC: &str = "`causeway exec` opens a shell in an instance.";

/// A word in the name of an action, what it stands for, and what there is instead. Longer words come
/// before those that they hold.
const NOUNS: &[(&str, &str, &str)] = &[
    ("AddressTransfer", "Transfers of addresses", "Release the address, and allocate another."),
    ("BundleInstance", "Bundles of instances", IMAGES),
    ("BundleTask", "Bundles of instances", IMAGES),
    ("Byoasn", "Numbers of autonomous systems", BLOCKS),
    ("ByoipCidr", "Addresses of one's own", "AllocateAddress gives one of the host's."),
    ("CapacityBlock", "Capacity blocks", CAPACITY),
    ("CapacityManager", "Capacity managers", CAPACITY),
    ("CapacityReservation", "Capacity reservations", CAPACITY),
    ("CarrierGateway", "Carrier gateways", OWN),
    ("ClassicLink", "Links to EC2-Classic", PEERING),
    ("ClientVpn", "Client VPN endpoints", PEERING),
    ("Coip", "Pools of Outposts", OWN),
    ("ConversionTask", "Conversions", IMAGES),
    ("CustomerGateway", "Customer gateways", PEERING),
    ("DeclarativePolicies", "Declarative policies", ""),
    ("EbsDefaultKmsKeyId", "Keys of volumes", VOLUMES),
    ("EbsEncryptionByDefault", "Encrypted volumes", VOLUMES),
    ("EnclaveCertificate", "Enclaves", MARKET),
    ("ExportImage", "Exports of images", IMAGES),
    ("ExportTask", "Exports", IMAGES),
    ("FastLaunch", "Faster launches", IMAGES),
    ("FastSnapshotRestore", "Snapshots", VOLUMES),
    ("Fleet", "Fleets", MARKET),
    ("FpgaImage", "FPGA images", IMAGES),
    ("HostReservation", "Dedicated hosts", CAPACITY),
    ("Hosts", "Dedicated hosts", CAPACITY),
    (
        "IamInstanceProfile",
        "Roles of instances",
        "Give an instance what it needs by its user data.",
    ),
    ("InstanceConnectEndpoint", "EC2 Instance Connect Endpoints", EXEC),
    ("InstanceEvent", "Events of instances", ""),
    ("InstanceExportTask", "Exports of instances", IMAGES),
    ("InterruptibleCapacity", "Capacity reservations", CAPACITY),
    ("Ipam", "IP address managers", BLOCKS),
    ("LaunchTemplate", "Launch templates", "Give RunInstances the parameters themselves."),
    ("LocalGateway", "Local gateways", OWN),
    (
        "NetworkInsightsAccessScope",
        "Network access scopes",
        "CreateNetworkInsightsPath asks about packets between two ends.",
    ),
    ("PlacementGroup", "Placement groups", CAPACITY),
    ("PublicIpv4Pool", "Pools of addresses", "AllocateAddress gives one of the host's."),
    ("ReplaceRootVolume", "Other root volumes", VOLUMES),
    ("ReservedInstances", "Reserved instances", MARKET),
    ("RouteServer", "Route servers", "Routes are made by CreateRoute."),
    ("ScheduledInstances", "Scheduled instances", MARKET),
    ("SecondaryNetwork", "Secondary networks", OWN),
    ("SecondarySubnet", "Secondary networks", OWN),
    ("SerialConsole", "Serial consoles", EXEC),
    ("Snapshot", "Snapshots", VOLUMES),
    ("SpotDatafeed", "Spot instances", MARKET),
    ("SpotFleet", "Spot instances", MARKET),
    ("SpotInstance", "Spot instances", MARKET),
    ("StoreImageTask", "Stored images", IMAGES),
    ("TrafficMirror", "Mirrors of traffic", "Capture packets inside an instance."),
    ("TransitGateway", "Transit gateways", PEERING),
    ("TrunkInterface", "Trunk interfaces", OWN),
    ("VerifiedAccess", "Verified Access", PEERING),
    ("Volume", "Volumes of one's own", VOLUMES),
    ("VpcBlockPublicAccess", "Blocks of public access", "Security groups and network ACLs do it."),
    ("VpcEncryptionControl", "Encryption controls", PEERING),
    ("VpcEndpoint", "VPC endpoints", PEERING),
    ("VpnConcentrator", "VPN connections", PEERING),
    ("VpnConnection", "VPN connections", PEERING),
    ("VpnGateway", "VPN gateways", PEERING),
    ("VpnTunnel", "VPN connections", PEERING),
    // What is left of images and instances.
    ("ImportInstance", "Imports", IMAGES),
    ("Image", "Images of one's own", IMAGES),
];

/// How the names of actions begin that make something, or take it for something new.
const MAKING: [&str; 20] = [
    "Accept",
    "Advertise",
    "Allocate",
    "Apply",
    "Associate",
    "Assign",
    "Attach",
    "Authorize",
    "Bundle",
    "Copy",
    "Create",
    "Enable",
    "Export",
    "Import",
    "Lock",
    "Provision",
    "Purchase",
    "Register",
    "Request",
    "Run",
];
/// How the names of actions begin that change or end something.
const CHANGING: [&str; 24] = [
    "Cancel",
    "Confirm",
    "Delete",
    "Deprovision",
    "Deregister",
    "Detach",
    "Disable",
    "Disassociate",
    "Modify",
    "Move",
    "Reject",
    "Release",
    "Replace",
    "Reset",
    "Restore",
    "Revoke",
    "Send",
    "Start",
    "Terminate",
    "Unlock",
    "Update",
    "Withdraw",
    "Deny",
    "Exit",
];

fn begins(action: &str, verbs: &[&str]) -> bool {
    verbs.iter().any(|verb| {
        let rest = action.strip_prefix(verb);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

/// Whether an action changes or ends something that it names.
pub(super) fn takes_what_is_there(action: &str) -> bool {
    begins(action, &CHANGING)
}

/// What an action asks for that is not offered, and what there is instead.
pub(super) fn of(action: &str) -> Option<(&'static str, &'static str)> {
    if !begins(action, &MAKING) && !begins(action, &CHANGING) {
        return None;
    }
    let (_, what, instead) = NOUNS.iter().find(|(noun, ..)| action.contains(noun))?;
    Some((what, instead))
}
