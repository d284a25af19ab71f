//! What our own program is linked with, for where the host's files are not to be seen.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The libraries of a program, and what loads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Libraries {
    /// Each by the name that the program knows it by, and where it is.
    pub(super) files: Vec<(String, PathBuf)>,
    /// The name of the one that loads the others; none for a program that needs none.
    pub(super) loader: Option<String>,
}

impl Libraries {
    /// Those of a program, as its own loader finds them.
    pub(super) fn of(program: &Path) -> io::Result<Self> {
        // So asked, it says what it would load, and runs nothing of the program. One that is
        // linked statically has no loader, would run, and is to end at once.
        let output = Command::new(program)
            .arg("--version")
            .env_clear()
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()?;
        Ok(Self::read(&String::from_utf8_lossy(&output.stdout)))
    }

    fn read(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines().filter(|line| line.starts_with('\t')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [name, "=>", path, ..] if path.starts_with('/') => {
                    found.files.push((name.to_owned(), path.into()));
                }
                // The loader itself has no other name.
                [path, ..] if path.starts_with('/') => {
                    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                    found.files.push((name.clone(), path.into()));
                    found.loader = Some(name);
                }
                // What the kernel brings.
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loader_says_is_read() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\
                    \tlibno.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let found = Libraries::read(said);
        assert_eq!(found.loader.as_deref(), Some("ld-linux-x86-64.so.2"));
        let names: Vec<_> = found.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["libc.so.6", "ld-linux-x86-64.so.2"]);
        assert_eq!(Libraries::read("causeway 0.1.0\n"), Libraries::default());
    }
}
