//! Which process an edge is, and which build of the program: what tells whether one that is found
//! is the one that is wanted.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use os::process::ProcessMark;

/// The file in an edge's directory that says which process the edge is.
const NOTE: &str = "edge.pid";

/// Notes in an edge's directory that this process is the edge.
pub(crate) fn note_this_process(dir: &Path) -> io::Result<()> {
    let new = dir.join("edge.pid.new");
    fs::write(&new, serde_json::to_vec(&ProcessMark::of_this_process()?)?)?;
    fs::rename(new, dir.join(NOTE))
}

/// Ends the process that is noted as the edge of a directory, if it is still there, and waits for
/// that.
pub(crate) fn end_noted(dir: &Path) -> io::Result<()> {
    let mark: ProcessMark = serde_json::from_slice(&fs::read(dir.join(NOTE))?)?;
    if mark.pid() == std::process::id() {
        return Err(io::Error::other("this very process is in the way of the edge"));
    }
    match mark.open()? {
        Some(process) => process.end(),
        None => Ok(()),
    }
}

/// What tells one build of a program from another: which file it is, and when it was written.
pub(crate) fn build(program: &Path) -> io::Result<String> {
    let metadata = fs::metadata(program)?;
    let version = env!("CARGO_PKG_VERSION");
    let (size, at, nanos) = (metadata.size(), metadata.mtime(), metadata.mtime_nsec());
    Ok(format!("{version}-{size}-{at}.{nanos}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_ends_itself() {
        let dir = tempfile::tempdir().unwrap();
        assert!(end_noted(dir.path()).is_err(), "no edge was noted");
        note_this_process(dir.path()).unwrap();
        let refused = end_noted(dir.path()).unwrap_err();
        assert!(refused.to_string().contains("this very process"), "{refused}");
    }

    #[test]
    fn the_noted_process_is_ended_and_one_with_its_number_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let note = |text: String| fs::write(dir.path().join(NOTE), text).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mark = serde_json::to_string(&ProcessMark::of(child.id()).unwrap()).unwrap();
        note(mark.replace("\"start\":", "\"start\":1"));
        end_noted(dir.path()).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        note(mark.clone());
        end_noted(dir.path()).unwrap();
        assert!(!child.wait().unwrap().success());
        end_noted(dir.path()).unwrap();
    }
}
