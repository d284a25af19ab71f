//! botocore's models of EC2, STS and IAM, by `tests/tools/ec2-model` and `ec2-walk`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ran, Server, alone, run, tool};

/// Runs one of the two, as a client of a server if one is given.
pub fn script(server: Option<&Server>, name: &str, arguments: &[&str]) -> Ran {
    let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
    command.arg(root().join("tests/tools").join(name)).args(arguments);
    if let Some(server) = server {
        server.at_home(&mut command, &server.variables);
    }
    run(command)
}

/// The tree that the tests are of.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
