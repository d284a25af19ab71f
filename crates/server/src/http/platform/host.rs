//! The hosts of a space's dynos, which is this machine (`heroku.md` §1.3; undocumented by Heroku).

use std::sync::Arc;

use model::Space;
use serde_json::{Value, json};

use super::call::{Call, Outcome, items};
use super::identity::time;
use super::page::Item;

pub(super) fn list_hosts(call: &Call, space: &Arc<Space>) -> Outcome {
    let id = format!("h-{}", call.state.settings().instance);
    let body = json!({
        "host_id": id,
        "state": "available",
        "available_capacity_percentage": free_memory(),
        "allocated_at": time(space.created),
        "released_at": Value::Null,
    });
    items(vec![Item { key: id, body }])
}

/// The available memory of this machine in percent; 0 if it is unknown.
fn free_memory() -> u64 {
    std::fs::read_to_string("/proc/meminfo").map_or(0, |text| percentage(&text).unwrap_or(0))
}

fn percentage(meminfo: &str) -> Option<u64> {
    let kibibytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()
    };
    (kibibytes("MemAvailable")? * 100).checked_div(kibibytes("MemTotal")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_a_part_of_what_there_is() {
        let text = "MemTotal:        8000 kB\nMemFree:  10 kB\nMemAvailable:    2000 kB\n";
        assert_eq!(percentage(text), Some(25));
        assert_eq!(percentage("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
        assert_eq!(percentage("nothing"), None);
        assert!((1..=100).contains(&free_memory()));
    }
}
