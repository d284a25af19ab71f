//! The real Terraform with its provider for AWS, on configurations of `tests/fixtures/terraform`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Ran, Server, alone, run};

/// Where a machine keeps providers that Terraform takes without a network.
const MIRRORS: [&str; 2] = ["/opt/tf-plugins", "/usr/share/terraform/plugins"];

/// A configuration with its state, in a directory of its own.
pub struct Terraform<'s> {
    server: &'s Server,
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// Where Terraform and its provider are on this machine, or why there is no test with them.
///
/// Neither is a package of Debian's, so a machine may lack them. `CAUSEWAY_TEST_TERRAFORM=required` makes
/// that a failure.
pub fn installed() -> Option<PathBuf> {
    let mirror = MIRRORS
        .iter()
        .map(Path::new)
        .find(|mirror| mirror.join("registry.terraform.io/hashicorp/aws").is_dir());
    let program = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|at| at.join("terraform")).find(|it| it.is_file())
    });
    if let (Some(mirror), Some(_)) = (mirror, program) {
        return Some(mirror.to_owned());
    }
    let required = std::env::var_os("CAUSEWAY_TEST_TERRAFORM").is_some_and(|it| it == "required");
    assert!(!required, "terraform, or its provider for AWS in {MIRRORS:?}, is missing");
    eprintln!(
        "NOT TESTED WITH TERRAFORM: terraform, or its provider for AWS in {MIRRORS:?}, is missing on this machine"
    );
    None
}

impl<'s> Terraform<'s> {
    /// Takes a configuration of the fixtures; `variables` are its own, without `TF_VAR_`.
    pub fn new(server: &'s Server, mirror: &Path, name: &str, variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/terraform").join(name);
        for file in std::fs::read_dir(at).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
        }
        let settings = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
            mirror
        );
        std::fs::write(directory.path().join("terraformrc"), settings).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| (format!("TF_VAR_{name}"), (*value).to_owned()))
            .collect();
        let made = Self { server, directory, variables };
        made.run(&["init"]).ok();
        made
    }

    /// Makes everything as the configuration says, at one of its steps, and sees that nothing is left to do.
    #[track_caller]
    pub fn apply(&self, step: u8) {
        let step = format!("step={step}");
        self.run(&["apply", "-auto-approve", "-var", &step]).ok();
        let left = self.run(&["plan", "-detailed-exitcode", "-var", &step]);
        assert_eq!(left.code, Some(0), "a plan after an apply is not empty: {left:#?}");
    }

    /// Takes everything away.
    #[track_caller]
    pub fn destroy(&self) {
        self.run(&["destroy", "-auto-approve"]).ok();
    }

    /// The values that the configuration gives.
    pub fn outputs(&self) -> Value {
        self.run_plain(&["output", "-json"]).json()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_plain(&[arguments, &["-input=false", "-no-color"]].concat())
    }

    fn run_plain(&self, arguments: &[&str]) -> Ran {
        let mut command = alone(Command::new("terraform"));
        command.args(arguments).current_dir(self.directory.path());
        self.server.at_home(&mut command, &self.server.variables);
        command
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("terraformrc"))
            .env("TF_IN_AUTOMATION", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        run(command)
    }
}
