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

/// Validates values by the schemas of a folder, each of which is named, and gives the number of schemas.
#[track_caller]
pub fn validate(schemas: &Path, values: &[(&str, serde_json::Value)]) -> usize {
    const SCRIPT: &str = "
import json, pathlib, sys
from jsonschema import Draft202012Validator as Validator
folder, seen = pathlib.Path(sys.argv[1]), set()
for name, value in json.loads(pathlib.Path(sys.argv[2]).read_text()):
    schema = json.loads((folder / f'{name}.json').read_text())
    Validator.check_schema(schema)
    for error in Validator(schema).iter_errors(value):
        sys.exit(f'{name}: {error.json_path}: {error.message}')
    seen.add(name)
print(len(seen))
";
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("values.json");
    std::fs::write(&file, serde_json::to_vec(values).unwrap()).unwrap();
    let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
    command.args(["-B", "-c", SCRIPT]).arg(schemas).arg(&file);
    command.env("PYTHONPATH", tool("CAUSEWAY_TEST_PYTEST", "../pytest"));
    run(command).ok().trim().parse().unwrap()
}
