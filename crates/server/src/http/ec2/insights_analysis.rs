//! Analyses of paths of Network Insights.

use aws::xml::Xml;
use model::{
    AnalysisOptions, Direction, Ec2Command, GroupPeer, Key, NetworkComponent,
    NetworkInsightsAnalysis, NetworkInsightsAnalysisId, PathExplanation, PathHeader, PathRule,
    PathStep, PortRange, Reply, StartNetworkInsightsAnalysis, Tags, Timestamp, Traffic, World,
    analyse,
};

use super::describe::{
    Described, Filter, Query, Stored, View, find_all, ids, listed, many, one, write_tags,
};
use super::input::{self, id, id_opt, wrong_value};
use super::request::{Ec2Error, Request};

/// The most ARNs that an analysis is given to go through or around.
const MOST_ARNS: usize = 64;

impl Described for NetworkInsightsAnalysis {
    type Id = NetworkInsightsAnalysisId;
    const SET: &'static str = "networkInsightsAnalysisSet";
    const PARAM: &'static str = "NetworkInsightsAnalysisId";
    const MALFORMED: &'static str = <NetworkInsightsAnalysisId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidNetworkInsightsAnalysisId.NotFound", "network insights analysis ID");
    const PAGE: std::ops::RangeInclusive<u16> = 1..=100;
    const FILTERS: &'static [Filter<Self>] = &[
        ("path-found", |view, it| many(it.result(view.now).map(|result| result.found))),
        ("status", |view, it| one(it.status(view.now))),
    ];

    fn id(&self) -> NetworkInsightsAnalysisId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.started
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        let status = self.status(view.now);
        x.el("networkInsightsAnalysisId", self.id);
        x.el("networkInsightsAnalysisArn", view.arn("network-insights-analysis", self.id));
        x.el("networkInsightsPathId", self.path);
        write_texts(x, "additionalAccountSet", &self.options.accounts);
        write_texts(x, "filterInArnSet", &self.options.through);
        write_texts(x, "filterOutArnSet", &self.options.around);
        x.el("startDate", self.started);
        x.el("status", status);
        x.opt("statusMessage", self.outcome.as_ref().err().filter(|_| status == "failed"));
        if let Some(result) = self.result(view.now) {
            x.el("networkPathFound", result.found);
            write_steps(x, "forwardPathComponentSet", &result.forward);
            write_steps(x, "returnPathComponentSet", &result.back);
            if !result.explanations.is_empty() {
                x.items("explanationSet", &result.explanations, write_explanation);
            }
        }
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for NetworkInsightsAnalysis {
    fn get<'w>(view: &View<'w>, id: NetworkInsightsAnalysisId) -> Option<&'w Self> {
        view.world.insights_analysis(id).map(|it| &**it).filter(|it| it.is_of(view.scope))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let all = view.world.insights_analyses_of(Key::Account(view.scope.account));
        all.map(|it| &**it).filter(|it| it.is_of(view.scope)).collect()
    }
}

fn write_texts(x: &mut Xml, name: &str, texts: &[impl std::fmt::Display]) {
    if !texts.is_empty() {
        x.items(name, texts, |x, text| x.text(text));
    }
}

fn write_component(x: &mut Xml, name: &str, component: Option<&NetworkComponent>) {
    let Some(component) = component else { return };
    x.nest(name, |x| write_ids(x, component));
}

fn write_ids(x: &mut Xml, component: &NetworkComponent) {
    x.el("id", &component.id);
    x.el("arn", &component.arn);
}

fn write_steps(x: &mut Xml, name: &str, steps: &[PathStep]) {
    if steps.is_empty() {
        return;
    }
    let last = steps.len();
    x.items(name, (1..).zip(steps), |x, (number, step)| {
        x.el("sequenceNumber", number);
        write_acl_rule(x, step);
        write_component(x, "attachedTo", step.interface.as_ref());
        write_component(x, "component", Some(&step.component));
        if number == 1 {
            write_header(x, "outboundHeader", step.packet.as_ref());
        } else if number == last {
            write_header(x, "inboundHeader", step.packet.as_ref());
        }
        write_route(x, step);
        write_group_rule(x, step);
        write_component(x, "subnet", step.subnet.as_ref());
        write_component(x, "vpc", step.vpc.as_ref());
    });
}

fn write_explanation(x: &mut Xml, explanation: &PathExplanation) {
    let step = &explanation.step;
    let own = |prefix: &str| {
        let is = step.component.id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'));
        Some(&step.component).filter(|_| is)
    };
    write_component(x, "acl", own("acl"));
    write_acl_rule(x, step);
    write_component(x, "component", Some(&step.component));
    x.opt("direction", step.direction.map(direction));
    x.opt("explanationCode", explanation.code.as_ref());
    write_component(x, "internetGateway", own("igw"));
    write_component(x, "natGateway", own("nat"));
    write_component(x, "networkInterface", own("eni").or(step.interface.as_ref()));
    write_component(x, "vpcPeeringConnection", own("pcx"));
    if let Some(packet) = explanation.packet {
        let address = match step.direction {
            Some(Direction::Ingress) => packet.source,
            Some(Direction::Egress) | None => packet.destination,
        };
        x.items("addressSet", [address], |x, address| x.text(address));
        x.items("protocolSet", [packet.protocol], |x, protocol| x.text(protocol));
        x.items("portRangeSet", [packet.destination_ports], write_bounds);
    }
    write_route(x, step);
    write_component(x, "routeTable", own("rtb"));
    write_component(x, "securityGroup", own("sg"));
    write_group_rule(x, step);
    if !step.groups.is_empty() {
        x.items("securityGroupSet", &step.groups, write_ids);
    }
    write_component(x, "subnet", step.subnet.as_ref());
    write_component(x, "vpc", own("vpc").or(step.vpc.as_ref()));
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn write_bounds(x: &mut Xml, range: PortRange) {
    x.el("from", range.from);
    x.el("to", range.to);
}

fn write_header(x: &mut Xml, name: &str, packet: Option<&PathHeader>) {
    let Some(packet) = packet else { return };
    x.nest(name, |x| {
        x.items("destinationAddressSet", [packet.destination], |x, address| x.text(address));
        x.items("destinationPortRangeSet", [packet.destination_ports], write_bounds);
        x.el("protocol", packet.protocol);
        x.items("sourceAddressSet", [packet.source], |x, address| x.text(address));
        x.items("sourcePortRangeSet", [packet.source_ports], write_bounds);
    });
}

/// Writes what a rule matches beside addresses.
fn write_traffic(x: &mut Xml, traffic: Traffic) {
    if let Traffic::Tcp(range) | Traffic::Udp(range) = traffic {
        x.nest("portRange", |x| write_bounds(x, range));
    }
    match traffic.protocol() {
        None => x.el("protocol", "all"),
        Some(protocol) => x.el("protocol", protocol),
    }
}

fn write_acl_rule(x: &mut Xml, step: &PathStep) {
    let Some(PathRule::Acl { number, entry }) = &step.rule else { return };
    x.nest("aclRule", |x| {
        x.el("cidr", entry.cidr);
        x.el("egress", step.direction == Some(Direction::Egress));
        write_traffic(x, entry.traffic);
        x.el("ruleAction", if entry.allow { "allow" } else { "deny" });
        x.el("ruleNumber", number);
    });
}

fn write_route(x: &mut Xml, step: &PathStep) {
    let Some(PathRule::Route { destination, target, active }) = &step.rule else { return };
    let element = match target.split_once('-').map(|(prefix, _)| prefix) {
        Some("nat") => "natGatewayId",
        Some("eni") => "networkInterfaceId",
        Some("pcx") => "vpcPeeringConnectionId",
        Some("eigw") => "egressOnlyInternetGatewayId",
        _ => "gatewayId",
    };
    x.nest("routeTableRoute", |x| {
        x.el("destinationCidr", destination);
        x.el(element, target);
        x.el("origin", if target == "local" { "CreateRouteTable" } else { "CreateRoute" });
        x.el("state", if *active { "active" } else { "blackhole" });
    });
}

fn write_group_rule(x: &mut Xml, step: &PathStep) {
    let Some(PathRule::Group { group, traffic, peer }) = &step.rule else { return };
    x.nest("securityGroupRule", |x| {
        match peer {
            GroupPeer::Cidr(block) => x.el("cidr", block),
            GroupPeer::Ipv6(block) => x.el("cidr", block),
            GroupPeer::PrefixList(list) => x.el("prefixListId", list),
            GroupPeer::Group { .. } => {}
        }
        x.opt("direction", step.direction.map(direction));
        // A rule that names a group is known by that group, as in EC2.
        x.el(
            "securityGroupId",
            match peer {
                GroupPeer::Group { group, .. } => group,
                GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) => group,
            },
        );
        write_traffic(x, *traffic);
    });
}

/// `StartNetworkInsightsAnalysis`. What comes of it is found out at once, from the world of the request.
pub(super) fn start(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let path = id(params, "NetworkInsightsPathId")?;
    let accounts = params.list("AdditionalAccount").map(|text| {
        text.parse().map_err(|_| {
            Ec2Error::from(params.invalid("AdditionalAccount", text, "Expecting 12 digits."))
        })
    });
    let options = AnalysisOptions {
        accounts: accounts.collect::<Result<_, _>>()?,
        through: arns(params, "FilterInArn")?,
        around: arns(params, "FilterOutArn")?,
    };
    let outcome = analyse(world, request.scope, path, &options, request.now);
    Ok(Ec2Command::StartNetworkInsightsAnalysis(StartNetworkInsightsAnalysis {
        path,
        options,
        outcome,
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "network-insights-analysis", &[])?,
    }))
}

fn arns(params: &aws::params::Params, name: &str) -> Result<Vec<String>, Ec2Error> {
    let arns: Vec<String> = params.list(name).map(str::to_owned).collect();
    if arns.len() > MOST_ARNS {
        return Err(wrong_value(format_args!("{name} has {MOST_ARNS} items at most.")));
    }
    match arns.iter().find(|arn| !arn.starts_with("arn:") || arn.len() > 1283) {
        Some(arn) => Err(params.invalid(name, arn, "Expecting the ARN of a resource.").into()),
        None => Ok(arns),
    }
}

/// The answer to `StartNetworkInsightsAnalysis`.
pub(super) fn started(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::NetworkInsightsAnalysis(id)) = reply.main()
            && let Some(analysis) = after.insights_analysis(id)
        {
            x.nest("networkInsightsAnalysis", |x| analysis.write(&view, x));
        }
    })
}

/// `DescribeNetworkInsightsAnalyses`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let (view, params) = (View::new(world, request), request.params);
    let query = Query::parse::<NetworkInsightsAnalysis>(request)?;
    let ids = ids::<NetworkInsightsAnalysis>(params)?;
    let path = id_opt(params, "NetworkInsightsPathId")?;
    let (from, to) = (time(params, "AnalysisStartTime")?, time(params, "AnalysisEndTime")?);
    let mut found = match ids.is_empty() {
        true => NetworkInsightsAnalysis::all(&view),
        false => find_all::<NetworkInsightsAnalysis, _>(&ids, |id| Stored::get(&view, id))?,
    };
    found.retain(|it| {
        path.is_none_or(|path| it.path == path)
            && from.is_none_or(|from| from <= it.started)
            && to.is_none_or(|to| it.started <= to)
    });
    let (items, next) = query.among(&view, found)?;
    Ok(listed(&view, request, &items, next.as_deref()))
}

fn time(params: &aws::params::Params, name: &str) -> Result<Option<Timestamp>, Ec2Error> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse().map_err(|_| params.invalid(name, text, "Expecting a time."))?;
    Ok(Some(parsed))
}

/// `DeleteNetworkInsightsAnalysis`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let analysis = id(request.params, "NetworkInsightsAnalysisId")?;
    Ok(Ec2Command::DeleteNetworkInsightsAnalysis { analysis })
}

/// The answer to `DeleteNetworkInsightsAnalysis`.
pub(super) fn deleted(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| x.opt("networkInsightsAnalysisId", reply.main()))
}
