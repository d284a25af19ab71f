//! `causeway snapshot`: everything that an emulator has, in a file and back.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::print::{count, say};
use crate::arguments::Common;
use crate::arguments::operate::SnapshotStep;
use crate::client::As;
use crate::output::Out;

/// Saves or loads a snapshot.
///
/// # Errors
///
/// The file cannot be written or read, or what the server refused.
pub(super) fn run(
    what: SnapshotStep,
    file: &Path,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::Anybody)?;
    match what {
        SnapshotStep::Save => {
            let text = client.save_snapshot()?;
            write(file, &text).with_context(|| format!("{} cannot be written", file.display()))?;
            let shown = format!("Wrote {}, {} bytes", file.display(), text.len());
            say(common, out, &json!({ "path": file, "bytes": text.len() }), &shown);
        }
        SnapshotStep::Load => {
            let text = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let loaded = client.load_snapshot(text)?;
            let records = count(loaded.records, "record");
            let shown = format!("Loaded {records}, as they were at {}", loaded.saved);
            say(common, out, &loaded, &shown);
        }
    }
    Ok(())
}

/// Writes a file as a whole, or leaves it as it was. It may hold secrets, such as the values of config
/// vars, so that only its owner may read it.
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let written = (|| {
        let mut open = OpenOptions::new();
        let mut to = open.write(true).create(true).truncate(true).mode(0o600).open(partial)?;
        to.set_permissions(Permissions::from_mode(0o600))?;
        to.write_all(text)?;
        std::fs::rename(partial, file)
    })();
    if written.is_err() {
        // What it was to hold is not whole.
        let _ = std::fs::remove_file(partial);
    }
    written
}
