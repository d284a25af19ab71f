//! Directories with a bound, which outlive the process: disks of data services, and homes of instances and
//! services. Each is a file system of its own in a file, which grows with what is in it and gives back what is
//! removed.
//!
//! It is mounted in the mount namespace of the shim, over the directory that the workload sees, so it is gone
//! with that. Where a machine has no loop devices, as in some containers, and where something is in the directory
//! already, since an earlier version made it, there is that directory alone, and no bound.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::layers::run;
use super::restore::{WAITING, is_awaited};

/// The name of a home in its workload's directory.
pub(super) const HOME: &str = "home";
/// What the service sees of its disk.
const DATA: &str = "data";
/// What is to be restored, while it is being moved to the file system.
const MOVING: &str = ".causeway-moving";

/// A directory with a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bounded {
    /// The directory that it is in, with the file that holds it.
    pub(super) disk: PathBuf,
    /// Bytes that it may hold.
    pub(super) bytes: u64,
    /// The user whose it is.
    pub(super) user: u32,
    /// What it is.
    #[serde(default)]
    pub(super) holds: Holds,
}

/// What is in a directory with a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Holds {
    /// A service's data, which a backup is restored to.
    #[default]
    Data,
    /// A home.
    Home,
}

impl Holds {
    /// The names of the directory, of the file with the file system, and of that while it is being made.
    const fn names(self) -> [&'static str; 3] {
        match self {
            Self::Data => [DATA, "space.img", "space.new"],
            Self::Home => [HOME, "home.img", "home.new"],
        }
    }
}

/// What a service sees of a disk with a bound.
pub(super) fn data(disk: &Path) -> PathBuf {
    disk.join(DATA)
}

impl Bounded {
    /// Puts it in place in the calling thread's mount namespace, and makes it at the first start.
    pub(super) fn mount(&self) -> io::Result<()> {
        let [data, image, unfinished] = self.holds.names().map(|name| self.disk.join(name));
        if image.exists() {
            mount(&image, &data)?;
        } else if is_empty(&data)? && may_be_bounded() {
            self.make(&image, &unfinished)?;
            // It holds nothing yet. What failed may pass the next time, and the bound with it for ever.
            mount(&image, &data).or_else(|error| fs::remove_file(&image).and(Err(error)))?;
        }
        // Programs that want a directory of nothing would stumble over it.
        let _ = fs::remove_dir(data.join("lost+found"));
        chown(&data, Some(self.user), Some(self.user))?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        match self.holds {
            Holds::Data => self.move_backup(&data),
            Holds::Home => Ok(()),
        }
    }

    /// Makes the file system. Under its name it is whole.
    fn make(&self, image: &Path, unfinished: &Path) -> io::Result<()> {
        fs::File::create(unfinished)?.set_len(self.bytes)?;
        let lazy = ["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];
        let made =
            run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).args(lazy).arg(unfinished));
        let made = made.and_then(|()| fs::File::open(unfinished)?.sync_all());
        match made {
            Ok(()) => fs::rename(unfinished, image),
            Err(error) => fs::remove_file(unfinished).and(Err(error)),
        }
    }

    /// Moves what waits to be restored to where the service finds it. What was cut short is done anew.
    fn move_backup(&self, data: &Path) -> io::Result<()> {
        if !is_awaited(&self.disk) {
            return Ok(());
        }
        let (from, moving) = (self.disk.join(WAITING), data.join(MOVING));
        if moving.exists() {
            fs::remove_dir_all(&moving)?;
        }
        if !is_awaited(data) {
            run(Command::new("cp").args(["-a", "--"]).arg(&from).arg(&moving))?;
            fs::rename(&moving, data.join(WAITING))?;
            run(Command::new("sync").arg("-f").arg(data))?;
        }
        fs::remove_dir_all(from)
    }
}

/// The device goes with the last mount namespace that sees it. It reads and writes past the host's cache where
/// the host's file system lets it, so that nothing is kept in memory twice and a sync waits for one journal
/// where it overwrites.
fn mount(image: &Path, data: &Path) -> io::Result<()> {
    let device = attach(image, &["--direct-io=on"]).or_else(|_| attach(image, &[]))?;
    let options = "nosuid,nodev,noatime,discard";
    let mounted =
        run(Command::new("mount").args(["-t", "ext4", "-o", options, "--"]).arg(&device).arg(data));
    // While it is mounted, this only says that nobody else wants it.
    let released = run(Command::new("losetup").arg("--detach").arg(&device));
    mounted.and(released)
}

fn attach(image: &Path, options: &[&str]) -> io::Result<String> {
    let mut command = Command::new("losetup");
    command.args(["--find", "--show"]).args(options).arg("--").arg(image);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(io::Error::other(format!("losetup: {}", output.status))),
    }
}

/// Whether this machine gives devices of files and makes file systems at all, which some containers do not.
/// A disk has no bound there.
fn may_be_bounded() -> bool {
    let devices = fs::File::options().read(true).write(true).open("/dev/loop-control");
    devices.is_ok() && run(Command::new("mkfs.ext4").arg("-V")).is_ok()
}

/// Whether nothing is in a directory.
fn is_empty(dir: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(dir)?.next().is_none())
}
