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
    let mut done: Vec<(Arc<World>, Ec2Command)> = Vec::new();
    // Each command is for the state that the one before it left.
    let mut state = shown.to_owned();
    let mut world = Arc::clone(&visit.world);
    for command in edit.commands() {
        match submit(&visit, caller, command, &edit, state).await {
            Ok((before, after)) => {
                done.push((before, command.clone()));
                state = edit.state(&after);
                world = after;
            }
            Err((status, refusal)) => {
                let partly = take_back(&visit, caller, &edit, done, &refusal).await;
                let visit = visit.renewed();
                let partly = partly.as_ref();
                return refused(&visit, &vpc, &edit, from, status, &refusal, partly);
            }
        }
    }
    let undo = Edit::undo(done.iter().map(|(world, command)| (&**world, command.clone())));
    let did = Did::new(edit, undo, &world);
    let query = seal::query(&visit, &did);
    let edit = did.edit;
    see_other(&format!("{}?{query}", dashboard::after_change_path(&vpc, &edit, from)))
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
    why: &Refusal,
) -> Option<Refusal> {
    for (before, command) in done.into_iter().rev() {
        let Some(back) = inverse(&before, &command) else { continue };
        let state = edit.state(&visit.dashboard.state.world());
        if submit(visit, caller, &back, edit, state).await.is_err() {
            return Some(why.clone());
        }
    }
    None
}

/// The preview of a change that was not made, as things are now, with the reason.
fn refused(
    visit: &Visit,
    vpc: &Vpc,
    edit: &Edit,
    from: Option<PcxId>,
    status: StatusCode,
    refusal: &Refusal,
    partly: Option<&Refusal>,
) -> Response {
    let of = visit.context();
    let Some(caller) = visit.viewer.account_caller(vpc.region) else {
        return problem(&of, &Problem::NotFound);
    };
    let may_look = |id| visit.viewer.looks_into(&visit.world, id);
    let changes = preview(&visit.world, caller, vpc, edit.commands(), &may_look, visit.now);
    let shown = Preview { edit, changes, from, refused: Some(refusal), partly };
    page(status, dashboard::change(&of, vpc, &shown))
}
