//! The directory of an installation: its lock, its key, and where its files are.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, Identity, KeySource, Result, Secret, durable, mark};

pub(crate) const LOCK: &str = "lock";
pub(crate) const SECRET: &str = "secret.key";
pub(crate) const DATABASE: &str = "causeway.db";
/// A marker file: it is there from the first start until its results were shown to somebody.
pub(crate) const FIRST_START: &str = "first-start";
/// The directory of files that no record names.
pub(crate) const LOST: &str = "lost";

/// An installation's directory, locked: one process at a time has it open. The lock is held until
/// this and every store opened in it are gone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: Arc<Lock>,
    secret: Secret,
    /// What the directory does not have yet and is to get once its database was found.
    unsaved: RefCell<Option<Unsaved>>,
    accepted: Option<u64>,
}

/// What a directory lacks until the database on a server was found to be its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unsaved {
    /// The key, which was made now.
    Key,
    /// Where the key is. `first` says that the directory had no key at all before.
    Source { source: KeySource, first: bool },
}

impl DataDir {
    /// Opens the directory, or makes it, with a new key in it.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseMissing`] where there was a database and is none: whatever else is in the
    /// directory would be taken for nobody's. [`Error::SecretMissing`], [`Error::InUse`],
    /// [`Error::Permissions`], and what keeps the directory from being used.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, None)
    }

    /// The same with the key from elsewhere; where nothing is said of it, the directory knows where its
    /// key was last.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and [`KeySource::secret`], and [`Error::OtherKey`] where the directory has
    /// another key.
    pub fn open_with(path: &Path, key: Option<&KeySource>) -> Result<Self> {
        prepare(path)?;
        let lock = lock(path)?;
        Self::of_lock(path, lock, key)
    }

    /// The directory that a lock is held on.
    pub(crate) fn of_lock(path: &Path, lock: Arc<Lock>, key: Option<&KeySource>) -> Result<Self> {
        if Identity::read(path)?.is_some_and(|seen| seen.timeline > 0) {
            return Err(Error::Elsewhere { path: path.to_owned() });
        }
        let secret = open_secret(path, key)?;
        let unsaved = RefCell::default();
        Ok(Self { path: path.to_owned(), lock, secret, unsaved, accepted: None })
    }

    /// Opens the directory of a server whose database is elsewhere, or makes it. A new key, or where it is, is
    /// kept only once the database was found to be of it.
    ///
    /// # Errors
    ///
    /// [`Error::OwnDatabase`] where the directory has a database itself, [`Error::InUse`],
    /// [`Error::Permissions`], those of [`Self::open_with`] for a key from elsewhere, and what keeps the
    /// directory from being used.
    pub fn open_for_server(path: &Path, key: Option<&KeySource>) -> Result<Self> {
        prepare(path)?;
        let lock = lock(path)?;
        if durable::has_content(&path.join(DATABASE))? {
            return Err(Error::OwnDatabase { path: path.to_owned() });
        }
        let had_key = has_own_key(path)? || KeySource::is_noted(path);
        let (secret, unsaved) = match known_secret(path, key)? {
            None => (Secret::generate()?, Some(Unsaved::Key)),
            Some((secret, source)) => {
                (secret, source.map(|source| Unsaved::Source { source, first: !had_key }))
            }
        };
        let unsaved = RefCell::new(unsaved);
        Ok(Self { path: path.to_owned(), lock, secret, unsaved, accepted: None })
    }

    /// Keeps, for a database that begins now, that it does and what the directory lacks.
    pub(crate) fn begin(&self) -> Result<()> {
        use Unsaved::{Key, Source};
        if matches!(&*self.unsaved.borrow(), Some(Key | Source { first: true, .. })) {
            durable::write_file(&self.path.join(FIRST_START), b"")?;
        }
        self.settle()
    }

    /// Keeps what the directory lacks, once the database was found to be of this key.
    pub(crate) fn settle(&self) -> Result<()> {
        let mut unsaved = self.unsaved.borrow_mut();
        match &*unsaved {
            None => {}
            Some(Unsaved::Key) => {
                durable::write_file(&self.path.join(SECRET), self.secret.expose())?;
            }
            Some(Unsaved::Source { source, .. }) => source.keep(&self.path)?,
        }
        *unsaved = None;
        Ok(())
    }

    /// Whether the key was made now, and so is that of no database that there was before.
    pub(crate) fn has_new_key(&self) -> bool {
        matches!(&*self.unsaved.borrow(), Some(Unsaved::Key))
    }

    /// Takes the database as it is, if it is at this revision, whatever was here before.
    pub fn accept_database(&mut self, revision: u64) {
        self.accepted = Some(revision);
    }

    /// The revision at which the database was accepted without a check against the mark.
    pub(crate) fn accepted(&self) -> Option<u64> {
        self.accepted
    }

    /// Whether the installation is being made: nothing is lost that is not here.
    pub fn is_new(&self) -> bool {
        is_new(&self.path)
    }

    /// Where what no record names is kept, until it is deleted by an order.
    pub fn lost(path: &Path) -> PathBuf {
        path.join(LOST)
    }

    /// The file that is there until somebody was told what the first start made.
    pub fn first_start(path: &Path) -> PathBuf {
        path.join(FIRST_START)
    }

    /// Opens the directory of an installation that is there; makes nothing.
    pub fn open_existing(path: &Path) -> Result<Self> {
        if !Self::is_installation(path) {
            return Err(Error::NotAnInstallation { path: path.to_owned() });
        }
        Self::open(path)
    }

    /// Whether a directory looks like one that [`Self::open`] made and a server used.
    pub fn is_installation(path: &Path) -> bool {
        let has_key = path.join(SECRET).exists() || KeySource::is_noted(path);
        has_key && (path.join(DATABASE).exists() || mark::exists(path))
    }

    /// Refuses a path where nothing can be restored to, as something is there.
    ///
    /// # Errors
    ///
    /// [`Error::NotEmpty`], and what keeps it from being looked at.
    pub fn refuse_content(path: &Path) -> Result<()> {
        if path.exists() { refuse_content(path) } else { Ok(()) }
    }

    /// Reads the key beside a running server, without taking the lock.
    pub fn read_secret(path: &Path) -> Result<Secret> {
        match KeySource::read(path)? {
            Some(source) => source.secret(),
            None => Secret::read(&path.join(SECRET)),
        }
    }

    /// The process that has a directory open, without taking its lock; none that has ended.
    pub fn holder(path: &Path) -> Option<u32> {
        let pid: u32 = fs::read_to_string(path.join(LOCK)).ok()?.trim().parse().ok()?;
        Path::new("/proc").join(pid.to_string()).exists().then_some(pid)
    }

    /// The installation's key.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    pub(crate) fn database_path(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// A share of the lock, for a store that may outlive this.
    pub(crate) fn lock(&self) -> Arc<Lock> {
        Arc::clone(&self.lock)
    }
}

/// Makes the directory, or refuses one where others can put another key in place.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    durable::create_dir(dir)?;
    let metadata = fs::metadata(dir).map_err(Error::file("look at", dir))?;
    durable::check_mode(dir, &metadata, 0o022, 0o700)
}

/// The lock on a data directory.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that was begun and does not run its program yet has
        // it open, too. If this fails, the kernel unlocks it when the last of them is gone.
        let _ = self.0.unlock();
    }
}

/// Takes the lock, and says in its file who has it. The file stays: removing it would let two
/// processes lock two files of the same name.
pub(crate) fn lock(dir: &Path) -> Result<Arc<Lock>> {
    let path = dir.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(32).read_to_string(&mut holder);
            let pid = read.ok().and_then(|_| holder.trim().parse().ok());
            return Err(Error::InUse { path: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
    }
    // Where the disk has no room for it, nobody is told who has it; it is held all the same.
    let _ = file
        .rewind()
        .and_then(|()| writeln!(file, "{:<10}", std::process::id()))
        .and_then(|()| file.set_len(11));
    Ok(Arc::new(Lock(file)))
}

/// Whether an installation begins here, and no database of it was seen yet.
fn is_new(dir: &Path) -> bool {
    dir.join(FIRST_START).exists() && !mark::exists(dir)
}

/// Reads the key; makes one only where there is no database that needs another.
fn open_secret(dir: &Path, given: Option<&KeySource>) -> Result<Secret> {
    let had_key = has_own_key(dir)? || KeySource::is_noted(dir);
    let database = dir.join(DATABASE);
    let has_database = durable::has_content(&database)?;
    if !has_database && (had_key || mark::exists(dir)) && !is_new(dir) {
        return Err(Error::DatabaseMissing { path: database });
    }
    let known = known_secret(dir, given)?;
    if known.is_none() && has_database {
        return Err(Error::SecretMissing { path: dir.join(SECRET) });
    }
    if !had_key && !has_database {
        // First of all: what has a key and not this has lost its database.
        durable::write_file(&dir.join(FIRST_START), b"")?;
    }
    let Some((secret, source)) = known else {
        let secret = Secret::generate()?;
        durable::write_file(&dir.join(SECRET), secret.expose())?;
        return Ok(secret);
    };
    if let Some(source) = source {
        source.keep(dir)?;
    }
    Ok(secret)
}

fn has_own_key(dir: &Path) -> Result<bool> {
    let path = dir.join(SECRET);
    path.try_exists().map_err(Error::file("look at", &path))
}

/// The key from where it is given, from where it was last, or from the directory, and where it is if the
/// directory does not say so yet; `None` where there is no key. A directory that has one has no other.
fn known_secret(
    dir: &Path,
    given: Option<&KeySource>,
) -> Result<Option<(Secret, Option<KeySource>)>> {
    let path = dir.join(SECRET);
    let own = has_own_key(dir)?.then(|| Secret::read(&path)).transpose()?;
    let noted = KeySource::read(dir)?;
    let Some(source) = given.or(noted.as_ref()) else { return Ok(own.map(|own| (own, None))) };
    let secret = source.secret()?;
    if own.is_some_and(|own| own != secret) {
        return Err(Error::OtherKey { path, other: source.to_string() });
    }
    let unsaved = Some(source).filter(|source| noted.as_ref() != Some(source)).cloned();
    Ok(Some((secret, unsaved)))
}

/// Refuses a directory with anything in it but a lock.
pub(crate) fn refuse_content(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::file("list", dir))? {
        if entry.map_err(Error::file("list", dir))?.file_name() != LOCK {
            return Err(Error::NotEmpty { path: dir.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_child_that_is_about_to_begin_does_not_hold_the_lock() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(DataDir::holder(scratch.path()), None);
        let dir = DataDir::open(scratch.path()).unwrap();
        assert_eq!(DataDir::holder(scratch.path()), Some(std::process::id()));
        // What a child has between its beginning and its program's.
        let _inherited = dir.lock().0.try_clone().unwrap();
        assert!(matches!(DataDir::open(scratch.path()), Err(Error::InUse { .. })));
        drop(dir);
        DataDir::open(scratch.path()).unwrap();
    }

    #[test]
    fn new_directory_is_the_owner_s_alone_and_keeps_its_key() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b");
        let dir = DataDir::open(&path).unwrap();
        assert_eq!(mode(&scratch.path().join("a")), 0o700);
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(SECRET)), 0o600);
        assert_eq!(mode(&path.join(LOCK)), 0o600);
        assert_eq!(DataDir::read_secret(&path).unwrap(), *dir.secret(), "beside the holder");
        assert_eq!(fs::read(path.join(SECRET)).unwrap(), dir.secret().expose());
        let first = dir.secret().clone();
        assert!(!format!("{dir:?}").contains(&format!("{:?}", first.expose())));
        drop(dir);
        assert_eq!(*DataDir::open(&path).unwrap().secret(), first);
        let other = DataDir::open(&scratch.path().join("c")).unwrap();
        assert_ne!(*other.secret(), first);
    }

    #[test]
    fn what_is_no_installation_stays_as_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let typo = scratch.path().join("typo");
        let refused = DataDir::open_existing(&typo).unwrap_err();
        assert!(matches!(refused, Error::NotAnInstallation { .. }), "{refused}");
        assert!(!typo.exists(), "nothing is made");
        DataDir::open_existing(scratch.path()).unwrap_err();
        assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
        drop(DataDir::open(&typo).unwrap());
        fs::write(typo.join(DATABASE), "").unwrap();
        DataDir::open_existing(&typo).unwrap();
    }

    #[test]
    fn second_open_names_the_first_process() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = DataDir::open(scratch.path()).unwrap();
        let message = DataDir::open(scratch.path()).unwrap_err().to_string();
        let expected = format!(
            "{} is in use by process {}: stop that first, or name another directory",
            scratch.path().display(),
            std::process::id()
        );
        assert_eq!(message, expected);
        drop(dir);
        DataDir::open(scratch.path()).unwrap();
    }

    #[test]
    fn key_that_others_can_read_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        drop(DataDir::open(scratch.path()).unwrap());
        let key = scratch.path().join(SECRET);
        for bad in [0o604, 0o640, 0o620, 0o601] {
            set_mode(&key, bad);
            let errors = [
                DataDir::open(scratch.path()).unwrap_err(),
                DataDir::read_secret(scratch.path()).unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, Error::Permissions { mode, .. } if mode == bad));
                let command = format!("run `chmod 600 {}`", key.display());
                assert!(error.to_string().ends_with(&command), "{error}");
            }
        }
        for good in [0o600, 0o400] {
            set_mode(&key, good);
            DataDir::open(scratch.path()).unwrap();
        }
    }

    #[test]
    fn directory_that_others_can_write_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        set_mode(scratch.path(), 0o770);
        let error = DataDir::open(scratch.path()).unwrap_err();
        let command = format!("run `chmod 700 {}`", scratch.path().display());
        assert!(error.to_string().ends_with(&command), "{error}");
        assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
        set_mode(scratch.path(), 0o755);
        DataDir::open(scratch.path()).unwrap();
    }

    #[test]
    fn a_key_from_elsewhere_is_not_kept_here_and_found_again() {
        let scratch = tempfile::tempdir().unwrap();
        let (path, key) = (scratch.path().join("data"), scratch.path().join("key"));
        let source = KeySource::File(key.clone());
        DataDir::open_with(&path, Some(&source)).unwrap_err();
        assert!(!path.join(FIRST_START).exists(), "nothing was begun without the key");
        fs::write(&key, "0f".repeat(32)).unwrap();
        set_mode(&key, 0o600);
        let dir = DataDir::open_with(&path, Some(&source)).unwrap();
        assert_eq!(dir.secret().expose(), &[0x0f; 32]);
        assert!(dir.is_new());
        assert!(!path.join(SECRET).exists());
        drop(dir);
        fs::write(path.join(DATABASE), "something").unwrap();
        assert!(DataDir::is_installation(&path));
        assert_eq!(DataDir::read_secret(&path).unwrap().expose(), &[0x0f; 32]);
        assert_eq!(DataDir::open(&path).unwrap().secret().expose(), &[0x0f; 32], "as noted");

        // An installation gives its key away by a copy of it elsewhere, and only by that.
        let own = scratch.path().join("own");
        let first = DataDir::open(&own).unwrap().secret().clone();
        let other = DataDir::open_with(&own, Some(&source)).unwrap_err();
        assert!(matches!(other, Error::OtherKey { .. }), "{other}");
        assert_eq!(DataDir::read_secret(&own).unwrap(), first, "nothing was noted");
        fs::copy(own.join(SECRET), &key).unwrap();
        DataDir::open_with(&own, Some(&source)).unwrap();
        fs::remove_file(own.join(SECRET)).unwrap();
        assert_eq!(*DataDir::open(&own).unwrap().secret(), first);
        fs::remove_file(&key).unwrap();
        DataDir::open(&own).unwrap_err();
        assert!(!own.join(SECRET).exists(), "no other key takes its place");
    }

    #[test]
    fn malformed_and_missing_keys_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        drop(DataDir::open(scratch.path()).unwrap());
        let key = scratch.path().join(SECRET);
        for length in [0, 31, 33, 100_000] {
            fs::write(&key, vec![1; length]).unwrap();
            let error = DataDir::open(scratch.path()).unwrap_err();
            assert!(matches!(error, Error::MalformedSecret { .. }), "{error}");
        }
        fs::remove_file(&key).unwrap();
        fs::write(scratch.path().join(DATABASE), "something").unwrap();
        let error = DataDir::open(scratch.path()).unwrap_err();
        assert!(matches!(error, Error::SecretMissing { .. }), "{error}");
        assert!(!key.exists(), "no other key takes its place");
    }

    #[test]
    fn key_that_was_being_written_at_a_crash_is_made_anew() {
        let scratch = tempfile::tempdir().unwrap();
        let unfinished = scratch.path().join("secret.key.new");
        fs::write(&unfinished, "half").unwrap();
        DataDir::open(scratch.path()).unwrap();
        assert!(!unfinished.exists());
        assert_eq!(mode(&scratch.path().join(SECRET)), 0o600);
    }
}
