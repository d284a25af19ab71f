//! Requests about security groups, prefix lists and network ACLs.

use super::Player;
use crate::command::*;
use crate::resource::*;
use crate::*;

impl Player<'_> {
    fn direction(&self, die: usize) -> Direction {
        if self.dice[die] & 1 == 0 { Direction::Ingress } else { Direction::Egress }
    }

    fn traffic(&self, die: usize) -> Traffic {
        let n = self.dice[die];
        let ports = PortRange { from: u16::from(n), to: u16::from(n.wrapping_add(16)) };
        match n % 6 {
            0 => Traffic::All,
            1 => Traffic::Tcp(ports),
            2 => Traffic::Udp(ports),
            3 => Traffic::Icmp { kind: (n > 99).then_some(8), code: (n > 199).then_some(0) },
            4 => Traffic::Icmpv6 { kind: (n > 99).then_some(128), code: (n > 199).then_some(0) },
            _ => Traffic::Protocol(IpProtocol(n)),
        }
    }

    fn rule(&self, die: usize) -> RuleSpec {
        let peer = match self.dice[die] % 6 {
            0..=1 => RulePeerSpec::Cidr(self.block(die)),
            2 => RulePeerSpec::Ipv6(self.block6(die)),
            3 => RulePeerSpec::PrefixList(self.prefix_list(die)),
            4 => RulePeerSpec::Group(self.group(die), None),
            _ => RulePeerSpec::GroupNamed("default".to_owned()),
        };
        RuleSpec { traffic: self.traffic(die + 1), peer, description: None }
    }

    pub(super) fn rule_id(&self, die: usize) -> Option<SecurityGroupRuleId> {
        self.pick(die, self.world.group(self.group(1))?.rules.keys().copied())
    }

    pub(super) fn group_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (group, direction, tags) = (self.group(1), self.direction(2), self.tags(2));
        match self.dice[5] % 8 {
            0 => {
                let name = format!("group {}", self.dice[3] % 8);
                let description = name.clone();
                C::CreateSecurityGroup { vpc: self.vpc(1), name, description, tags }
            }
            1 => C::DeleteSecurityGroup { group },
            2 => {
                let rules = vec![self.rule(3)];
                C::RevokeSecurityGroup { group, direction, rules, ids: Vec::new() }
            }
            3 => {
                let ids = self.rule_id(3).into_iter().collect();
                C::RevokeSecurityGroup { group, direction, rules: Vec::new(), ids }
            }
            4 => {
                let rules = self.rule_id(3).map(|id| (id, self.rule(4))).into_iter().collect();
                C::ModifySecurityGroupRules { group, rules }
            }
            5 => {
                let words = Some(format!("words {}", self.dice[4]));
                let ids = self.rule_id(3).map(|id| (id, words)).into_iter().collect();
                C::DescribeSecurityGroupRules { group, direction, rules: Vec::new(), ids }
            }
            _ => {
                let rules = vec![self.rule(2), self.rule(3)];
                C::AuthorizeSecurityGroup { group, direction, rules, tags }
            }
        }
    }

    pub(super) fn prefix_list_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (list, n) = (self.prefix_list(1), self.dice[3]);
        let there = self.world.prefix_list(list);
        let family = match self.dice[2] % 4 {
            0 => AddressFamily::Ipv6,
            _ => there.map_or(AddressFamily::Ipv4, |list| list.family),
        };
        let block = |die| match family {
            AddressFamily::Ipv4 => IpCidr::V4(self.block(die)),
            AddressFamily::Ipv6 => IpCidr::V6(self.block6(die)),
        };
        let version = there.map_or(1, |list| list.version);
        let modify = ModifyPrefixList {
            list,
            current: (n > 99).then_some(version + u64::from(n.is_multiple_of(16))),
            name: None,
            max_entries: None,
            add: Vec::new(),
            remove: Vec::new(),
        };
        match self.dice[5] % 8 {
            0..=1 => C::CreatePrefixList(CreatePrefixList {
                name: format!("list {}", n % 4),
                family,
                max_entries: u16::from(n % 32),
                entries: vec![(block(3), None)],
                client_token: self.token(4),
                tags: self.tags(4),
            }),
            2 => C::ModifyPrefixList(ModifyPrefixList { max_entries: Some(n.into()), ..modify }),
            3 => C::ModifyPrefixList(ModifyPrefixList { remove: vec![block(3)], ..modify }),
            4 => C::RestorePrefixList {
                list,
                previous: u64::from(n) % (version + 1),
                current: version,
            },
            5 => C::DeletePrefixList { list },
            _ => C::ModifyPrefixList(ModifyPrefixList {
                add: vec![(block(3), None), (block(4), Some("words".to_owned()))],
                ..modify
            }),
        }
    }

    pub(super) fn acl_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (acl, direction) = (self.acl(1), self.direction(2));
        let number = u16::from(self.dice[3] % 32) * 10;
        let cidr = match self.dice[4] % 4 {
            0 => self.block6(4).into(),
            _ => self.block(4).into(),
        };
        let entry = AclEntry { allow: self.flag(4), traffic: self.traffic(4), cidr };
        let association = self.pick(2, self.world.subnets().map(|s| s.acl_association));
        match self.dice[5] % 6 {
            0 => {
                let (client_token, tags) = (self.token(2), self.tags(3));
                C::CreateNetworkAcl { vpc: self.vpc(1), client_token, tags }
            }
            1 => C::DeleteNetworkAcl { acl },
            2 => C::ReplaceNetworkAclAssociation {
                association: association.unwrap_or(AclAssociationId::MIN),
                acl,
            },
            3 => C::ReplaceNetworkAclEntry { acl, direction, number, entry },
            4 => C::DeleteNetworkAclEntry { acl, direction, number },
            _ => C::CreateNetworkAclEntry { acl, direction, number, entry },
        }
    }
}
