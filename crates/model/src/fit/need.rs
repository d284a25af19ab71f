//! What is needed beside a peering before packets flow.

use super::rule::Fit;
use super::side::{Routes, SideKind};
use crate::{Cidr, RouteTableId};

/// Something that is needed, or that limits what can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is about.
    pub kind: NeedKind,
    /// In words.
    pub message: String,
    /// Commands for it, in the order in which they are run. What is not known yet is left out as `…`.
    pub commands: Vec<String>,
}

/// What a [`Need`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedKind {
    /// Routes in the tables of the VPC that asks (R15).
    Route,
    /// Rules of security groups of that VPC (R16).
    SecurityGroup,
    /// The size of packets (R5).
    Mtu,
    /// Rules that name groups of the other side (R5).
    GroupReference,
    /// What of the VPC can be reached (R20).
    PrimaryBlock,
}

/// How dynos' traffic to a VPC comes back.
enum Way {
    /// By one route for the whole block of the other side.
    Whole,
    /// By one route for each of its Space CIDRs.
    Each(Vec<Cidr>),
}

impl Fit {
    /// What will be needed once the two are peered.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = self.routes();
        let plain = |kind, message: String| Need { kind, message, commands: Vec::new() };
        if let SideKind::Space { space_cidrs, .. } = &self.accepter.kind {
            needs.push(self.group_rules(space_cidrs));
            if let [primary, _, ..] = self.requester.blocks[..] {
                needs.push(plain(
                    NeedKind::PrimaryBlock,
                    format!(
                        "Only addresses in the VPC's primary block {primary} can be reached from \
                         the space."
                    ),
                ));
            }
        }
        if self.requester.region != self.accepter.region {
            let regions = format!("{} and {}", self.requester.region, self.accepter.region);
            needs.push(plain(
                NeedKind::Mtu,
                format!(
                    "Between the regions {regions} packets may have 1500 bytes; within one region \
                     they may have 9001."
                ),
            ));
            needs.push(plain(
                NeedKind::GroupReference,
                format!(
                    "Between the regions {regions} rules of security groups cannot name groups of \
                     the other side; let them name its blocks."
                ),
            ));
        }
        needs
    }

    fn routes(&self) -> Vec<Need> {
        let Some(whole) = self.accepter.primary() else { return Vec::new() };
        let parts = match &self.accepter.kind {
            SideKind::Space { space_cidrs, .. } => space_cidrs.as_slice(),
            SideKind::Customer | SideKind::Data | SideKind::Gone => &[],
        };
        if self.requester.tables.is_empty() {
            let mut message = format!(
                "Each route table of the VPC whose subnets are to be reached needs a route to \
                 {whole} over the peering"
            );
            if !parts.is_empty() {
                message += &format!("; where that block is taken, one to each of {}", list(parts));
            }
            let commands = vec![self.create_route(None, whole)];
            return vec![Need { kind: NeedKind::Route, message: message + ".", commands }];
        }
        self.requester.tables.iter().map(|table| self.routes_in(table, whole, parts)).collect()
    }

    /// The routes that a table needs: one for the whole block, unless something in the table has it
    /// or a part of it; then one for each Space CIDR, which being longer takes precedence (R7, R15).
    fn routes_in(&self, table: &Routes, whole: Cidr, parts: &[Cidr]) -> Need {
        let there = |to: Cidr| {
            let found = table.destinations.iter().find(|(cidr, _)| *cidr == to);
            found.is_some_and(|(_, vpc)| vpc.is_some() && *vpc == self.accepter.vpc)
        };
        let foreign: Vec<Cidr> = table
            .destinations
            .iter()
            .filter(|(cidr, vpc)| {
                whole.covers(*cidr) && (vpc.is_none() || *vpc != self.accepter.vpc)
            })
            .map(|(cidr, _)| *cidr)
            .collect();
        let touches =
            |cidr: &Cidr| parts.is_empty() || parts.iter().any(|part| part.overlaps(*cidr));
        let collides = foreign.contains(&whole) || foreign.iter().any(touches);
        let way = match collides {
            false => Way::Whole,
            true => Way::Each(parts.to_vec()),
        };
        let id = table.table;
        let mut commands = Vec::new();
        let mut message = match &way {
            Way::Whole if there(whole) => format!("{id} has the route to {whole} already"),
            Way::Whole => {
                commands.push(self.create_route(Some(id), whole));
                format!("{id} needs a route to {whole} over the peering")
            }
            Way::Each(parts) => {
                let free = |part: &&Cidr| !there(**part) && !foreign.contains(part);
                let wanted: Vec<Cidr> = parts.iter().filter(free).copied().collect();
                commands.extend(wanted.iter().map(|part| self.create_route(Some(id), *part)));
                let taken = format!("{id} has routes to {} that lead elsewhere", list(&foreign));
                match wanted.as_slice() {
                    [] => taken,
                    wanted => format!(
                        "{taken}: instead of one route to {whole} over the peering it needs one to \
                         each of {}",
                        list(wanted)
                    ),
                }
            }
        };
        // The longest prefix wins.
        let lost = |cidr: &&Cidr| collides && parts.iter().any(|part| part.covers(**cidr));
        let lost: Vec<Cidr> = foreign.iter().filter(lost).copied().collect();
        if !lost.is_empty() {
            message += &format!(
                "; what has an address in {} stays out of reach while these routes are there",
                list(&lost)
            );
        }
        Need { kind: NeedKind::Route, message: message + ".", commands }
    }

    fn create_route(&self, table: Option<RouteTableId>, to: Cidr) -> String {
        let table = table.map_or_else(|| "rtb-…".to_owned(), |table| table.to_string());
        format!(
            "aws ec2 create-route --region {} --route-table-id {table} --destination-cidr-block \
             {to} --vpc-peering-connection-id pcx-…",
            self.requester.region
        )
    }

    /// Dynos have addresses of the first two Space CIDRs (R7).
    fn group_rules(&self, space_cidrs: &[Cidr]) -> Need {
        let from = match space_cidrs {
            [one, other, ..] => vec![*one, *other],
            _ => self.accepter.blocks.clone(),
        };
        let commands = from.iter().map(|from| {
            format!(
                "aws ec2 authorize-security-group-ingress --region {} --group-id sg-… --protocol \
                 tcp --port … --cidr {from}",
                self.requester.region
            )
        });
        Need {
            kind: NeedKind::SecurityGroup,
            message: format!(
                "The security groups of what dynos connect to must let its port in from {}; a \
                 network ACL that restricts a subnet must let it in, and its answers out.",
                list(&from)
            ),
            commands: commands.collect(),
        }
    }
}

fn list(blocks: &[Cidr]) -> String {
    blocks.iter().map(Cidr::to_string).collect::<Vec<_>>().join(", ")
}
