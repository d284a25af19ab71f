//! System calls that a workload may make.
//!
//! Without capabilities most of what is dangerous fails anyway; these rules take away what does
//! not need one, code of the kernel that has no business with a workload, and whatever calls the
//! kernel gets next. User namespaces are the heart of it: in one of its own a process has all
//! capabilities. The list is that of the well-known default for containers, with less of what is
//! seldom used.

mod calls;

use serde_json::{Value, json};

use self::calls::{ALLOWED, DENIED};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;
/// Flags of `clone` that make namespaces.
const CLONE_NEW: u64 = 0x7e02_0000;
/// Address families that a network namespace confines: UNIX, INET, INET6, NETLINK, PACKET. The
/// last needs a right that no workload has, and says so.
const FAMILIES: [u64; 5] = [1, 2, 10, 16, 17];
/// More families than the kernel has.
const ALL_FAMILIES: u64 = 64;
/// Ways to run that do no harm: the usual one, with the name of another machine, both with that of
/// an old version; and the question which it is.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The profile, as an OCI runtime reads it.
pub(super) fn profile() -> Value {
    let allowed: Vec<&str> = ALLOWED.iter().copied().flatten().copied().collect();
    let mut rules = vec![
        json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" }),
        refusal(DENIED, EPERM),
        json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{
                "index": 0,
                "value": CLONE_NEW,
                "valueTwo": 0,
                "op": "SCMP_CMP_MASKED_EQ",
            }],
        }),
        // Its flags lie in memory, where a filter cannot look; C libraries fall back to `clone`.
        refusal(&["clone3"], ENOSYS),
    ];
    let first_is = |name: &str, value: u64, action: Value| {
        let mut rule = action;
        rule["names"] = json!([name]);
        rule["args"] = json!([{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }]);
        rule
    };
    let allow = || json!({ "action": "SCMP_ACT_ALLOW" });
    let unknown = || json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": EAFNOSUPPORT });
    let namespaces = (0..u64::BITS).map(|bit| 1 << bit).filter(|flag| CLONE_NEW & flag != 0);
    rules.extend(namespaces.map(|flag: u64| {
        let mut rule = refusal(&["clone"], EPERM);
        rule["args"] = json!([{
            "index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ",
        }]);
        rule
    }));
    rules.extend((0..ALL_FAMILIES).map(|family| {
        first_is("socket", family, if FAMILIES.contains(&family) { allow() } else { unknown() })
    }));
    rules.extend(PERSONALITIES.map(|value| first_is("personality", value, allow())));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "architectures": architectures(),
        "syscalls": rules,
    })
}

fn refusal(names: &[&str], errno: u32) -> Value {
    json!({ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno })
}

/// The one way to make a system call that programs of this machine use. What tries another, such
/// as that of 32 bits, is killed: its calls hide from a filter what they are about.
fn architectures() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") {
        &["SCMP_ARCH_X86_64"]
    } else if cfg!(target_arch = "aarch64") {
        &["SCMP_ARCH_AARCH64"]
    } else {
        &[]
    }
}
