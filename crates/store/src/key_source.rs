//! Where the key of an installation is, if it is not in its data directory.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::{Error, Result, Secret, durable};

/// The file, in a data directory, that says where the key is.
const NAME: &str = "key-source";
/// How long a command may take.
const LONGEST_COMMAND: Duration = Duration::from_secs(30);
/// How much a command may print: a key, and a few blanks around it.
const MOST_OUTPUT: u64 = 1 << 10;

/// Where the key of an installation is, if it is not in its data directory. The directory says which it
/// is, so that commands beside the server find the key, too; the key itself is not there then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, for its owner only: the 32 bytes of the key, or 64 hexadecimal digits.
    File(PathBuf),
    /// A variable of the environment, with 64 hexadecimal digits.
    Variable(String),
    /// A command for `sh`, which prints what a file would hold.
    Command(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Command(command) => write!(f, "the command '{command}'"),
        }
    }
}

impl KeySource {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// [`Error::Permissions`] for a file that others can read; [`Error::NoKey`] for what is no key, a
    /// variable that is not set, and a command that fails, prints more than a key or does not end within
    /// 30 seconds.
    pub fn secret(&self) -> Result<Secret> {
        let no_key = |reason: String| Error::NoKey { place: self.to_string(), reason };
        match self {
            Self::File(path) => Secret::read(path),
            Self::Variable(name) => {
                let value = std::env::var_os(name).unwrap_or_default();
                if value.is_empty() {
                    return Err(no_key("is not set".to_owned()));
                }
                let value = OsString::into_string(value).unwrap_or_default();
                Secret::parse(value.as_bytes()).ok_or_else(|| no_key(NOT_A_KEY.to_owned()))
            }
            Self::Command(command) => {
                let printed = output(command, LONGEST_COMMAND).map_err(no_key)?;
                Secret::parse(&printed).ok_or_else(|| no_key(format!("prints what {NOT_A_KEY}")))
            }
        }
    }

    /// What a data directory says; `None` where the key is in the directory itself.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or says something else.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let (kind, rest) = text.trim_end_matches('\n').split_once(' ').unwrap_or_default();
        let source = match kind {
            "file" => Self::File(rest.into()),
            "variable" => Self::Variable(rest.to_owned()),
            "command" => Self::Command(rest.to_owned()),
            _ => {
                let reason = "says nothing that this version knows".to_owned();
                return Err(Error::NoKey { place: path.display().to_string(), reason });
            }
        };
        Ok(Some(source))
    }

    /// Whether a data directory says where its key is.
    pub(crate) fn is_noted(dir: &Path) -> bool {
        dir.join(NAME).exists()
    }

    /// Notes it in a data directory.
    ///
    /// # Errors
    ///
    /// What keeps the file from being written.
    pub(crate) fn keep(&self, dir: &Path) -> Result<()> {
        let text = match self {
            Self::File(path) => format!("file {}\n", path.display()),
            Self::Variable(name) => format!("variable {name}\n"),
            Self::Command(command) => format!("command {command}\n"),
        };
        durable::write_file(&dir.join(NAME), text.as_bytes())
    }
}

const NOT_A_KEY: &str = "is no key: one is 64 hexadecimal digits, as `openssl rand -hex 32` prints";

/// What a command prints, unless it fails or takes too long. Its own complaints go where ours go.
fn output(command: &str, longest: Duration) -> Result<Vec<u8>, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let failed = |error: io::Error| format!("cannot be run: {error}");
    let (told, printed) = mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn(move || {
        let mut content = Vec::new();
        let read = stdout.map(|from| from.take(MOST_OUTPUT + 1).read_to_end(&mut content));
        // Nobody hears it where it came too late.
        let _ = told.send(read.transpose().map(|_| content));
    });
    let Ok(printed) = printed.recv_timeout(longest) else {
        // What it started may hold its output open, so nobody waits for the reader.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("did not end within {} seconds", longest.as_secs()));
    };
    let printed = printed.map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if printed.len() as u64 > MOST_OUTPUT {
        return Err("prints more than a key".to_owned());
    }
    if status.success() { Ok(printed) } else { Err(format!("fails: {status}")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn expected() -> Secret {
        let mut bytes = [0; 32];
        (0..).zip(&mut bytes).for_each(|(n, byte)| *byte = n);
        Secret::from_bytes(bytes)
    }

    fn command(text: &str) -> KeySource {
        KeySource::Command(text.to_owned())
    }

    #[test]
    fn a_key_is_read_from_a_file_a_variable_and_a_command() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        for content in [format!("{DIGITS}\n"), DIGITS.to_uppercase()] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(KeySource::File(path.clone()).secret().unwrap(), expected());
        }
        fs::write(&path, expected().expose()).unwrap();
        assert_eq!(KeySource::File(path.clone()).secret().unwrap(), expected());
        assert_eq!(command(&format!("echo ' {DIGITS}'")).secret().unwrap(), expected());
        assert_eq!(command(&format!("cat {}", path.display())).secret().unwrap(), expected());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = KeySource::File(path).secret();
        assert!(matches!(refused, Err(Error::Permissions { .. })));
        // One that every process has, and that is no key.
        let refused = KeySource::Variable("PATH".to_owned()).secret().unwrap_err().to_string();
        assert!(refused.starts_with("the variable PATH is no key"), "{refused}");
        let unset = KeySource::Variable("CAUSEWAY_NOT_SET".to_owned()).secret().unwrap_err();
        assert_eq!(unset.to_string(), "the variable CAUSEWAY_NOT_SET is not set");
    }

    #[test]
    fn a_command_that_gives_no_key_is_refused_with_the_reason() {
        let cases = [
            ("exit 3", "fails: exit status: 3"),
            ("echo abc", "prints what is no key"),
            ("head -c 5000 /dev/zero", "prints more than a key"),
            (":", "prints what is no key"),
        ];
        for (text, reason) in cases {
            let refused = command(text).secret().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("the command '{text}' {reason}")), "{refused}");
        }
        let refused = output("exec sleep 60", Duration::from_millis(50)).unwrap_err();
        assert!(refused.starts_with("did not end within"), "{refused}");
    }

    #[test]
    fn a_directory_says_where_its_key_is() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(KeySource::read(scratch.path()).unwrap(), None);
        let sources = [
            KeySource::File("/etc/causeway/the key".into()),
            KeySource::Variable("CAUSEWAY_KEY".to_owned()),
            command("vault kv get -field=key secret/causeway"),
        ];
        for source in sources {
            source.keep(scratch.path()).unwrap();
            assert_eq!(KeySource::read(scratch.path()).unwrap(), Some(source));
        }
        fs::write(scratch.path().join(NAME), "moon 1\n").unwrap();
        KeySource::read(scratch.path()).unwrap_err();
    }
}
