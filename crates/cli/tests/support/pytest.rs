//! pytest with the plugin, installed from its wheel, on the project in `examples/pytest`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ran, alone, run, tool};

/// A copy of the project, beside the plugin.
pub struct Project {
    place: tempfile::TempDir,
}

impl Project {
    /// Builds the plugin's wheel without any index, and installs it.
    #[track_caller]
    pub fn new() -> Self {
        let project = Self { place: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let copied = project.place.path();
        for (from, to) in [("clients/python", "plugin"), ("examples/pytest", "project")] {
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(root.join(from)).arg(copied.join(to));
            assert!(copy.status().unwrap().success());
        }
        let wheels = copied.join("wheels");
        let mut build = project.pip(&["wheel", "--no-deps", "-w"]);
        build.arg(&wheels).arg(copied.join("plugin"));
        run(build).ok();
        let wheel = std::fs::read_dir(&wheels).unwrap().next().unwrap().unwrap().path();
        let mut install = project.pip(&["install", "--no-deps", "--target"]);
        install.arg(copied.join("installed")).arg(wheel);
        run(install).ok();
        project
    }

    fn pip(&self, arguments: &[&str]) -> Command {
        let mut command = self.python();
        command.args(["-m", "pip", "--disable-pip-version-check", arguments[0], "--no-index"]);
        command.args(&arguments[1..]);
        command
    }

    fn python(&self) -> Command {
        let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
        command.env("HOME", self.place.path()).env("TMPDIR", self.temporary());
        command
    }

    fn temporary(&self) -> PathBuf {
        let temporary = self.place.path().join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        temporary
    }

    /// Runs the project's tests.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.python();
        let pytest = tool("CAUSEWAY_TEST_PYTEST", "../pytest");
        let path = [self.place.path().join("installed"), pytest];
        command
            .args(["-B", "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "-ra"])
            .args(arguments)
            .env("PYTHONPATH", std::env::join_paths(path).unwrap())
            .current_dir(self.place.path().join("project"));
        run(command)
    }

    /// The data of servers that have not ended: each removes its own at its end.
    pub fn servers(&self) -> Vec<String> {
        let temporary = self.temporary();
        let left = std::fs::read_dir(&temporary).unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            name.starts_with("causeway-").then_some(name)
        });
        left.collect()
    }
}
