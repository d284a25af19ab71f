//! Further processes inside running workloads.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::WorkloadId;
use serde_json::{Value, json};

use super::super::error::at;
use super::super::files::{Files, read_record};
use super::super::{Error, ExecCommand, Inside, SessionCommand};
use super::Runc;

impl Runc {
    pub(super) fn running(&self, id: &WorkloadId) -> Result<Files, Error> {
        let files = self.files(id);
        let runs = self.workloads.get(id).is_some_and(|workload| workload.shim.is_some());
        match runs && files.running_pid().is_some() {
            true => Ok(files),
            false => Err(Error::NotRunning(*id)),
        }
    }

    pub(super) fn session_command(
        &self,
        id: &WorkloadId,
        inside: &Inside,
    ) -> Result<SessionCommand, Error> {
        let files = self.running(id)?;
        let config = files.config();
        let read = read_record::<Value>(&config).map_err(at("read", &config))?;
        let mut process = match read.and_then(|mut config| Some(config.get_mut("process")?.take()))
        {
            Some(process) => process,
            None => return Err(Error::NotRunning(*id)),
        };
        process["args"] = json!(inside.argv);
        process["env"] = environment(&process["env"], &inside.environment).into();
        process["terminal"] = true.into();
        process["consoleSize"] = json!({ "width": inside.columns, "height": inside.rows });
        let order = write_order(&files, &process)?;
        let args = [
            "--root",
            &self.runc_root().display().to_string(),
            "exec",
            "--process",
            &order.display().to_string(),
            &id.to_string(),
        ];
        let args = args.map(str::to_owned).to_vec();
        Ok(SessionCommand { command: ExecCommand { program: self.runtime.clone(), args }, order })
    }
}

/// A workload's environment with some of its variables set anew.
fn environment(of: &Value, set: &BTreeMap<String, String>) -> Vec<Value> {
    let name = |pair: &Value| pair.as_str()?.split_once('=').map(|(name, _)| name.to_owned());
    let kept = of.as_array().into_iter().flatten();
    let kept = kept.filter(|pair| name(pair).is_some_and(|name| !set.contains_key(&name)));
    let set = set.iter().map(|(name, value)| format!("{name}={value}").into());
    kept.cloned().chain(set).collect()
}

/// Writes what the OCI runtime is to do where nobody else can read it: secrets are in it.
fn write_order(files: &Files, process: &Value) -> Result<PathBuf, Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!("exec-{}.json", NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = files.bundle().join(name);
        match write_new(&path, process) {
            // A server before this one left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => return written.map(|()| path.clone()).map_err(at("write", &path)),
        }
    }
}

fn write_new(path: &Path, process: &Value) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(process)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_session_take_the_place_of_the_workload_s() {
        let of = json!(["TERM=dumb", "HOME=/app", "odd"]);
        let set = BTreeMap::from([("TERM".to_owned(), "xterm".to_owned())]);
        assert_eq!(environment(&of, &set), ["HOME=/app", "TERM=xterm"]);
    }
}
