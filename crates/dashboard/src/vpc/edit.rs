//! Changes of routes and rules as a form carries them: commands as text.

use std::collections::BTreeSet;
use std::fmt::Write;

use model::preview::inverse;
use model::{
    Cidr, Direction, Ec2Command, IpProtocol, PortRange, RouteTableId, RouteTo, RulePeerSpec,
    RuleSpec, SecurityGroupId, SecurityGroupRuleId, Tags, Traffic, Vpc, World,
};
use sha2::{Digest, Sha256};

/// The most commands of a change.
const MOST: usize = 64;

/// A change of routes and rules: commands that are carried out one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit(Vec<Ec2Command>);

/// What a change is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new route.
    AddRoute,
    /// Another target of a route.
    ReplaceRoute,
    /// A route less.
    RemoveRoute,
    /// New rules of a group.
    AddRule,
    /// Rules of a group less.
    RemoveRule,
    /// A rule in place of another one.
    ReplaceRule,
    /// Several of these.
    Several,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// A route table.
    Table(RouteTableId),
    /// A security group.
    Group(SecurityGroupId),
}

impl Edit {
    /// A change; `None` if the commands are none, too many, or about something else.
    pub fn new(commands: Vec<Ec2Command>) -> Option<Self> {
        let all = commands.iter().all(|command| about(command).is_some());
        (all && (1..=MOST).contains(&commands.len())).then_some(Self(commands))
    }

    /// Its commands, in order.
    pub fn commands(&self) -> &[Ec2Command] {
        &self.0
    }

    /// Whether all of it is about a VPC.
    pub fn is_of(&self, world: &World, vpc: &Vpc) -> bool {
        self.about().iter().all(|about| match about {
            About::Table(id) => world.route_table(*id).is_some_and(|table| table.vpc == vpc.id),
            About::Group(id) => world.group(*id).is_some_and(|group| group.vpc == vpc.id),
        })
    }

    /// What takes commands back that were carried out, each on the world beside it; `None` if nothing was
    /// changed.
    pub fn undo<'w>(
        done: impl DoubleEndedIterator<Item = (&'w World, Ec2Command)>,
    ) -> Option<Self> {
        Self::new(done.rev().filter_map(|(before, command)| inverse(before, &command)).collect())
    }

    /// The state of what it is about. A form sends it back, and is refused if it is another one meanwhile.
    pub fn state(&self, world: &World) -> String {
        let mut hash = Sha256::new();
        for about in self.about() {
            let said = match about {
                About::Table(id) => {
                    world.route_table(id).map(|table| format!("{:?}", table.routes))
                }
                About::Group(id) => world.group(id).map(|group| format!("{:?}", group.rules)),
            };
            hash.update(format!("{about:?} {}\n", said.unwrap_or_default()));
        }
        hex::encode(&hash.finalize()[..12])
    }

    /// What it is about.
    pub(crate) fn about(&self) -> BTreeSet<About> {
        self.0.iter().filter_map(about).collect()
    }

    /// What its page is about.
    pub(crate) fn first(&self) -> Option<About> {
        self.0.first().and_then(about)
    }

    pub(crate) fn kind(&self) -> Kind {
        use Ec2Command as C;
        match self.0.as_slice() {
            [C::CreateRoute { .. }] => Kind::AddRoute,
            [C::ReplaceRoute { .. }] => Kind::ReplaceRoute,
            [C::DeleteRoute { .. }] => Kind::RemoveRoute,
            [C::AuthorizeSecurityGroup { .. }] => Kind::AddRule,
            [C::RevokeSecurityGroup { .. }] => Kind::RemoveRule,
            [
                C::AuthorizeSecurityGroup { group: one, .. },
                C::RevokeSecurityGroup { group: other, .. },
            ] if one == other => Kind::ReplaceRule,
            _ => Kind::Several,
        }
    }

    /// Its form in a field: a line for each route, rule and tag.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for command in &self.0 {
            write_command(&mut text, command);
        }
        text
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let mut commands = Vec::new();
        // Browsers send the ends of lines as HTML has them.
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            read_line(&mut commands, line.trim())?;
        }
        Self::new(commands)
    }
}

fn about(command: &Ec2Command) -> Option<About> {
    use Ec2Command as C;
    match command {
        C::CreateRoute { route_table, .. }
        | C::ReplaceRoute { route_table, .. }
        | C::DeleteRoute { route_table, .. } => Some(About::Table(*route_table)),
        C::AuthorizeSecurityGroup { group, .. } | C::RevokeSecurityGroup { group, .. } => {
            Some(About::Group(*group))
        }
        _ => None,
    }
}

/// Writes what a route leads to.
pub(crate) fn target_text(target: RouteTo) -> String {
    match target {
        RouteTo::Peering(id) => id.to_string(),
        RouteTo::Interface(id) => id.to_string(),
        RouteTo::Gateway(id) => id.to_string(),
        RouteTo::Nat(id) => id.to_string(),
    }
}

/// Reads what a route leads to, by its id.
pub(crate) fn read_target(text: &str) -> Option<RouteTo> {
    None.or_else(|| text.parse().ok().map(RouteTo::Peering))
        .or_else(|| text.parse().ok().map(RouteTo::Interface))
        .or_else(|| text.parse().ok().map(RouteTo::Gateway))
        .or_else(|| text.parse().ok().map(RouteTo::Nat))
}

fn write_command(text: &mut String, command: &Ec2Command) {
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
        _ => Ok(()),
    };
}

fn rule_text(rule: &RuleSpec) -> String {
    let peer = match &rule.peer {
        RulePeerSpec::Cidr(block) => block.to_string(),
        RulePeerSpec::Group(group, None) => group.to_string(),
        RulePeerSpec::Group(group, Some(account)) => format!("{group}/{account}"),
        // Forms have ids alone.
        RulePeerSpec::GroupNamed(_) => String::new(),
    };
    let ports = |name: &str, ports: PortRange| format!("{name}:{}-{}", ports.from, ports.to);
    let traffic = match rule.traffic {
        Traffic::All => "all".to_owned(),
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp { kind: None, .. } => "icmp".to_owned(),
        Traffic::Icmp { kind: Some(kind), code: None } => format!("icmp:{kind}"),
        Traffic::Icmp { kind: Some(kind), code: Some(code) } => format!("icmp:{kind}-{code}"),
        Traffic::Protocol(IpProtocol(number)) => format!("protocol:{number}"),
    };
    format!("{traffic} {peer}")
}

fn read_line(commands: &mut Vec<Ec2Command>, line: &str) -> Option<()> {
    let (verb, rest) = line.split_once(' ')?;
    if let Some(of) = verb.strip_prefix("route") {
        commands.push(read_route(of, rest)?);
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
        ("=", Some(to)) => {
            Ec2Command::ReplaceRoute { route_table, destination, target: read_target(to)? }
        }
        ("-", None) => Ec2Command::DeleteRoute { route_table, destination },
        _ => return None,
    })
}

/// Reads `in` or `out`.
pub(crate) fn read_direction(text: &str) -> Option<Direction> {
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
    Some(match (name, of) {
        ("all", None) => Traffic::All,
        ("tcp", Some(_)) => Traffic::Tcp(range()?),
        ("udp", Some(_)) => Traffic::Udp(range()?),
        ("icmp", None) => Traffic::Icmp { kind: None, code: None },
        ("icmp", Some(of)) => match of.split_once('-') {
            None => Traffic::Icmp { kind: Some(of.parse().ok()?), code: None },
            Some((kind, code)) => {
                Traffic::Icmp { kind: Some(kind.parse().ok()?), code: Some(code.parse().ok()?) }
            }
        },
        ("protocol", Some(number)) => Traffic::Protocol(IpProtocol(number.parse().ok()?)),
        _ => return None,
    })
}

/// Reads a block, or a group with its owner or without.
pub(crate) fn read_peer(text: &str) -> Option<RulePeerSpec> {
    if let Ok(block) = text.parse::<Cidr>() {
        return Some(RulePeerSpec::Cidr(block));
    }
    match text.split_once('/') {
        None => Some(RulePeerSpec::Group(text.parse().ok()?, None)),
        Some((group, account)) => {
            Some(RulePeerSpec::Group(group.parse().ok()?, Some(account.parse().ok()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "rtb-00000000000000001";
    const GROUP: &str = "sg-00000000000000001";

    #[test]
    fn a_change_is_written_and_read() {
        for text in [
            format!("route+ {TABLE} 10.0.0.0/16 pcx-00000000000000001\n"),
            format!("route= {TABLE} 10.0.0.0/16 eni-00000000000000001\n"),
            format!("route+ {TABLE} 0.0.0.0/0 igw-00000000000000001\n"),
            format!("route- {TABLE} 10.0.0.0/16\n"),
            format!("rule- {GROUP} in sgr-00000000000000001\nand- {GROUP} in all 10.0.0.0/8\n"),
            format!(
                "rule+ {GROUP} in tcp:80-81 10.0.0.0/20 the dynos, all\nand+ {GROUP} in \
                 udp:53-53 {GROUP} \ntag a+b=%26\n"
            ),
            format!("rule+ {GROUP} out icmp {GROUP}/100000000001 \n"),
            format!("rule+ {GROUP} out icmp:8 10.0.0.0/20 \n"),
            format!("rule+ {GROUP} out icmp:3-4 10.0.0.0/20 \n"),
            format!("rule+ {GROUP} out protocol:50 10.0.0.0/20 \n"),
        ] {
            let edit = Edit::read(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(edit.write(), text);
            // A browser sends the ends of lines so.
            assert_eq!(Edit::read(&text.replace('\n', "\r\n")), Some(edit));
        }
    }

    #[test]
    fn what_is_no_change_is_not_read() {
        let route = format!("route+ {TABLE} 10.0.0.0/16 pcx-00000000000000001\n");
        for text in [
            "",
            "x",
            "route+",
            &format!("route+ {TABLE} 10.0.0.0/16"),
            &format!("route+ {TABLE} 10.0.0.1/16 pcx-00000000000000001"),
            &format!("route+ {TABLE} 10.0.0.0/16 vpc-00000000000000001"),
            &format!("route- {TABLE} 10.0.0.0/16 pcx-00000000000000001"),
            &format!("rule+ {GROUP} up all 10.0.0.0/16"),
            &format!("rule+ {GROUP} in tcp 10.0.0.0/16"),
            &format!("rule+ {GROUP} in tcp:1-65536 10.0.0.0/16"),
            &format!("rule- {GROUP} in all 10.0.0.0/16 with a description"),
            &format!("and+ {GROUP} in all 10.0.0.0/16"),
            "tag a=b",
            "vpc- vpc-00000000000000001",
            &route.repeat(MOST + 1),
        ] {
            assert_eq!(Edit::read(text), None, "{text}");
        }
    }
}
