//! A change as a form carries it: commands as text, a line for each route, rule, tag and entry.

use std::fmt::Write;

use model::{
    AclEntry, Cidr, Direction, Ec2Command, IpCidr, IpProtocol, Ipv6Cidr, PortRange, PrefixListId,
    RouteTo, RulePeerSpec, RuleSpec, SecurityGroupId, SecurityGroupRuleId, Tags, Traffic,
};

/// The most commands of a change.
pub(super) const MOST: usize = 64;

/// Writes what a route leads to.
pub(super) fn target_text(target: RouteTo) -> String {
    match target {
        RouteTo::Peering(id) => id.to_string(),
        RouteTo::Interface(id) => id.to_string(),
        RouteTo::Gateway(id) => id.to_string(),
        RouteTo::EgressGateway(id) => id.to_string(),
        RouteTo::Nat(id) => id.to_string(),
    }
}

/// Reads what a route leads to, by its id.
pub(super) fn read_target(text: &str) -> Option<RouteTo> {
    None.or_else(|| text.parse().ok().map(RouteTo::Peering))
        .or_else(|| text.parse().ok().map(RouteTo::Interface))
        .or_else(|| text.parse().ok().map(RouteTo::Gateway))
        .or_else(|| text.parse().ok().map(RouteTo::EgressGateway))
        .or_else(|| text.parse().ok().map(RouteTo::Nat))
}

/// The target of routes to the VPC's own blocks.
const LOCAL: &str = "local";

/// Writes a command; nothing for one about something else.
pub(super) fn write_command(text: &mut String, command: &Ec2Command) {
    use Ec2Command as C;
    let way = |direction: &Direction| match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    };
    let _ = match command {
        C::CreateRoute { route_table, destination, target } => {
            writeln!(text, "route+ {route_table} {destination} {}", target_text(*target))
        }
        C::ReplaceRoute { route_table, destination, target } => {
            writeln!(text, "route= {route_table} {destination} {}", target_text(*target))
        }
        C::RestoreLocalRoute { route_table, destination } => {
            writeln!(text, "route= {route_table} {destination} {LOCAL}")
        }
        C::DeleteRoute { route_table, destination } => {
            writeln!(text, "route- {route_table} {destination}")
        }
        C::AuthorizeSecurityGroup { group, direction, rules, tags } => {
            let mut verb = "rule+";
            for rule in rules {
                let (what, about) = (rule_text(rule), rule.description.as_deref());
                let about = about.unwrap_or_default();
                let _ = writeln!(text, "{verb} {group} {} {what} {about}", way(direction));
                verb = "and+";
            }
            for (key, value) in tags {
                let part = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let _ = writeln!(text, "tag {}={}", part(key), part(value));
            }
            Ok(())
        }
        C::RevokeSecurityGroup { group, direction, rules, ids } => {
            let mut verb = "rule-";
            let named = ids.iter().map(ToString::to_string);
            for what in named.chain(rules.iter().map(rule_text)) {
                let _ = writeln!(text, "{verb} {group} {} {what}", way(direction));
                verb = "and-";
            }
            Ok(())
        }
        C::CreateNetworkAclEntry { acl, direction, number, entry } => {
            writeln!(text, "entry+ {acl} {} {number} {}", way(direction), entry_text(entry))
        }
        C::ReplaceNetworkAclEntry { acl, direction, number, entry } => {
            writeln!(text, "entry= {acl} {} {number} {}", way(direction), entry_text(entry))
        }
        C::DeleteNetworkAclEntry { acl, direction, number } => {
            writeln!(text, "entry- {acl} {} {number}", way(direction))
        }
        _ => Ok(()),
    };
}

fn entry_text(entry: &AclEntry) -> String {
    let decision = if entry.allow { "allow" } else { "deny" };
    format!("{decision} {} {}", traffic_text(entry.traffic), entry.cidr)
}

fn rule_text(rule: &RuleSpec) -> String {
    let peer = match &rule.peer {
        RulePeerSpec::Cidr(block) => block.to_string(),
        RulePeerSpec::Ipv6(block) => block.to_string(),
        RulePeerSpec::PrefixList(list) => list.to_string(),
        RulePeerSpec::Group(group, None) => group.to_string(),
        RulePeerSpec::Group(group, Some(account)) => format!("{group}/{account}"),
        // Forms have ids alone.
        RulePeerSpec::GroupNamed(_) => String::new(),
    };
    format!("{} {peer}", traffic_text(rule.traffic))
}

fn traffic_text(traffic: Traffic) -> String {
    let ports = |name: &str, ports: PortRange| format!("{name}:{}-{}", ports.from, ports.to);
    let icmp = |name: &str, kind: Option<u8>, code: Option<u8>| match (kind, code) {
        (None, _) => name.to_owned(),
        (Some(kind), None) => format!("{name}:{kind}"),
        (Some(kind), Some(code)) => format!("{name}:{kind}-{code}"),
    };
    match traffic {
        Traffic::All => "all".to_owned(),
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp { kind, code } => icmp("icmp", kind, code),
        Traffic::Icmpv6 { kind, code } => icmp("icmpv6", kind, code),
        Traffic::Protocol(IpProtocol(number)) => format!("protocol:{number}"),
    }
}

/// Reads a line: another command, or more of the last one.
pub(super) fn read_line(commands: &mut Vec<Ec2Command>, line: &str) -> Option<()> {
    let (verb, rest) = line.split_once(' ')?;
    if let Some(of) = verb.strip_prefix("route") {
        commands.push(read_route(of, rest)?);
        return Some(());
    }
    if let Some(of) = verb.strip_prefix("entry") {
        commands.push(read_entry(of, rest)?);
        return Some(());
    }
    if verb == "tag" {
        let Some(Ec2Command::AuthorizeSecurityGroup { tags, .. }) = commands.last_mut() else {
            return None;
        };
        let mut pairs = form_urlencoded::parse(rest.as_bytes());
        let (key, value) = pairs.next()?;
        tags.insert(key.into_owned(), value.into_owned());
        return Some(());
    }
    let mut words = rest.splitn(3, ' ');
    let group: SecurityGroupId = words.next()?.parse().ok()?;
    let direction = read_direction(words.next()?)?;
    let what = words.next()?;
    match verb {
        "rule+" => {
            let rules = vec![read_rule(what, true)?];
            let tags = Tags::new();
            commands.push(Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags });
        }
        "rule-" => {
            let (mut rules, mut ids) = (Vec::new(), Vec::new());
            read_removed(what, &mut rules, &mut ids)?;
            commands.push(Ec2Command::RevokeSecurityGroup { group, direction, rules, ids });
        }
        "and+" => match commands.last_mut()? {
            Ec2Command::AuthorizeSecurityGroup { group: of, direction: way, rules, .. }
                if (*of, *way) == (group, direction) && rules.len() < MOST =>
            {
                rules.push(read_rule(what, true)?);
            }
            _ => return None,
        },
        "and-" => match commands.last_mut()? {
            Ec2Command::RevokeSecurityGroup { group: of, direction: way, rules, ids }
                if (*of, *way) == (group, direction) && rules.len() + ids.len() < MOST =>
            {
                read_removed(what, rules, ids)?;
            }
            _ => return None,
        },
        _ => return None,
    }
    Some(())
}

fn read_route(verb: &str, rest: &str) -> Option<Ec2Command> {
    let mut words = rest.split(' ');
    let route_table = words.next()?.parse().ok()?;
    let destination = words.next()?.parse().ok()?;
    let target = words.next();
    if words.next().is_some() {
        return None;
    }
    Some(match (verb, target) {
        ("+", Some(to)) => {
            Ec2Command::CreateRoute { route_table, destination, target: read_target(to)? }
        }
        ("=", Some(LOCAL)) => Ec2Command::RestoreLocalRoute { route_table, destination },
        ("=", Some(to)) => {
            Ec2Command::ReplaceRoute { route_table, destination, target: read_target(to)? }
        }
        ("-", None) => Ec2Command::DeleteRoute { route_table, destination },
        _ => return None,
    })
}

fn read_entry(verb: &str, rest: &str) -> Option<Ec2Command> {
    let words: Vec<&str> = rest.split(' ').collect();
    let [acl, direction, number, ref entry @ ..] = *words else { return None };
    let (acl, direction) = (acl.parse().ok()?, read_direction(direction)?);
    let number = number.parse().ok()?;
    let entry = match *entry {
        [] => None,
        [decision, traffic, block] => Some(AclEntry {
            allow: match decision {
                "allow" => true,
                "deny" => false,
                _ => return None,
            },
            traffic: read_traffic(traffic)?,
            cidr: read_block(block)?,
        }),
        _ => return None,
    };
    Some(match (verb, entry) {
        ("+", Some(entry)) => Ec2Command::CreateNetworkAclEntry { acl, direction, number, entry },
        ("=", Some(entry)) => Ec2Command::ReplaceNetworkAclEntry { acl, direction, number, entry },
        ("-", None) => Ec2Command::DeleteNetworkAclEntry { acl, direction, number },
        _ => return None,
    })
}

/// Reads a block of either family.
fn read_block(text: &str) -> Option<IpCidr> {
    None.or_else(|| text.parse::<Cidr>().ok().map(IpCidr::from))
        .or_else(|| text.parse::<Ipv6Cidr>().ok().map(IpCidr::from))
}

/// Reads `in` or `out`.
pub(super) fn read_direction(text: &str) -> Option<Direction> {
    match text {
        "in" => Some(Direction::Ingress),
        "out" => Some(Direction::Egress),
        _ => None,
    }
}

fn read_removed(
    text: &str,
    rules: &mut Vec<RuleSpec>,
    ids: &mut Vec<SecurityGroupRuleId>,
) -> Option<()> {
    match text.parse() {
        Ok(id) => ids.push(id),
        Err(_) => rules.push(read_rule(text, false)?),
    }
    Some(())
}

fn read_rule(text: &str, described: bool) -> Option<RuleSpec> {
    let mut words = text.splitn(3, ' ');
    let traffic = read_traffic(words.next()?)?;
    let peer = read_peer(words.next()?)?;
    let description = words.next().filter(|text| !text.is_empty()).map(str::to_owned);
    (described || description.is_none()).then_some(RuleSpec { traffic, peer, description })
}

fn read_traffic(text: &str) -> Option<Traffic> {
    let (name, of) = text.split_once(':').map_or((text, None), |(name, of)| (name, Some(of)));
    let range = || {
        let (from, to) = of?.split_once('-')?;
        Some(PortRange { from: from.parse().ok()?, to: to.parse().ok()? })
    };
    let icmp = |of: Option<&str>| match of.map(|of| of.split_once('-').ok_or(of)) {
        None => Some((None, None)),
        Some(Err(kind)) => Some((Some(kind.parse().ok()?), None)),
        Some(Ok((kind, code))) => Some((Some(kind.parse().ok()?), Some(code.parse().ok()?))),
    };
    Some(match (name, of) {
        ("all", None) => Traffic::All,
        ("tcp", Some(_)) => Traffic::Tcp(range()?),
        ("udp", Some(_)) => Traffic::Udp(range()?),
        ("icmp", of) => {
            let (kind, code) = icmp(of)?;
            Traffic::Icmp { kind, code }
        }
        ("icmpv6", of) => {
            let (kind, code) = icmp(of)?;
            Traffic::Icmpv6 { kind, code }
        }
        ("protocol", Some(number)) => Traffic::Protocol(IpProtocol(number.parse().ok()?)),
        _ => return None,
    })
}

/// Reads a block, a prefix list, or a group with its owner or without.
pub(super) fn read_peer(text: &str) -> Option<RulePeerSpec> {
    if let Ok(block) = text.parse::<Cidr>() {
        return Some(RulePeerSpec::Cidr(block));
    }
    if let Ok(block) = text.parse::<Ipv6Cidr>() {
        return Some(RulePeerSpec::Ipv6(block));
    }
    if let Ok(list) = text.parse::<PrefixListId>() {
        return Some(RulePeerSpec::PrefixList(list));
    }
    match text.split_once('/') {
        None => Some(RulePeerSpec::Group(text.parse().ok()?, None)),
        Some((group, account)) => {
            Some(RulePeerSpec::Group(group.parse().ok()?, Some(account.parse().ok()?)))
        }
    }
}
