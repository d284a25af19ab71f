//! Starts and terminates instances.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dashboard::{Begin, Fields, Problem, Refusal};
use model::{Ec2Command, IMAGES, InstanceId, Key, RunInstances, Tags, VpcId};

use super::super::answer::{page, problem, see_other};
use super::super::form::Form;
use super::super::visit::Visit;
use super::super::why_not::why_not;
use super::page::instance;
use crate::ledger::OnlyIf;

/// Starts an instance as the form of the page of instances says.
pub(crate) async fn start(visit: Visit, id: VpcId, form: &Form) -> Response {
    let found = visit.viewer.vpc(&visit.world, id).cloned();
    let caller = found.as_ref().and_then(|vpc| visit.viewer.account_caller(vpc.region));
    let (Some(vpc), Some(caller)) = (found, caller) else {
        visit.note_refused("POST /dashboard", &id.to_string(), "not_found", "no such VPC");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let fields = Fields(form.pairs());
    let groups = form.all("group").map(str::parse).collect::<Result<Vec<_>, _>>();
    let subnet = form.get("subnet").and_then(|id| id.parse().ok());
    let is_own = |id| visit.world.subnet(id).is_some_and(|subnet| subnet.vpc == vpc.id);
    let (Some("start"), Some(subnet), Ok(groups)) =
        (form.get("answer"), subnet.filter(|id| is_own(*id)), groups)
    else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    // Browsers send the ends of lines as HTML has them, and a script has its own.
    let script = form.get("script").unwrap_or_default().replace("\r\n", "\n");
    let name = form.get("name").unwrap_or_default().trim().to_owned();
    let instance_tags: Tags = match name.is_empty() {
        true => Tags::new(),
        false => [("Name".to_owned(), name)].into_iter().collect(),
    };
    let run = RunInstances {
        subnet: Some(subnet),
        image: IMAGES.first().map_or("", |image| image.id).to_owned(),
        instance_type: None,
        min_count: 1,
        max_count: 1,
        groups,
        group_names: Vec::new(),
        address: None,
        public: None,
        key_name: None,
        user_data: (!script.trim().is_empty()).then(|| STANDARD.encode(script)),
        client_token: None,
        instance_tags,
        interface_tags: Tags::new(),
    };
    let command = Ec2Command::RunInstances(run);
    match visit.dashboard.state.submit(caller, command, &visit.origin).await {
        Ok(committed) => {
            let path = dashboard::instances_path(&vpc);
            match committed.reply.main() {
                Some(Key::Instance(id)) => see_other(&format!("{path}?started={id}")),
                _ => see_other(&path),
            }
        }
        Err(error) => {
            let (status, refusal) = why_not(error);
            let visit = visit.renewed();
            let begin = Begin { typed: fields, refused: Some(&refusal), started: None };
            page(status, dashboard::instances(&visit.context(), &vpc, begin))
        }
    }
}

/// Terminates an instance whose id was typed.
pub(crate) async fn terminate(visit: Visit, id: VpcId, of: InstanceId, form: &Form) -> Response {
    let vpc = visit.viewer.vpc(&visit.world, id).cloned();
    let found = vpc.as_ref().and_then(|vpc| instance(&visit.world, vpc, of)).cloned();
    let caller = vpc.as_ref().and_then(|vpc| visit.viewer.account_caller(vpc.region));
    let (Some(vpc), Some(found), Some(caller)) = (vpc, found, caller) else {
        visit.note_refused("POST /dashboard", &of.to_string(), "not_found", "no such instance");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let Some(shown) = form.get("shown").map(str::to_owned) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    let typed = form.get("confirm").unwrap_or_default().trim();
    if typed != of.to_string() {
        let refusal = Some(&Refusal::TypedWrong);
        let html = dashboard::terminate(&visit.context(), &vpc, &found, refusal, typed);
        return page(StatusCode::UNPROCESSABLE_ENTITY, html);
    }
    let as_shown = OnlyIf::new(move |world| {
        let now = world.instance(of);
        now.is_some_and(|now| dashboard::instance_state_shown(now) == shown)
    });
    let command = Ec2Command::TerminateInstances { instances: vec![of] };
    let state = Arc::clone(&visit.dashboard.state);
    match state.submit_if(caller, command, &visit.origin, Some(as_shown)).await {
        Ok(_) => see_other(&dashboard::instance_path(&vpc, of)),
        Err(error) => {
            let (status, refusal) = why_not(error);
            let visit = visit.renewed();
            let of_page = visit.context();
            match instance(&visit.world, &vpc, of) {
                Some(now) => {
                    let html = dashboard::terminate(&of_page, &vpc, now, Some(&refusal), "");
                    page(status, html)
                }
                None => problem(&of_page, &Problem::NotFound),
            }
        }
    }
}
