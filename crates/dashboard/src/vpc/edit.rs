//! Changes of routes, rules and entries of network ACLs, as forms ask for them and pages tell of them.

use std::collections::BTreeSet;

use model::preview::inverse;
use model::{AclId, Ec2Command, RouteTableId, SecurityGroupId, Vpc, VpcId, World};
use sha2::{Digest, Sha256};

use super::wire::{MOST, read_line, write_command};

/// A change of routes, rules and entries: commands that are carried out one after the other.
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
    /// An entry of a network ACL: a new one, another one in its place, or one less.
    Entry,
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
    /// A network ACL.
    Acl(AclId),
}

impl About {
    /// The VPC that it belongs to; `None` if it is gone.
    fn vpc(self, world: &World) -> Option<VpcId> {
        match self {
            Self::Table(id) => world.route_table(id).map(|table| table.vpc),
            Self::Group(id) => world.group(id).map(|group| group.vpc),
            Self::Acl(id) => world.acl(id).map(|acl| acl.vpc),
        }
    }
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
        self.about().iter().all(|about| about.vpc(world) == Some(vpc.id))
    }

    /// The VPC that the first of it is about; `None` if that is gone.
    pub fn vpc(&self, world: &World) -> Option<VpcId> {
        self.first()?.vpc(world)
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
                About::Acl(id) => {
                    world.acl(id).map(|acl| format!("{:?} {:?}", acl.ingress, acl.egress))
                }
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
            [C::ReplaceRoute { .. } | C::RestoreLocalRoute { .. }] => Kind::ReplaceRoute,
            [C::DeleteRoute { .. }] => Kind::RemoveRoute,
            [C::AuthorizeSecurityGroup { .. }] => Kind::AddRule,
            [C::RevokeSecurityGroup { .. }] => Kind::RemoveRule,
            [
                C::AuthorizeSecurityGroup { group: one, .. },
                C::RevokeSecurityGroup { group: other, .. },
            ] if one == other => Kind::ReplaceRule,
            [
                C::CreateNetworkAclEntry { .. }
                | C::ReplaceNetworkAclEntry { .. }
                | C::DeleteNetworkAclEntry { .. },
            ] => Kind::Entry,
            _ => Kind::Several,
        }
    }

    /// Its form in a field: a line for each route, rule, tag and entry.
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
        | C::RestoreLocalRoute { route_table, .. }
        | C::DeleteRoute { route_table, .. } => Some(About::Table(*route_table)),
        C::AuthorizeSecurityGroup { group, .. } | C::RevokeSecurityGroup { group, .. } => {
            Some(About::Group(*group))
        }
        C::CreateNetworkAclEntry { acl, .. }
        | C::ReplaceNetworkAclEntry { acl, .. }
        | C::DeleteNetworkAclEntry { acl, .. } => Some(About::Acl(*acl)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "rtb-00000000000000001";
    const GROUP: &str = "sg-00000000000000001";
    const ACL: &str = "acl-00000000000000001";

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
            format!("rule+ {GROUP} out icmpv6:128 2001:db8::/32 \n"),
            format!("rule+ {GROUP} out icmpv6 pl-00000000000000001 \n"),
            format!("rule+ {GROUP} out icmp:3-4 10.0.0.0/20 \n"),
            format!("rule+ {GROUP} out protocol:50 10.0.0.0/20 \n"),
            format!("entry+ {ACL} in 90 allow tcp:80-81 10.0.0.0/20\n"),
            format!("entry+ {ACL} in 91 deny icmpv6:128 2001:db8::/32\n"),
            format!("entry= {ACL} out 32766 deny all 0.0.0.0/0\nentry- {ACL} in 90\n"),
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
