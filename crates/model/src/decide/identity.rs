//! Rules of identity.

use super::{Decision, Outcome, refuse};
use crate::Code;
use crate::command::IdentityCommand;

impl Decision<'_> {
    pub(super) fn identity(&mut self, _command: &IdentityCommand) -> Outcome {
        refuse(Code::OperationNotPermitted, "not supported yet")
    }
}
