//! Whether this machine can run workloads.

use std::path::Path;
use std::process::{Command, Stdio};

use super::super::cgroup;
use super::super::layers;
use crate::driver::Check;

/// Looks at the OCI runtime and at the control groups.
pub fn doctor(runtime: &Path) -> Vec<Check> {
    let mut checks = check_runtime(runtime);
    let controllers = cgroup::controllers();
    checks.push(check_controller(
        "memory control group",
        controllers.iter().any(|name| name == "memory"),
        "memory limits of workloads are not enforced",
    ));
    checks.push(check_controller(
        "cpu control group",
        controllers.iter().any(|name| name == "cpu"),
        "every workload has the same share of the processors",
    ));
    checks.push(check_controller(
        "pids control group",
        controllers.iter().any(|name| name == "pids"),
        "a workload's number of processes is limited for its user only",
    ));
    checks.push(check_layers());
    checks.push(check_space());
    checks
}

fn check_layers() -> Check {
    let name = "slug layers";
    match layers::probe_layers() {
        Ok(()) => Check {
            name,
            ok: true,
            needed: false,
            detail: "can be stacked".into(),
            remedy: String::new(),
        },
        Err(error) => Check {
            name,
            ok: false,
            needed: false,
            detail: format!("{error}: slugs are copied whenever a dyno starts, which is slow"),
            remedy: "a kernel of 5.19 or later with CONFIG_OVERLAY_FS and CONFIG_USER_NS, and a \
                     file system that maps owners (ext4, xfs, btrfs)"
                .to_owned(),
        },
    }
}

fn check_space() -> Check {
    let name = "homes of limited size";
    match layers::probe_space() {
        Ok(()) => Check {
            name,
            ok: true,
            needed: false,
            detail: "can be made".into(),
            remedy: String::new(),
        },
        Err(error) => Check {
            name,
            ok: false,
            needed: false,
            detail: format!("{error}: what a dyno writes to its home has no limit"),
            remedy: "loop devices (modprobe loop) and mkfs.ext4 (apt-get install e2fsprogs)".into(),
        },
    }
}

fn check_runtime(runtime: &Path) -> Vec<Check> {
    let name = "OCI runtime";
    let remedy = "install runc: apt-get install runc; or name another with --runtime".to_owned();
    let output = Command::new(runtime).arg("--version").stdin(Stdio::null()).output();
    let version = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => {
            let detail = format!("{} --version: {}", runtime.display(), output.status);
            return vec![Check { name, ok: false, needed: true, detail, remedy }];
        }
        Err(error) => {
            let detail = format!("{}: {error}", runtime.display());
            return vec![Check { name, ok: false, needed: true, detail, remedy }];
        }
    };
    let seccomp = version.lines().find_map(|line| line.strip_prefix("libseccomp: "));
    let first = version.lines().next().unwrap_or_default().to_owned();
    vec![
        Check { name, ok: true, needed: true, detail: first, remedy: String::new() },
        Check {
            name: "system call filter",
            ok: seccomp.is_some(),
            needed: true,
            detail: seccomp.map_or("not built in".to_owned(), |v| format!("libseccomp {v}")),
            remedy: match seccomp {
                Some(_) => String::new(),
                None => "use a runc that is built with libseccomp".to_owned(),
            },
        },
    ]
}

fn check_controller(name: &'static str, ok: bool, without: &str) -> Check {
    let remedy = "boot with it enabled (such as cgroup_enable=memory) or mount its hierarchy";
    Check {
        name,
        ok,
        needed: false,
        detail: if ok { "there".to_owned() } else { format!("missing: {without}") },
        remedy: if ok { String::new() } else { remedy.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_runtime_has_a_remedy() {
        let checks = doctor(Path::new("/nonexistent/runc"));
        assert!(!checks[0].ok);
        assert!(checks[0].remedy.contains("apt-get install runc"));
        assert!(checks.iter().all(|check| check.ok == check.remedy.is_empty()));
    }
}
