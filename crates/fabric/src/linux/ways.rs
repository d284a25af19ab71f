//! The chains of a router's firewall that tell of packets that it drops, and those that know what the kernel
//! drops between two chains: pure.

use std::collections::BTreeSet;

use model::Cidr;
use model::intent::RouteTarget;

use super::plan::{FROM_INSIDE, FROM_PEERINGS, Router, WITHIN_SUBNET};
use super::rule_text::{chain, list};
use super::ruleset::{Chain, Ruleset, Set};
use super::told::{HOSTS, WAYS, telling};
use crate::flows::Place;

impl Router {
    /// Adds the chains that tell.
    pub(super) fn add_told(&self, rules: &mut Ruleset) {
        for place in Place::ALL {
            let lines = if self.recorded { telling(place) } else { Vec::new() };
            chain(rules, place.chain(), lines);
            if let Some(denial) = place.denial() {
                chain(rules, denial.to_owned(), vec![place.tell(), "drop".to_owned()]);
            }
        }
        if self.recorded {
            self.add_ways(rules);
        }
    }

    /// Adds the chains that know what the route tables know. The kernel drops what they lead nowhere
    /// between two chains, so it is looked at before. They decide nothing, and look at nothing but the
    /// first packets of connections.
    fn add_ways(&self, rules: &mut Ruleset) {
        let addresses = self.vpc.interfaces.values().flat_map(|interface| &interface.addresses);
        let hosts = addresses.chain(&self.vpc.resolvers).map(ToString::to_string).collect();
        let set = Set { keyword: "set", kind: "ipv4_addr", elements: hosts };
        rules.sets.insert(HOSTS.to_owned(), set);
        let told = Place::Route.chain();
        let mut lines = vec!["ct state != new return".to_owned()];
        let nobody = format!("ip daddr != @{HOSTS} goto {told}");
        lines.push(format!("meta mark {WITHIN_SUBNET} {nobody}"));
        let of_peering = format!("meta mark & {} == {}", FROM_PEERINGS.mask, FROM_PEERINGS.value);
        lines.push(format!("{of_peering} {nobody}"));
        for (id, number) in self.table_numbers() {
            let name = format!("{WAYS}_{id}");
            lines.push(format!("meta mark {} goto {name}", FROM_INSIDE.value | number));
            let routes = self.vpc.route_tables.get(&id).into_iter().flatten();
            let mut routes: Vec<(Cidr, RouteTarget)> = routes.map(|(c, t)| (*c, *t)).collect();
            // The longest prefix wins.
            routes.sort_by_key(|(cidr, _)| std::cmp::Reverse(cidr.prefix_len()));
            let (inside, outside): (Vec<_>, Vec<_>) =
                routes.into_iter().partition(|(cidr, _)| self.is_inside(*cidr));
            let mut ways: Vec<String> = Vec::new();
            ways.extend(inside.iter().flat_map(|(cidr, target)| self.way(*cidr, *target, &told)));
            ways.push(format!("ip daddr @{HOSTS} return"));
            if !self.vpc.cidrs.is_empty() {
                ways.push(format!("ip daddr {} goto {told}", list(&self.vpc.cidrs)));
            }
            ways.extend(outside.iter().flat_map(|(cidr, target)| self.way(*cidr, *target, &told)));
            ways.push(format!("goto {told}"));
            chain(rules, name, ways);
        }
        // After connection tracking, whose state it asks for, and before any address is translated.
        let hook = Some("filter hook prerouting priority -150; policy accept");
        rules.chains.insert(WAYS.to_owned(), Chain { hook, rules: lines });
    }

    /// The rules for what a route is for.
    fn way(&self, cidr: Cidr, target: RouteTarget, told: &str) -> Vec<String> {
        let to = if cidr == Cidr::ANY { String::new() } else { format!("ip daddr {cidr} ") };
        let leads = match target {
            RouteTarget::Blackhole => false,
            RouteTarget::Peering(pcx) => self.links.contains_key(&pcx),
            RouteTarget::Exit(exit) => self.vpc.exits.contains_key(&exit),
            RouteTarget::Interface(eni) => match self.vpc.interfaces.get(&eni) {
                Some(it) if it.source_dest_check => {
                    // It takes only what is for itself.
                    let own = it.addresses.iter().filter(|own| cidr.contains(**own));
                    let own: BTreeSet<Cidr> = own.copied().map(Cidr::host).collect();
                    let own: Vec<Cidr> = own.into_iter().collect();
                    let takes =
                        (!own.is_empty()).then(|| format!("ip daddr {} return", list(&own)));
                    return takes.into_iter().chain([format!("{to}goto {told}")]).collect();
                }
                Some(_) => true,
                None => false,
            },
        };
        vec![if leads { format!("{to}return") } else { format!("{to}goto {told}") }]
    }
}
