//! The real Ansible with its collection `amazon.aws`, on playbooks of `tests/fixtures/ansible`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ran, Server, alone, run, tool};

/// What a run of a playbook came to, from the last line that it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Recap {
    pub changed: u32,
    pub failed: u32,
}

/// Runs a playbook on this machine; `arguments` follow its name.
#[track_caller]
pub fn playbook(server: &Server, name: &str, arguments: &[&str]) -> (Recap, Ran) {
    let python = tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python");
    let collections = collections();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ansible").join(name);
    let mut command = alone(Command::new(&python));
    command.args(["-m", "ansible.cli.playbook", "--inventory", "localhost,"]);
    command.arg("--extra-vars").arg(format!("ansible_python_interpreter={}", python.display()));
    command.arg(file).args(arguments);
    server.at_home(&mut command, &server.variables);
    command
        .env("PYTHONPATH", &collections)
        .env("ANSIBLE_COLLECTIONS_PATH", &collections)
        .env("ANSIBLE_HOME", server.data.path().join("home/ansible"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("LC_ALL", "C.UTF-8");
    let ran = run(command);
    let line = ran.out.lines().rev().find(|line| line.contains("ok=") && line.contains("failed="));
    let line = line.unwrap_or_else(|| panic!("no recap: {ran:#?}"));
    let figure = |name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    };
    (Recap { changed: figure("changed="), failed: figure("failed=") }, ran)
}

fn collections() -> PathBuf {
    tool("CAUSEWAY_TEST_ANSIBLE", "../ansible")
}
