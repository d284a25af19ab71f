//! Paths of Network Insights.

use std::net::Ipv4Addr;

use aws::params::Params;
use aws::xml::Xml;
use model::{
    CreateNetworkInsightsPath, Ec2Command, EniId, InstanceId, IpProtocol, Key, NetworkComponent,
    NetworkInsightsPath, NetworkInsightsPathId, PathEnd, PathFilter, PathPackets, PortRange, Reply,
    Scope, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, Values, View, many, one, write_tags};
use super::input::{self, address_opt, id, parse_id, wrong_value};
use super::request::{Ec2Error, Request};

impl Described for NetworkInsightsPath {
    type Id = NetworkInsightsPathId;
    const SET: &'static str = "networkInsightsPathSet";
    const PARAM: &'static str = "NetworkInsightsPathId";
    const MALFORMED: &'static str = <NetworkInsightsPathId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidNetworkInsightsPathId.NotFound", "network insights path ID");
    const PAGE: std::ops::RangeInclusive<u16> = 1..=100;
    const FILTERS: &'static [Filter<Self>] = &[
        ("destination", |_, path| many(path.packets.destination.map(PathEnd::key))),
        ("filter-at-source.source-address", |_, path| at_source(path, |at| at.source)),
        ("filter-at-source.source-port-range", |_, path| at_source(path, |at| at.source_ports)),
        ("filter-at-source.destination-address", |_, path| at_source(path, |at| at.destination)),
        ("filter-at-source.destination-port-range", |_, path| {
            at_source(path, |at| at.destination_ports)
        }),
        ("filter-at-destination.source-address", |_, path| at_end(path, |at| at.source)),
        ("filter-at-destination.source-port-range", |_, path| at_end(path, |at| at.source_ports)),
        ("filter-at-destination.destination-address", |_, path| at_end(path, |at| at.destination)),
        ("filter-at-destination.destination-port-range", |_, path| {
            at_end(path, |at| at.destination_ports)
        }),
        ("protocol", |_, path| one(path.packets.protocol)),
        ("source", |_, path| one(path.packets.source.key())),
    ];

    fn id(&self) -> NetworkInsightsPathId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        let packets = &self.packets;
        x.el("networkInsightsPathId", self.id);
        x.el("networkInsightsPathArn", view.arn("network-insights-path", self.id));
        x.el("createdDate", self.created);
        x.el("source", packets.source.key());
        x.el("sourceArn", component(view, packets.source).arn);
        if let Some(destination) = packets.destination {
            x.el("destination", destination.key());
            x.el("destinationArn", component(view, destination).arn);
        }
        x.opt("sourceIp", packets.source_ip);
        x.opt("destinationIp", packets.destination_ip);
        x.el("protocol", packets.protocol);
        x.opt("destinationPort", packets.destination_port);
        write_tags(x, Some(&self.tags));
        write_filter(x, "filterAtSource", packets.at_source.as_ref());
        write_filter(x, "filterAtDestination", packets.at_destination.as_ref());
    }
}

impl Stored for NetworkInsightsPath {
    fn get<'w>(view: &View<'w>, id: NetworkInsightsPathId) -> Option<&'w Self> {
        view.world.insights_path(id).map(|path| &**path).filter(|path| path.is_of(view.scope))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let all = view.world.insights_paths_of(Key::Account(view.scope.account));
        all.map(|path| &**path).filter(|path| path.is_of(view.scope)).collect()
    }
}

fn at_source<'v, T: std::fmt::Display>(
    path: &NetworkInsightsPath,
    value: impl Fn(PathFilter) -> Option<T>,
) -> Values<'v> {
    many(path.packets.at_source.and_then(value))
}

fn at_end<'v, T: std::fmt::Display>(
    path: &NetworkInsightsPath,
    value: impl Fn(PathFilter) -> Option<T>,
) -> Values<'v> {
    many(path.packets.at_destination.and_then(value))
}

/// An end with its ARN. One that is gone was the path's owner's.
fn component(view: &View<'_>, end: PathEnd) -> NetworkComponent {
    let scope = match end {
        PathEnd::Peering(id) => view
            .world
            .peering(id)
            .map(|it| Scope { account: it.requester.account, region: it.requester.region }),
        PathEnd::Instance(_) | PathEnd::Eni(_) | PathEnd::Gateway(_) => None,
    };
    NetworkComponent::new(end.key(), scope.unwrap_or(view.scope))
}

fn write_filter(x: &mut Xml, name: &str, filter: Option<&PathFilter>) {
    let Some(filter) = filter else { return };
    x.nest(name, |x| {
        x.opt("sourceAddress", filter.source);
        write_range(x, "sourcePortRange", filter.source_ports);
        x.opt("destinationAddress", filter.destination);
        write_range(x, "destinationPortRange", filter.destination_ports);
    });
}

fn write_range(x: &mut Xml, name: &str, range: Option<PortRange>) {
    let Some(range) = range else { return };
    x.nest(name, |x| {
        x.el("fromPort", range.from);
        x.el("toPort", range.to);
    });
}

/// `CreateNetworkInsightsPath`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let protocol = params.required("Protocol")?;
    let protocol = match protocol {
        "tcp" => IpProtocol::TCP,
        "udp" => IpProtocol::UDP,
        other => return Err(params.invalid("Protocol", other, "Expecting tcp or udp.").into()),
    };
    let destination = params.get("Destination").filter(|text| !text.is_empty());
    // Clients that leave the port out send zero.
    let port = port(params, "DestinationPort")?.filter(|port| *port != 0);
    Ok(Ec2Command::CreateNetworkInsightsPath(CreateNetworkInsightsPath {
        packets: PathPackets {
            source: end(request, params.required("Source")?)?,
            destination: destination.map(|text| end(request, text)).transpose()?,
            source_ip: address_opt(params, "SourceIp")?,
            destination_ip: address_opt(params, "DestinationIp")?,
            protocol,
            destination_port: port,
            at_source: filter(params, "FilterAtSource")?,
            at_destination: filter(params, "FilterAtDestination")?,
        },
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "network-insights-path", &[])?,
    }))
}

/// An end by its id, or by its ARN.
fn end(request: &Request<'_>, text: &str) -> Result<PathEnd, Ec2Error> {
    let id = match text.strip_prefix("arn:") {
        None => text,
        Some(_) => {
            let Scope { account, region } = request.scope;
            let own = format!("arn:aws:ec2:{region}:{account}:");
            let inside = text.strip_prefix(&own).and_then(|rest| rest.split_once('/'));
            inside.map(|(_, id)| id).ok_or_else(|| {
                let text: String = text.chars().take(128).collect();
                wrong_value(format_args!(
                    "The resource '{text}' is not in your account and region. Name its address by \
                     FilterAtSource.DestinationAddress instead."
                ))
            })?
        }
    };
    let prefix = id.rsplit_once('-').map(|(prefix, _)| prefix);
    match prefix {
        Some("i") => parse_id::<InstanceId>(id).map(PathEnd::Instance),
        Some("eni") => parse_id::<EniId>(id).map(PathEnd::Eni),
        Some("igw") => parse_id(id).map(PathEnd::Gateway),
        Some("pcx") => parse_id(id).map(PathEnd::Peering),
        _ => {
            let id: String = id.chars().take(64).collect();
            Err(wrong_value(format_args!(
                "'{id}' cannot be an end of a path here. Expecting the ID of an instance, a \
                 network interface, an internet gateway or a VPC peering connection."
            )))
        }
    }
}

fn port(params: &Params, name: &str) -> Result<Option<u16>, Ec2Error> {
    let port = params.integer(name, 0..=i64::from(u16::MAX))?;
    Ok(port.and_then(|port| u16::try_from(port).ok()))
}

fn filter(params: &Params, name: &str) -> Result<Option<PathFilter>, Ec2Error> {
    let Some(given) = params.structure(name) else { return Ok(None) };
    let address = |name: &str| -> Result<Option<Ipv4Addr>, Ec2Error> { address_opt(given, name) };
    Ok(Some(PathFilter {
        source: address("SourceAddress")?,
        source_ports: range(given, "SourcePortRange")?,
        destination: address("DestinationAddress")?,
        destination_ports: range(given, "DestinationPortRange")?,
    }))
}

fn range(params: &Params, name: &str) -> Result<Option<PortRange>, Ec2Error> {
    let Some(given) = params.structure(name) else { return Ok(None) };
    let bounds = (port(given, "FromPort")?, port(given, "ToPort")?);
    Ok(match bounds {
        (None, None) => None,
        (from, to) => {
            Some(PortRange { from: from.unwrap_or(0), to: to.or(from).unwrap_or(u16::MAX) })
        }
    })
}

/// The answer to `CreateNetworkInsightsPath`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::NetworkInsightsPath(id)) = reply.main()
            && let Some(path) = after.insights_path(id)
        {
            x.nest("networkInsightsPath", |x| path.write(&view, x));
        }
    })
}

/// `DeleteNetworkInsightsPath`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let path = id(request.params, "NetworkInsightsPathId")?;
    Ok(Ec2Command::DeleteNetworkInsightsPath { path })
}

/// The answer to `DeleteNetworkInsightsPath`.
pub(super) fn deleted(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| x.opt("networkInsightsPathId", reply.main()))
}
