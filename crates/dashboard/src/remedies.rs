//! What to do so that packets pass: as buttons for whoever may, else as what to send to others.

use model::preview::preview;
use model::{
    Act, Caller, Code, Command, Ec2Command, Flow, Hop, IpProtocol, Ruling, Verdict, VpcId, Wording,
    World,
};

use crate::context::Context;
use crate::flows::Effects;
use crate::markup::{Markup, capital, command_words, fill, fill_text, mono, strong, text};
use crate::paths;
use crate::said::in_markup;
use crate::vpc::Edit;

/// The most lines of flows that start, and the most of those that stop, beside one button.
const MOST_LINES: usize = 4;

/// What to do about one thing that stops packets.
pub(crate) struct Remedy {
    /// Where it is.
    pub(crate) place: Markup,
    /// In words, where no command does it.
    pub(crate) words: Option<Markup>,
    /// The button that does it, for whoever may: its label, and what the form sends.
    pub(crate) button: Option<(String, String)>,
    /// What the button changes for packets, by a preview.
    pub(crate) effects: Option<Effects>,
    /// The same in words, where no packet passes by it alone, or not yet.
    pub(crate) effect: Option<&'static str>,
    /// The page that says the rest of it.
    pub(crate) more: Option<(String, &'static str)>,
    /// Before the commands: who gives them, or when.
    pub(crate) note: Option<Markup>,
    /// The commands that do it, or that tell the owner what does.
    pub(crate) commands: Vec<Markup>,
}

/// Who can carry a remedy out.
enum Whose {
    /// The viewer, now.
    Viewers(Vec<(Caller, Command)>),
    /// The viewer, once something else is done.
    ViewersThen,
    /// Somebody else; in words.
    Others(Markup),
}

/// All of them, in the order in which packets meet what stops them.
pub(crate) fn remedies(of: &Context<'_>, flow: &Flow, verdict: &Verdict) -> Vec<Remedy> {
    let mut remedies: Vec<Remedy> = Vec::new();
    for hop in verdict.hops.iter().filter(|hop| hop.decision != Ruling::Passed) {
        remedies.extend(remedy(of, flow, hop, remedies.is_empty()));
    }
    remedies
}

fn remedy(of: &Context<'_>, flow: &Flow, hop: &Hop, first: bool) -> Option<Remedy> {
    let all = of.texts();
    let t = &all.why;
    let words = hop.remedy.as_ref()?;
    let place = in_markup(of.language, &hop.where_);
    let place = fill(if first { t.at_place } else { t.then }, &[("place", place)]);
    let plain = Remedy {
        place,
        words: None,
        button: None,
        effects: None,
        effect: None,
        more: None,
        note: None,
        commands: Vec::new(),
    };
    if hop.commands.is_empty() {
        let asks_owner = words.wording() == Wording::AskOwner;
        return Some(Remedy {
            words: Some(fill(t.sentence, &[("words", capital(in_markup(of.language, words)))])),
            note: asks_owner.then(|| t.ask_owner_line.into()),
            commands: match asks_owner {
                true => vec![command_words(all, &why_line(flow))],
                false => Vec::new(),
            },
            ..plain
        });
    }
    let commands = hop.commands.iter().map(|line| command_words(all, line)).collect();
    Some(match whose(of, &hop.acts) {
        Whose::Viewers(_) => Remedy {
            button: Some((label(of, &hop.acts), written(hop))),
            effects: effects(of, &hop.acts),
            effect: effect(of, &hop.acts),
            more: review(of, &hop.acts),
            note: Some(all.same_as_command.into()),
            commands,
            ..plain
        },
        Whose::ViewersThen => Remedy { note: Some(t.after_that.into()), commands, ..plain },
        Whose::Others(who) => Remedy { note: Some(who), commands, ..plain },
    })
}

/// Acts as a change of one VPC's routes, rules or entries; `None` if they are something else.
fn as_edit(acts: &[Act]) -> Option<(VpcId, Edit)> {
    let of = match acts.first()? {
        Act::Ec2 { of, .. } => *of,
        Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => return None,
    };
    let commands = acts.iter().map(|act| match act {
        Act::Ec2 { of: vpc, command } if *vpc == of => Some(Ec2Command::clone(command)),
        Act::Ec2 { .. } | Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => None,
    });
    Some((of, Edit::new(commands.collect::<Option<_>>()?)?))
}

/// What acts of the viewer's change for packets, if they are a change that there are previews of.
fn effects(of: &Context<'_>, acts: &[Act]) -> Option<Effects> {
    let (id, edit) = as_edit(acts)?;
    let vpc = of.viewer.vpc(of.world, id)?;
    let caller = of.viewer.account_caller(vpc.region)?;
    let may_look = |id| of.viewer.looks_into(of.world, id);
    let changes = preview(of.world, caller, vpc, edit.commands(), &may_look, of.now).ok()?;
    Some(Effects::of(of, &changes, MOST_LINES))
}

/// What one act changes for packets, where that follows from what it is.
fn effect(of: &Context<'_>, acts: &[Act]) -> Option<&'static str> {
    let t = &of.texts().why;
    match acts {
        [Act::Accept { .. }] => Some(t.effect_accept),
        [Act::Limit { .. }] => Some(t.effect_limit),
        [Act::Ec2 { command, .. }] => match **command {
            Ec2Command::CreatePeering { .. } => Some(t.effect_request),
            Ec2Command::AcceptPeering { .. } => Some(t.effect_accept),
            _ => None,
        },
        _ => None,
    }
}

/// The review of the request that a viewer would accept.
fn review(of: &Context<'_>, acts: &[Act]) -> Option<(String, &'static str)> {
    let [Act::Accept { space, peering }] = acts else { return None };
    let space = of.world.space(*space)?;
    Some((paths::review(space, *peering), of.texts().why.effect_review))
}

/// What comes of asking for a remedy.
#[derive(Debug)]
pub enum Asked {
    /// A change of the viewer's own VPC, which can be taken back.
    Change(VpcId, Edit),
    /// Commands that do it, each with whom it is given as.
    Yours(Vec<(Caller, Command)>),
    /// It is another's to do.
    Anothers,
    /// It is none any more: something has changed.
    Gone,
}

/// The remedy of a flow that a form of the viewer's asks for, as its button names it.
pub fn remedy_asked(of: &Context<'_>, flow: &Flow, asked: &str) -> Asked {
    let verdict = of.viewer.rights().explain(of.world, flow, of.now);
    let is_meant = |hop: &&Hop| !hop.commands.is_empty() && written(hop) == asked;
    if let Some(hop) = verdict.hops.iter().find(is_meant) {
        return match whose(of, &hop.acts) {
            Whose::Viewers(commands) => match as_edit(&hop.acts) {
                Some((vpc, edit)) => Asked::Change(vpc, edit),
                None => Asked::Yours(commands),
            },
            Whose::ViewersThen | Whose::Others(_) => Asked::Anothers,
        };
    }
    Asked::Gone
}

/// How a form names a remedy: by its commands, so that nothing is done but what was shown.
fn written(hop: &Hop) -> String {
    hop.commands.join("\n")
}

/// Who can carry out some acts one after the other, as the rules say.
fn whose(of: &Context<'_>, acts: &[Act]) -> Whose {
    let mut world: World = of.world.clone();
    let mut commands = Vec::new();
    for act in acts {
        let Some(caller) = of.viewer.caller_of(&world, act) else {
            return Whose::Others(others(of, act));
        };
        match act.try_as(caller, &world, of.now) {
            Ok(after) => world = after,
            Err(refused) => {
                return match refused.code {
                    Code::UnauthorizedOperation | Code::OperationNotPermitted | Code::NotFound => {
                        Whose::Others(others(of, act))
                    }
                    _ => Whose::ViewersThen,
                };
            }
        }
        commands.push((caller, act.command()));
    }
    Whose::Viewers(commands)
}

/// Whose an act is, where it is not for the viewer.
fn others(of: &Context<'_>, act: &Act) -> Markup {
    let t = &of.texts().why;
    match act {
        Act::Ec2 { of: vpc, .. } => match of.world.vpc(*vpc).map(|vpc| vpc.account) {
            Some(account) if of.viewer.account == Some(account) => t.key_reads_only.into(),
            Some(account) => fill(t.send_to_account, &[("account", mono(account))]),
            None => Markup::default(),
        },
        Act::Accept { space, .. } | Act::Destroy { space, .. } => {
            let team = of.world.space(*space).and_then(|space| of.world.team(space.team));
            let team = team.map_or("", |team| team.name.as_str());
            fill(t.send_to_admins, &[("team", strong(team))])
        }
        Act::Limit { .. } => t.send_to_operator.into(),
    }
}

fn label(of: &Context<'_>, acts: &[Act]) -> String {
    let t = &of.texts().why;
    let n = acts.len().to_string();
    let is_entry = |act: &Act| match act {
        Act::Ec2 { command, .. } => matches!(**command, Ec2Command::CreateNetworkAclEntry { .. }),
        Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => false,
    };
    let [act] = acts else {
        return match acts.iter().all(is_entry) {
            true => t.do_entry_other.to_owned(),
            false => fill_text(t.do_several, &[("n", &n)]),
        };
    };
    let label = match act {
        Act::Accept { .. } => t.do_accept,
        Act::Limit { peerings, .. } => {
            return fill_text(t.do_limit, &[("n", &peerings.to_string())]);
        }
        Act::Ec2 { command, .. } => match **command {
            Ec2Command::CreatePeering { .. } => t.do_request,
            Ec2Command::AcceptPeering { .. } => t.do_accept,
            Ec2Command::CreateRoute { .. } => t.do_route,
            Ec2Command::ReplaceRoute { .. } | Ec2Command::RestoreLocalRoute { .. } => {
                t.do_replace_route
            }
            Ec2Command::DeleteRoute { .. } => t.do_delete_route,
            Ec2Command::AuthorizeSecurityGroup { .. } => t.do_rule,
            Ec2Command::CreateNetworkAclEntry { .. } => t.do_entry_one,
            Ec2Command::ReplaceNetworkAclEntry { .. } => t.do_replace_entry,
            _ => return fill_text(t.do_several, &[("n", &n)]),
        },
        Act::Destroy { .. } => return fill_text(t.do_several, &[("n", &n)]),
    };
    label.to_owned()
}

/// A line by which the owner of the other side learns what to do.
fn why_line(flow: &Flow) -> String {
    let Flow { from, to, protocol, destination_port, .. } = flow;
    let mut line = format!("causeway why {}/{} {}/{}", from.vpc, from.address, to.vpc, to.address);
    if protocol.has_ports() {
        line.push_str(&format!(" --port {destination_port}"));
    }
    if *protocol != IpProtocol::TCP {
        line.push_str(&format!(" --proto {protocol}"));
    }
    line
}

/// What is asked for as text, for a page.
pub(crate) fn traffic(flow: &Flow) -> Markup {
    match flow.protocol.has_ports() {
        true => text(format_args!("{}\u{a0}{}", flow.protocol, flow.destination_port)),
        false => text(flow.protocol),
    }
}
