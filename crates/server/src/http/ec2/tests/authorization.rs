//! Every action on groups, network ACLs and prefix lists: with what is the caller's own, with what is another
//! account's, with what there is not, and with what is no id.

use model::{Record, World};

use super::stage::{Stage, alice, bob};

/// A kind of id: its mark in the forms, its prefix, and the codes for one that the caller cannot see and for
/// one that is malformed.
type Kind = (&'static str, &'static str, &'static str, &'static str);

const GROUP: Kind = ("~G", "sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed");
const OTHER: Kind = ("~H", "sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed");
const RULE: Kind =
    ("~R", "sgr", "InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed");
const ACL: Kind = ("~A", "acl", "InvalidNetworkAclID.NotFound", "InvalidNetworkAclId.Malformed");
const ASSOCIATION: Kind =
    ("~S", "aclassoc", "InvalidAssociationID.NotFound", "InvalidAssociationID.Malformed");
const LIST: Kind = ("~L", "pl", "InvalidPrefixListID.NotFound", "InvalidPrefixListId.Malformed");
const TABLE: Kind = ("~T", "rtb", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed");
const VPC: Kind = ("~V", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed");

const ALL: &str = "IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
const NEW: &str = "IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8";

/// The forms, with the kinds of ids that each has. With ids of the caller's own each is granted.
fn forms() -> Vec<(String, Vec<Kind>)> {
    let form =
        |text: &str, kinds: &[Kind]| (text.replace("ALL", ALL).replace("NEW", NEW), kinds.to_vec());
    vec![
        form("CreateSecurityGroup&VpcId=~V&GroupName=n&GroupDescription=d", &[VPC]),
        form("DescribeSecurityGroups&GroupId.1=~G", &[GROUP]),
        form("DescribeSecurityGroupRules&SecurityGroupRuleId.1=~R", &[RULE]),
        form("DescribeSecurityGroupReferences&GroupId.1=~G", &[GROUP]),
        form("DescribeStaleSecurityGroups&VpcId=~V", &[VPC]),
        form("GetSecurityGroupsForVpc&VpcId=~V", &[VPC]),
        form("AuthorizeSecurityGroupIngress&GroupId=~G&NEW", &[GROUP]),
        form("AuthorizeSecurityGroupEgress&GroupId=~G&NEW", &[GROUP]),
        form(
            "AuthorizeSecurityGroupIngress&GroupId=~G&IpPermissions.1.IpProtocol=-1\
             &IpPermissions.1.Groups.1.GroupId=~H",
            &[OTHER],
        ),
        form(
            "AuthorizeSecurityGroupIngress&GroupId=~G&IpPermissions.1.IpProtocol=-1\
             &IpPermissions.1.PrefixListIds.1.PrefixListId=~L",
            &[LIST],
        ),
        form("RevokeSecurityGroupEgress&GroupId=~G&ALL", &[GROUP]),
        form("RevokeSecurityGroupEgress&GroupId=~G&SecurityGroupRuleId.1=~R", &[GROUP, RULE]),
        form(
            "ModifySecurityGroupRules&GroupId=~G&SecurityGroupRule.1.SecurityGroupRuleId=~R\
             &SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1\
             &SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8",
            &[GROUP, RULE],
        ),
        form(
            "UpdateSecurityGroupRuleDescriptionsEgress&GroupId=~G\
             &SecurityGroupRuleDescription.1.SecurityGroupRuleId=~R\
             &SecurityGroupRuleDescription.1.Description=d",
            &[GROUP, RULE],
        ),
        form("UpdateSecurityGroupRuleDescriptionsEgress&GroupId=~G&ALL", &[GROUP]),
        form("DeleteSecurityGroup&GroupId=~G", &[GROUP]),
        form("CreateNetworkAcl&VpcId=~V", &[VPC]),
        form("DescribeNetworkAcls&NetworkAclId.1=~A", &[ACL]),
        form(
            "CreateNetworkAclEntry&NetworkAclId=~A&RuleNumber=9&Protocol=-1&RuleAction=deny\
             &Egress=true&Ipv6CidrBlock=::/0",
            &[ACL],
        ),
        form(
            "ReplaceNetworkAclEntry&NetworkAclId=~A&RuleNumber=5&Protocol=-1&RuleAction=allow\
             &Egress=true&CidrBlock=0.0.0.0/0",
            &[ACL],
        ),
        form("DeleteNetworkAclEntry&NetworkAclId=~A&RuleNumber=5&Egress=true", &[ACL]),
        form("ReplaceNetworkAclAssociation&AssociationId=~S&NetworkAclId=~A", &[ACL, ASSOCIATION]),
        form("DeleteNetworkAcl&NetworkAclId=~A", &[ACL]),
        form("DescribeManagedPrefixLists&PrefixListId.1=~L", &[LIST]),
        form("GetManagedPrefixListEntries&PrefixListId=~L", &[LIST]),
        form("GetManagedPrefixListAssociations&PrefixListId=~L", &[LIST]),
        form("ModifyManagedPrefixList&PrefixListId=~L&PrefixListName=n", &[LIST]),
        form(
            "RestoreManagedPrefixListVersion&PrefixListId=~L&PreviousVersion=1&CurrentVersion=2",
            &[LIST],
        ),
        form("DeleteManagedPrefixList&PrefixListId=~L", &[LIST]),
        form(
            "CreateRoute&RouteTableId=~T&DestinationPrefixListId=~L&VpcPeeringConnectionId=~P",
            &[TABLE, LIST],
        ),
    ]
}

/// A stage on which an account has one of each, and their ids by their marks.
fn owned_by_alice() -> (Stage, Vec<(&'static str, String)>) {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.1.0.0/16");
    let (peer, _) = stage.vpc(alice(), "10.2.0.0/16");
    let pcx = stage.ask((alice(), &vpc), (alice(), &peer));
    let mut make = |form: String, pointer: &str| stage.get(alice(), &form, pointer);
    let group = |name: &str| {
        format!("Action=CreateSecurityGroup&VpcId={vpc}&GroupName={name}&GroupDescription=d")
    };
    let (one, other) = (make(group("one"), "/groupId"), make(group("other"), "/groupId"));
    let acl = make(format!("Action=CreateNetworkAcl&VpcId={vpc}"), "/networkAcl/networkAclId");
    make(
        format!(
            "Action=CreateNetworkAclEntry&NetworkAclId={acl}&RuleNumber=5&Protocol=-1\
             &RuleAction=deny&Egress=true&CidrBlock=0.0.0.0/0"
        ),
        "/return",
    );
    let list = make(
        "Action=CreateManagedPrefixList&PrefixListName=l&AddressFamily=IPv4&MaxEntries=2".into(),
        "/prefixList/prefixListId",
    );
    make(
        format!("Action=ModifyManagedPrefixList&PrefixListId={list}&AddEntry.1.Cidr=10.2.0.0/16"),
        "/prefixList/version",
    );
    let table = stage.world.vpc(vpc.parse().unwrap()).unwrap().main_route_table.to_string();
    let rules = &stage.world.group(one.parse().unwrap()).unwrap().rules;
    let rule = rules.keys().next().unwrap().to_string();
    let subnet = stage.world.subnet(subnet.parse().unwrap()).unwrap();
    let association = subnet.acl_association.to_string();
    let ids = vec![
        ("~G", one),
        ("~H", other),
        ("~R", rule),
        ("~A", acl),
        ("~S", association),
        ("~L", list),
        ("~T", table),
        ("~V", vpc),
        ("~P", pcx),
    ];
    (stage, ids)
}

/// The form with some ids, of which those in `but` come first.
fn with(form: &str, but: &[(&str, &str)], ids: &[(&str, String)]) -> String {
    let form = but.iter().fold(format!("Action={form}"), |form, (mark, id)| form.replace(mark, id));
    ids.iter().fold(form, |form, (mark, id)| form.replace(mark, id))
}

fn records(world: &World) -> Vec<Record> {
    world.records().cloned().collect()
}

#[test]
fn each_id_is_its_owners_alone() {
    let (first, ids) = owned_by_alice();
    for (form, kinds) in forms() {
        let stage = || {
            let (mut stage, ids_again) = owned_by_alice();
            assert_eq!(ids_again, ids, "ids are counted, so every stage has the same");
            stage.draw_smaller_ids();
            stage
        };
        stage().call(alice(), &with(&form, &[], &ids)).unwrap_or_else(|e| panic!("{form}: {e:?}"));
        for (mark, prefix, not_found, malformed) in kinds {
            let absent = format!("{prefix}-0fedcba9876543210");
            let own = &ids.iter().find(|(of, _)| *of == mark).unwrap().1;
            let mut stage = stage();
            let refused = |stage: &mut Stage, scope, id: &str| {
                let text = with(&form, &[(mark, id)], &ids);
                let error = stage.call(scope, &text).unwrap_err();
                assert_eq!(records(&stage.world), records(&first.world), "{text}");
                error
            };
            let gone = refused(&mut stage, alice(), &absent);
            assert_eq!(gone.code, not_found, "{form} {mark}");
            for wrong in ["foobar", &format!("{prefix}-12345"), &format!("{prefix}-XYZ")] {
                let error = refused(&mut stage, alice(), wrong);
                assert_eq!(error.code, malformed, "{form} {wrong}");
            }
            // What is another's is answered as what there is not, but for the id.
            let text = with(&form, &[], &ids);
            if form.matches('~').count() == 1 {
                let error = stage.call(bob(), &text).unwrap_err();
                assert_eq!(error.code, gone.code, "{text}");
                assert_eq!(error.message, gone.message.replace(&absent, own), "{text}");
                assert_eq!(records(&stage.world), records(&first.world), "{text}");
            }
        }
    }
}

/// A group, a list and a peering of another account, named in what is one's own.
#[test]
fn what_one_names_beside_ones_own_must_be_ones_own_too() {
    let (mut stage, ids) = owned_by_alice();
    let (vpc, _) = stage.vpc(bob(), "10.3.0.0/16");
    let vpc = stage.world.vpc(vpc.parse().unwrap()).unwrap();
    let (group, table) = (vpc.default_group.to_string(), vpc.main_route_table.to_string());
    let before = records(&stage.world);
    for (form, but, code) in [
        (
            "AuthorizeSecurityGroupIngress&GroupId=~G&IpPermissions.1.IpProtocol=-1\
             &IpPermissions.1.Groups.1.GroupId=~H",
            ("~G", &group),
            "InvalidGroup.NotFound",
        ),
        (
            "AuthorizeSecurityGroupIngress&GroupId=~G&IpPermissions.1.IpProtocol=-1\
             &IpPermissions.1.PrefixListIds.1.PrefixListId=~L",
            ("~G", &group),
            "InvalidPrefixListID.NotFound",
        ),
        (
            "CreateRoute&RouteTableId=~T&DestinationPrefixListId=~L&VpcPeeringConnectionId=~P",
            ("~T", &table),
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
        (
            "RevokeSecurityGroupEgress&GroupId=~G&SecurityGroupRuleId.1=~R",
            ("~G", &group),
            "InvalidSecurityGroupRuleId.NotFound",
        ),
        (
            "ModifySecurityGroupRules&GroupId=~G&SecurityGroupRule.1.SecurityGroupRuleId=~R\
             &SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1\
             &SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8",
            ("~G", &group),
            "InvalidSecurityGroupRuleId.NotFound",
        ),
    ] {
        let text = with(form, &[(but.0, but.1.as_str())], &ids);
        assert_eq!(stage.call(bob(), &text).unwrap_err().code, code, "{text}");
        assert_eq!(records(&stage.world), before, "{text}");
    }
}
