//! Rules of app.

use super::{Decision, Outcome, refuse};
use crate::Code;
use crate::command::PlatformCommand;

impl Decision<'_> {
    pub(super) fn app_command(&mut self, _command: &PlatformCommand) -> Outcome {
        refuse(Code::OperationNotPermitted, "not supported yet")
    }
}
