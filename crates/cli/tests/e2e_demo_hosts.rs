//! The walkthrough between several hosts, with a server and a host that are lost on the way. The demo's own small
//! clients stand in for the real ones, which e2e_ovn has, as they are quicker.

use std::path::Path;
use std::process::Command;

#[test]
fn the_walkthrough_goes_on_without_a_server_and_without_a_host() {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/ovn-trixie");
    let tools = std::env::var_os("CAUSEWAY_TEST_OVN").unwrap_or_else(|| tools.into());
    assert!(Path::new(&tools).exists(), "scripts/setup brings OVN");
    let demo = Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["demo", "--hosts", "3", "--ovn"])
        .arg(&tools)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("TMPDIR", std::env::temp_dir())
        .output()
        .expect("it is run");
    let said = String::from_utf8_lossy(&demo.stdout);
    let errors = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{said}\n{errors}");
    for line in [
        "a change is acknowledged",
        "after the loss  ✓",
        "after h",
        "requests meanwhile",
        "the fabric is as it should be  ✓",
        "The server is gone, and everything that it made.",
        " 0 failed, ",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
}
