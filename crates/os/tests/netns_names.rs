//! Names of network namespaces beside those that `ip netns` makes. Needs root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use causeway_os::netns::{self, NetworkNamespace};

/// A name that is removed in the end.
struct Name(String);

impl Name {
    fn new(test: &str) -> Self {
        Self(format!("test-os-{test}-{}", std::process::id()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let removed = netns::remove(&self.0);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The links that a thread sees which entered a namespace.
fn links(namespace: &NetworkNamespace) -> String {
    std::thread::scope(|scope| {
        let look = || {
            namespace.enter().unwrap();
            let shown = Command::new("ip").args(["-o", "link"]).output().unwrap();
            String::from_utf8(shown.stdout).unwrap()
        };
        scope.spawn(look).join().unwrap()
    })
}

#[test]
fn a_namespace_that_ip_netns_made_is_opened_entered_and_removed() {
    let name = Name::new("made");
    assert!(NetworkNamespace::open(&name.0).unwrap().is_none());
    assert!(netns::identity(&name.0).is_none());
    ip(&format!("netns add {}", name.0));
    ip(&format!("-n {} link add seen type veth peer name other", name.0));

    let open = NetworkNamespace::open(&name.0).unwrap().unwrap();
    assert!(links(&open).contains("seen"));
    assert!(netns::names().unwrap().contains(&name.0));
    assert_eq!(netns::identity(&name.0), Some(open.identity().unwrap()));
    assert!(open.is_current());
    assert_ne!(netns::identity_of_process(std::process::id()), netns::identity(&name.0));

    netns::remove(&name.0).unwrap();
    assert!(!open.is_current() && NetworkNamespace::open(&name.0).unwrap().is_none());
    netns::remove(&name.0).unwrap();
}

#[test]
fn a_namespace_that_lost_its_name_gets_it_back() {
    let name = Name::new("lost");
    ip(&format!("netns add {}", name.0));
    ip(&format!("-n {} link add seen type veth peer name other", name.0));
    let held = NetworkNamespace::open(&name.0).unwrap().unwrap().hold(500).unwrap();
    ip(&format!("netns del {}", name.0));
    assert!(!held.is_current());
    held.restore_name().unwrap();
    assert!(held.is_current());
    ip(&format!("-n {} link del seen", name.0));
}

/// A crash between making the file and mounting on it leaves such a file.
#[test]
fn a_file_that_nothing_is_mounted_on_is_no_namespace() {
    let name = Name::new("bare");
    // The directory is made as `ip netns` makes it, if it was not there.
    let other = Name::new("other");
    ip(&format!("netns add {}", other.0));
    fs::write(netns::path(&name.0), "").unwrap();
    assert!(NetworkNamespace::open(&name.0).unwrap().is_none());
    assert!(netns::identity(&name.0).is_none());

    let same = NetworkNamespace::open(&other.0).unwrap().unwrap();
    std::thread::scope(|scope| {
        let named = scope.spawn(|| {
            same.enter().unwrap();
            NetworkNamespace::name_current(&name.0).unwrap().identity().unwrap()
        });
        assert_eq!(named.join().unwrap(), same.identity().unwrap());
    });
    assert_eq!(netns::identity(&name.0), netns::identity(&other.0));
}
