//! Namespaces in a row with a veth pair between each two, which do nothing but forward.

use std::net::Ipv4Addr;
use std::process::Command;

use super::measure::Way;
use crate::Result;

/// A row of namespaces; it is gone when this is dropped.
pub struct Plain {
    names: Vec<String>,
}

impl Plain {
    /// Makes a row with so many pairs. All is as the kernel makes it, and so is the fabric's, but for
    /// the size of packets, which is the fabric's.
    pub fn new(name: &str, pairs: u8) -> Result<Self> {
        let pid = std::process::id();
        let row =
            Self { names: (0..=pairs).map(|at| format!("cwcost-{pid}-{name}-{at}")).collect() };
        for name in &row.names {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        for (at, pair) in row.names.windows(2).enumerate() {
            let [left, right] = pair else { continue };
            ip(&format!(
                "-n {left} link add right mtu 9001 type veth peer name left mtu 9001 netns {right}"
            ))?;
            for (end, link, last) in [(left, "right", 1), (right, "left", 2)] {
                ip(&format!("-n {end} addr add 192.168.{at}.{last}/30 dev {link}"))?;
                ip(&format!("-n {end} link set {link} up"))?;
                ip(&format!("netns exec {end} sysctl -qw net.ipv4.ip_forward=1"))?;
            }
        }
        let last = usize::from(pairs) - 1;
        for (at, name) in row.names.iter().enumerate() {
            if at < last {
                ip(&format!("-n {name} route add 192.168.{last}.0/30 via 192.168.{at}.2"))?;
            }
            if at > 1 {
                ip(&format!("-n {name} route add 192.168.0.0/30 via 192.168.{}.1", at - 1))?;
            }
        }
        Ok(row)
    }

    /// The way from the first to the last.
    pub fn way(&self) -> Way {
        let last = self.names.len() - 1;
        Way {
            from: self.names[0].clone(),
            to: self.names[last].clone(),
            address: Ipv4Addr::new(192, 168, last as u8 - 1, 2),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Runs `ip`, with words that contain no space.
fn ip(words: &str) -> Result<()> {
    let status = Command::new("ip").args(words.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {words}: {status}").into()) }
}
