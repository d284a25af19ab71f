//! The namespace of a private NAT gateway.

use model::intent::InterfaceIntent;

use super::names;
use super::rule_text::{closed, quoted};
use super::ruleset::{Chain, Ruleset};

/// The firewall of a private NAT gateway's namespace: it sends on what comes to it by its own address, and
/// takes nothing that is for itself.
pub(super) fn ruleset(interface: &InterfaceIntent) -> Ruleset {
    let mut rules = Ruleset::default();
    let first = interface.addresses.first();
    let snat = first.map(|own| format!("ip saddr != {own} snat ip to {own}"));
    let link = quoted(names::WORKLOAD_LINK);
    let through = format!("iifname {link} oifname {link} ct state new,established,related accept");
    let errors = "icmp type { 3, 11, 12 } accept".to_owned();
    let chains = [
        ("forward", "filter hook forward priority 0; policy drop", closed(vec![through])),
        ("input", "filter hook input priority 0; policy drop", closed(Vec::new())),
        ("output", "filter hook output priority 0; policy drop", closed(vec![errors])),
        (
            "translate",
            "nat hook postrouting priority 100; policy accept",
            snat.into_iter().collect(),
        ),
    ];
    for (name, hook, rules_of_it) in chains {
        rules.chains.insert(name.to_owned(), Chain { hook: Some(hook), rules: rules_of_it });
    }
    rules
}
