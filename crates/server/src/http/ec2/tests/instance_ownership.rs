//! Whose instances, interfaces, volumes and key pairs a request may name: one's own. Another account's
//! are as if they were not, what is malformed is said to be, and no refusal changes anything.

use model::{Scope, WorkloadId, WorkloadReport};

use super::stage::{Stage, alice, bob, scope};

/// An id of a kind as it is nobody's, and as it is none.
struct Kind {
    nobody: &'static str,
    malformed: &'static str,
    not_found: &'static str,
    code_malformed: &'static str,
}

const INSTANCE: Kind = Kind {
    nobody: "i-0fffffffffffffff0",
    malformed: "i-xyz",
    not_found: "InvalidInstanceID.NotFound",
    code_malformed: "InvalidInstanceID.Malformed",
};
const INTERFACE: Kind = Kind {
    nobody: "eni-0fffffffffffffff0",
    malformed: "eni-1",
    not_found: "InvalidNetworkInterfaceID.NotFound",
    code_malformed: "InvalidNetworkInterfaceId.Malformed",
};
const ATTACHMENT: Kind = Kind {
    nobody: "eni-attach-0fffffffffffffff0",
    malformed: "eni-attach-",
    not_found: "InvalidAttachmentID.NotFound",
    code_malformed: "InvalidAttachmentID.Malformed",
};
const VOLUME: Kind = Kind {
    nobody: "vol-0fffffffffffffff0",
    malformed: "vol-xyz",
    not_found: "InvalidVolume.NotFound",
    code_malformed: "InvalidVolumeID.Malformed",
};
const KEY_PAIR: Kind = Kind {
    nobody: "key-0fffffffffffffff0",
    malformed: "key-xyz",
    not_found: "InvalidKeyPair.NotFound",
    code_malformed: "InvalidKeyPairId.Malformed",
};

/// What an account has of everything: `~i` is its instance, `~e` and `~f` interfaces that are not attached, `~a`
/// the attachment of another one, `~v` the volume, `~k` the key pair, `~s` the subnet.
fn furnish(stage: &mut Stage, of: Scope, block: &str) -> [(&'static str, String); 7] {
    let (_, subnet) = stage.vpc(of, block);
    let run = format!(
        "Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}\
         &InstanceType=m5.large"
    );
    let instance = stage.get(of, &run, "/instancesSet/0/instanceId");
    let id = WorkloadId::Instance(instance.parse().unwrap());
    stage.observe(model::Observation {
        workloads: [(id, WorkloadReport::Running)].into(),
        ..Default::default()
    });
    let make = format!("Action=CreateNetworkInterface&SubnetId={subnet}");
    let [free, other, used] =
        [0, 1, 2].map(|_| stage.get(of, &make, "/networkInterface/networkInterfaceId"));
    let attach = format!(
        "Action=AttachNetworkInterface&NetworkInterfaceId={used}&InstanceId={instance}&DeviceIndex=1"
    );
    let attachment = stage.get(of, &attach, "/attachmentId");
    let volumes = format!(
        "Action=DescribeVolumes&Filter.1.Name=attachment.instance-id&Filter.1.Value.1={instance}"
    );
    let volume = stage.get(of, &volumes, "/volumeSet/0/volumeId");
    let key = "Action=CreateKeyPair&KeyName=mine&KeyType=ed25519";
    let key = stage.get(of, key, "/keyPairId");
    [
        ("~i", instance),
        ("~e", free),
        ("~f", other),
        ("~a", attachment),
        ("~v", volume),
        ("~k", key),
        ("~s", subnet),
    ]
}

/// A request, the place of the id that varies, and what kind of id it is.
const REQUESTS: &[(&str, &str, &Kind)] = &[
    ("Action=DescribeInstances&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=DescribeInstanceStatus&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=DescribeInstanceAttribute&Attribute=userData&InstanceId=~i", "~i", &INSTANCE),
    ("Action=GetConsoleOutput&InstanceId=~i", "~i", &INSTANCE),
    ("Action=MonitorInstances&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=UnmonitorInstances&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=ModifyInstanceAttribute&DisableApiStop.Value=false&InstanceId=~i", "~i", &INSTANCE),
    (
        "Action=ModifyInstanceCreditSpecification&InstanceCreditSpecification.1.InstanceId=~i\
         &InstanceCreditSpecification.1.CpuCredits=standard",
        "~i",
        &INSTANCE,
    ),
    ("Action=ModifyInstanceMetadataOptions&HttpTokens=required&InstanceId=~i", "~i", &INSTANCE),
    (
        "Action=ModifyInstanceMaintenanceOptions&AutoRecovery=disabled&InstanceId=~i",
        "~i",
        &INSTANCE,
    ),
    (
        "Action=ModifyPrivateDnsNameOptions&PrivateDnsHostnameType=ip-name&InstanceId=~i",
        "~i",
        &INSTANCE,
    ),
    ("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=~e", "~e", &INTERFACE),
    (
        "Action=DescribeNetworkInterfaceAttribute&Attribute=description&NetworkInterfaceId=~e",
        "~e",
        &INTERFACE,
    ),
    (
        "Action=ModifyNetworkInterfaceAttribute&Description.Value=x&NetworkInterfaceId=~e",
        "~e",
        &INTERFACE,
    ),
    ("Action=ResetNetworkInterfaceAttribute&NetworkInterfaceId=~e", "~e", &INTERFACE),
    (
        "Action=AssignPrivateIpAddresses&SecondaryPrivateIpAddressCount=1&NetworkInterfaceId=~e",
        "~e",
        &INTERFACE,
    ),
    (
        "Action=AttachNetworkInterface&NetworkInterfaceId=~f&InstanceId=~i&DeviceIndex=2",
        "~i",
        &INSTANCE,
    ),
    ("Action=DetachNetworkInterface&AttachmentId=~a", "~a", &ATTACHMENT),
    (
        "Action=AttachNetworkInterface&NetworkInterfaceId=~e&InstanceId=~i&DeviceIndex=1",
        "~e",
        &INTERFACE,
    ),
    ("Action=DescribeVolumes&VolumeId.1=~v", "~v", &VOLUME),
    ("Action=DescribeVolumeStatus&VolumeId.1=~v", "~v", &VOLUME),
    ("Action=DescribeVolumeAttribute&Attribute=autoEnableIO&VolumeId=~v", "~v", &VOLUME),
    ("Action=DescribeKeyPairs&KeyPairId.1=~k", "~k", &KEY_PAIR),
    ("Action=RebootInstances&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=StopInstances&InstanceId.1=~i", "~i", &INSTANCE),
    ("Action=TerminateInstances&InstanceId.1=~i", "~i", &INSTANCE),
];

fn filled(request: &str, things: &[(&'static str, String)]) -> String {
    things.iter().fold(request.to_owned(), |form, (place, id)| form.replace(place, id))
}

#[test]
fn only_ones_own_can_be_named() {
    let mut stage = Stage::new();
    let mine = furnish(&mut stage, alice(), "10.1.0.0/16");
    let theirs = furnish(&mut stage, bob(), "10.2.0.0/16");
    let elsewhere = scope("111111111111", "eu-west-1");
    for (request, place, kind) in REQUESTS {
        let with = |id: &str| filled(&request.replace(place, id), &mine);
        let of = |things: &[(&'static str, String)]| {
            things.iter().find(|(name, _)| name == place).unwrap().1.clone()
        };
        for (id, code) in [
            (of(&theirs).as_str(), kind.not_found),
            (kind.nobody, kind.not_found),
            (kind.malformed, kind.code_malformed),
        ] {
            let form = with(id);
            let before = stage.world.clone();
            let error = stage.call(alice(), &form).expect_err(&form);
            assert_eq!(error.code, code, "{form}: {error:?}");
            let same = before.records().eq(stage.world.records());
            assert!(same, "a refusal changes nothing: {form}");
        }
        let own = with(&of(&mine));
        // In another region nothing of it is there, whichever is looked for first.
        let error = stage.call(elsewhere, &own).expect_err(&own);
        assert!(error.code.ends_with(".NotFound"), "{own}: {error:?}");
        stage.call(alice(), &own).unwrap_or_else(|error| panic!("{own}: {error:?}"));
    }
}

#[test]
fn several_that_are_unknown_are_named_together() {
    let mut stage = Stage::new();
    let mine = furnish(&mut stage, alice(), "10.1.0.0/16");
    let ids = ["fffffffffffffff0", "fffffffffffffff1"];
    for (action, parameter, prefix, message) in [
        ("DescribeInstances", "InstanceId", "i", "The instance IDs 'i-0A, i-0B' do not exist"),
        ("StopInstances", "InstanceId", "i", "The instance IDs 'i-0A, i-0B' do not exist"),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaceId",
            "eni",
            "The networkInterface IDs 'eni-0A, eni-0B' do not exist",
        ),
        (
            "DescribeTransitGateways",
            "TransitGatewayIds",
            "tgw",
            "The transitGateway IDs 'tgw-0A, tgw-0B' do not exist",
        ),
    ] {
        let [a, b] = ids;
        let form =
            format!("Action={action}&{parameter}.1={prefix}-0{a}&{parameter}.2={prefix}-0{b}");
        let message = message.replace('A', a).replace('B', b);
        assert_eq!(stage.call(alice(), &form).unwrap_err().message, message);
    }
    assert_eq!(mine.len(), 7);
}

#[test]
fn a_private_key_is_seen_once() {
    let mut stage = Stage::new();
    let make = "Action=CreateKeyPair&KeyName=a&KeyType=ed25519";
    let made = stage.call(alice(), make).unwrap();
    assert!(made.contains("-----BEGIN OPENSSH PRIVATE KEY-----"), "{made}");
    for record in stage.world.records() {
        assert!(!record.body().contains("PRIVATE"), "{}", record.body());
    }
    let shown = "Action=DescribeKeyPairs&IncludePublicKey=true";
    let shown = stage.call(alice(), shown).unwrap();
    assert!(shown.contains("<publicKey>ssh-ed25519 ") && !shown.contains("PRIVATE"), "{shown}");
    assert_eq!(stage.call(alice(), make).unwrap_err().code, "InvalidKeyPair.Duplicate");
    let unknown = "Action=DescribeKeyPairs&KeyName.1=b&KeyName.2=a";
    let error = stage.call(alice(), unknown).unwrap_err();
    assert_eq!(error.message, "The key pair 'b' does not exist");
    assert!(!stage.call(bob(), "Action=DescribeKeyPairs").unwrap().contains("<item>"));
}
