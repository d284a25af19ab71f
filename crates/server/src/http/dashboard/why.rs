//! What the page that says why packets pass, or not, can do: carry out a remedy, and send a packet.

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{Came, Probed, Question, Refusal, RemedyAsked};
use fabric::driver::Dialled;
use model::{Code, Refused};

use super::answer::{page, problem, see_other};
use super::form::Form;
use super::visit::Visit;
use super::why_not::why_not;
use crate::http::probe::{self, NotSent};

/// Does what a form of the page asks for.
pub(super) async fn act(visit: Visit, question: &Question, form: &Form) -> Response {
    match (form.get("do"), form.get("commands")) {
        (Some("remedy"), Some(commands)) => remedy(visit, question, commands).await,
        (Some("probe"), _) => send(visit, question).await,
        _ => problem(&visit.context(), &dashboard::Problem::BadRequest),
    }
}

/// Carries out the remedy that was shown, command by command, as the viewer.
async fn remedy(visit: Visit, question: &Question, commands: &str) -> Response {
    let of = visit.context();
    let Ok(flow) = question.flow(&of) else { return not_found(&visit, question) };
    let commands = match dashboard::remedy_asked(&of, &flow, commands) {
        RemedyAsked::Yours(commands) => commands,
        RemedyAsked::Anothers => {
            let message = "The remedy is another's to carry out.";
            visit.note_refused("POST /dashboard/why", &question.to, "forbidden", message);
            return shown(&visit, question, StatusCode::FORBIDDEN, Came::NotYours);
        }
        RemedyAsked::Gone => {
            let changed = Refused::new(Code::PreconditionFailed, "the remedy is none any more");
            let refusal = Refusal::Rule(changed);
            let status = StatusCode::PRECONDITION_FAILED;
            return shown(&visit, question, status, Came::Refused(&refusal));
        }
    };
    for (caller, command) in commands {
        if let Err(error) = visit.dashboard.state.submit(caller, command, &visit.origin).await {
            let (status, refusal) = why_not(error);
            return shown(&visit.renewed(), question, status, Came::Refused(&refusal));
        }
    }
    see_other(&format!("{}&done=1", question.path()))
}

/// Sends a real packet, for whoever may ask about it.
async fn send(visit: Visit, question: &Question) -> Response {
    let of = visit.context();
    let Ok(flow) = question.flow(&of) else { return not_found(&visit, question) };
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
        Err(NotSent::Failed(why)) => Probed::Failed(why),
    };
    shown(&visit.renewed(), question, StatusCode::OK, Came::Probed(&probed))
}

fn not_found(visit: &Visit, question: &Question) -> Response {
    let message = "One of the ends is not there for them.";
    visit.note_refused("POST /dashboard/why", &question.to, "not_found", message);
    shown(visit, question, StatusCode::NOT_FOUND, Came::Nothing)
}

fn shown(visit: &Visit, question: &Question, status: StatusCode, came: Came<'_>) -> Response {
    page(status, dashboard::why(&visit.context(), question, came))
}
