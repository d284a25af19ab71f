//! The network of a space: its peerings, and what the owner of a VPC needs to ask for one.

use askama::Template;
use model::fit::taken_beside;
use model::{PcxId, Space};

use crate::context::Context;
use crate::markup::{
    Markup, command, copy_all_button, copy_button, fill, listed, mono, strong, text,
};
use crate::peerings::{Action, Row, urgency, used};
use crate::shell::Shell;
use crate::space_head::{SpaceHead, SpacePage, team_name};

#[derive(Template)]
#[template(path = "network.html")]
struct Network<'a> {
    shell: Shell<'a>,
    told: Option<Markup>,
    head: SpaceHead,
    used: Markup,
    may_change: bool,
    only_admins: Markup,
    rows: Vec<Row>,
    /// Whether no customer has asked yet: of every space there is a peering of the platform's.
    is_unasked: bool,
    info: Vec<Line>,
    copy_all: Markup,
    ask: Markup,
}

/// A line of what the owner of a VPC needs, as the CLI prints it.
struct Line {
    label: &'static str,
    value: Markup,
    note: &'static str,
    copy: Markup,
}

/// What was done, for the page that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A request was accepted.
    Accepted(PcxId),
    /// A request was rejected.
    Rejected(PcxId),
    /// A peering was destroyed.
    Destroyed(PcxId),
    /// A peering was asked for.
    Asked(PcxId),
}

impl Told {
    /// Its form in an address.
    pub fn query(self) -> String {
        let (what, id) = match self {
            Self::Accepted(id) => ("accepted", id),
            Self::Rejected(id) => ("rejected", id),
            Self::Destroyed(id) => ("destroyed", id),
            Self::Asked(id) => ("asked", id),
        };
        format!("{what}={id}")
    }

    /// Reads what [`Self::query`] wrote.
    pub fn read(query: &str) -> Option<Self> {
        let (what, id) = query.split_once('=')?;
        let id = id.parse().ok()?;
        match what {
            "accepted" => Some(Self::Accepted(id)),
            "rejected" => Some(Self::Rejected(id)),
            "destroyed" => Some(Self::Destroyed(id)),
            "asked" => Some(Self::Asked(id)),
            _ => None,
        }
    }

    fn sentence(self, of: &Context<'_>) -> Markup {
        let t = of.texts();
        let (sentence, id) = match self {
            Self::Accepted(id) => (t.told_accepted, id),
            Self::Rejected(id) => (t.told_rejected, id),
            Self::Destroyed(id) => (t.told_destroyed, id),
            Self::Asked(id) => (t.told_asked, id),
        };
        fill(sentence, &[("pcx", mono(id))])
    }
}

/// The network of a space, which the viewer must see.
pub fn network(of: &Context<'_>, space: &Space, told: Option<Told>) -> askama::Result<String> {
    let t = of.texts();
    let may_change = of.viewer.may_change(of.world, space);
    let mut peerings = of.world.space_peerings(space, of.now);
    peerings.sort_by_key(|peering| urgency(peering, of.now));
    let (count, limit) = used(of, space);
    let is_unasked = !peerings.iter().any(|peering| peering.is_customers());
    let rows = peerings.into_iter().map(|peering| Row::new(of, space, peering, may_change));
    let (info, plain) = info(of, space);
    Network {
        shell: Shell::new(of, format!("{} {}", space.name, t.network).into()),
        told: told.map(|told| told.sentence(of)),
        head: SpaceHead::new(of, space, SpacePage::Network),
        used: fill(t.peerings_used, &[("n", text(count)), ("of", text(limit))]),
        may_change,
        only_admins: fill(t.only_admins, &[("team", strong(team_name(of, space)))]),
        rows: rows.collect(),
        is_unasked,
        info,
        copy_all: copy_all_button(t, &plain),
        ask: ask(of, space),
    }
    .render()
}

/// The six lines of `spaces:peering:info`, and all of them as text.
fn info(of: &Context<'_>, space: &Space) -> (Vec<Line>, String) {
    let t = of.texts();
    let account = of.world.settings().map(|s| s.platform_account.to_string()).unwrap_or_default();
    let blocks = |blocks: &[model::Cidr]| -> Vec<String> {
        blocks.iter().map(ToString::to_string).collect()
    };
    let unavailable: Vec<_> =
        taken_beside(of.world, space).into_iter().map(|taken| taken.cidr).collect();
    let lines: [(&'static str, Vec<String>, &'static str); 6] = [
        ("AWS Account ID", vec![account], ""),
        ("AWS Region", vec![space.region.to_string()], ""),
        ("AWS VPC ID", vec![space.vpc.to_string()], ""),
        ("AWS VPC CIDR", vec![space.cidr.to_string()], ""),
        ("Space CIDRs", blocks(&space.space_cidrs()), t.space_cidrs_note),
        ("Unavailable CIDRs", blocks(&unavailable), t.unavailable_note),
    ];
    let mut plain = String::new();
    let mut shown = Vec::new();
    for (label, values, note) in lines {
        let value = values.join(", ");
        let heading = format!("{label}:");
        plain.push_str(&format!("{heading:<19}{value}\n"));
        shown.push(Line {
            label,
            value: listed(values.iter().map(mono)),
            note,
            copy: copy_button(t, label, &value),
        });
    }
    (shown, plain)
}

/// The command by which the owner of a VPC asks.
fn ask(of: &Context<'_>, space: &Space) -> Markup {
    let account = of.world.settings().map(|s| s.platform_account.to_string()).unwrap_or_default();
    command(
        of.texts(),
        &[
            "aws",
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id vpc-YOUR_VPC_ID",
            &format!("--peer-vpc-id {}", space.vpc),
            &format!("--peer-owner-id {account}"),
            &format!("--peer-region {}", space.region),
        ],
    )
}
