//! Flow logs.
//!
//! Records are kept here (`crate::flows`) and delivered to nobody else, so every flow log says that its delivery
//! fails.

use aws::params::Params;
use aws::xml::Xml;
use model::{
    CreateFlowLogs, Ec2Command, FlowLog, FlowLogDestination, FlowLogFiles, FlowLogId,
    FlowLogSettings, FlowLogSubject, FlowLogTraffic, Key, Reply, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, describe_known, many, one, write_tags};
use super::input::{self, not_offered, parse_id};
use super::request::{Ec2Error, Request};

/// The most resources that one request names, as in EC2.
const MOST_RESOURCES: usize = 300;
/// The most flow logs that one request deletes, as in EC2.
const MOST_DELETED: usize = 1000;
/// Whether records get to where they are to go.
const DELIVERY: &str = "FAILED";
/// Why they do not: nobody lets them in.
const DELIVERY_ERROR: &str = "Access error";

impl Described for FlowLog {
    type Id = FlowLogId;
    const SET: &'static str = "flowLogSet";
    const PARAM: &'static str = "FlowLogId";
    const MALFORMED: &'static str = <FlowLogId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidFlowLogId.NotFound", "flow log ID");
    const PAGE: std::ops::RangeInclusive<u16> = 1..=1000;
    const FILTERS: &'static [Filter<Self>] = &[
        ("deliver-log-status", |_, _| one(DELIVERY)),
        ("log-destination-type", |_, log| one(log.settings.destination.kind())),
        ("flow-log-id", |_, log| one(log.id)),
        ("log-group-name", |_, log| many(log.settings.destination.group())),
        ("resource-id", |_, log| one(log.of)),
        ("traffic-type", |_, log| one(log.settings.traffic.name())),
    ];

    fn id(&self) -> FlowLogId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        let settings = &self.settings;
        x.el("creationTime", self.created);
        x.el("deliverLogsErrorMessage", DELIVERY_ERROR);
        x.opt("deliverLogsPermissionArn", settings.role.as_deref());
        x.opt("deliverCrossAccountRole", settings.cross_account_role.as_deref());
        x.el("deliverLogsStatus", DELIVERY);
        x.el("flowLogId", self.id);
        x.el("flowLogStatus", "ACTIVE");
        x.opt("logGroupName", settings.destination.group());
        x.el("resourceId", self.of);
        x.el("trafficType", settings.traffic.name());
        x.el("logDestinationType", settings.destination.kind());
        x.opt("logDestination", settings.destination.arn());
        x.el("logFormat", &settings.format);
        write_tags(x, Some(&self.tags));
        x.el("maxAggregationInterval", settings.interval);
        if let Some(files) = settings.files {
            x.nest("destinationOptions", |x| {
                x.el("fileFormat", if files.parquet { PARQUET } else { PLAIN_TEXT });
                x.el("hiveCompatiblePartitions", files.hive);
                x.el("perHourPartition", files.hourly);
            });
        }
    }
}

impl Stored for FlowLog {
    fn get<'w>(view: &View<'w>, id: FlowLogId) -> Option<&'w Self> {
        view.world.flow_log(id).map(|log| &**log).filter(|log| log.is_of(view.scope))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let all = view.world.flow_logs_of(Key::Account(view.scope.account));
        all.map(|log| &**log).filter(|log| log.is_of(view.scope)).collect()
    }
}

const PLAIN_TEXT: &str = "plain-text";
const PARQUET: &str = "parquet";

/// `DescribeFlowLogs`. As in EC2, an id that there is not is left out instead of being refused.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    describe_known::<FlowLog>(world, request)
}

/// `CreateFlowLogs`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &["TagFieldSpecification"], "records have no fields of tags here.")?;
    let of = subjects(params)?;
    let traffic = params.required("TrafficType")?;
    let traffic = FlowLogTraffic::find(traffic).ok_or_else(|| {
        params.invalid("TrafficType", traffic, "Expecting ACCEPT, REJECT or ALL.")
    })?;
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let role = text("DeliverLogsPermissionArn");
    let interval = params.integer("MaxAggregationInterval", 0..=i64::from(u16::MAX))?;
    let format = text("LogFormat").unwrap_or_else(|| FlowLogSettings::DEFAULT_FORMAT.to_owned());
    Ok(Ec2Command::CreateFlowLogs(CreateFlowLogs {
        of,
        settings: FlowLogSettings {
            traffic,
            destination: destination(params)?,
            role,
            cross_account_role: text("DeliverCrossAccountRole"),
            format,
            interval: interval.and_then(|seconds| u16::try_from(seconds).ok()).unwrap_or(600),
            files: files(params)?,
        },
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "vpc-flow-log", &[])?,
    }))
}

/// What to record the packets of.
fn subjects(params: &Params) -> Result<Vec<FlowLogSubject>, Ec2Error> {
    let kind = params.required("ResourceType")?;
    let subject: fn(&str) -> Result<FlowLogSubject, Ec2Error> = match kind {
        "VPC" => |text| parse_id(text).map(FlowLogSubject::Vpc),
        "Subnet" => |text| parse_id(text).map(FlowLogSubject::Subnet),
        "NetworkInterface" => |text| parse_id(text).map(FlowLogSubject::Eni),
        "TransitGateway"
        | "TransitGatewayAttachment"
        | "RegionalNatGateway"
        | "CoreNetwork"
        | "CoreNetworkEdge"
        | "CoreNetworkAttachment" => {
            return Err(Ec2Error::new(
                "UnsupportedOperation",
                format_args!(
                    "Flow logs of the type {kind} are not offered here. VPC, Subnet and \
                     NetworkInterface are."
                ),
            ));
        }
        _ => {
            let why = "Expecting VPC, Subnet or NetworkInterface.";
            return Err(params.invalid("ResourceType", kind, why).into());
        }
    };
    let mut of = Vec::new();
    for text in params.list("ResourceId") {
        let next = subject(text)?;
        if !of.contains(&next) {
            of.push(next);
        }
        if of.len() > MOST_RESOURCES {
            return Err(invalid(format_args!(
                "A request names {MOST_RESOURCES} resources at most."
            )));
        }
    }
    if of.is_empty() { Err(params.missing("ResourceId").into()) } else { Ok(of) }
}

fn invalid(message: impl std::fmt::Display) -> Ec2Error {
    Ec2Error::new("InvalidParameter", message)
}

/// Where the records are to go.
fn destination(params: &Params) -> Result<FlowLogDestination, Ec2Error> {
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (group, arn) = (text("LogGroupName"), text("LogDestination"));
    let kind = text("LogDestinationType").unwrap_or_else(|| "cloud-watch-logs".to_owned());
    if !["cloud-watch-logs", "s3", "kinesis-data-firehose"].contains(&kind.as_str()) {
        let why = "Expecting cloud-watch-logs, s3 or kinesis-data-firehose.";
        return Err(params.invalid("LogDestinationType", &kind, why).into());
    }
    match (kind.as_str(), group, arn) {
        (_, None, None) => {
            Err(invalid("LogDestination can't be empty if LogGroupName is not provided."))
        }
        ("cloud-watch-logs", Some(_), Some(_)) => {
            Err(invalid("Please only provide LogGroupName or only provide LogDestination."))
        }
        ("cloud-watch-logs", Some(group), None) => {
            Ok(FlowLogDestination::CloudWatch { group, arn: None })
        }
        ("cloud-watch-logs", None, Some(arn)) => {
            let group = arn.splitn(7, ':').nth(6).unwrap_or_default();
            let group = group.strip_suffix(":*").unwrap_or(group).to_owned();
            Ok(FlowLogDestination::CloudWatch { group, arn: Some(arn) })
        }
        (_, Some(_), _) => Err(invalid(
            "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
        )),
        ("s3", None, Some(arn)) => Ok(FlowLogDestination::S3 { arn }),
        (_, None, Some(arn)) => Ok(FlowLogDestination::Firehose { arn }),
    }
}

fn files(params: &Params) -> Result<Option<FlowLogFiles>, Ec2Error> {
    let Some(options) = params.structure("DestinationOptions") else { return Ok(None) };
    let parquet = match options.get("FileFormat") {
        None | Some("" | PLAIN_TEXT) => false,
        Some(PARQUET) => true,
        Some(other) => {
            let why = "Expecting plain-text or parquet.";
            return Err(options.invalid("FileFormat", other, why).into());
        }
    };
    Ok(Some(FlowLogFiles {
        parquet,
        hive: options.bool("HiveCompatiblePartitions")?.unwrap_or(false),
        hourly: options.bool("PerHourPartition")?.unwrap_or(false),
    }))
}

/// The answer to `CreateFlowLogs`.
pub(super) fn created(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| {
        x.opt("clientToken", request.params.get("ClientToken"));
        if let Reply::Partly { made, .. } = reply {
            x.items("flowLogIdSet", made, |x, id| x.text(id));
        }
        write_refused(x, reply);
    })
}

/// `DeleteFlowLogs`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let mut flow_logs: Vec<FlowLogId> = Vec::new();
    for id in input::id_list(params, "FlowLogId")? {
        if !flow_logs.contains(&id) {
            flow_logs.push(id);
        }
        if flow_logs.len() > MOST_DELETED {
            return Err(invalid(format_args!("A request deletes {MOST_DELETED} at most.")));
        }
    }
    if flow_logs.is_empty() {
        return Err(params.missing("FlowLogId").into());
    }
    Ok(Ec2Command::DeleteFlowLogs { flow_logs })
}

/// The answer to `DeleteFlowLogs`.
pub(super) fn deleted(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| write_refused(x, reply))
}

fn write_refused(x: &mut Xml, reply: &Reply) {
    let Reply::Partly { refused, .. } = reply else { return };
    x.items("unsuccessful", refused, |x, (of, why)| {
        x.nest("error", |x| {
            x.el("code", why.code.ec2());
            x.el("message", &why.message);
        });
        x.el("resourceId", of);
    });
}
