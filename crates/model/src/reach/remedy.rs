//! What to type so that a packet passes. Only the owner of a customer's VPC can change its rules;
//! a space's own are the platform's, so there is nothing to type for them.

use super::Endpoint;
use crate::plan::joins;
use crate::resource::{AclEntry, NetworkAcl, Peering, PeeringStatus, Vpc};
use crate::{
    Cidr, Direction, EniId, IpProtocol, Key, Packet, PortRange, Region, RouteTableId,
    SecurityGroupId, SmallMap, Timestamp, VpcId, World,
};

/// What to do so that a packet passes.
pub struct Remedy {
    /// What to type, or to do.
    pub words: String,
    /// In whose VPC that changes something.
    pub within: VpcId,
}

/// A packet that shall pass.
pub struct Wanted<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// Which way it goes, as seen from what stops it.
    pub direction: Direction,
    /// The other end.
    pub other: Endpoint,
    /// The destination ports that shall pass with it.
    pub ports: PortRange,
}

/// Where clients look unless they are told otherwise.
fn usual_region(world: &World) -> Region {
    world.settings().map_or(Region::DEFAULT, |settings| settings.region)
}

fn aws(world: &World, region: Region, command: &str) -> String {
    if region == usual_region(world) {
        format!("aws ec2 {command}")
    } else {
        format!("aws ec2 {command} --region {region}")
    }
}

/// The same in a VPC, if it is a customer's.
fn aws_in(world: &World, vpc: &Vpc, command: &str) -> Option<Remedy> {
    vpc.role.is_none().then(|| Remedy { words: aws(world, vpc.region, command), within: vpc.id })
}

/// Asks for an address that something has.
pub fn use_an_address(world: &World, vpc: VpcId) -> Option<Remedy> {
    let vpc = world.vpc(vpc)?;
    let list = match world.space_of_vpc(vpc) {
        Some(space) => format!("heroku spaces:topology {}", space.name),
        None => aws(
            world,
            vpc.region,
            &format!("describe-network-interfaces --filters Name=vpc-id,Values={}", vpc.id),
        ),
    };
    let words = format!("send it to an address that something has; `{list}` lists them");
    Some(Remedy { words, within: vpc.id })
}

/// A secondary block is never reached from a space (R20).
pub fn move_to_primary(world: &World, vpc: VpcId) -> Option<Remedy> {
    let vpc = world.vpc(vpc)?;
    let words = format!(
        "put it into a subnet of the primary block {} of {}, or a proxy for it",
        vpc.primary(),
        vpc.id
    );
    Some(Remedy { words, within: vpc.id })
}

/// Where no single command makes a way: what would.
pub fn no_way(world: &World, vpc: &Vpc, to: Endpoint) -> Option<Remedy> {
    let far = world.vpc(to.vpc)?;
    let words = if far.id == vpc.id {
        format!(
            "no VPC that is peered with {} has {}: name the one that is meant as vpc-…/{}",
            vpc.id, to.address, to.address
        )
    } else if matches!(far.role, Some(crate::VpcRole::Data(_))) {
        "data services are reached from their own space only: send it through a dyno".to_owned()
    } else {
        format!(
            "{} and {} cannot be joined: send it through a proxy in a VPC that is peered with both",
            vpc.id, far.id
        )
    };
    Some(Remedy { words, within: vpc.id })
}

/// Blocks that stand for an end: the space's for a dyno, whose address changes, else its address.
fn blocks_of(world: &World, end: Endpoint) -> Vec<Cidr> {
    let space = world.vpc(end.vpc).and_then(|vpc| world.space_of_vpc(vpc));
    space
        .map(|space| space.dyno_cidrs().to_vec())
        .filter(|blocks| blocks.iter().any(|block| block.contains(end.address)))
        .unwrap_or_else(|| vec![Cidr::host(end.address)])
}

/// Allows a packet from or to an end in a group.
pub fn allow_in_group(
    world: &World,
    vpc: &Vpc,
    group: SecurityGroupId,
    wanted: &Wanted<'_>,
) -> Option<Remedy> {
    let Wanted { packet, ports, .. } = wanted;
    let way = match wanted.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    let ports = match packet.protocol {
        IpProtocol::TCP | IpProtocol::UDP => {
            format!(",FromPort={},ToPort={}", ports.from, ports.to)
        }
        IpProtocol::ICMP => format!(",FromPort={},ToPort=-1", packet.icmp_type),
        IpProtocol(_) => String::new(),
    };
    let ranges: Vec<String> =
        blocks_of(world, wanted.other).iter().map(|block| format!("{{CidrIp={block}}}")).collect();
    let command = format!(
        "authorize-security-group-{way} --group-id {group} --ip-permissions \
         'IpProtocol={}{ports},IpRanges=[{}]'",
        packet.protocol,
        ranges.join(","),
    );
    aws_in(world, vpc, &command)
}

/// Allows a packet from or to an end in an ACL, before the entry that denies it.
pub fn allow_in_acl(
    world: &World,
    vpc: &Vpc,
    acl: &NetworkAcl,
    denied_by: Option<u16>,
    wanted: &Wanted<'_>,
) -> Option<Remedy> {
    let Wanted { packet, direction, ports, .. } = *wanted;
    let flag = match direction {
        Direction::Ingress => "--ingress",
        Direction::Egress => "--egress",
    };
    let what = match packet.protocol {
        IpProtocol::TCP | IpProtocol::UDP => {
            format!(" --port-range From={},To={}", ports.from, ports.to)
        }
        IpProtocol::ICMP => format!(" --icmp-type-code Code=-1,Type={}", packet.icmp_type),
        IpProtocol(_) => String::new(),
    };
    let blocks = blocks_of(world, wanted.other);
    let numbers = free_numbers(acl.entries(direction), denied_by, blocks.len())?;
    let commands: Option<Vec<Remedy>> = numbers
        .iter()
        .zip(&blocks)
        .map(|(number, block)| {
            let command = format!(
                "create-network-acl-entry --network-acl-id {} {flag} --rule-number {number} \
                 --protocol {}{what} --cidr-block {block} --rule-action allow",
                acl.id, packet.protocol,
            );
            aws_in(world, vpc, &command)
        })
        .collect();
    let words: Vec<String> = commands?.into_iter().map(|command| command.words).collect();
    Some(Remedy { words: words.join(" && "), within: vpc.id })
}

/// Numbers that no entry has and that come before one; or after all, in steps of ten.
fn free_numbers(
    entries: &SmallMap<u16, AclEntry>,
    before: Option<u16>,
    count: usize,
) -> Option<Vec<u16>> {
    let last = entries.last_key_value().map_or(90, |(number, _)| *number);
    let free = |number: &u16| !entries.contains_key(number);
    let end = before.unwrap_or(NetworkAcl::LAST_ENTRY + 1);
    let after: Vec<u16> = (1u16..)
        .map_while(|step| last.checked_add(step.checked_mul(10)?))
        .take_while(|number| *number < end)
        .take(count)
        .collect();
    let found = if after.len() == count {
        after
    } else {
        (1..end).rev().filter(free).take(count).collect()
    };
    (found.len() == count).then_some(found)
}

/// Lets an interface send and receive what is not its own.
pub fn uncheck(world: &World, vpc: &Vpc, eni: EniId) -> Option<Remedy> {
    let command = format!(
        "modify-network-interface-attribute --network-interface-id {eni} --no-source-dest-check"
    );
    aws_in(world, vpc, &command)
}

/// Makes a way from a route table to an end in another VPC: a route, or first a peering. `dead` is
/// the route that fits and leads nowhere.
pub fn make_way(
    world: &World,
    vpc: &Vpc,
    table: RouteTableId,
    dead: Option<Cidr>,
    to: Endpoint,
    now: Timestamp,
) -> Option<Remedy> {
    let far = world.vpc(to.vpc).filter(|far| far.id != vpc.id)?;
    let between = || {
        let all = world.peerings_of(Key::Vpc(vpc.id));
        all.filter(|peering| peering.other_side(vpc.id).is_some_and(|side| side.vpc == far.id))
    };
    if let Some(live) = between().find(|peering| joins(world, peering)) {
        let block = far.blocks().find(|block| block.contains(to.address))?;
        // A narrower route that is dead would still come first.
        let (verb, destination) = match dead {
            Some(dead) if block.covers(dead) => ("replace-route", dead),
            Some(_) | None => ("create-route", block),
        };
        let command = format!(
            "{verb} --route-table-id {table} --destination-cidr-block {destination} \
             --vpc-peering-connection-id {}",
            live.id
        );
        return aws_in(world, vpc, &command);
    }
    let pending = |p: &&std::sync::Arc<Peering>| p.status(now) == PeeringStatus::PendingAcceptance;
    match between().find(pending) {
        Some(pending) => accept(world, pending),
        None => request(world, vpc, far),
    }
}

/// Accepts a request.
fn accept(world: &World, peering: &Peering) -> Option<Remedy> {
    let accepter = world.vpc(peering.accepter.vpc)?;
    match world.space_of_vpc(accepter) {
        Some(space) => {
            let words =
                format!("heroku spaces:peerings:accept {} --space {}", peering.id, space.name);
            Some(Remedy { words, within: accepter.id })
        }
        None => {
            let command =
                format!("accept-vpc-peering-connection --vpc-peering-connection-id {}", peering.id);
            aws_in(world, accepter, &command)
        }
    }
}

/// Asks for a peering between two VPCs, from a customer's.
fn request(world: &World, one: &Vpc, other: &Vpc) -> Option<Remedy> {
    let (asks, answers) = if one.role.is_none() { (one, other) } else { (other, one) };
    // Spaces are not joined with each other, and nobody is joined with data services.
    if matches!(answers.role, Some(crate::VpcRole::Data(_))) {
        return None;
    }
    let region = if asks.region == answers.region {
        String::new()
    } else {
        format!(" --peer-region {}", answers.region)
    };
    let command = format!(
        "create-vpc-peering-connection --vpc-id {} --peer-vpc-id {} --peer-owner-id {}{region}",
        asks.id, answers.id, answers.account,
    );
    aws_in(world, asks, &command)
}
