//! What was just changed, with what takes it back.

use model::preview::tried;
use model::{PcxId, Vpc, World};

use super::edit::{About, Edit, Kind};
use super::{paths, rules};
use crate::context::Context;
use crate::markup::{Markup, fill, mono, strong, text};

/// A change that was made, for the page that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did {
    /// What was done.
    pub edit: Edit,
    /// What takes it back; `None` where nothing can.
    pub undo: Option<Edit>,
    /// The state of what is to be taken back, as it left it.
    pub state: String,
}

impl Did {
    /// A change that left a world so. What takes it back may be about less than the change itself.
    pub fn new(edit: Edit, undo: Option<Edit>, after: &World) -> Self {
        let state = undo.as_ref().unwrap_or(&edit).state(after);
        Self { edit, undo, state }
    }
}

/// The notice of a page.
pub(crate) struct Notice {
    pub(crate) sentence: Markup,
    /// What the rest of the page says, where that is another page than the change's own.
    pub(crate) says_now: Option<&'static str>,
    pub(crate) undo: Option<UndoForm>,
    /// Whether it could be undone if nobody had changed anything since.
    pub(crate) is_gone: bool,
}

/// The form that takes a change back.
pub(crate) struct UndoForm {
    pub(crate) action: String,
    pub(crate) edit: String,
    pub(crate) shown: String,
    /// The peering whose page it comes from, and leads back to.
    pub(crate) from: Option<PcxId>,
}

/// The notice of a change, on a page of its VPC. `from` is the peering whose page it is.
pub(super) fn notice(of: &Context<'_>, vpc: &Vpc, did: &Did, from: Option<PcxId>) -> Notice {
    undoable(of, vpc, did, (paths::change(vpc), from))
}

/// The notice of a change on another page, which takes the form that undoes it; `None` if the VPC is not
/// there for the viewer.
pub(crate) fn notice_at(of: &Context<'_>, did: &Did, action: String) -> Option<Notice> {
    let vpc = of.viewer.vpc(of.world, did.edit.vpc(of.world)?)?;
    let says_now = Some(of.texts().why.says_now);
    Some(Notice { says_now, ..undoable(of, vpc, did, (action, None)) })
}

/// It can be undone as long as what it is about is as it left it, and as the rules let it.
fn undoable(
    of: &Context<'_>,
    vpc: &Vpc,
    did: &Did,
    (action, from): (String, Option<PcxId>),
) -> Notice {
    let same = did.undo.as_ref().unwrap_or(&did.edit).state(of.world) == did.state;
    let caller = of.viewer.account_caller(vpc.region);
    let undo = did.undo.as_ref().filter(|undo| {
        caller.is_some_and(|caller| {
            let commands = undo.commands();
            same && of.viewer.may_change_vpc(vpc)
                && tried(of.world, caller, commands, of.now).is_ok()
        })
    });
    Notice {
        sentence: sentence(of, &did.edit),
        says_now: None,
        is_gone: !same,
        undo: undo.map(|undo| UndoForm {
            action,
            edit: undo.write(),
            shown: did.state.clone(),
            from,
        }),
    }
}

fn sentence(of: &Context<'_>, edit: &Edit) -> Markup {
    let v = &of.texts().vpc_pages;
    let form = match edit.kind() {
        Kind::AddRoute => v.added_route,
        Kind::ReplaceRoute => v.replaced_route,
        Kind::RemoveRoute => v.removed_route,
        Kind::AddRule => v.added_rule,
        Kind::RemoveRule => v.removed_rule,
        Kind::ReplaceRule => v.replaced_rule,
        Kind::Entry => v.changed_entry,
        Kind::Several => v.did_several,
    };
    named(of, edit, form)
}

/// A text about a change: with the block of its route, its group, and the number of its rules or commands.
pub(super) fn named(of: &Context<'_>, edit: &Edit, form: &str) -> Markup {
    let group = match edit.first() {
        Some(About::Group(id)) => {
            of.world.group(id).map_or_else(|| mono(id), |group| strong(&group.name))
        }
        Some(About::Table(_) | About::Acl(_)) | None => Markup::default(),
    };
    let acl = match edit.first() {
        Some(About::Acl(id)) => mono(id),
        Some(About::Table(_) | About::Group(_)) | None => Markup::default(),
    };
    let n = match edit.kind() {
        Kind::Several => text(edit.commands().len()),
        _ => rules::counted_rules(of, edit),
    };
    let places = [("block", rules::block_of(edit)), ("group", group), ("acl", acl), ("n", n)];
    fill(form, &places)
}
