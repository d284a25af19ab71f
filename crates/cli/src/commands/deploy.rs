//! `causeway deploy`: code is packed, uploaded and released in one go.

use std::fs::File;
use std::io::{self, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api::{Dyno, Release};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::print::{rows, say, show};
use super::release;
use crate::arguments::apps::App;
use crate::client::{Client, Parsed, Upload};
use crate::output::Out;

/// How long an upload may take as a whole.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(3600);
/// How long dynos may take to come up: a web dyno has a minute to bind its port.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait between two looks at the dynos.
const EVERY: Duration = Duration::from_millis(250);
/// The name of the file that says what must not be uploaded.
const IGNORE: &str = ".slugignore";

/// What is to be deployed.
pub(crate) struct Deployment {
    /// The directory or archive.
    pub(crate) from: PathBuf,
    /// Process types in addition to the Procfile's.
    pub(crate) process: Vec<(String, String)>,
    /// The commit that the code is of.
    pub(crate) commit: Option<String>,
    /// Whether to wait until it runs.
    pub(crate) wait: bool,
}

pub(crate) fn run(deployment: &Deployment, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    // Before anything is packed: whoever misspells a name is to hear it at once.
    client.get(&app.path(""))?;
    let steps = Steps { quiet: app.common.json };
    let code = pack(&deployment.from, &steps)?;
    let commit = deployment.commit.clone().or_else(|| commit_of(&deployment.from));
    let types = deployment.process.iter().cloned().map(|(name, text)| (name, text.into()));
    let mut body = json!({
        "process_types": Value::Object(types.collect()),
        "checksum": format!("SHA256:{}", code.checksum),
    });
    if let Some(commit) = commit {
        body["commit"] = commit.into();
    }
    let slug = client.post(&app.path("/slugs"), &body)?;
    let url = slug["blob"]["url"]
        .as_str()
        .context("the server gives no address to upload the code to")?;
    let size = code.size;
    let bar = steps.bar("Uploading", Some(size));
    let sent = bar.clone();
    let upload = Upload::new(code.file, size, Box::new(move |more| sent.inc(more)));
    let stored = client.upload(url, upload, UPLOAD_PATIENCE)?;
    bar.finish_and_clear();
    steps.say(format_args!("Uploaded {} bytes", size));
    let types = stored["process_types"].as_object();
    ensure!(
        types.is_some_and(|types| !types.is_empty()),
        "nothing of it would run: put a file Procfile with a line such as `web: ./serve` into {}, \
         or give --process TYPE=COMMAND",
        deployment.from.display()
    );
    let made = client.post(&app.path("/releases"), &json!({ "slug": slug["id"] }))?;
    let mut release = Parsed::<Release>::of(made)?;
    let version = release.value.version;
    if release.value.is_pending() {
        if !deployment.wait {
            let text = release::waits(&release.value, app);
            say(&app.common, out, &release.json, &text);
            return Ok(());
        }
        steps.say(format_args!("Running the release command of v{version}"));
        release = release::follow(&client, app, release, |output| steps.show(output))?;
    }
    steps.say(format_args!("Released v{version}"));
    let wanted = wanted(&client, app)?;
    if deployment.wait && !wanted.is_empty() {
        wait(&client, app, version, &wanted, &steps)?;
    }
    let name = &app.name;
    let text = if wanted.is_empty() {
        format!(
            "v{version} of {name} is released, and nothing of it is to run yet.\n\
             Next: causeway ps:scale --app {name} TYPE=1"
        )
    } else {
        let done = if deployment.wait { "runs" } else { "is starting" };
        format!("v{version} of {name} {done}: {}", show(&client.get(&app.path(""))?["web_url"]))
    };
    say(&app.common, out, &release.json, &text);
    Ok(())
}

/// The dynos that an app's formation asks for.
fn wanted(client: &Client, app: &App) -> anyhow::Result<Vec<String>> {
    let formation = client.get(&app.path("/formation"))?;
    let names = rows(&formation, &["type", "quantity"]).into_iter().flat_map(|row| {
        let quantity: u32 = row[1].parse().unwrap_or(0);
        (1..=quantity).map(move |number| format!("{}.{number}", row[0])).collect::<Vec<_>>()
    });
    Ok(names.collect())
}

/// Shows how far the deployment is: by a bar on a terminal, by lines elsewhere, and not at all with
/// `--json`.
struct Steps {
    quiet: bool,
}

impl Steps {
    #[expect(clippy::print_stderr, reason = "how far it is belongs beside the output")]
    fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Shows the output of a command on standard error.
    fn show(&self, output: &[u8]) {
        if !self.quiet {
            // Where nobody reads it, the command goes on all the same.
            let _ = io::stderr().write_all(output);
        }
    }

    fn bar(&self, what: &'static str, bytes: Option<u64>) -> ProgressBar {
        let target = match !self.quiet && io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(bytes, target).with_message(what);
        let style = match bytes {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {eta}",
            None => "{msg} {bytes}",
        };
        bar.with_style(ProgressStyle::with_template(style).expect("the template is well-formed"))
    }
}

/// Code that is ready to be uploaded.
struct Code {
    file: File,
    size: u64,
    checksum: String,
}

fn pack(from: &Path, steps: &Steps) -> anyhow::Result<Code> {
    let about = std::fs::metadata(from)
        .with_context(|| format!("{} cannot be deployed", from.display()))?;
    let mut file = match about.is_dir() {
        true => pack_directory(from, steps)?,
        false => File::open(from).with_context(|| format!("{} cannot be read", from.display()))?,
    };
    file.rewind()?;
    let mut hash = Hashing(Sha256::new());
    let size = io::copy(&mut file, &mut hash)
        .with_context(|| format!("{} cannot be read", from.display()))?;
    file.rewind()?;
    ensure!(size > 0, "{} is empty", from.display());
    Ok(Code { file, size, checksum: hex::encode(hash.0.finalize()) })
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs a directory, without `.git` and what its `.slugignore` names, into a file without a name.
fn pack_directory(from: &Path, steps: &Steps) -> anyhow::Result<File> {
    let bar = steps.bar("Packing", None);
    let mut tar = tar::Builder::new(GzEncoder::new(tempfile::tempfile()?, Compression::default()));
    tar.follow_symlinks(false);
    let walk = ignore::WalkBuilder::new(from)
        .standard_filters(false)
        .add_custom_ignore_filename(IGNORE)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build();
    let mut files = 0usize;
    for entry in walk {
        let entry = entry.with_context(|| format!("{} cannot be read", from.display()))?;
        let path = entry.path();
        let name = path.strip_prefix(from).unwrap_or(path);
        let kind = entry.file_type();
        if name.as_os_str().is_empty() {
            continue;
        }
        if !kind.is_some_and(|kind| kind.is_dir() || kind.is_file() || kind.is_symlink()) {
            bail!("{} is neither a file nor a directory nor a link: leave it out", path.display());
        }
        tar.append_path_with_name(path, name)
            .with_context(|| format!("{} cannot be packed", path.display()))?;
        files += 1;
        bar.inc(entry.metadata().map_or(0, |about| about.len()));
    }
    bar.finish_and_clear();
    ensure!(files > 0, "{} holds nothing to deploy", from.display());
    steps.say(format_args!("Packed {files} files and directories"));
    let packed = tar.into_inner().and_then(GzEncoder::finish);
    packed.context("the code cannot be packed")
}

/// The commit that a directory is at, where git knows.
fn commit_of(from: &Path) -> Option<String> {
    if !from.join(".git").exists() {
        return None;
    }
    let git = Command::new("git")
        .arg("-C")
        .arg(from)
        .args(["rev-parse", "HEAD"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(git.stdout).ok()?.trim().to_owned();
    (git.status.success() && !commit.is_empty()).then_some(commit)
}

/// Waits until every dyno of the formation runs the release.
fn wait(
    client: &Client,
    app: &App,
    version: u32,
    wanted: &[String],
    steps: &Steps,
) -> anyhow::Result<()> {
    let bar = steps.bar("Starting dynos", None);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let dynos = Parsed::<Vec<Dyno>>::of(client.get(&app.path("/dynos"))?)?.value;
        let missing = not_up(wanted, &dynos, version)?;
        if missing.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
        bar.set_message(format!("Waiting for {}", missing.join(", ")));
        if Instant::now() >= deadline {
            bail!(
                "v{version} is released, but within {PATIENCE:?} {} did not come up; see `causeway \
                 logs --app {}`",
                missing.join(", "),
                app.name
            );
        }
        client.pause(EVERY);
    }
}

/// Which dynos do not run the release yet.
///
/// # Errors
///
/// One that runs it has crashed, or another release took its place.
fn not_up(wanted: &[String], dynos: &[Dyno], version: u32) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    for name in wanted {
        // While one takes another's place, both may be shown.
        let version_of = |dyno: &&Dyno| dyno.release.version.unwrap_or(0);
        let found = dynos.iter().filter(|dyno| dyno.name == *name).max_by_key(version_of);
        let runs = found.as_ref().map_or(0, version_of);
        if runs > version {
            bail!("v{version} is released, but v{runs} came after it and runs instead");
        }
        if runs == version && found.is_some_and(Dyno::has_crashed) {
            bail!(
                "v{version} is released, but {name} crashed; see `causeway logs`, and go back \
                 with `causeway rollback`"
            );
        }
        if runs < version || !found.is_some_and(Dyno::is_up) {
            missing.push(name.clone());
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    const QUIET: Steps = Steps { quiet: true };

    fn names(code: Code) -> BTreeSet<String> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(code.file));
        let entries = tar.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_directory_is_packed_without_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        for path in [".git", "sub/.git", "log", "sub/keep"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        for path in ["Procfile", ".git/config", ".env", "log/big", "sub/keep/a.log", "sub/b.txt"] {
            fs::write(dir.path().join(path), path).unwrap();
        }
        fs::write(dir.path().join(".slugignore"), "log/\n*.log\n").unwrap();
        fs::write(dir.path().join(".gitignore"), "sub/b.txt\n").unwrap();
        std::os::unix::fs::symlink("Procfile", dir.path().join("link")).unwrap();
        let packed = names(pack(dir.path(), &QUIET).unwrap());
        let expected = [
            ".env",
            ".gitignore",
            ".slugignore",
            "Procfile",
            "link",
            "sub",
            "sub/b.txt",
            "sub/keep",
        ];
        assert_eq!(packed.iter().map(|n| n.trim_end_matches('/')).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_archive_is_taken_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code.tar");
        fs::write(&path, "whatever").unwrap();
        let code = pack(&path, &QUIET).unwrap();
        assert_eq!(code.size, 8);
        assert_eq!(code.checksum, hex::encode(Sha256::digest("whatever")));
        fs::write(&path, "").unwrap();
        for path in [path, dir.path().join("nothing"), {
            let empty = dir.path().join("empty");
            fs::create_dir(&empty).unwrap();
            empty
        }] {
            let error = format!("{:#}", pack(&path, &QUIET).err().unwrap());
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn dynos_are_waited_for() {
        let id = "01234567-89ab-4def-8123-456789abcdef";
        let dyno = |name: &str, version: u32, state: &str| -> Dyno {
            let shown = json!({
                "id": id, "name": name, "type": "web", "state": state, "size": "Private-S",
                "command": "./serve", "app": { "id": id, "name": "shop" },
                "release": { "id": id, "version": version }, "exit_code": null,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            });
            Parsed::of(shown).unwrap().value
        };
        let wanted = ["web.1".to_owned(), "web.2".to_owned()];
        let ask = |dynos: &[Dyno]| not_up(&wanted, dynos, 3);
        assert_eq!(ask(&[dyno("web.1", 3, "up")]).unwrap(), ["web.2"]);
        let old = [dyno("web.1", 3, "starting"), dyno("web.2", 2, "up")];
        assert_eq!(ask(&old).unwrap(), wanted);
        assert!(ask(&[dyno("web.1", 3, "up"), dyno("web.2", 3, "up")]).unwrap().is_empty());
        assert!(ask(&[dyno("web.1", 2, "crashed")]).is_ok());
        let beside = [dyno("web.1", 3, "up"), dyno("web.1", 2, "up"), dyno("web.2", 3, "up")];
        assert!(ask(&beside).unwrap().is_empty());
        let crashed = ask(&[dyno("web.1", 3, "crashed")]).unwrap_err().to_string();
        assert!(crashed.contains("web.1 crashed"), "{crashed}");
        assert!(ask(&[dyno("web.1", 4, "starting")]).unwrap_err().to_string().contains("v4"));
    }
}
