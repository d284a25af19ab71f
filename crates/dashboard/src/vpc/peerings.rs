//! The peerings of a VPC, each with its next step.

use std::sync::Arc;

use askama::Template;
use model::{Key, Needs, Peering, PeeringStatus, Vpc};

use super::head::{Head, Part};
use super::paths;
use crate::context::Context;
use crate::markup::{Markup, fill, listed, mono, text};
use crate::moment;
use crate::network::Told;
use crate::peerings::status_sign;
use crate::shell::Shell;
use crate::texts::VpcTexts;

/// The most peerings whose needs are looked at for one page.
const MOST_LOOKED_AT: usize = 12;

#[derive(Template)]
#[template(path = "vpc/peerings.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    told: Option<Markup>,
    rows: Vec<Row>,
}

/// A peering as a row.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) peer: Markup,
    pub(super) status: Markup,
    pub(super) role: &'static str,
    pub(super) vpc: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) blocks: Markup,
    pub(super) expires: Option<Markup>,
    /// What comes next, with the page where it is done if there is one.
    pub(super) step: (&'static str, Option<String>),
    pub(super) has_ended: bool,
}

/// The peerings of a VPC, which the viewer must see. `told` is a request that was just made.
pub fn peerings(of: &Context<'_>, vpc: &Vpc, told: Option<Told>) -> askama::Result<String> {
    let t = of.texts();
    let head = Head::new(of, vpc, Some(Part::Peerings));
    Page {
        shell: Shell::new(
            of,
            fill("{a} {b}", &[("a", text(&head.name)), ("b", t.peerings.into())]),
        ),
        v: t.vpc_pages,
        told: told_asked(of, vpc, told),
        rows: rows(of, vpc),
        head,
    }
    .render()
}

/// What is said of a request that was just made.
pub(super) fn told_asked(of: &Context<'_>, vpc: &Vpc, told: Option<Told>) -> Option<Markup> {
    let t = of.texts();
    let Some(Told::Asked(id)) = told else { return None };
    let peering = of.world.peering(id).filter(|peering| peering.side(vpc.id).is_some())?;
    let sentence = match peering.status(of.now) {
        PeeringStatus::Failed => t.told_asked_in_vain,
        _ => t.told_asked,
    };
    Some(fill(sentence, &[("pcx", mono(id))]))
}

/// The peerings that the VPC's owner sees: what is there first, by what ends first.
pub(super) fn rows(of: &Context<'_>, vpc: &Vpc) -> Vec<Row> {
    let mut peerings: Vec<&Arc<Peering>> = of
        .world
        .peerings_of(Key::Vpc(vpc.id))
        .filter(|peering| peering.visible_to(vpc.account, vpc.region, of.now))
        .collect();
    peerings.sort_by_key(|peering| (peering.status(of.now).ended(), peering.expires, peering.id));
    let row = |(n, peering): (usize, &Arc<Peering>)| row(of, vpc, peering, n < MOST_LOOKED_AT);
    peerings.into_iter().enumerate().map(row).collect()
}

fn row(of: &Context<'_>, vpc: &Vpc, peering: &Peering, look: bool) -> Row {
    let (t, now) = (of.texts(), of.now);
    let other = peering.other_side(vpc.id).unwrap_or(&peering.accepter);
    let status = peering.status(now);
    Row {
        id: peering.id.to_string(),
        peer: of.viewer.peer(of.world, other.vpc),
        status: status_sign(peering, now).with(text(status.code())),
        role: if peering.requester.vpc == vpc.id { t.requester } else { t.accepter },
        vpc: other.vpc.to_string(),
        account: other.account.to_string(),
        region: other.region.to_string(),
        blocks: match other.cidrs.is_empty() {
            true => t.none.into(),
            false => listed(other.cidrs.iter().map(mono)),
        },
        expires: (status == PeeringStatus::PendingAcceptance)
            .then(|| moment::countdown(t, peering.expires, now)),
        step: step(of, vpc, peering, look),
        has_ended: status.ended() || status == PeeringStatus::Deleting,
    }
}

fn step(
    of: &Context<'_>,
    vpc: &Vpc,
    peering: &Peering,
    look: bool,
) -> (&'static str, Option<String>) {
    let v = of.texts().vpc_pages;
    let page = || Some(paths::join(vpc, peering.id));
    match peering.status(of.now) {
        PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance => {
            match peering.requester.vpc == vpc.id {
                true => (v.step_wait, page()),
                false => (v.step_accept, page()),
            }
        }
        PeeringStatus::Provisioning | PeeringStatus::Active => {
            let needs = if look { Needs::of(of.world, vpc, peering) } else { None };
            let label = match needs {
                Some(needs) if !needs.is_routed() => v.step_route,
                Some(needs) if needs.rules.is_empty() => v.step_rule,
                Some(_) | None => v.step_open,
            };
            (label, page())
        }
        PeeringStatus::Deleting
        | PeeringStatus::Deleted
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => (v.step_ended, None),
    }
}
