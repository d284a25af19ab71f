//! What a remedy does: commands as the model takes them, and as people type them.

use std::fmt::Write;

use super::imagined::Imagined;
use super::phrase::{Phrase, say};
use crate::command::{
    AddressTarget, Caller, Command, Ec2Command, ElasticIpName, PlatformCommand, Reply,
    RulePeerSpec, RuleSpec, TaggedResource,
};
use crate::resource::{AclEntry, Direction, RouteDestination, RouteTo, Tags, Vpc};
use crate::{
    IdSource, IpProtocol, PcxId, Refused, Region, Scope, SpaceId, Timestamp, Traffic, VpcId, World,
};

/// One command of a remedy, or of a plan that joins two VPCs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A change that the owner of a VPC makes.
    Ec2 {
        /// The VPC whose owner runs the command.
        of: VpcId,
        /// The command.
        command: Box<Ec2Command>,
    },
    /// A space accepts a request.
    Accept {
        /// The space.
        space: SpaceId,
        /// The request for a peering.
        peering: PcxId,
    },
    /// A space tears a peering down.
    Destroy {
        /// The space.
        space: SpaceId,
        /// The peering.
        peering: PcxId,
    },
    /// The operator lets a space have more peerings.
    Limit {
        /// The space.
        space: SpaceId,
        /// The number of peerings that the space may have.
        peerings: u16,
    },
}

impl Act {
    /// The act as a command.
    pub fn command(&self) -> Command {
        match self {
            Self::Ec2 { command, .. } => Ec2Command::clone(command).into(),
            Self::Accept { space, peering } => {
                let (space, peering) = (*space, *peering);
                PlatformCommand::AcceptPeering { space, peering }.into()
            }
            Self::Destroy { space, peering } => {
                let (space, peering) = (*space, *peering);
                PlatformCommand::DeletePeering { space, peering }.into()
            }
            Self::Limit { space, peerings } => {
                let (space, limit) = (*space, *peerings);
                PlatformCommand::SetPeeringLimit { space, limit }.into()
            }
        }
    }

    /// Somebody who may do it: the VPC's owner, or the operator for a space. `None` where the VPC
    /// is gone.
    pub(crate) fn owner(&self, world: &World) -> Option<Caller> {
        match self {
            Self::Ec2 { of, .. } => {
                let vpc = world.vpc(*of)?;
                let scope = Scope { account: vpc.account, region: vpc.region };
                Some(Caller::Account { scope, read_only: false })
            }
            Self::Accept { .. } | Self::Destroy { .. } | Self::Limit { .. } => {
                Some(Caller::Operator)
            }
        }
    }

    /// The world after somebody's doing it, or why they may not.
    pub(crate) fn perform_as(
        &self,
        caller: Caller,
        world: &World,
        now: Timestamp,
        ids: &mut dyn IdSource,
    ) -> Result<(World, Reply), Refused> {
        let decided = world.decide(caller, &self.command(), now, ids)?;
        Ok((decided.world, decided.reply))
    }

    /// The world after somebody's doing it as things are, or why they may not: nothing is done.
    ///
    /// # Errors
    ///
    /// What the rules say against it.
    pub fn try_as(&self, caller: Caller, world: &World, now: Timestamp) -> Result<World, Refused> {
        self.perform_as(caller, world, now, &mut Imagined::new()).map(|(world, _)| world)
    }

    /// The world after it, if it is allowed.
    pub(super) fn perform(
        &self,
        world: &World,
        now: Timestamp,
        ids: &mut dyn IdSource,
    ) -> Option<(World, Reply)> {
        self.perform_as(self.owner(world)?, world, now, ids).ok()
    }

    /// The peering that it is about, if it is about one.
    pub(super) fn peering(&self) -> Option<PcxId> {
        use Ec2Command as C;
        let command = match self {
            Self::Accept { peering, .. } | Self::Destroy { peering, .. } => return Some(*peering),
            Self::Ec2 { command, .. } => &**command,
            Self::Limit { .. } => return None,
        };
        match command {
            C::AcceptPeering { peering }
            | C::CreateRoute { target: RouteTo::Peering(peering), .. }
            | C::ReplaceRoute { target: RouteTo::Peering(peering), .. } => Some(*peering),
            _ => None,
        }
    }

    /// The act in words, for where the id of the peering is not known yet.
    pub(super) fn in_words(&self) -> Phrase {
        use Ec2Command as C;
        match self {
            Self::Ec2 { command, .. } => match &**command {
                C::CreateRoute { route_table, destination, .. }
                | C::ReplaceRoute { route_table, destination, .. } => {
                    say!(RouteToNew, block = destination.to_string(), table = *route_table)
                }
                _ => say!(AcceptNew),
            },
            Self::Accept { .. } => say!(AcceptNew),
            Self::Destroy { .. } => say!(TearNewDown),
            Self::Limit { peerings, .. } => say!(LetHave, number = *peerings),
        }
    }

    /// The command line. `None` for what no remedy does.
    pub(crate) fn line(&self, world: &World) -> Option<String> {
        let name = |space: &SpaceId| world.space(*space).map(|space| space.name.clone());
        match self {
            Self::Ec2 { of, command } => {
                Some(aws(world, world.vpc(*of)?.region, &arguments(command)?))
            }
            Self::Accept { space, peering } => {
                Some(format!("heroku spaces:peerings:accept {peering} --space {}", name(space)?))
            }
            Self::Destroy { space, peering } => Some(format!(
                "heroku spaces:peerings:destroy {peering} --space {} --confirm {peering}",
                name(space)?
            )),
            Self::Limit { space, peerings } => Some(format!(
                "causeway spaces:limits:set --space {} --peerings {peerings}",
                name(space)?
            )),
        }
    }
}

/// A command of the `aws` client, which looks in the installation's region unless told otherwise.
pub(super) fn aws(world: &World, region: Region, command: &str) -> String {
    let usual = world.settings().map_or(Region::DEFAULT, |settings| settings.region);
    if region == usual {
        format!("aws ec2 {command}")
    } else {
        format!("aws ec2 {command} --region {region}")
    }
}

/// The arguments of the AWS CLI after `aws ec2`.
fn arguments(command: &Ec2Command) -> Option<String> {
    use Ec2Command as C;
    let acl_flag = |direction| match direction {
        Direction::Ingress => "--ingress",
        Direction::Egress => "--egress",
    };
    match command {
        C::CreatePeering { vpc, peer_vpc, peer_owner, peer_region, tags } => {
            let mut line =
                format!("create-vpc-peering-connection --vpc-id {vpc} --peer-vpc-id {peer_vpc}");
            if let Some(owner) = peer_owner {
                let _ = write!(line, " --peer-owner-id {owner}");
            }
            if let Some(region) = peer_region {
                let _ = write!(line, " --peer-region {region}");
            }
            if !tags.is_empty() {
                let _ = write!(line, " {}", tag_specifications("vpc-peering-connection", tags));
            }
            Some(line)
        }
        C::DeletePeering { peering } => {
            Some(format!("delete-vpc-peering-connection --vpc-peering-connection-id {peering}"))
        }
        C::CreateTags { resources, tags } => {
            let pairs: Vec<String> = pairs(tags).map(|pair| format!(" '{pair}'")).collect();
            Some(format!("create-tags --resources{} --tags{}", ids(resources)?, pairs.concat()))
        }
        C::DeleteTags { resources, tags } => {
            let keys: Vec<String> = tags.iter().map(|(key, _)| format!(" Key={key}")).collect();
            Some(format!("delete-tags --resources{} --tags{}", ids(resources)?, keys.concat()))
        }
        C::AcceptPeering { peering } => {
            Some(format!("accept-vpc-peering-connection --vpc-peering-connection-id {peering}"))
        }
        C::CreateRoute { route_table, destination, target } => Some(format!(
            "create-route --route-table-id {route_table} {} {}",
            destination_words(*destination),
            target_words(*target)
        )),
        C::ReplaceRoute { route_table, destination, target } => Some(format!(
            "replace-route --route-table-id {route_table} {} {}",
            destination_words(*destination),
            target_words(*target)
        )),
        C::RestoreLocalRoute { route_table, destination } => Some(format!(
            "replace-route --route-table-id {route_table} {} --local-target",
            destination_words(*destination)
        )),
        C::DeleteRoute { route_table, destination } => Some(format!(
            "delete-route --route-table-id {route_table} {}",
            destination_words(*destination)
        )),
        C::AuthorizeSecurityGroup { group, direction, rules, tags } => {
            let (way, permissions) = (way(*direction), permissions(rules)?);
            let mut line = format!(
                "authorize-security-group-{way} --group-id {group} --ip-permissions {permissions}"
            );
            if !tags.is_empty() {
                let _ = write!(line, " {}", tag_specifications("security-group-rule", tags));
            }
            Some(line)
        }
        C::RevokeSecurityGroup { group, direction, rules, ids } if ids.is_empty() => {
            let (way, permissions) = (way(*direction), permissions(rules)?);
            Some(format!(
                "revoke-security-group-{way} --group-id {group} --ip-permissions {permissions}"
            ))
        }
        C::RevokeSecurityGroup { group, direction, rules, ids } if rules.is_empty() => {
            let ids: Vec<String> = ids.iter().map(|id| format!(" {id}")).collect();
            Some(format!(
                "revoke-security-group-{} --group-id {group} --security-group-rule-ids{}",
                way(*direction),
                ids.concat()
            ))
        }
        C::AssociateAddress { which, target, private, .. } => {
            let ElasticIpName::Allocation(id) = which else { return None };
            let AddressTarget::Eni(eni) = target else { return None };
            let mut line =
                format!("associate-address --allocation-id {id} --network-interface-id {eni}");
            if let Some(private) = private {
                let _ = write!(line, " --private-ip-address {private}");
            }
            Some(line)
        }
        C::TerminateInstances { instances } => {
            let ids: Vec<String> = instances.iter().map(|id| format!(" {id}")).collect();
            Some(format!("terminate-instances --instance-ids{}", ids.concat()))
        }
        C::CreateNetworkAclEntry { acl, direction, number, entry } => Some(format!(
            "create-network-acl-entry --network-acl-id {acl} {} --rule-number {number} {}",
            acl_flag(*direction),
            entry_words(entry)
        )),
        C::ReplaceNetworkAclEntry { acl, direction, number, entry } => Some(format!(
            "replace-network-acl-entry --network-acl-id {acl} {} --rule-number {number} {}",
            acl_flag(*direction),
            entry_words(entry)
        )),
        _ => None,
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// Tags for what a command makes.
fn tag_specifications(kind: &str, tags: &Tags) -> String {
    let pairs: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("{{Key={},Value={}}}", quoted(key), quoted(value)))
        .collect();
    let words = format!("ResourceType={kind},Tags=[{}]", pairs.join(",")).replace('\'', "'\\''");
    format!("--tag-specifications '{words}'")
}

/// Tags in the short form of the `aws` client.
fn pairs(tags: &Tags) -> impl Iterator<Item = String> {
    tags.iter().map(|(key, value)| format!("Key={key},Value={value}"))
}

/// The ids of resources of which a plan changes the tags, each after a space.
fn ids(resources: &[TaggedResource]) -> Option<String> {
    let id = |resource: &TaggedResource| match resource {
        TaggedResource::RouteTable(id) => Some(format!(" {id}")),
        TaggedResource::Peering(id) => Some(format!(" {id}")),
        _ => None,
    };
    resources.iter().map(id).collect::<Option<Vec<_>>>().map(|ids| ids.concat())
}

/// The destination of a route.
fn destination_words(to: RouteDestination) -> String {
    format!("--{} {to}", to.parameter())
}

/// The target of a route.
fn target_words(target: RouteTo) -> String {
    match target {
        RouteTo::Peering(id) => format!("--vpc-peering-connection-id {id}"),
        RouteTo::Interface(id) => format!("--network-interface-id {id}"),
        RouteTo::Gateway(id) => format!("--gateway-id {id}"),
        RouteTo::EgressGateway(id) => format!("--egress-only-internet-gateway-id {id}"),
        RouteTo::Nat(id) => format!("--nat-gateway-id {id}"),
    }
}

/// Rules as the `aws` client takes them in its short form: one word for each traffic, and for tags of new
/// rules none.
fn permissions(rules: &[RuleSpec]) -> Option<String> {
    let mut kinds: Vec<Traffic> = Vec::new();
    for rule in rules {
        if !kinds.contains(&rule.traffic) {
            kinds.push(rule.traffic);
        }
    }
    let of = |traffic: &Traffic| {
        let same = rules.iter().filter(|rule| rule.traffic == *traffic);
        permission(*traffic, same)
    };
    let words = kinds.iter().map(of).collect::<Option<Vec<String>>>()?;
    (!words.is_empty()).then(|| words.join(" "))
}

/// The rules of one traffic.
fn permission<'a>(traffic: Traffic, rules: impl Iterator<Item = &'a RuleSpec>) -> Option<String> {
    let (mut blocks, mut groups) = (Vec::new(), Vec::new());
    let (mut blocks6, mut lists) = (Vec::new(), Vec::new());
    for rule in rules {
        let described = rule
            .description
            .as_deref()
            .map_or_else(String::new, |text| format!(",Description={}", quoted(text)));
        match &rule.peer {
            RulePeerSpec::Cidr(block) => blocks.push(format!("{{CidrIp={block}{described}}}")),
            RulePeerSpec::Ipv6(block) => blocks6.push(format!("{{CidrIpv6={block}{described}}}")),
            RulePeerSpec::PrefixList(list) => {
                lists.push(format!("{{PrefixListId={list}{described}}}"));
            }
            RulePeerSpec::Group(group, owner) => {
                let owner = owner.map_or_else(String::new, |owner| format!(",UserId={owner}"));
                groups.push(format!("{{GroupId={group}{owner}{described}}}"));
            }
            RulePeerSpec::GroupNamed(_) => return None,
        }
    }
    let ports = match traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => {
            format!(",FromPort={},ToPort={}", ports.from, ports.to)
        }
        Traffic::Icmp { kind, code } | Traffic::Icmpv6 { kind, code } => {
            format!(",FromPort={},ToPort={}", or_any(kind), or_any(code))
        }
        Traffic::All | Traffic::Protocol(_) => String::new(),
    };
    let mut words = format!("IpProtocol={}{ports}", protocol(traffic));
    for (name, list) in [
        ("IpRanges", blocks),
        ("Ipv6Ranges", blocks6),
        ("PrefixListIds", lists),
        ("UserIdGroupPairs", groups),
    ] {
        if !list.is_empty() {
            let _ = write!(words, ",{name}=[{}]", list.join(","));
        }
    }
    Some(format!("'{words}'"))
}

/// A value of the short form: in quotation marks where it has characters that mean something there.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn entry_words(entry: &AclEntry) -> String {
    let what = match entry.traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => {
            format!(" --port-range From={},To={}", ports.from, ports.to)
        }
        Traffic::Icmp { kind, code } | Traffic::Icmpv6 { kind, code } => {
            format!(" --icmp-type-code Code={},Type={}", or_any(code), or_any(kind))
        }
        Traffic::All | Traffic::Protocol(_) => String::new(),
    };
    format!(
        "--protocol {}{what} --{} {} --rule-action {}",
        acl_protocol(entry.traffic),
        if entry.cidr.v4().is_some() { "cidr-block" } else { "ipv6-cidr-block" },
        entry.cidr,
        if entry.allow { "allow" } else { "deny" }
    )
}

/// The `aws` command turns the names of these three into the numbers that EC2 wants, and no other name.
fn acl_protocol(traffic: Traffic) -> String {
    match traffic.protocol() {
        Some(it @ (IpProtocol::TCP | IpProtocol::UDP | IpProtocol::ICMP)) => it.to_string(),
        Some(IpProtocol(number)) => number.to_string(),
        None => "-1".to_owned(),
    }
}

/// -1 is any.
fn or_any(number: Option<u8>) -> i16 {
    number.map_or(-1, i16::from)
}

fn protocol(traffic: Traffic) -> String {
    traffic.protocol().as_ref().map_or_else(|| "-1".to_owned(), IpProtocol::to_string)
}

/// A change of something in a customer's VPC by its owner; a space's own are the platform's.
pub(crate) fn in_vpc(vpc: &Vpc, command: Ec2Command) -> Option<Act> {
    vpc.role.is_none().then_some(Act::Ec2 { of: vpc.id, command: Box::new(command) })
}
