//! Bringing back what a data service had: a backup is put on its new disk, and the service's first
//! start there reads it, with the plan's own command and in the service's own place.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use flate2::read::MultiGzDecoder;
use model::{AddonId, WorkloadId};
use nix::unistd::{Pid, geteuid};

use super::Error;
use super::error::at;
use super::spawn::spawn;
use super::user::user_of;

/// What waits on a disk to be restored.
pub(super) const WAITING: &str = ".causeway-restore";
/// The same while it is being removed.
const DONE: &str = ".causeway-restored";
const COMMAND: &str = "command";
const BACKUP: &str = "backup.gz";

/// Puts a backup, compressed with gzip, on a new disk below that of all disks. The service's next
/// start empties the disk of all else, runs the command for a shell with the backup as its input,
/// and only then the service. Where the command fails, the start does, and the next one begins
/// anew.
///
/// # Errors
///
/// A file that cannot be written; a disk that is there already.
pub fn await_restore(
    disks: &Path,
    id: AddonId,
    command: &str,
    mut backup: impl Read,
) -> Result<(), Error> {
    let disk = disks.join(id.to_string());
    let waiting = disk.join(WAITING);
    let private =
        |path: &Path| DirBuilder::new().mode(0o700).create(path).map_err(at("make", path));
    DirBuilder::new().recursive(true).mode(0o700).create(disks).map_err(at("make", disks))?;
    private(&disk)?;
    private(&waiting)?;
    let (text, data) = (waiting.join(COMMAND), waiting.join(BACKUP));
    create(&text)
        .and_then(|mut file| file.write_all(command.as_bytes()))
        .map_err(at("write", &text))?;
    create(&data)
        .and_then(|mut file| io::copy(&mut backup, &mut file))
        .map_err(at("write", &data))?;
    // Only root runs services, and it alone can give files away.
    if geteuid().is_root() {
        let user = user_of(WorkloadId::Service(id));
        for path in [&text, &data, &waiting, &disk] {
            chown(path, Some(user), Some(user)).map_err(at("own", path))?;
        }
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether something waits on a disk. What is said there concerns nobody but the disk's own
/// service, which may have put it there itself.
pub(super) fn is_awaited(disk: &Path) -> bool {
    fs::symlink_metadata(disk.join(WAITING)).is_ok_and(|found| found.is_dir())
}

/// A restore under way, seen from inside the service's place.
pub(super) struct Restore {
    pub(super) process: Pid,
    disk: PathBuf,
    feed: JoinHandle<io::Result<()>>,
}

impl Restore {
    /// Empties the disk of what an earlier try left, and starts the command.
    pub(super) fn start(disk: PathBuf) -> io::Result<Self> {
        let waiting = disk.join(WAITING);
        clear(&disk)?;
        let command: OsString = fs::read_to_string(waiting.join(COMMAND))?.into();
        let backup = File::open(waiting.join(BACKUP))?;
        let (input, feed) = io::pipe()?;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command).stdin(Stdio::from(input));
        let process = spawn(&mut shell)?;
        let feed = std::thread::Builder::new().spawn(move || hand_over(backup, feed))?;
        Ok(Self { process, disk, feed })
    }

    /// Once the command has ended well: makes what it wrote durable, and has it restored no more.
    pub(super) fn finish(self) -> io::Result<()> {
        self.feed.join().map_err(|_| io::Error::other("the backup was not read"))??;
        let disk = File::open(&self.disk)?;
        nix::unistd::syncfs(&disk)?;
        let done = self.disk.join(DONE);
        fs::rename(self.disk.join(WAITING), &done)?;
        disk.sync_all()?;
        // From here on it is no more than a waste of space.
        let _ = fs::remove_dir_all(done);
        Ok(())
    }
}

/// Removes all but what waits.
fn clear(disk: &Path) -> io::Result<()> {
    for entry in fs::read_dir(disk)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true if entry.file_name() == WAITING => {}
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Gives the backup to the command, which need not want all of it.
fn hand_over(backup: File, mut to: io::PipeWriter) -> io::Result<()> {
    let mut backup = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, backup));
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = backup.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        match to.write_all(&buffer[..read]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}
