//! What the page that says why packets pass, or not, can do: carry out a remedy, and send a packet.

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{Came, Did, Edit, Probed, Question, Refusal, RemedyAsked};
use fabric::driver::Dialled;
use model::{Code, Refused, VpcId};

use super::answer::{page, problem, see_other};
use super::form::Form;
use super::visit::Visit;
use super::vpc::{NotMade, carry_out, did_query};
use super::why_not::why_not;
use crate::http::probe::{self, NotSent};

/// Does what a form of the page asks for.
pub(super) async fn act(visit: Visit, question: &Question, form: &Form) -> Response {
    match form.get("do") {
        Some("remedy") => match form.get("commands") {
            Some(commands) => remedy(visit, question, commands).await,
            None => problem(&visit.context(), &dashboard::Problem::BadRequest),
        },
        Some("undo") => match (form.get("edit").and_then(Edit::read), form.get("shown")) {
            (Some(edit), Some(shown)) => undo(visit, question, edit, shown).await,
            _ => problem(&visit.context(), &dashboard::Problem::BadRequest),
        },
        Some("probe") => send(visit, question).await,
        _ => problem(&visit.context(), &dashboard::Problem::BadRequest),
    }
}

/// The page after a change that can be taken back.
pub(super) async fn show_did(visit: Visit, question: Question, did: Did) -> Response {
    shown(visit, &question, StatusCode::OK, Outcome::Did(did)).await
}

/// Carries out the remedy that was shown, command by command, as the viewer.
async fn remedy(visit: Visit, question: &Question, commands: &str) -> Response {
    let of = visit.context();
    let Ok(flow) = question.flow(&of) else { return not_found(visit, question).await };
    let commands = match dashboard::remedy_asked(&of, &flow, commands) {
        RemedyAsked::Yours(commands) => commands,
        RemedyAsked::Change(vpc, edit) => {
            let state = edit.state(&visit.world);
            return change(visit, question, vpc, edit, state).await;
        }
        RemedyAsked::Anothers => {
            let message = "The remedy is another's to carry out.";
            visit.note_refused("POST /dashboard/why", &question.to, "forbidden", message);
            return shown(visit, question, StatusCode::FORBIDDEN, Outcome::NotYours).await;
        }
        RemedyAsked::Gone => {
            let changed = Refused::new(Code::PreconditionFailed, "the remedy is none any more");
            let refusal = Refusal::Rule(changed);
            let status = StatusCode::PRECONDITION_FAILED;
            return shown(visit, question, status, Outcome::Refused(refusal)).await;
        }
    };
    for (caller, command) in commands {
        if let Err(error) = visit.dashboard.state.submit(caller, command, &visit.origin).await {
            let (status, refusal) = why_not(error);
            return shown(visit.renewed(), question, status, Outcome::Refused(refusal)).await;
        }
    }
    see_other(&format!("{}&done=1", question.path()))
}

/// Takes a change back that the page has told of.
async fn undo(visit: Visit, question: &Question, edit: Edit, state: &str) -> Response {
    match edit.vpc(&visit.world) {
        Some(vpc) => change(visit, question, vpc, edit, state.to_owned()).await,
        None => problem(&visit.context(), &dashboard::Problem::NotFound),
    }
}

/// Carries out a change of a VPC, if what it is about is in a state.
async fn change(
    visit: Visit,
    question: &Question,
    id: VpcId,
    edit: Edit,
    state: String,
) -> Response {
    let found = visit.viewer.vpc(&visit.world, id);
    let caller = found.and_then(|vpc| visit.viewer.account_caller(vpc.region));
    let is_of = found.is_some_and(|vpc| edit.is_of(&visit.world, vpc));
    let Some(caller) = caller.filter(|_| is_of) else {
        visit.note_refused("POST /dashboard/why", &id.to_string(), "not_found", "no such VPC");
        return problem(&visit.context(), &dashboard::Problem::NotFound);
    };
    match carry_out(&visit, caller, edit, state).await {
        Ok(did) => see_other(&format!("{}&{}", question.path(), did_query(&visit, &did))),
        Err(NotMade { status, refusal, partly }) => {
            let outcome = partly.map_or(Outcome::Refused(refusal), Outcome::Partly);
            shown(visit.renewed(), question, status, outcome).await
        }
    }
}

/// Sends a real packet, for whoever may ask about it.
async fn send(visit: Visit, question: &Question) -> Response {
    let of = visit.context();
    let Ok(flow) = question.flow(&of) else { return not_found(visit, question).await };
    if !flow.protocol.has_ports() || question.protocol != dashboard::Protocol::Tcp {
        return problem(&of, &dashboard::Problem::BadRequest);
    }
    let verdict = of.viewer.rights().explain(of.world, &flow, of.now);
    let (state, world) = (&visit.dashboard.state, &visit.world);
    let sent = probe::probe(state, [visit.party()], world, &flow, verdict.allowed).await;
    let probed = match sent {
        Ok(Dialled::Answered) => Probed::Answered,
        Ok(Dialled::Refused) => Probed::Refused,
        Ok(Dialled::Silent) => Probed::Silent,
        Ok(Dialled::Unreachable(why)) => Probed::Unreachable(why),
        Err(NotSent::NobodyThere) => Probed::NobodyThere,
        Err(NotSent::NoPackets) => Probed::NoPackets,
        Err(NotSent::TooMany) => Probed::TooMany,
        Err(NotSent::Away(why) | NotSent::Failed(why)) => Probed::Failed(why),
    };
    shown(visit.renewed(), question, StatusCode::OK, Outcome::Probed(probed)).await
}

async fn not_found(visit: Visit, question: &Question) -> Response {
    let message = "One of the ends is not there for them.";
    visit.note_refused("POST /dashboard/why", &question.to, "not_found", message);
    shown(visit, question, StatusCode::NOT_FOUND, Outcome::Nothing).await
}

/// What came of a form, to be carried to where its page is made.
enum Outcome {
    Nothing,
    Did(Did),
    Refused(Refusal),
    Partly(Refusal),
    NotYours,
    Probed(Probed),
}

async fn shown(
    visit: Visit,
    question: &Question,
    status: StatusCode,
    outcome: Outcome,
) -> Response {
    let (dashboard, question) = (visit.dashboard.clone(), question.clone());
    let make = move || {
        let came = match &outcome {
            Outcome::Nothing => Came::Nothing,
            Outcome::Did(did) => Came::Did(did),
            Outcome::Refused(why) => Came::Refused(why),
            Outcome::Partly(why) => Came::Partly(why),
            Outcome::NotYours => Came::NotYours,
            Outcome::Probed(probed) => Came::Probed(probed),
        };
        page(status, dashboard::why(&visit.context(), &question, came))
    };
    dashboard.page_aside(make).await
}
