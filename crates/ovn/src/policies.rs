//! Policies of routers: network ACLs, and what peerings let in.
//!
//! A policy that allows ends the look-up, so one after which more is to be asked jumps to the chain that asks: what
//! leaves a subnet or comes by a peering goes on to the ACL of the subnet that it is for.

use std::collections::BTreeMap;

use model::intent::{AclEntryIntent, PeeringEnd, VpcIntent};
use model::{AclId, Cidr, VpcId};
use ovsdb::{Datum, Row};

use crate::addresses::LINKS;
use crate::part::{Part, RowKey};
use crate::{members, names, text};

/// The highest priority of an entry; each further one has the next lower two.
const FIRST_ENTRY: i64 = 32_000;
/// Of what is asked first about any packet.
const NO_LINK: i64 = 2000;
const RESOLVER: i64 = 1900;
const BY_PEERING: i64 = 600;
const STAYS: i64 = 501;
const LEAVES: i64 = 500;
const ENTERS: i64 = 400;
/// Within what a peering lets in.
const FORGED: i64 = 200;
const ADMITTED: i64 = 100;
const REST: i64 = 1;

/// The router's ports of the subnets that each ACL guards.
type Guarded = BTreeMap<AclId, Vec<String>>;

pub(crate) fn add(part: &mut Part, router: &RowKey, id: VpcId, intent: &VpcIntent) {
    let mut policies = Policies { part, router };
    policies.put("", NO_LINK, format!("ip4.dst == {LINKS}"), Act::Drop);
    if !intent.resolvers.is_empty() {
        // No ACL stands between a VPC's own interfaces and its resolver.
        let resolver = names::resolver_port(id);
        let subnets: Vec<String> =
            intent.subnets.keys().map(|id| names::subnet_port(*id)).collect();
        let asks = format!("outport == \"{resolver}\" && {}", text::ports("inport", &subnets));
        let answers = format!("inport == \"{resolver}\" && {}", text::ports("outport", &subnets));
        policies.put("", RESOLVER, asks, Act::Allow);
        policies.put("", RESOLVER, answers, Act::Allow);
    }
    let mut guarded = Guarded::new();
    for (subnet, about) in &intent.subnets {
        if let Some(acl) = about.acl.filter(|acl| intent.acls.contains_key(acl)) {
            guarded.entry(acl).or_default().push(names::subnet_port(*subnet));
        }
    }
    for (acl, ports) in &guarded {
        for port in ports {
            // What stays in the subnet meets no ACL. Ports can be compared for equality alone.
            let stays = format!("inport == \"{port}\" && outport == \"{port}\"");
            policies.put("", STAYS, stays, Act::Allow);
            let leaves = format!("inport == \"{port}\"");
            policies.put("", LEAVES, leaves, Act::Jump(names::acl_out(*acl)));
        }
        policies.put("", ENTERS, text::ports("outport", ports), Act::Jump(names::acl_in(*acl)));
    }
    for acl in guarded.keys() {
        let Some(about) = intent.acls.get(acl) else { continue };
        policies.put_entries(&names::acl_out(*acl), &about.egress, "ip4.dst", &guarded);
        policies.put_entries(&names::acl_in(*acl), &about.ingress, "ip4.src", &Guarded::new());
    }
    for (pcx, end) in &intent.peerings {
        let port = names::peering_port(*pcx, id);
        let chain = names::admission(*pcx);
        policies.put("", BY_PEERING, format!("inport == \"{port}\""), Act::Jump(chain.clone()));
        if !intent.resolvers.is_empty() {
            let resolver = format!("outport == \"{}\"", names::resolver_port(id));
            policies.put(&chain, FORGED, resolver, Act::Drop);
        }
        for (subnet, strangers) in members::strangers(intent, *pcx) {
            let subnet = names::subnet_port(subnet);
            let matches =
                format!("{} && outport == \"{subnet}\"", text::one_of("ip4.src", strangers));
            policies.put(&chain, FORGED, matches, Act::Drop);
        }
        policies.put_admission(&chain, end, intent, &guarded);
    }
}

enum Act {
    Allow,
    Drop,
    Jump(String),
}

struct Policies<'a> {
    part: &'a mut Part,
    router: &'a RowKey,
}

impl Policies<'_> {
    fn put(&mut self, chain: &str, priority: i64, matches: String, act: Act) {
        let (action, jump) = match act {
            Act::Allow => ("allow", None),
            Act::Drop => ("drop", None),
            Act::Jump(chain) => ("jump", Some(chain)),
        };
        let name = format!("{} {chain} {priority} {matches}", self.router.name);
        let row = Row::new()
            .with("chain", Datum::set((!chain.is_empty()).then_some(chain)))
            .with("priority", priority)
            .with("match", matches)
            .with("action", action)
            .with("jump_chain", Datum::set(jump));
        self.part.add_to(self.router, "policies", "Logical_Router_Policy", name, row);
    }

    /// Lets something pass as far as it is concerned: the ACLs of the subnets that it may be for are asked next.
    fn pass(&mut self, chain: &str, priority: i64, matches: &str, guarded: &Guarded) {
        for (acl, ports) in guarded {
            let matches = format!("{matches} && {}", text::ports("outport", ports));
            self.put(chain, priority + 1, matches, Act::Jump(names::acl_in(*acl)));
        }
        self.put(chain, priority, matches.to_owned(), Act::Allow);
    }

    /// The entries of an ACL in one direction; what none matches is dropped.
    fn put_entries(
        &mut self,
        chain: &str,
        entries: &[AclEntryIntent],
        field: &str,
        guarded: &Guarded,
    ) {
        for (priority, entry) in (0..=FIRST_ENTRY).rev().step_by(2).zip(entries) {
            let matches = text::entry(entry, field);
            if entry.allow {
                self.pass(chain, priority, &matches, guarded);
            } else {
                self.put(chain, priority + 1, matches, Act::Drop);
            }
        }
        self.put(chain, REST, "ip".to_owned(), Act::Drop);
    }

    /// What a peering lets in, and from whom.
    fn put_admission(
        &mut self,
        chain: &str,
        end: &PeeringEnd,
        intent: &VpcIntent,
        guarded: &Guarded,
    ) {
        let resolvers = intent.resolvers.iter().copied().map(Cidr::host);
        let own: Vec<Cidr> = intent.cidrs.iter().copied().chain(resolvers).collect();
        self.put(chain, FORGED, text::one_of("ip4.src", &own), Act::Drop);
        let others = intent.peerings.values().flat_map(|other| &other.behind);
        let others: Vec<&Cidr> = others.filter(|block| !end.behind.contains(block)).collect();
        if !others.is_empty() && !end.behind.is_empty() {
            let behind = text::one_of("ip4.src", &end.behind);
            let forged = format!("{} && !({behind})", text::one_of("ip4.src", others));
            self.put(chain, FORGED, forged, Act::Drop);
        }
        let to = text::one_of("ip4.dst", &end.admits_to);
        let admitted = match &end.admits_from {
            None => to,
            Some(from) => format!("{to} && {}", text::one_of("ip4.src", from)),
        };
        if !end.admits_to.is_empty() && end.admits_from.as_ref().is_none_or(|from| !from.is_empty())
        {
            self.pass(chain, ADMITTED, &admitted, guarded);
        }
        self.put(chain, REST, "ip".to_owned(), Act::Drop);
    }
}
