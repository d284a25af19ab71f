//! Programs that use AWS's own libraries, of `tests/fixtures`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ran, Server, alone, run, tool};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Runs the families of tests by boto3, in Python.
pub fn boto3_families(server: &Server) -> Ran {
    let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
    // Nothing is to appear beside the sources.
    command.arg("-B").arg(fixtures().join("boto3/run.py"));
    server.at_home(&mut command, &server.variables);
    run(command)
}

/// Runs the walkthrough by the SDK for JavaScript.
pub fn javascript_walkthrough(server: &Server, accepter: &[(String, String)]) -> Ran {
    let packages = tool("CAUSEWAY_TEST_JAVASCRIPT", "../javascript");
    let node = tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python").with_file_name("node");
    // What a module imports is looked for beside it.
    let place = server.data.path().join("javascript");
    std::fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(packages.join("node_modules"), place.join("node_modules")).unwrap();
    let program = place.join("walkthrough.mjs");
    std::fs::copy(fixtures().join("javascript/walkthrough.mjs"), &program).unwrap();
    let mut command = alone(Command::new(node));
    command.arg(program);
    of_two(server, accepter, command)
}

/// Runs the walkthrough by the SDK for Go, from Debian's packages of it.
pub fn go_walkthrough(server: &Server, accepter: &[(String, String)]) -> Ran {
    let compiled = tool("CAUSEWAY_TEST_GO", "../go");
    let mut command = alone(Command::new("go"));
    command.arg("run").arg(fixtures().join("go/walkthrough.go"));
    command.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", compiled);
    of_two(server, accepter, command)
}

/// Runs a program that two accounts' keys are given to.
fn of_two(server: &Server, accepter: &[(String, String)], mut command: Command) -> Ran {
    server.at_home(&mut command, &server.variables);
    for (ours, theirs) in
        [("ACCEPTER_KEY", "AWS_ACCESS_KEY_ID"), ("ACCEPTER_SECRET", "AWS_SECRET_ACCESS_KEY")]
    {
        let found = accepter.iter().find(|(name, _)| name == theirs);
        command.env(ours, &found.unwrap_or_else(|| panic!("no {theirs}")).1);
    }
    run(command)
}
