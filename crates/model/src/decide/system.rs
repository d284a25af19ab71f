//! Rules of system.

use super::{Decision, Outcome, refuse};
use crate::Code;
use crate::command::SystemCommand;

impl Decision<'_> {
    pub(super) fn system(&mut self, _command: &SystemCommand) -> Outcome {
        refuse(Code::OperationNotPermitted, "not supported yet")
    }
}
