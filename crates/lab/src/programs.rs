//! Where the programs of OVN, Open vSwitch and PostgreSQL are.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::node::finish;

/// Where OVN and Open vSwitch are.
#[derive(Debug, Clone)]
pub struct Programs {
    directories: Vec<PathBuf>,
    schemas: Vec<PathBuf>,
    /// The release of OVN, such as `25.03.0`.
    pub release: String,
}

/// The oldest release of OVN that carries Causeway's networks.
const OLDEST: (u32, u32) = (25, 3);

impl Programs {
    /// Looks for them: below a directory with `bin` and `share`, or where Debian puts them.
    ///
    /// # Errors
    ///
    /// They are not there or too old, with what to do.
    pub fn find(directory: Option<&Path>) -> anyhow::Result<Self> {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        let absolute = |directory: &Path| {
            let found = directory.canonicalize();
            found.with_context(|| format!("{} is no directory", directory.display()))
        };
        let mut programs = match directory.map(absolute).transpose()? {
            Some(directory) => Self {
                directories: vec![directory.join("bin")],
                schemas: vec![directory.join("share")],
                release: String::new(),
            },
            None => Self {
                directories: paths(&["/usr/bin", "/usr/sbin"]),
                schemas: paths(&["/usr/share/ovn", "/usr/share/openvswitch"]),
                release: String::new(),
            },
        };
        for name in ["ovn-northd", "ovn-controller", "ovs-vswitchd", "ovsdb-server", "ovsdb-tool"] {
            programs.program(name)?;
        }
        let nbctl = programs.program("ovn-nbctl")?;
        let said =
            finish(std::process::Command::new(nbctl).arg("--version"), "ovn-nbctl --version")?;
        let release = said.split_whitespace().nth(1).unwrap_or_default();
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(year), Some(month)) if (year, month) >= OLDEST => {}
            _ => bail!(
                "OVN is {release:?} here, and 25.03 is the oldest that will do: Debian 13 and Ubuntu 26.04 have it. \
                 `scripts/demo --hosts 3` brings its own"
            ),
        }
        release.clone_into(&mut programs.release);
        Ok(programs)
    }

    /// The path of a program.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let found = first(&self.directories, name);
        found.with_context(|| {
            format!(
                "there is no {name}. On Debian 13: `apt install ovn-central ovn-host`, and see that their services do \
                 not run. Elsewhere `scripts/demo --hosts 3` brings its own"
            )
        })
    }

    /// The path of a database's schema.
    pub(crate) fn schema(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = format!("{name}.ovsschema");
        first(&self.schemas, &file)
            .with_context(|| format!("there is no {file} beside OVN's programs"))
    }
}

fn first(directories: &[PathBuf], name: &str) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}
