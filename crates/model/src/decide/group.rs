//! Rules of group.

use super::lookup::absent;
use super::{Decision, Outcome, refuse};
use crate::Scope;
use crate::command::Ec2Command;
use crate::resource::*;
use crate::{Cidr, Code, Refused, SecurityGroupRuleId, Traffic};

impl Decision<'_> {
    pub(super) fn group_command(&mut self, _scope: Scope, _command: &Ec2Command) -> Outcome {
        refuse(Code::OperationNotPermitted, "not supported yet")
    }
}

/// The rule that a new group has: its members may reach anything.
pub(super) fn egress_to_anywhere() -> GroupRule {
    GroupRule {
        direction: Direction::Egress,
        traffic: Traffic::All,
        peer: GroupPeer::Cidr(Cidr::ANY),
        description: None,
        tags: Tags::new(),
    }
}

pub(super) fn no_such_rule(id: SecurityGroupRuleId) -> Refused {
    absent(Code::GroupRuleNotFound, "security group rule ID", id)
}
