//! Flow logs, Network Insights and the services of endpoints: whose they are, and what is answered.

use aws::xml::to_json;
use model::Record;

use super::stage::{Stage, alice, bob, scope};

fn transcript(name: &str, stage: &Stage) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, stage.transcript());
    });
}

const CLOUD_WATCH: &str = "TrafficType=ALL&LogGroupName=web\
                           &DeliverLogsPermissionArn=arn:aws:iam::111111111111:role/logs";
const S3: &str = "TrafficType=REJECT&LogDestinationType=s3&LogDestination=arn:aws:s3:::logs/web/";

/// Two instances in a VPC: its id, that of its subnet, and theirs.
fn instances(stage: &mut Stage, block: &str) -> (String, String, [String; 2]) {
    let (vpc, subnet) = stage.vpc(alice(), block);
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    let ids = [0, 1].map(|_| stage.get(alice(), &run, "/instancesSet/0/instanceId"));
    (vpc, subnet, ids)
}

fn interface(stage: &Stage, instance: &str) -> String {
    stage.world.instance(instance.parse().unwrap()).unwrap().eni.to_string()
}

#[test]
fn flow_logs() {
    let mut stage = Stage::new();
    let (vpc, subnet, [one, _]) = instances(&mut stage, "10.100.0.0/16");
    let eni = interface(&stage, &one);
    let create = format!(
        "Action=CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&ClientToken=once&{CLOUD_WATCH}\
         &TagSpecification.1.ResourceType=vpc-flow-log&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=all"
    );
    stage.show(alice(), &create);
    let first = stage.world.flow_logs().next().unwrap().id;
    let again = stage.get(alice(), &create, "/flowLogIdSet/0");
    assert_eq!(again, first.to_string(), "a repeated request makes nothing");
    stage.show(
        alice(),
        &format!("Action=CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&{CLOUD_WATCH}"),
    );
    stage.pass(1);
    stage.show(
        alice(),
        &format!(
            "Action=CreateFlowLogs&ResourceType=Subnet&ResourceId.1={subnet}&{S3}\
             &MaxAggregationInterval=60&LogFormat=%24%7Bsrcaddr%7D+%24%7Bdstaddr%7D\
             &DestinationOptions.FileFormat=parquet&DestinationOptions.PerHourPartition=true"
        ),
    );
    stage.show(
        alice(),
        &format!(
            "Action=CreateFlowLogs&ResourceType=NetworkInterface&ResourceId.1={eni}\
             &TrafficType=ACCEPT&LogDestinationType=kinesis-data-firehose\
             &LogDestination=arn:aws:firehose:us-east-1:111111111111:deliverystream/web"
        ),
    );
    stage.show(alice(), "Action=DescribeFlowLogs");
    stage.show(
        alice(),
        &format!("Action=CreateTags&ResourceId.1={first}&Tag.1.Key=Name&Tag.1.Value=web"),
    );
    stage.show(
        alice(),
        "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=vpc-flow-log",
    );
    stage.show(alice(), "Action=DescribeFlowLogs&FlowLogId.1=fl-0123456789abcdef0");
    stage.show(
        alice(),
        &format!("Action=DeleteFlowLogs&FlowLogId.1={first}&FlowLogId.2=fl-0123456789abcdef0"),
    );
    stage.show(alice(), "Action=DeleteFlowLogs&FlowLogId.1=fl-xyz");
    transcript("flow_logs", &stage);
}

#[test]
fn what_ec2_does_not_take_of_flow_logs_is_refused() {
    let mut stage = Stage::new();
    let (vpc, subnet, _) = instances(&mut stage, "10.100.0.0/16");
    for (form, code, message) in [
        ("ResourceType=VPC", "MissingParameter", "ResourceId"),
        ("ResourceType=VPC&ResourceId.1=~v", "MissingParameter", "TrafficType"),
        ("ResourceType=VPC&ResourceId.1=~s&TrafficType=ALL", "InvalidVpcID.Malformed", "vpc-"),
        ("ResourceType=Moon&ResourceId.1=~v", "InvalidParameterValue", "resourceType"),
        ("ResourceType=TransitGateway&ResourceId.1=tgw-1", "UnsupportedOperation", "Subnet"),
        (
            "ResourceType=VPC&ResourceId.1=~v&TrafficType=ALL",
            "InvalidParameter",
            "LogDestination can't be empty if LogGroupName is not provided.",
        ),
        (
            "ResourceType=VPC&ResourceId.1=~v&TrafficType=ALL&LogGroupName=a",
            "InvalidParameter",
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        ),
        (
            "ResourceType=VPC&ResourceId.1=~v&TrafficType=ALL&LogGroupName=a&LogDestinationType=s3",
            "InvalidParameter",
            "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
        ),
        (
            "ResourceType=VPC&ResourceId.1=~v&TrafficType=SOME&LogGroupName=a",
            "InvalidParameterValue",
            "trafficType",
        ),
        (
            "ResourceType=Subnet&ResourceId.1=~s&TrafficType=ALL&LogDestinationType=s3\
             &LogDestination=arn:aws:s3:::logs&MaxAggregationInterval=300",
            "InvalidParameter",
            "Invalid Flow Log Max Aggregation Interval",
        ),
        (
            "ResourceType=Subnet&ResourceId.1=~s&TrafficType=ALL&LogDestinationType=s3\
             &LogDestination=arn:aws:s3:::logs&DestinationOptions.FileFormat=xml",
            "InvalidParameterValue",
            "FileFormat",
        ),
        (
            "ResourceType=Subnet&ResourceId.1=~s&TrafficType=ALL&LogDestinationType=s3\
             &LogDestination=arn:aws:s3:::logs&TagFieldSpecification.1.ResourceType=instance",
            "InvalidParameterValue",
            "TagFieldSpecification",
        ),
    ] {
        let form = format!("Action=CreateFlowLogs&{form}").replace("~v", &vpc);
        let form = form.replace("~s", &subnet);
        let error = stage.call(alice(), &form).expect_err(&form);
        assert_eq!(error.code, code, "{form}: {error:?}");
        assert!(error.message.contains(message), "{form}: {error:?}");
    }
    assert_eq!(stage.world.flow_logs().count(), 0);
}

#[test]
fn network_insights() {
    let mut stage = Stage::new();
    let (vpc, _, [one, other]) = instances(&mut stage, "10.100.0.0/16");
    let eni = interface(&stage, &other);
    let create = format!(
        "Action=CreateNetworkInsightsPath&Source={one}\
         &Destination=arn:aws:ec2:us-east-1:111111111111:network-interface/{eni}&Protocol=tcp\
         &DestinationPort=5432&ClientToken=once\
         &TagSpecification.1.ResourceType=network-insights-path\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=database"
    );
    stage.show(alice(), &create);
    let path = stage.world.insights_paths().next().unwrap().id;
    let start = format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}");
    stage.show(alice(), &format!("{start}&ClientToken=one"));
    stage.pass(1);
    let of_path = format!("Action=DescribeNetworkInsightsAnalyses&NetworkInsightsPathId={path}");
    stage.show(alice(), &of_path);
    let first = stage.world.insights_analyses().next().unwrap().id;
    // Nobody is let in any more.
    let group = stage.world.vpc(vpc.parse().unwrap()).unwrap().default_group;
    let revoke = format!(
        "Action=RevokeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.Groups.1.GroupId={group}"
    );
    stage.call(alice(), &revoke).unwrap();
    let pointer = "/networkInsightsAnalysis/networkInsightsAnalysisId";
    let second = stage.get(alice(), &format!("{start}&ClientToken=two"), pointer);
    stage.pass(1);
    let describe =
        format!("Action=DescribeNetworkInsightsAnalyses&NetworkInsightsAnalysisId.1={second}");
    stage.show(alice(), &describe);
    // What was found earlier stays as it was.
    let found =
        "Action=DescribeNetworkInsightsAnalyses&Filter.1.Name=path-found&Filter.1.Value.1=true";
    let pointer = "/networkInsightsAnalysisSet/0/networkInsightsAnalysisId";
    assert_eq!(stage.get(alice(), found, pointer), first.to_string());
    stage.show(
        alice(),
        &format!("Action=DescribeNetworkInsightsPaths&Filter.1.Name=source&Filter.1.Value.1={one}"),
    );
    let delete_path = format!("Action=DeleteNetworkInsightsPath&NetworkInsightsPathId={path}");
    stage.show(alice(), &delete_path);
    for id in [first.to_string(), second] {
        let delete = "Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId=";
        stage.show(alice(), &format!("{delete}{id}"));
    }
    stage.show(alice(), &delete_path);
    stage.show(alice(), "Action=DescribeNetworkInsightsPaths");
    transcript("network_insights", &stage);
}

#[test]
fn an_analysis_names_the_route_and_the_acl_that_stop_a_packet() {
    let mut stage = Stage::new();
    let (vpc, _, [one, other]) = instances(&mut stage, "10.100.0.0/16");
    let acl = stage.world.vpc(vpc.parse().unwrap()).unwrap().default_acl;
    let ask = |stage: &mut Stage, rest: &str| {
        let create = format!("Action=CreateNetworkInsightsPath&Source={one}&Protocol=udp&{rest}");
        let path = stage.get(alice(), &create, "/networkInsightsPath/networkInsightsPathId");
        let start = format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}");
        let pointer = "/networkInsightsAnalysis/networkInsightsAnalysisId";
        let id = stage.get(alice(), &start, pointer);
        stage.pass(1);
        let describe =
            format!("Action=DescribeNetworkInsightsAnalyses&NetworkInsightsAnalysisId.1={id}");
        let answer = to_json(&stage.call(alice(), &describe).unwrap()).unwrap();
        answer["networkInsightsAnalysisSet"][0].clone()
    };
    let found = ask(
        &mut stage,
        "FilterAtSource.DestinationAddress=192.0.2.7&FilterAtSource.DestinationPortRange.FromPort=53",
    );
    assert_eq!(found["networkPathFound"].to_string().trim_matches('"'), "false", "{found:#}");
    let why = &found["explanationSet"][0];
    assert_eq!(why["explanationCode"], "NO_ROUTE_TO_DESTINATION", "{found:#}");
    assert!(why["routeTable"]["id"].as_str().unwrap().starts_with("rtb-"), "{found:#}");
    let found = ask(&mut stage, &format!("Destination={other}&DestinationPort=53"));
    assert_eq!(found["networkPathFound"].to_string().trim_matches('"'), "true", "{found:#}");
    // Answers into another subnet are guarded by the ACL.
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.100.9.0/24");
    let subnet = stage.get(alice(), &subnet, "/subnet/subnetId");
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    let far = stage.get(alice(), &run, "/instancesSet/0/instanceId");
    let deny = format!(
        "Action=CreateNetworkAclEntry&NetworkAclId={acl}&RuleNumber=5&Protocol=17&RuleAction=deny\
         &Egress=false&CidrBlock=10.100.9.0/24&PortRange.From=0&PortRange.To=65535"
    );
    stage.call(alice(), &deny).unwrap();
    let found = ask(&mut stage, &format!("Destination={far}&DestinationPort=53"));
    let why = &found["explanationSet"][0];
    assert_eq!(why["explanationCode"], "SUBNET_ACL_RESTRICTION", "{found:#}");
    assert_eq!(why["direction"], "ingress", "{found:#}");
    let number = why["aclRule"]["ruleNumber"].to_string();
    assert_eq!(number.trim_matches('"'), "5", "{found:#}");
    assert_eq!(why["acl"]["id"], acl.to_string(), "{found:#}");
}

#[test]
fn what_a_path_cannot_be_of_is_refused() {
    let mut stage = Stage::new();
    let (_, subnet, [one, other]) = instances(&mut stage, "10.100.0.0/16");
    for (rest, code) in [
        ("Protocol=tcp", "MissingParameter"),
        ("Source=~1", "MissingParameter"),
        ("Source=~1&Protocol=tcp", "MissingParameter"),
        ("Source=~1&Destination=~2&Protocol=icmp", "InvalidParameterValue"),
        ("Source=~1&Destination=~2&Protocol=tcp&DestinationPort=70000", "InvalidParameterValue"),
        ("Source=~1&Destination=~2&Protocol=tcp&SourceIp=10.0.0", "InvalidParameterValue"),
        ("Source=~1&Destination=~s&Protocol=tcp", "InvalidParameterValue"),
        ("Source=i-x&Destination=~2&Protocol=tcp", "InvalidInstanceID.Malformed"),
        (
            "Source=arn:aws:ec2:us-east-1:222222222222:instance/~1&Destination=~2&Protocol=tcp",
            "InvalidParameterValue",
        ),
        (
            "Source=~1&Destination=~2&Protocol=tcp&DestinationPort=1\
             &FilterAtSource.SourceAddress=10.100.1.4",
            "InvalidParameterCombination",
        ),
    ] {
        let form = format!("Action=CreateNetworkInsightsPath&{rest}").replace("~1", &one);
        let form = form.replace("~2", &other).replace("~s", &subnet);
        let error = stage.call(alice(), &form).expect_err(&form);
        assert_eq!(error.code, code, "{form}: {error:?}");
    }
}

/// The requests that name flow logs, paths, analyses or what they are of, with the mark of the id that
/// varies and its codes for one that is not there and one that is none.
const REQUESTS: &[(&str, &str, &str, &str)] = &[
    (
        "CreateFlowLogs&ResourceType=VPC&ResourceId.1=~v&TrafficType=ALL&LogDestinationType=s3\
         &LogDestination=arn:aws:s3:::other",
        "~v",
        "InvalidVpcID.NotFound",
        "InvalidVpcID.Malformed",
    ),
    (
        "CreateFlowLogs&ResourceType=Subnet&ResourceId.1=~s&TrafficType=ALL&LogDestinationType=s3\
         &LogDestination=arn:aws:s3:::other",
        "~s",
        "InvalidSubnetID.NotFound",
        "InvalidSubnetID.Malformed",
    ),
    (
        "CreateFlowLogs&ResourceType=NetworkInterface&ResourceId.1=~e&TrafficType=ALL\
         &LogDestinationType=s3&LogDestination=arn:aws:s3:::other",
        "~e",
        "InvalidNetworkInterfaceID.NotFound",
        "InvalidNetworkInterfaceId.Malformed",
    ),
    (
        "CreateTags&ResourceId.1=~l&Tag.1.Key=a&Tag.1.Value=b",
        "~l",
        "InvalidFlowLogId.NotFound",
        "InvalidID",
    ),
    (
        "CreateNetworkInsightsPath&Source=~i&Destination=~e&Protocol=tcp",
        "~i",
        "InvalidInstanceID.NotFound",
        "InvalidInstanceID.Malformed",
    ),
    (
        "CreateNetworkInsightsPath&Source=~i&Destination=~e&Protocol=tcp",
        "~e",
        "InvalidNetworkInterfaceID.NotFound",
        "InvalidNetworkInterfaceId.Malformed",
    ),
    (
        "CreateNetworkInsightsPath&Source=~g&Destination=~e&Protocol=tcp",
        "~g",
        "InvalidInternetGatewayID.NotFound",
        "InvalidInternetGatewayId.Malformed",
    ),
    (
        "StartNetworkInsightsAnalysis&NetworkInsightsPathId=~p",
        "~p",
        "InvalidNetworkInsightsPathId.NotFound",
        "InvalidNetworkInsightsPathId.Malformed",
    ),
    (
        "DescribeNetworkInsightsPaths&NetworkInsightsPathId.1=~p",
        "~p",
        "InvalidNetworkInsightsPathId.NotFound",
        "InvalidNetworkInsightsPathId.Malformed",
    ),
    (
        "DescribeNetworkInsightsAnalyses&NetworkInsightsAnalysisId.1=~a",
        "~a",
        "InvalidNetworkInsightsAnalysisId.NotFound",
        "InvalidNetworkInsightsAnalysisId.Malformed",
    ),
    (
        "DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId=~a",
        "~a",
        "InvalidNetworkInsightsAnalysisId.NotFound",
        "InvalidNetworkInsightsAnalysisId.Malformed",
    ),
    (
        "DeleteNetworkInsightsPath&NetworkInsightsPathId=~q",
        "~q",
        "InvalidNetworkInsightsPathId.NotFound",
        "InvalidNetworkInsightsPathId.Malformed",
    ),
];

#[test]
fn what_is_anothers_is_answered_as_what_there_is_not() {
    let mut stage = Stage::new();
    let (vpc, subnet, [one, other]) = instances(&mut stage, "10.100.0.0/16");
    let eni = interface(&stage, &other);
    let mut make = |form: &str, pointer: &str| stage.get(alice(), form, pointer);
    let log = make(
        &format!("Action=CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&{S3}"),
        "/flowLogIdSet/0",
    );
    let path =
        format!("Action=CreateNetworkInsightsPath&Source={one}&Destination={other}&Protocol=tcp");
    let [path, bare] = [0, 1].map(|_| make(&path, "/networkInsightsPath/networkInsightsPathId"));
    let analysis = make(
        &format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}"),
        "/networkInsightsAnalysis/networkInsightsAnalysisId",
    );
    let gateway = make("Action=CreateInternetGateway", "/internetGateway/internetGatewayId");
    let ids = [
        ("~v", vpc),
        ("~s", subnet),
        ("~e", eni),
        ("~i", one),
        ("~l", log),
        ("~p", path),
        ("~q", bare),
        ("~a", analysis),
        ("~g", gateway),
    ];
    let records = |stage: &Stage| stage.world.records().cloned().collect::<Vec<Record>>();
    let elsewhere = scope("111111111111", "eu-west-1");
    let all = |form: &str| ids.iter().fold(form.to_owned(), |f, (mark, id)| f.replace(mark, id));
    for (form, mark, not_found, malformed) in REQUESTS {
        let own = &ids.iter().find(|(of, _)| of == mark).unwrap().1;
        let (prefix, _) = own.rsplit_once('-').unwrap();
        let nobodys = format!("{prefix}-0fedcba9876543210");
        let before = records(&stage);
        let mut refused = |scope, id: &str| {
            let form = all(&format!("Action={form}").replace(mark, id));
            let error = stage.call(scope, &form).expect_err(&form);
            assert_eq!(records(&stage), before, "a refusal changes nothing: {form}");
            (error.code.into_owned(), error.message)
        };
        assert_eq!(refused(alice(), &format!("{prefix}-nonsense")).0, *malformed, "{form}");
        let (code, message) = refused(alice(), &nobodys);
        assert_eq!(code, *not_found, "{form}");
        if form.matches('~').count() == 1 {
            for scope in [bob(), elsewhere] {
                let (code, said) = refused(scope, own);
                let expected = message.replace(&nobodys, own);
                assert_eq!((code.as_str(), said), (*not_found, expected), "{form}");
            }
        }
        let form = all(&format!("Action={form}"));
        stage.call(alice(), &form).unwrap_or_else(|error| panic!("{form}: {error:?}"));
    }
    // Lists have what is one's own alone.
    for action in
        ["DescribeFlowLogs", "DescribeNetworkInsightsPaths", "DescribeNetworkInsightsAnalyses"]
    {
        for scope in [bob(), elsewhere] {
            let answer = stage.call(scope, &format!("Action={action}")).unwrap();
            assert!(!answer.contains("<item>"), "{action}: {answer}");
        }
    }
}

#[test]
fn endpoint_services() {
    let mut stage = Stage::new();
    let s3 = "Action=DescribeVpcEndpointServices&ServiceName.1=com.amazonaws.us-east-1.s3";
    stage.show(alice(), &format!("{s3}&Filter.1.Name=service-type&Filter.1.Value.1=Gateway"));
    stage.show(
        scope("111111111111", "eu-central-1"),
        "Action=DescribeVpcEndpointServices&Filter.1.Name=service-name&Filter.1.Value.1=*.ecr.*",
    );
    stage.show(alice(), "Action=DescribeVpcEndpointServices&ServiceName.1=com.amazonaws.mars.s3");
    stage
        .show(alice(), "Action=DescribeVpcEndpointServices&Filter.1.Name=tag:a&Filter.1.Value.1=b");
    stage.show(alice(), "Action=CreateVpcEndpoint&VpcId=vpc-0123456789abcdef0");
    transcript("endpoint_services", &stage);
}

#[test]
fn endpoint_services_come_in_pages_and_with_both_kinds() {
    let mut stage = Stage::new();
    let mut list = |rest: &str| {
        let form = format!("Action=DescribeVpcEndpointServices{rest}");
        to_json(&stage.call(alice(), &form).unwrap()).unwrap()
    };
    let whole = list("");
    let names = whole["serviceNameSet"].as_array().unwrap();
    let details = whole["serviceDetailSet"].as_array().unwrap();
    // S3 and DynamoDB are reached in both ways.
    assert_eq!(details.len(), names.len() + 2);
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = list(&format!("&MaxResults=20{token}"));
        seen.extend(page["serviceDetailSet"].as_array().unwrap().clone());
        match page["nextToken"].as_str() {
            Some(next) => token = format!("&NextToken={next}"),
            None => break,
        }
    }
    assert_eq!(seen, *details);
    let count = |rest: &str, list: &mut dyn FnMut(&str) -> serde_json::Value| {
        list(rest)["serviceDetailSet"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count("&Filter.1.Name=service-type&Filter.1.Value.1=Gateway", &mut list), 2);
    assert_eq!(count("&Filter.1.Name=owner&Filter.1.Value.1=amazon", &mut list), details.len());
    assert_eq!(count("&ServiceRegion.1=eu-west-1", &mut list), 0);
}
