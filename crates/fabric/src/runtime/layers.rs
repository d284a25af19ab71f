//! The layers of a dyno's home: the slug's files below, if there are any, the dyno's changes above. The
//! changes are in a file system of their own, so that they have a limit.
//!
//! The layers are put together in a mount namespace of the shim's, so they are gone with it, and
//! nothing of them appears on the host. The files below are the host's root's; seen through an
//! id-mapped mount they are the workload's user's, who may change them as it may its own.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

// Names in a workload's directory. They are given to mounts as relative paths: unlike the whole path,
// these have no character that a mount's options would take for something else.

/// The slug's files, and then the layers together.
const BELOW: &str = "app";
const SPACE: &str = "space";
const ABOVE: &str = "space/home";
const WORK: &str = "space/work";
const BASE: &str = "base";
const ROOT: &str = "rootfs";
/// The file that holds the file system of the changes.
const IMAGE: &str = "space.img";
/// Bytes that a workload's changes may have. The file grows with them.
const SPACE_BYTES: u64 = 2 << 30;

/// The parts of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layers {
    /// The directory of the slug's files; `None` for a home that begins empty.
    #[serde(default)]
    pub(super) slug: Option<PathBuf>,
    /// The user whose home it is.
    pub(super) user: u32,
}

/// The image of a root. What a workload has in place of the image's files is laid over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    /// The directory of the image's files.
    pub(super) files: PathBuf,
    /// The user to whom the files of the host's root seem to belong.
    pub(super) user: u32,
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// The path of a home of layers, in its workload's directory and in the shim's mount namespace.
pub(super) fn merged(root: &Path) -> PathBuf {
    root.join(BELOW)
}

/// The path of a root with an image, likewise.
pub(super) fn base(root: &Path) -> PathBuf {
    root.join(BASE)
}

/// The paths of the changes on the host: the directory, and the file that is mounted there.
pub(super) fn changes(root: &Path) -> [PathBuf; 2] {
    [root.join(SPACE), root.join(IMAGE)]
}

/// Moves the calling thread to a mount namespace of its own, in which the host's mounts come and
/// go as they do on the host, and nothing that is mounted goes back to it.
pub(super) fn enter_own_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    Ok(mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
}

impl Image {
    /// Puts a root together in the calling thread's mount namespace.
    pub(super) fn mount(&self, root: &Path) -> io::Result<()> {
        let base = base(root);
        if mount_mapped(&self.files, &base, self.user).is_err() {
            // Some file systems cannot be mapped: then the image's files belong to the host's root.
            let flags = MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some(&self.files), &base, None::<&str>, flags, None::<&str>)?;
        }
        overlay(root, BASE, &format!("lowerdir={ROOT}:{BASE}"))
    }
}

impl Layers {
    /// Puts a home together in the calling thread's mount namespace. Where the kernel or the file
    /// system has no layers, the slug is copied.
    pub(super) fn mount(&self, root: &Path) -> io::Result<()> {
        // Where the machine has no loop devices, as in some containers, the changes have no limit.
        let _ = bound(root);
        let above = root.join(ABOVE);
        for dir in [&above, &root.join(WORK)] {
            fs::create_dir(dir)?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        }
        chown(&above, Some(self.user), Some(self.user))?;
        if let Some(slug) = &self.slug {
            if self.overlay(root, slug).is_ok() {
                return Ok(());
            }
            self.copy(slug, &above)?;
        }
        let merged = merged(root);
        let flags = MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        Ok(mount(Some(&above), &merged, None::<&str>, flags, None::<&str>)?)
    }

    fn overlay(&self, root: &Path, slug: &Path) -> io::Result<()> {
        let merged = merged(root);
        mount_mapped(slug, &merged, self.user)?;
        let options = format!(
            "lowerdir={BELOW},upperdir={ABOVE},workdir={WORK},redirect_dir=on,metacopy=off,index=off"
        );
        let stacked = overlay(root, BELOW, &options);
        if stacked.is_err() {
            umount2(&merged, MntFlags::MNT_DETACH)?;
        }
        stacked
    }

    fn copy(&self, slug: &Path, to: &Path) -> io::Result<()> {
        let owner = format!("{}:{}", self.user, self.user);
        let all = |path: &Path| path.join(".").into_os_string();
        run(Command::new("cp").args(["-a", "--"]).arg(all(slug)).arg(to))?;
        run(Command::new("chown").args(["-Rh", "--", &owner]).arg(to))
    }
}

/// Tries whether this machine has what layers need.
pub(super) fn probe_layers() -> io::Result<()> {
    in_a_directory_of_nobody("layers", |root| {
        fs::create_dir(root.join(ABOVE))?;
        fs::create_dir(root.join(WORK))?;
        Layers { slug: None, user: 100_000 }.overlay(root, &root.join("slug"))
    })
}

/// Tries whether this machine has what a limit of changes needs.
pub(super) fn probe_space() -> io::Result<()> {
    in_a_directory_of_nobody("space", bound)
}

fn in_a_directory_of_nobody(
    name: &str,
    work: impl FnOnce(&Path) -> io::Result<()> + Send,
) -> io::Result<()> {
    let root = std::env::temp_dir().join(format!("causeway-{name}-{}", std::process::id()));
    for dir in ["slug", BELOW, SPACE] {
        fs::create_dir_all(root.join(dir))?;
    }
    let tried = std::thread::scope(|scope| {
        let attempt = || enter_own_namespace().and_then(|()| work(&root));
        scope.spawn(attempt).join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    });
    fs::remove_dir_all(&root).and(tried)
}

/// Mounts a new file system of limited size where the changes will be. It is made anew at every
/// start, so it needs no journal. Its loop device goes with the last mount namespace that sees it.
fn bound(root: &Path) -> io::Result<()> {
    let [space, image] = changes(root);
    fs::File::create_new(&image)?.set_len(SPACE_BYTES)?;
    // One inode for each 8 KiB: a slug fits that has as many files as it may.
    let plain = ["-q", "-F", "-m", "0", "-i", "8192", "-O", "^has_journal"];
    let lazy = ["-E", "lazy_itable_init=1,nodiscard"];
    run(Command::new("mkfs.ext4").args(plain).args(lazy).arg(&image))?;
    let options = "loop,nosuid,nodev,noatime,noinit_itable";
    run(Command::new("mount").args(["-t", "ext4", "-o", options]).arg(&image).arg(space))
}

/// Mounts a directory elsewhere, read-only. Root's files seem to be the user's there.
fn mount_mapped(from: &Path, to: &Path, user: u32) -> io::Result<()> {
    let mapping = mapping(user)?;
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    let attributes = MountAttr {
        attr_set: libc::MOUNT_ATTR_IDMAP
            | libc::MOUNT_ATTR_RDONLY
            | libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(mapping.as_raw_fd()).map_err(io::Error::other)?,
    };
    #[expect(unsafe_code, reason = "no safe wrapper of the newer mount calls")]
    // SAFETY: the strings end in a zero byte and outlive the calls, the attributes are a whole
    // `mount_attr` of the size that is given, and the descriptor that the first call returns is
    // new and nobody else's.
    unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
        let tree =
            checked(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, from.as_ptr(), flags))?;
        let tree = OwnedFd::from_raw_fd(tree as RawFd);
        checked(libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttr>(),
        ))?;
        checked(libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        ))?;
    }
    Ok(())
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A user namespace in which the host's root is another user, for a mount to refer to. A process
/// must be in it while it is made, which is a `cat` that waits for input.
fn mapping(user: u32) -> io::Result<OwnedFd> {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(unsafe_code, reason = "only the child may leave the parent's user namespace")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; this is one system
    // call, which neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| Ok(unshare(CloneFlags::CLONE_NEWUSER)?));
    }
    let mut child = command.spawn()?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let line = format!("0 {user} 1\n");
    let opened = fs::write(process.join("uid_map"), &line)
        .and_then(|()| fs::write(process.join("gid_map"), &line))
        .and_then(|()| fs::File::open(process.join("ns/user")));
    // `cat` ends with its input.
    drop(child.stdin.take());
    child.wait()?;
    opened.map(OwnedFd::from)
}

/// Mounts layers over one of them; all are given by their names in the workload's directory.
fn overlay(root: &Path, over: &str, options: &str) -> io::Result<()> {
    let before = std::env::current_dir()?;
    std::env::set_current_dir(root)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mounted = mount(Some("overlay"), over, Some("overlay"), flags, Some(options));
    std::env::set_current_dir(before)?;
    Ok(mounted?)
}

pub(super) fn run(command: &mut Command) -> io::Result<()> {
    let status =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    match status.success() {
        true => Ok(()),
        false => {
            Err(io::Error::other(format!("{}: {status}", command.get_program().to_string_lossy())))
        }
    }
}
