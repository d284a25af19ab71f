//! Makes a change of routes and rules that a preview has shown.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{Did, Edit, Preview, Problem, Refusal};
use model::preview::{inverse, preview};
use model::{Caller, Ec2Command, PcxId, Vpc, VpcId, World};

use super::super::answer::{page, problem, see_other};
use super::super::form::Form;
use super::super::visit::Visit;
use super::super::why_not::why_not;
use super::seal;
use crate::ledger::OnlyIf;

/// Carries out what the form of a preview asks for, if all is as the preview had it.
pub(crate) async fn apply(visit: Visit, id: VpcId, form: &Form) -> Response {
    let found = visit.viewer.vpc(&visit.world, id).cloned();
    let caller = found.as_ref().and_then(|vpc| visit.viewer.account_caller(vpc.region));
    let (Some(vpc), Some(caller)) = (found, caller) else {
        visit.note_refused("POST /dashboard", &id.to_string(), "not_found", "no such VPC");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let edit = form.get("edit").and_then(Edit::read);
    let (Some(edit), Some(shown)) = (edit, form.get("shown")) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    if !edit.is_of(&visit.world, &vpc) {
        return problem(&visit.context(), &Problem::NotFound);
    }
    let from = form.get("from").and_then(|text| text.parse::<PcxId>().ok());
    match carry_out(&visit, caller, edit.clone(), shown.to_owned()).await {
        Ok(did) => {
            let query = seal::query(&visit, &did);
            see_other(&format!("{}?{query}", dashboard::after_change_path(&vpc, &did.edit, from)))
        }
        Err(why) => {
            let visit = visit.renewed();
            let dashboard = visit.dashboard.clone();
            dashboard.page_aside(move || refused(&visit, &vpc, &edit, from, &why)).await
        }
    }
}

/// Why a change was not made.
pub(crate) struct NotMade {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// Why it was refused.
    pub(crate) refusal: Refusal,
    /// Why the part that was made could not be taken back, if it could not.
    pub(crate) partly: Option<Refusal>,
}

/// Carries out a change, all of it or nothing, if what it is about is in the state that was shown.
pub(crate) async fn carry_out(
    visit: &Visit,
    caller: Caller,
    edit: Edit,
    shown: String,
) -> Result<Did, NotMade> {
    let mut done: Vec<(Arc<World>, Ec2Command)> = Vec::new();
    // Each command is for the state that the one before it left.
    let mut state = shown;
    let mut world = Arc::clone(&visit.world);
    for command in edit.commands() {
        match submit(visit, caller, command, &edit, state).await {
            Ok((before, after)) => {
                done.push((before, command.clone()));
                state = edit.state(&after);
                world = after;
            }
            Err((status, refusal)) => {
                let partly = take_back(visit, caller, &edit, done).await;
                return Err(NotMade { status, refusal, partly });
            }
        }
    }
    let undo = Edit::undo(done.iter().map(|(world, command)| (&**world, command.clone())));
    Ok(Did::new(edit, undo, &world))
}

type Worlds = (Arc<World>, Arc<World>);

async fn submit(
    visit: &Visit,
    caller: Caller,
    command: &Ec2Command,
    edit: &Edit,
    state: String,
) -> Result<Worlds, (StatusCode, Refusal)> {
    let about = edit.clone();
    let only_if = OnlyIf::new(move |world| about.state(world) == state);
    let submitted =
        visit.dashboard.state.submit_if(caller, command.clone(), &visit.origin, Some(only_if));
    let committed = submitted.await.map_err(why_not)?;
    Ok((committed.before, committed.after))
}

/// Takes back what was done of a change that failed halfway. Returns why that failed, if it did.
async fn take_back(
    visit: &Visit,
    caller: Caller,
    edit: &Edit,
    done: Vec<(Arc<World>, Ec2Command)>,
) -> Option<Refusal> {
    for (before, command) in done.into_iter().rev() {
        let Some(back) = inverse(&before, &command) else { continue };
        let state = edit.state(&visit.dashboard.state.world());
        if let Err((_, why)) = submit(visit, caller, &back, edit, state).await {
            return Some(why);
        }
    }
    None
}

/// The preview of a change that was not made, as things are now, with the reason.
fn refused(visit: &Visit, vpc: &Vpc, edit: &Edit, from: Option<PcxId>, why: &NotMade) -> Response {
    let of = visit.context();
    let Some(caller) = visit.viewer.account_caller(vpc.region) else {
        return problem(&of, &Problem::NotFound);
    };
    let may_look = |id| visit.viewer.looks_into(&visit.world, id);
    let changes = preview(&visit.world, caller, vpc, edit.commands(), &may_look, visit.now);
    let NotMade { status, refusal, partly } = why;
    let shown = Preview { edit, changes, from, refused: Some(refusal), partly: partly.as_ref() };
    page(*status, dashboard::change(&of, vpc, &shown))
}
