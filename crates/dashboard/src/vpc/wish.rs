//! What a form asks for, as the change that it comes to.

use model::{
    Cidr, Ec2Command, GroupPeer, InstanceId, IpProtocol, Needs, PcxId, PortRange, RouteDestination,
    RouteTableId, RuleSpec, SecurityGroupId, SecurityGroupRuleId, Tags, Traffic, Vpc, World,
    return_routes,
};

use super::edit::Edit;
use super::wire::{read_direction, read_peer, read_target};
use crate::refusal::Refusal;

/// The most ports that one form opens.
const MOST_PORTS: usize = 16;

/// The fields of a form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a>(pub &'a [(String, String)]);

impl<'a> Fields<'a> {
    /// The value of a field; nothing if there is none, or more than one.
    pub(crate) fn get(self, name: &str) -> &'a str {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (Some(value), None) => value.trim(),
            _ => "",
        }
    }

    /// The instance that an address says was just started.
    pub fn started(self) -> Option<InstanceId> {
        self.get("started").parse().ok()
    }

    /// All values of a field, as of boxes that are ticked.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// A field that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The destination of a route.
    Destination,
    /// What a route leads to.
    Target,
    /// The protocol of a rule.
    Protocol,
    /// The ports of a rule.
    Ports,
    /// The other side of a rule.
    Peer,
    /// Nothing that is new was chosen.
    Nothing,
}

/// Why a form does not lead on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormTrouble {
    /// A field cannot be read.
    Field(Field),
    /// A rule refuses what it asks for.
    Refused(Refusal),
}

/// Which form of a VPC's pages it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A link with the change itself.
    Edit,
    /// The form of a route table.
    Table(RouteTableId),
    /// The form of a security group.
    Group(SecurityGroupId),
    /// A form of a peering.
    Join(PcxId),
}

impl Wish {
    /// Which form sent the fields; `None` if it is none of a VPC's.
    pub fn of(fields: Fields<'_>) -> Option<Self> {
        let id = |name| fields.get(name);
        match fields.get("do") {
            "edit" => Some(Self::Edit),
            "route" => id("table").parse().ok().map(Self::Table),
            "rule" => id("group").parse().ok().map(Self::Group),
            "return-route" | "let-in" => id("peering").parse().ok().map(Self::Join),
            _ => None,
        }
    }

    /// The change that it comes to.
    ///
    /// # Errors
    ///
    /// The first field that cannot be read.
    pub fn read(self, world: &World, vpc: &Vpc, fields: Fields<'_>) -> Result<Edit, Field> {
        match self {
            Self::Edit => Edit::read(fields.get("edit")).ok_or(Field::Nothing),
            Self::Table(table) => route(world, table, fields),
            Self::Group(group) => rule(world, group, fields),
            Self::Join(pcx) if fields.get("do") == "let-in" => let_in(pcx, world, vpc, fields),
            Self::Join(pcx) => return_route(pcx, world, vpc, fields),
        }
    }
}

/// A route that is new, or gets another target.
fn route(world: &World, route_table: RouteTableId, fields: Fields<'_>) -> Result<Edit, Field> {
    let destination: RouteDestination = match fields.get("destination").parse() {
        Ok(destination) => destination,
        Err(_) => match Cidr::parse_lenient(fields.get("destination")) {
            Ok(block) => block.into(),
            Err(_) => return Err(Field::Destination),
        },
    };
    let target = read_target(fields.get("target")).ok_or(Field::Target)?;
    let table = world.route_table(route_table).ok_or(Field::Nothing)?;
    let command = match table.routes.get(&destination) {
        Some(there) if *there == target => return Err(Field::Nothing),
        Some(_) => Ec2Command::ReplaceRoute { route_table, destination, target },
        None => Ec2Command::CreateRoute { route_table, destination, target },
    };
    Edit::new(vec![command]).ok_or(Field::Nothing)
}

/// A rule that is new, or takes the place of another.
fn rule(world: &World, group: SecurityGroupId, fields: Fields<'_>) -> Result<Edit, Field> {
    let direction = read_direction(fields.get("direction")).ok_or(Field::Nothing)?;
    let traffic = traffic(fields)?;
    let peer = read_peer(fields.get("peer")).ok_or(Field::Peer)?;
    let description = Some(fields.get("description").to_owned()).filter(|text| !text.is_empty());
    let rules = traffic
        .into_iter()
        .map(|traffic| RuleSpec { traffic, peer: peer.clone(), description: description.clone() })
        .collect();
    let tags = Tags::new();
    let add = Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags };
    let mut commands = vec![add];
    if let Ok(id) = fields.get("replaces").parse::<SecurityGroupRuleId>() {
        let there = world.group(group).and_then(|group| group.rules.get(&id));
        let there = there.ok_or(Field::Nothing)?;
        let (direction, rules, ids) = (there.direction, Vec::new(), vec![id]);
        commands.push(Ec2Command::RevokeSecurityGroup { group, direction, rules, ids });
    }
    Edit::new(commands).ok_or(Field::Nothing)
}

/// The traffic of the fields `protocol` and `ports`.
fn traffic(fields: Fields<'_>) -> Result<Vec<Traffic>, Field> {
    let ports = fields.get("ports");
    let ranges = || -> Result<Vec<PortRange>, Field> {
        if ports.is_empty() {
            return Ok(vec![PortRange::ALL]);
        }
        let parts = ports.split([',', ' ']).filter(|part| !part.is_empty());
        let ranges: Vec<PortRange> = parts.map(range).collect::<Option<_>>().ok_or(Field::Ports)?;
        if ranges.is_empty() || ranges.len() > MOST_PORTS {
            return Err(Field::Ports);
        }
        Ok(ranges)
    };
    match fields.get("protocol") {
        "tcp" => Ok(ranges()?.into_iter().map(Traffic::Tcp).collect()),
        "udp" => Ok(ranges()?.into_iter().map(Traffic::Udp).collect()),
        "icmp" if ports.is_empty() => Ok(vec![Traffic::Icmp { kind: None, code: None }]),
        "icmp" => {
            let kind = ports.parse().map_err(|_| Field::Ports)?;
            Ok(vec![Traffic::Icmp { kind: Some(kind), code: None }])
        }
        "all" => Ok(vec![Traffic::All]),
        number => {
            let number = number.parse().map_err(|_| Field::Protocol)?;
            Ok(vec![Traffic::whole(IpProtocol(number))])
        }
    }
}

fn range(text: &str) -> Option<PortRange> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some(PortRange { from, to })
}

/// Routes back to the other side of a peering, in the tables that are ticked.
fn return_route(pcx: PcxId, world: &World, vpc: &Vpc, fields: Fields<'_>) -> Result<Edit, Field> {
    let peering = world.peering(pcx).ok_or(Field::Nothing)?;
    let needs = Needs::of(world, vpc, peering).ok_or(Field::Nothing)?;
    let mut commands = Vec::new();
    for need in &needs.tables {
        if !fields.all("table").any(|table| table == need.table.to_string()) {
            continue;
        }
        let destinations = match fields.get("to") {
            "parts" => &need.missing,
            _ => &needs.whole,
        };
        commands.extend(return_routes(world, need.table, pcx, destinations));
    }
    Edit::new(commands).ok_or(Field::Nothing)
}

/// A rule that lets the other side of a peering in.
fn let_in(pcx: PcxId, world: &World, vpc: &Vpc, fields: Fields<'_>) -> Result<Edit, Field> {
    let peering = world.peering(pcx).ok_or(Field::Nothing)?;
    let needs = Needs::of(world, vpc, peering).ok_or(Field::Nothing)?;
    let group: SecurityGroupId = fields.get("group").parse().map_err(|_| Field::Nothing)?;
    let there = world.group(group).ok_or(Field::Nothing)?;
    let traffic = traffic(fields)?;
    let sources = needs
        .sources
        .iter()
        .filter(|source| fields.all("source").any(|ticked| ticked == source.to_string()));
    let mut rules = Vec::new();
    for source in sources {
        for traffic in &traffic {
            let same = there.rules.values().any(|rule| {
                (rule.direction, rule.traffic, rule.peer)
                    == (model::Direction::Ingress, *traffic, GroupPeer::Cidr(*source))
            });
            if !same {
                let peer = model::RulePeerSpec::Cidr(*source);
                rules.push(RuleSpec { traffic: *traffic, peer, description: None });
            }
        }
    }
    if rules.is_empty() {
        return Err(Field::Nothing);
    }
    let direction = model::Direction::Ingress;
    let tags = Tags::new();
    let add = Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags };
    Edit::new(vec![add]).ok_or(Field::Nothing)
}
