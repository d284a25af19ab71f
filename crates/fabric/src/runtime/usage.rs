//! What workloads use: processor time, memory, and what their interfaces carried.

use std::fs;
use std::path::{Path, PathBuf};

use model::WorkloadId;

const GROUPS: &str = "/sys/fs/cgroup";
const PROCESSES: &str = "/proc";

/// What a workload uses. A figure is absent where the machine does not count it, or nothing runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Microseconds of processor time since its start.
    pub cpu_micros: Option<u64>,
    /// Bytes of memory now.
    pub memory: Option<u64>,
    /// How many processes it consists of.
    pub processes: Option<u64>,
    /// What its interfaces carried.
    pub traffic: Option<Traffic>,
}

/// What the interfaces of a workload carried since its start, but for what it sent to itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
}

/// Reads what a workload of an instance of Causeway uses. It reads a few files, and waits for nothing.
pub fn usage(instance: &str, id: WorkloadId) -> Usage {
    read(Path::new(GROUPS), Path::new(PROCESSES), &group(instance, id))
}

/// The control group of a workload, below the mount point of each hierarchy.
pub(super) fn group(instance: &str, id: WorkloadId) -> PathBuf {
    Path::new(&format!("causeway-{instance}")).join(id.to_string())
}

fn read(groups: &Path, processes: &Path, group: &Path) -> Usage {
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let one = groups.join(group);
    let of = |controller: &str| groups.join(controller).join(group);
    let micros = || {
        let text = fs::read_to_string(one.join("cpu.stat")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok())
    };
    let nanos = || number(of("cpuacct").join("cpuacct.usage"));
    let members = [
        one.join("cgroup.procs"),
        of("pids").join("cgroup.procs"),
        of("memory").join("cgroup.procs"),
    ];
    let members = members.iter().find_map(|path| fs::read_to_string(path).ok());
    let first = members.as_deref().and_then(|text| text.lines().next()?.parse::<u32>().ok());
    let traffic = first.and_then(|process| {
        let path = processes.join(process.to_string()).join("net/dev");
        Some(traffic(&fs::read_to_string(path).ok()?))
    });
    Usage {
        cpu_micros: micros().or_else(|| nanos().map(|nanos| nanos / 1000)),
        memory: number(one.join("memory.current"))
            .or_else(|| number(of("memory").join("memory.usage_in_bytes"))),
        processes: number(one.join("pids.current"))
            .or_else(|| number(of("pids").join("pids.current")))
            .or_else(|| members.map(|text| text.lines().count() as u64)),
        traffic,
    }
}

/// The sums over all interfaces but the loopback's, from the text of `/proc/PID/net/dev`.
fn traffic(text: &str) -> Traffic {
    let mut sum = Traffic::default();
    // Two lines of headings come first; they have no colon.
    for (name, counts) in text.lines().filter_map(|line| line.split_once(':')) {
        let counts: Vec<u64> = counts.split_whitespace().map_while(|it| it.parse().ok()).collect();
        if name.trim() == "lo" || counts.len() < 10 {
            continue;
        }
        sum.received_bytes = sum.received_bytes.saturating_add(counts[0]);
        sum.received_packets = sum.received_packets.saturating_add(counts[1]);
        sum.sent_bytes = sum.sent_bytes.saturating_add(counts[8]);
        sum.sent_packets = sum.sent_packets.saturating_add(counts[9]);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:    9999      99    0    0    0     0          0         0     9999      99    0
  eth0:    1000      10    0    0    0     0          0         0      200       4    0
  eth1:1       1    0    0    0     0          0         0      2       2    0
";

    #[test]
    fn what_interfaces_carried_is_summed_up_without_the_loopbacks() {
        let sum = traffic(DEVICES);
        let expected = Traffic {
            received_bytes: 1001,
            received_packets: 11,
            sent_bytes: 202,
            sent_packets: 6,
        };
        assert_eq!(sum, expected);
        for odd in ["", "eth0:", "eth0: 1 2 3", "eth0: x", ":::", "eth0: -1 -1"] {
            assert_eq!(traffic(odd), Traffic::default(), "{odd}");
        }
    }

    fn file(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn both_kinds_of_hierarchies_are_read() {
        let root = tempfile::tempdir().unwrap();
        let (one, many) = (root.path().join("one"), root.path().join("many"));
        let processes = root.path().join("proc");
        file(&processes, "77/net/dev", DEVICES);
        file(&one, "g/w/cpu.stat", "usage_usec 1500\nuser_usec 1000\n");
        file(&one, "g/w/memory.current", "4096\n");
        file(&one, "g/w/pids.current", "2\n");
        file(&one, "g/w/cgroup.procs", "77\n78\n");
        file(&many, "cpuacct/g/w/cpuacct.usage", "1500999\n");
        file(&many, "memory/g/w/memory.usage_in_bytes", "4096\n");
        file(&many, "pids/g/w/pids.current", "2\n");
        file(&many, "pids/g/w/cgroup.procs", "77\n78\n");
        let expected = Usage {
            cpu_micros: Some(1500),
            memory: Some(4096),
            processes: Some(2),
            traffic: Some(traffic(DEVICES)),
        };
        for groups in [&one, &many] {
            assert_eq!(read(groups, &processes, Path::new("g/w")), expected);
            assert_eq!(read(groups, &processes, Path::new("g/gone")), Usage::default());
        }
    }
}
