//! What the kernel says of this process, under the names that all exporters use for it.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// What the kernel says of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Process {
    /// The processor time that it has used, in seconds.
    pub(crate) cpu: f64,
    /// Its memory in RAM, in bytes.
    pub(crate) resident: u64,
    /// Its memory in addresses, in bytes.
    pub(crate) virtual_size: u64,
    /// The files that it has open.
    pub(crate) open_files: u64,
    /// The files that it may have open.
    pub(crate) most_files: u64,
    /// Its threads.
    pub(crate) threads: u64,
    /// When it began, in seconds since 1970.
    pub(crate) started: f64,
}

impl Process {
    /// As it is now; `None` where the kernel does not say.
    pub(crate) fn now() -> Option<Self> {
        let system = |variable| u64::try_from(sysconf(variable).ok()??).ok();
        let (ticks, page) = (system(SysconfVar::CLK_TCK)? as f64, system(SysconfVar::PAGE_SIZE)?);
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name, which may hold anything, ends with the last parenthesis.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let kernel = fs::read_to_string("/proc/stat").ok()?;
        let boot = kernel.lines().find_map(|line| line.strip_prefix("btime "))?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let most = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        Some(Self {
            cpu: (field(14)? + field(15)?) as f64 / ticks,
            resident: field(24)? * page,
            virtual_size: field(23)?,
            open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            most_files: most.split_ascii_whitespace().next()?.parse().unwrap_or(u64::MAX),
            threads: field(20)?,
            started: boot.trim().parse::<f64>().ok()? + field(22)? as f64 / ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_this_process_is() {
        let now = Process::now().unwrap();
        assert!(now.resident > 1 << 20 && now.resident < now.virtual_size, "{now:?}");
        assert!(now.open_files >= 3 && now.open_files <= now.most_files, "{now:?}");
        assert!(now.threads >= 1, "{now:?}");
        let epoch = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!(now.started <= epoch + 2.0 && now.started > epoch - 86_400.0, "{now:?}");
        // This loop ends, as it takes the processor's time.
        while Process::now().unwrap().cpu <= now.cpu {}
    }
}
