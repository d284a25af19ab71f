//! What a peering needs of a VPC: the way back, and a rule for what comes in. Each step leads to a preview.

use askama::Template;
use model::{Key, Needs, Peering, PeeringStatus, Vpc};

use super::forms::{self, Choice, Frame};
use super::head::Head;
use super::notice::Did;
use super::paths;
use super::rules::{self, RuleRow};
use super::wish::{Fields, FormTrouble};
use crate::context::Context;
use crate::markup::{Markup, command, fill, listed, mono, text};
use crate::peerings::status_sign;
use crate::shell::{Shell, counted};
use crate::texts::VpcTexts;
use crate::viewer::name_in;

#[derive(Template)]
#[template(path = "vpc/join.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    frame: Frame,
    title: Markup,
    id: String,
    peerings: String,
    status: Markup,
    blocks: Markup,
    /// Why there is nothing to do yet, or any more.
    idle: Option<Markup>,
    /// The command by which a request is accepted that waits for the viewer.
    accept: Option<Markup>,
    /// The review of a request that waits for a space that the viewer sees.
    review: Option<String>,
    steps: Option<Steps<'a>>,
    ask_owner: Markup,
}

struct Steps<'a> {
    route_done: Option<Markup>,
    route_text: Markup,
    tables: Vec<Choice>,
    whole: Markup,
    /// The parts, where they are not the whole.
    parts: Option<Markup>,
    wants_parts: bool,
    rule_done: bool,
    existing: Vec<(String, RuleRow)>,
    from: &'static str,
    groups: Vec<Choice>,
    protocols: Vec<Choice>,
    ports: &'a str,
    wrong_ports: Option<&'static str>,
    sources: Vec<Choice>,
}

/// What a peering needs of a VPC that the viewer must see. `typed` is what its forms have, and `trouble`
/// why they did not lead on.
pub fn join<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    peering: &Peering,
    typed: Fields<'a>,
    trouble: Option<&FormTrouble>,
    did: Option<&Did>,
) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let other = peering.other_side(vpc.id).unwrap_or(&peering.accepter);
    let peer = of.viewer.peer(of.world, other.vpc);
    let status = peering.status(of.now);
    let frame = Frame::new(of, vpc, trouble, did, Some(peering.id));
    let asks_viewer = status == PeeringStatus::PendingAcceptance && peering.accepter.vpc == vpc.id;
    let accepts = asks_viewer && frame.may_change;
    let word = || text(status.code());
    let idle = match status {
        PeeringStatus::Provisioning | PeeringStatus::Active => None,
        PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance => {
            Some(fill(v.not_yet_active, &[("status", word())]))
        }
        PeeringStatus::Deleting
        | PeeringStatus::Deleted
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => Some(fill(v.not_open, &[("status", word())])),
    };
    let needs = Needs::of(of.world, vpc, peering).filter(|_| idle.is_none());
    let title = fill(v.join_title, &[("peer", peer.clone())]);
    let plain = fill(v.join_title, &[("peer", text(other.vpc))]);
    Page {
        shell: Shell::new(of, plain),
        v,
        head: Head::new(of, vpc, None),
        frame,
        title,
        id: peering.id.to_string(),
        peerings: paths::part(vpc, "peerings"),
        status: status_sign(peering, of.now).with(word()),
        blocks: listed(other.cidrs.iter().map(mono)),
        idle,
        review: review(of, peering).filter(|_| status == PeeringStatus::PendingAcceptance),
        accept: accepts.then(|| accept(of, vpc, peering)),
        steps: needs.map(|needs| steps(of, vpc, peering, &needs, typed, trouble)),
        ask_owner: fill(v.ask_owner, &[("peer", peer)]),
    }
    .render()
}

/// Where a space's people look at its peering, if the viewer is one of them.
fn review(of: &Context<'_>, peering: &Peering) -> Option<String> {
    let sides = [&peering.accepter, &peering.requester];
    let spaces = sides.into_iter().filter_map(|side| of.world.vpc(side.vpc));
    let mut spaces = spaces.filter_map(|vpc| of.world.space_of_vpc(vpc));
    let seen = spaces.find(|space| of.viewer.role_in(of.world, space).is_some())?;
    Some(crate::paths::review(seen, peering.id))
}

fn accept(of: &Context<'_>, vpc: &Vpc, peering: &Peering) -> Markup {
    command(
        of.texts(),
        &[
            "aws",
            "ec2",
            "accept-vpc-peering-connection",
            &format!("--region {}", vpc.region),
            &format!("--vpc-peering-connection-id {}", peering.id),
        ],
    )
}

fn steps<'a>(
    of: &Context<'_>,
    vpc: &Vpc,
    peering: &Peering,
    needs: &Needs,
    typed: Fields<'a>,
    trouble: Option<&FormTrouble>,
) -> Steps<'a> {
    let (t, world) = (of.texts(), of.world);
    let v = t.vpc_pages;
    let is_let_in = typed.get("do") == "let-in";
    let first_look = typed.get("do").is_empty();
    let blocks = |blocks: &[model::Cidr]| listed(blocks.iter().map(mono));
    let missing = needs.tables.iter().filter(|need| !need.missing.is_empty());
    let tables = missing.map(|need| {
        let subnets: Vec<String> = need
            .subnets
            .iter()
            .filter_map(|id| world.subnet(*id))
            .map(|subnet| name_in(&subnet.tags, subnet.id))
            .collect();
        let value = need.table.to_string();
        let main = if need.table == vpc.main_route_table { t.main_table } else { "" };
        let label = [value.as_str(), main, &subnets.join(", ")];
        let label: Vec<&str> = label.into_iter().filter(|part| !part.is_empty()).collect();
        Choice {
            label: label.join(" · "),
            is_chosen: typed.get("do") != "return-route"
                || typed.all("table").any(|table| table == value),
            value,
        }
    });
    let space = world.vpc(peering.other_side(vpc.id).map_or(vpc.id, |side| side.vpc));
    let space = space.and_then(|other| world.space_of_vpc(other));
    let members = |id| needs.groups.iter().find(|(group, _)| *group == id).map(|(_, n)| *n);
    let mut groups: Vec<_> = forms::groups(world, vpc);
    groups.sort_by_key(|group| members(group.id).is_none());
    let groups = groups.into_iter().map(|group| {
        let n = members(group.id)
            .unwrap_or_else(|| world.enis_in(Key::SecurityGroup(group.id)).count());
        let n = match n {
            0 => v.no_member.to_owned(),
            n => counted(v.members_one, v.members_other, n).to_string(),
        };
        let value = group.id.to_string();
        Choice {
            label: format!("{} · {value} · {n}", group.name),
            is_chosen: typed.get("group") == value,
            value,
        }
    });
    let mut existing: Vec<_> = needs
        .rules
        .iter()
        .filter_map(|(group, id)| {
            let found = world.group(*group)?;
            Some((found, *id, found.rules.get(id)?))
        })
        .collect();
    existing.sort_by_key(|(group, id, rule)| (&group.name, rule.traffic, rule.peer, *id));
    let existing = existing
        .into_iter()
        .map(|(group, id, rule)| (group.name.to_string(), rules::row(of, id, rule)));
    let protocol = match typed.get("protocol") {
        "" => "tcp",
        chosen => chosen,
    };
    Steps {
        route_done: needs.is_routed().then(|| {
            let names = [("block", blocks(&needs.whole)), ("pcx", mono(peering.id))];
            fill(v.return_route_done, &names)
        }),
        route_text: fill(v.return_route_text, &[("pcx", mono(peering.id))]),
        tables: tables.collect(),
        whole: fill(v.whole_block, &[("blocks", blocks(&needs.whole))]),
        parts: (needs.parts != needs.whole)
            .then(|| fill(v.parts_of_block, &[("blocks", blocks(&needs.parts))])),
        wants_parts: typed.get("to") == "parts",
        rule_done: !needs.rules.is_empty(),
        existing: existing.collect(),
        from: if space.is_some() { v.from_dynos } else { v.from_blocks },
        groups: groups.collect(),
        protocols: forms::protocols(of, protocol)
            .into_iter()
            .filter(|choice| choice.value != "all")
            .collect(),
        ports: typed.get("ports"),
        wrong_ports: forms::at_traffic(of, trouble),
        sources: needs
            .sources
            .iter()
            .map(|source| {
                let value = source.to_string();
                let ticked = typed.all("source").any(|source| source == value);
                let is_chosen = first_look || !is_let_in || ticked;
                Choice { label: value.clone(), value, is_chosen }
            })
            .collect(),
    }
}
