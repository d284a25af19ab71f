//! Rules of acl.

use super::{Decision, Outcome, refuse};
use crate::Code;
use crate::Scope;
use crate::command::Ec2Command;

impl Decision<'_> {
    pub(super) fn acl_command(&mut self, _scope: Scope, _command: &Ec2Command) -> Outcome {
        refuse(Code::OperationNotPermitted, "not supported yet")
    }
}
