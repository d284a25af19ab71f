//! The file of certificates that the clients of a server are to trust.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the file, beside the server's own, that holds its certificates and the user's.
const TOGETHER: &str = "ca-with-others.pem";
/// How the first line of that file begins. The rest of the line is the path of the user's file.
const OTHERS: &str = "# with those of ";

/// The file that a client of ours is to trust: our own certificates, and what it trusts already.
///
/// # Errors
///
/// A file that cannot be read or written.
pub(super) fn trusted(ours: &Path, given: Option<&Path>) -> io::Result<PathBuf> {
    let together = ours.with_file_name(TOGETHER);
    let others = match given {
        Some(given) if given == together => before(given),
        Some(given) => Some(given.to_owned()),
        None => None,
    };
    // One that is not there is warned of by the client, and trusted by nobody.
    let Some(others) = others.filter(|others| others != ours && others.is_file()) else {
        return Ok(ours.to_owned());
    };
    let text = format!(
        "{OTHERS}{}\n{}\n{}",
        others.display(),
        fs::read_to_string(ours)?,
        fs::read_to_string(&others)?
    );
    if fs::read_to_string(&together).is_ok_and(|kept| kept == text) {
        return Ok(together);
    }
    let partial = together.with_extension("pem.partial");
    fs::File::create(&partial)?.write_all(text.as_bytes())?;
    fs::rename(partial, &together)?;
    Ok(together)
}

/// What was trusted before ours were added, if anything was.
pub(super) fn before(file: &Path) -> Option<PathBuf> {
    if file.file_name()? != TOGETHER {
        // Ours alone, or one that we have nothing to do with.
        return (file.file_name()? != "ca.pem").then(|| file.to_owned());
    }
    let text = fs::read_to_string(file).ok()?;
    text.lines().next()?.strip_prefix(OTHERS).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_trusted_already_is_trusted_on() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, corp) = (dir.path().join("ca.pem"), dir.path().join("corp.pem"));
        fs::write(&ours, "OURS\n").unwrap();
        assert_eq!(trusted(&ours, None).unwrap(), ours);
        assert_eq!(trusted(&ours, Some(&ours)).unwrap(), ours);
        assert_eq!(trusted(&ours, Some(&corp)).unwrap(), ours, "it is not there");
        assert_eq!(before(&ours), None);
        fs::write(&corp, "CORP\n").unwrap();
        let together = trusted(&ours, Some(&corp)).unwrap();
        let text = fs::read_to_string(&together).unwrap();
        assert!(text.contains("OURS") && text.contains("CORP"), "{text}");
        // The same once more, in a shell that has it already, after either was renewed.
        fs::write(&ours, "NEW\n").unwrap();
        assert_eq!(trusted(&ours, Some(&together)).unwrap(), together);
        let text = fs::read_to_string(&together).unwrap();
        assert!(text.contains("NEW") && text.matches("CORP").count() == 1, "{text}");
        assert_eq!(before(&together).unwrap(), corp);
        assert_eq!(before(&corp).unwrap(), corp, "nothing of ours");
    }
}
