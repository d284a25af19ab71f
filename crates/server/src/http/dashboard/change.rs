//! Changes that forms ask for. Each becomes the same command as the APIs', and the ledger decides.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{Problem, Refusal, Told, Typed};
use model::{Ec2Command, Key, PcxId, PeeringStatus, PlatformCommand, VpcId};

use super::answer::{page, problem, see_other};
use super::area;
use super::form::Form;
use super::place::{Place, find};
use super::visit::Visit;
use super::vpc::{self, VpcPage};
use super::why;
use super::why_not::why_not;
use crate::ledger::OnlyIf;

/// What a form about a peering asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accept,
    Reject,
    Destroy,
}

/// Carries out what the form of a page asks for.
pub(super) async fn change(visit: Visit, place: Place, form: &Form) -> Response {
    let (space, peering, answer) = match &place {
        Place::Review { space, peering } => match form.get("answer") {
            Some("accept") => (space, *peering, Answer::Accept),
            Some("reject") => (space, *peering, Answer::Reject),
            _ => return problem(&visit.context(), &Problem::BadRequest),
        },
        Place::Destroy { space, peering } => (space, *peering, Answer::Destroy),
        Place::Ask { vpc } => return ask(visit, *vpc, form).await,
        Place::InVpc { vpc, page } => return in_vpc(visit, *vpc, *page, form).await,
        Place::Why { question, .. } => return why::act(visit, question, form).await,
        Place::Area(area) => return area::change(visit, area, form).await,
        Place::Home
        | Place::Network { .. }
        | Place::Vpc { .. }
        | Place::Search { .. }
        | Place::Map { .. }
        | Place::Matrix { .. } => {
            return problem(&visit.context(), &Problem::NotFound);
        }
    };
    let caller = visit.viewer.platform_caller();
    let found = find(&visit.world, visit.viewer, space, peering, visit.now);
    let (Some(caller), Some((found, _))) = (caller, found) else {
        visit.note_refused("POST /dashboard", &peering.to_string(), "not_found", "no such peering");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let (space, network) = (found.id, dashboard::network_path(found));
    let Some(shown) = form.get("shown").map(str::to_owned) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    if answer == Answer::Destroy {
        let typed = form.get("confirm").unwrap_or_default().trim();
        if typed != peering.to_string() {
            let refusal = Refusal::TypedWrong;
            return refused(&visit, &place, StatusCode::UNPROCESSABLE_ENTITY, &refusal, typed);
        }
    }
    let command = match answer {
        Answer::Accept => PlatformCommand::AcceptPeering { space, peering },
        Answer::Reject | Answer::Destroy => PlatformCommand::DeletePeering { space, peering },
    };
    let state = Arc::clone(&visit.dashboard.state);
    let only_if = as_shown(&visit, peering, shown);
    match state.submit_if(caller, command, &visit.origin, Some(only_if)).await {
        Ok(committed) => {
            let after = committed.after.peering(peering);
            let status = after.map(|peering| peering.status(state.clock.now()));
            match (answer, status) {
                // Its blocks came to overlap: the review says so.
                (Answer::Accept, Some(PeeringStatus::Failed)) => see_other(&visit.path),
                (Answer::Accept, _) => told(&network, Told::Accepted(peering)),
                (Answer::Reject, _) => told(&network, Told::Rejected(peering)),
                (Answer::Destroy, _) => told(&network, Told::Destroyed(peering)),
            }
        }
        Err(error) => {
            let (status, refusal) = why_not(error);
            refused(&visit.renewed(), &place, status, &refusal, "")
        }
    }
}

/// Carries out what the form of a page of a VPC asks for.
async fn in_vpc(visit: Visit, id: VpcId, page: VpcPage, form: &Form) -> Response {
    match page {
        VpcPage::Change => vpc::apply(visit, id, form).await,
        VpcPage::Instances => vpc::start(visit, id, form).await,
        VpcPage::Terminate(instance) => vpc::terminate(visit, id, instance, form).await,
        VpcPage::Instance(_)
        | VpcPage::Interfaces
        | VpcPage::Acls
        | VpcPage::Gateways
        | VpcPage::Peerings
        | VpcPage::Join(_)
        | VpcPage::Table(_)
        | VpcPage::Group(_) => problem(&visit.context(), &Problem::NotFound),
    }
}

/// Asks for a peering of a VPC, or checks whether it would fit.
async fn ask(visit: Visit, id: VpcId, form: &Form) -> Response {
    let field = |name| form.get(name).unwrap_or_default();
    let typed = Typed {
        vpc: field("peer"),
        account: field("owner"),
        region: field("region"),
        cidr: field("cidr"),
        unavailable: field("unavailable"),
    };
    let of = visit.context();
    let found = visit.viewer.vpc(&visit.world, id).cloned();
    let caller = found.as_ref().and_then(|vpc| visit.viewer.account_caller(vpc.region));
    let (Some(vpc), Some(caller)) = (found, caller) else {
        visit.note_refused("POST /dashboard", &id.to_string(), "not_found", "no such VPC");
        return problem(&of, &Problem::NotFound);
    };
    let form_again = |visit: &Visit, status, check, refusal: Option<&Refusal>| {
        page(status, dashboard::ask(&visit.context(), &vpc, typed, check, refusal))
    };
    match form.get("answer") {
        Some("check") => return form_again(&visit, StatusCode::OK, true, None),
        Some("ask") => {}
        _ => return problem(&of, &Problem::BadRequest),
    }
    let Ok(asked) = typed.read(&vpc) else {
        return form_again(&visit, StatusCode::UNPROCESSABLE_ENTITY, true, None);
    };
    let command = Ec2Command::CreatePeering {
        vpc: id,
        peer_vpc: asked.vpc,
        peer_owner: Some(asked.account),
        peer_region: Some(asked.region),
        tags: Default::default(),
    };
    match visit.dashboard.state.submit(caller, command, &visit.origin).await {
        Ok(committed) => match committed.reply.main() {
            Some(Key::Peering(peering)) => told(&dashboard::vpc_path(&vpc), Told::Asked(peering)),
            _ => see_other(&dashboard::vpc_path(&vpc)),
        },
        Err(error) => {
            let (status, refusal) = why_not(error);
            form_again(&visit.renewed(), status, false, Some(&refusal))
        }
    }
}

fn told(path: &str, told: Told) -> Response {
    see_other(&format!("{path}?{}", told.query()))
}

/// Requires that the peering is still as the form showed it: somebody else may have answered meanwhile.
fn as_shown(visit: &Visit, peering: PcxId, shown: String) -> OnlyIf {
    let clock = Arc::clone(&visit.dashboard.state.clock);
    OnlyIf::new(move |world| {
        let found = world.peering(peering);
        found.is_some_and(|found| dashboard::state_shown(found, clock.now()) == shown)
    })
}

/// The page of a form that was not carried out, as the world is now, with the reason.
fn refused(
    visit: &Visit,
    place: &Place,
    status: StatusCode,
    refusal: &Refusal,
    typed: &str,
) -> Response {
    let of = visit.context();
    let html = match place {
        Place::Review { space, peering } => find(of.world, of.viewer, space, *peering, of.now)
            .map(|(space, peering)| dashboard::review(&of, space, peering, Some(refusal))),
        Place::Destroy { space, peering } => find(of.world, of.viewer, space, *peering, of.now)
            .map(|(space, peering)| dashboard::destroy(&of, space, peering, Some(refusal), typed)),
        Place::Home
        | Place::Network { .. }
        | Place::Vpc { .. }
        | Place::InVpc { .. }
        | Place::Ask { .. }
        | Place::Search { .. }
        | Place::Map { .. }
        | Place::Matrix { .. }
        | Place::Why { .. }
        | Place::Area(_) => None,
    };
    match html {
        Some(html) => page(status, html),
        None => problem(&of, &Problem::NotFound),
    }
}
