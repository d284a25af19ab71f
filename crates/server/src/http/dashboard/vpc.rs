//! The pages of a VPC, and the changes that their forms ask for.
//!
//! A change of routes and rules is shown before it is made: the form leads to a preview, whose own form
//! carries the change and the state that it was made for. What takes it back travels in the address of the
//! page that follows, sealed for the session: nobody else's link offers to undo what it names.

mod apply;
mod instance;
mod page;
mod seal;

pub(super) use self::apply::{NotMade, apply, carry_out};
pub(super) use self::instance::{start, terminate};
pub(super) use self::page::VpcPage;
pub(super) use self::seal::{did, query as did_query};

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{Fields, FormTrouble, Preview, Problem, Wish};
use model::preview::preview;
use model::{Vpc, VpcId, WorkloadId};

use super::answer::{page as answer, problem};
use super::form::Form;
use super::visit::Visit;

/// The most bytes of an instance's output that its page shows.
const MOST_OUTPUT: usize = 64 << 10;

/// A page of a VPC, for somebody who asks for it.
pub(super) async fn show(visit: Visit, id: VpcId, page: VpcPage, query: Form) -> Response {
    let of = visit.context();
    let Some(vpc) = visit.viewer.vpc(&visit.world, id).cloned() else {
        return problem(&of, &Problem::NotFound);
    };
    if page == VpcPage::Change {
        let dashboard = visit.dashboard.clone();
        return dashboard.page_aside(move || look(&visit, &vpc, &query)).await;
    }
    let did = did(&visit, &query);
    let mut console = String::new();
    if let VpcPage::Instance(id) = page {
        let from = Arc::clone(&visit.dashboard.state.console);
        let tail = move || from.tail(WorkloadId::Instance(id), MOST_OUTPUT);
        console = match tokio::task::spawn_blocking(tail).await {
            Ok(Ok(tail)) => String::from_utf8_lossy(&tail).into_owned(),
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                format!("({error})")
            }
            _ => String::new(),
        };
    }
    let fields = Fields(query.pairs());
    match page.render(&of, &vpc, fields, did.as_ref(), &console) {
        Some(html) => answer(StatusCode::OK, html),
        None => problem(&of, &Problem::NotFound),
    }
}

/// The preview of the change that a form asks for; or the page of the form, with what is wrong.
fn look(visit: &Visit, vpc: &Vpc, query: &Form) -> Response {
    let of = visit.context();
    let fields = Fields(query.pairs());
    let caller = visit.viewer.account_caller(vpc.region);
    let (Some(wish), Some(caller)) = (Wish::of(fields), caller) else {
        return problem(&of, &Problem::NotFound);
    };
    if !visit.viewer.may_change_vpc(vpc) {
        return problem(&of, &Problem::NotFound);
    }
    let edit = match wish.read(&visit.world, vpc, fields) {
        Ok(edit) if edit.is_of(&visit.world, vpc) => edit,
        Ok(_) => return problem(&of, &Problem::NotFound),
        Err(field) => {
            let trouble = FormTrouble::Field(field);
            return form_again(visit, vpc, wish, fields, &trouble);
        }
    };
    let may_look = |id| visit.viewer.looks_into(&visit.world, id);
    let changes = preview(&visit.world, caller, vpc, edit.commands(), &may_look, visit.now);
    match changes {
        Err(refused) if wish != Wish::Edit => {
            let trouble = FormTrouble::Refused(dashboard::Refusal::Rule(refused));
            form_again(visit, vpc, wish, fields, &trouble)
        }
        changes => {
            let from = match wish {
                Wish::Join(pcx) => Some(pcx),
                Wish::Edit | Wish::Table(_) | Wish::Group(_) => None,
            };
            let shown = Preview { edit: &edit, changes, from, refused: None, partly: None };
            answer(StatusCode::OK, dashboard::change(&of, vpc, &shown))
        }
    }
}

/// The page of a form that does not lead on.
fn form_again(
    visit: &Visit,
    vpc: &Vpc,
    wish: Wish,
    fields: Fields<'_>,
    trouble: &FormTrouble,
) -> Response {
    let of = visit.context();
    let (world, trouble) = (&visit.world, Some(trouble));
    let html = match wish {
        Wish::Edit => None,
        Wish::Table(id) => world
            .route_table(id)
            .filter(|table| table.vpc == vpc.id)
            .map(|table| dashboard::table(&of, vpc, table, fields, trouble, None)),
        Wish::Group(id) => world
            .group(id)
            .filter(|group| group.vpc == vpc.id)
            .map(|group| dashboard::group(&of, vpc, group, fields, trouble, None)),
        Wish::Join(id) => page::peering(visit.now, world, vpc, id)
            .map(|peering| dashboard::join(&of, vpc, peering, fields, trouble, None)),
    };
    match html {
        Some(html) => answer(StatusCode::UNPROCESSABLE_ENTITY, html),
        None => problem(&of, &Problem::BadRequest),
    }
}
