//! The files of a workload's directory, and the records that its shim leaves there for the daemon.
//!
//! Records are replaced by rename, so a reader never sees half of one. They are not synced to the
//! disk: a power cut that loses one has ended the workload, too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::intent::WorkloadIntent;
use model::{Stdio, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bounded::{Bounded, HOME};
use super::layers::{Image, Layers};

/// The daemon's order to a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShimOrder {
    /// The OCI runtime's program.
    pub(super) runtime: PathBuf,
    /// The directory of the OCI runtime's own state.
    pub(super) runc_root: PathBuf,
    /// The container's name in the OCI runtime.
    pub(super) container: String,
    /// The pipe that wakes the daemon.
    pub(super) events: PathBuf,
    /// Milliseconds that the workload has to end by itself where the host ends it.
    #[serde(default = "usual_grace")]
    pub(super) grace: u64,
    /// The container's control group, in every hierarchy.
    #[serde(default)]
    pub(super) group: PathBuf,
    /// What its home is made of, if that is more than a directory of its own.
    #[serde(default)]
    pub(super) layers: Option<Layers>,
    /// Its disk, if that has a bound.
    #[serde(default)]
    pub(super) bounded: Option<Bounded>,
    /// Its home, if that outlives the process.
    #[serde(default)]
    pub(super) home: Option<Bounded>,
    /// What its root is made of, if that is not the host's own programs.
    #[serde(default)]
    pub(super) image: Option<Image>,
    /// How its standard input and output are connected.
    #[serde(default)]
    pub(super) stdio: Stdio,
}

/// The grace of orders that an earlier version wrote.
fn usual_grace() -> u64 {
    30_000
}

/// The record of how a workload ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExitRecord {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Whether the kernel killed a process of it for memory.
    #[serde(default)]
    pub(super) out_of_memory: bool,
    /// Whether the daemon had asked for the end.
    pub(super) asked: bool,
    /// Whether the host ended it, or whoever works there, as every shutdown does.
    #[serde(default)]
    pub(super) interrupted: bool,
    /// Why it never started; `None` if it did.
    pub(super) failed: Option<String>,
}

impl ExitRecord {
    /// Whether it ended unasked and for no reason of its own: the host ended it, or its shim was
    /// killed before it could say how, as in a power cut.
    pub(super) fn was_interrupted(&self) -> bool {
        let nothing_said = self.code.is_none() && self.signal.is_none() && self.failed.is_none();
        !self.asked && (self.interrupted || nothing_said)
    }
}

/// One workload's directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) root: PathBuf,
}

impl Files {
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory of what exists only while the workload runs.
    pub(super) fn bundle(&self) -> PathBuf {
        self.root.join("bundle")
    }

    pub(super) fn rootfs(&self) -> PathBuf {
        self.root.join("rootfs")
    }

    /// The only directory on the disk that the workload may write to.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join(HOME)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.bundle().join("config.json")
    }

    pub(super) fn order(&self) -> PathBuf {
        self.bundle().join("order.json")
    }

    /// The intent that it was started with.
    pub(super) fn intent(&self) -> PathBuf {
        self.bundle().join("intent.json")
    }

    pub(super) fn user_data(&self) -> PathBuf {
        self.bundle().join("user-data")
    }

    /// The pipe by which the daemon tells the shim to stop the workload.
    pub(super) fn control(&self) -> PathBuf {
        self.bundle().join("control")
    }

    /// The pipe by which the first process says which signal ended the command.
    pub(super) fn status(&self) -> PathBuf {
        self.bundle().join("status")
    }

    /// The pid of the container's first process, which the OCI runtime writes before the start is
    /// over.
    pub(super) fn pid(&self) -> PathBuf {
        self.bundle().join("pid")
    }

    /// The same pid, which the shim writes once the workload runs.
    pub(super) fn running(&self) -> PathBuf {
        self.bundle().join("running")
    }

    /// The socket by which the OCI runtime hands the workload's terminal to the shim.
    pub(super) fn console(&self) -> PathBuf {
        self.bundle().join("console")
    }

    /// The socket by which the shim gives the workload's standard input and output away.
    pub(super) fn attach_socket(&self) -> PathBuf {
        // The name stays: the shim of an earlier build that still runs has its socket there.
        self.bundle().join("door")
    }

    pub(super) fn runc_log(&self) -> PathBuf {
        self.bundle().join("runc.log")
    }

    /// Locked by the shim for as long as it lives: there are never two.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn shim(&self) -> PathBuf {
        self.root.join("shim.json")
    }

    pub(super) fn exit(&self) -> PathBuf {
        self.root.join("exit.json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The pid of the container's first process, once it runs.
    pub(super) fn running_pid(&self) -> Option<u32> {
        read_pid(&self.running())
    }

    /// The intent that it was started with, while it runs.
    pub(super) fn started_with(&self) -> Option<WorkloadIntent> {
        read_record(&self.intent()).ok().flatten()
    }

    /// How and when it ended; `None` where there is no record, or none that can be read.
    pub(super) fn ended(&self) -> Option<(ExitRecord, Timestamp)> {
        let record = read_record(&self.exit()).ok()??;
        let modified = fs::metadata(self.exit()).and_then(|data| data.modified()).ok()?;
        Some((record, timestamp(modified)))
    }
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let millis = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |span| span.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Writes a whole file that only the owner may read, by rename.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?
        .write_all(content)?;
    fs::rename(fresh, path)
}

/// Writes a record by rename.
pub(super) fn write_record(path: &Path, record: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec(record)?)
}

/// Reads a record; `None` if there is none.
pub(super) fn read_record<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(serde_json::from_slice(&content)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file that holds a process's number.
pub(super) fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Removes a file; that there is none is fine.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory that holds nothing of a workload's own making; that there is none is fine.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_record_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        assert!(files.ended().is_none());
        fs::write(files.exit(), "{\"code\":").unwrap();
        assert!(files.ended().is_none());
        let record = ExitRecord { code: Some(3), ..ExitRecord::default() };
        write_record(&files.exit(), &record).unwrap();
        assert_eq!(files.ended().unwrap().0, record);
    }
}
