//! Who is disabled and destroyed.

use api::{Dependents, SubjectKind, SubjectState};
use axum::Router;
use axum::extract::State as Shared;
use axum::routing::{delete, get, put};
use model::{
    AccessKeyId, Caller, IdentityCommand, Measure, Subject, Timestamp, TokenId, UserId, World,
};

use super::answer::{Answer, Problem, Reply, missing};
use super::context::Operator;
use super::input::{Asked, Fields, Segment};
use crate::clock::SystemIds;

/// The routes of all kinds.
pub(super) fn routes() -> Router<Operator> {
    SubjectKind::ALL.into_iter().fold(Router::new(), |router, kind| {
        let one = format!("/_causeway/{}/{{name}}", kind.plural());
        let told = move |operator: Shared<Operator>, name: Segment, asked: Asked<_>| {
            std::future::ready(dependents(kind, &operator.0, &name.0, asked.0))
        };
        let set = move |operator: Shared<Operator>, name: Segment, body: Fields<_>| {
            set_disabled(kind, operator.0, name.0, body.0)
        };
        let gone =
            move |operator: Shared<Operator>, name: Segment| destroy(kind, operator.0, name.0);
        router
            .route(&format!("{one}/dependents"), get(told))
            .route(&format!("{one}/disabled"), put(set))
            .route(&one, delete(gone))
    })
}

fn dependents(
    kind: SubjectKind,
    operator: &Operator,
    name: &str,
    asked: api::DependentsQuery,
) -> Answer<Dependents> {
    let subject = find(kind, operator, name)?;
    let (world, now) = (operator.state.world(), operator.state.clock.now());
    let (measure, command) = match asked.measure {
        api::Measure::Disable => (Measure::Disable, IdentityCommand::Disable { subject }),
        api::Measure::Destroy => (Measure::Destroy, IdentityCommand::Destroy { subject }),
    };
    let tried = world.decide(Caller::Operator, &command.into(), now, &mut SystemIds);
    let found = world.dependents(subject, measure, now).into_iter();
    Ok(Reply(Dependents {
        kind,
        id: subject.to_string(),
        name: named(&world, subject),
        disabled: disabled(&world, subject),
        dependents: found
            .map(|it| api::Dependent {
                what: it.what.to_owned(),
                names: it.names,
                then: it.then.to_owned(),
            })
            .collect(),
        refused: tried.err().map(|refused| refused.message),
    }))
}

async fn set_disabled(
    kind: SubjectKind,
    operator: Operator,
    name: String,
    body: api::SetDisabled,
) -> Answer<SubjectState> {
    let subject = find(kind, &operator, &name)?;
    let command = match body.disabled {
        true => IdentityCommand::Disable { subject },
        false => IdentityCommand::Enable { subject },
    };
    let done = operator.run(command).await?;
    let (id, name) = (subject.to_string(), named(&done.after, subject));
    let disabled = disabled(&done.after, subject);
    Ok(Reply(SubjectState { kind, id, name, disabled, destroyed: false }))
}

async fn destroy(kind: SubjectKind, operator: Operator, name: String) -> Answer<SubjectState> {
    let subject = find(kind, &operator, &name)?;
    let done = operator.run(IdentityCommand::Destroy { subject }).await?;
    let (id, name) = (subject.to_string(), named(&done.before, subject));
    let disabled = disabled(&done.before, subject);
    Ok(Reply(SubjectState { kind, id, name, disabled, destroyed: true }))
}

fn find(kind: SubjectKind, operator: &Operator, name: &str) -> Result<Subject, Problem> {
    let world = operator.state.world();
    match kind {
        SubjectKind::User => {
            let by_id = name.parse::<UserId>().ok().filter(|id| world.user(*id).is_some());
            by_id.map_or_else(|| operator.user(name), Ok).map(Subject::User)
        }
        SubjectKind::Team => operator.team(name).map(Subject::Team),
        SubjectKind::Account => operator.account(name).map(Subject::Account),
        SubjectKind::Key => {
            let found = name.parse::<AccessKeyId>().ok();
            let found = found.filter(|id| world.access_key(*id).is_some());
            found.map(Subject::AccessKey).ok_or_else(|| absent(kind, name))
        }
        SubjectKind::Token => {
            let found = name.parse::<TokenId>().ok().filter(|id| world.token(*id).is_some());
            found.map(Subject::Token).ok_or_else(|| absent(kind, name))
        }
    }
}

fn absent(kind: SubjectKind, name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    let (what, list) = (kind.name(), kind.plural());
    missing(format!("There is no {what} '{name}'; `causeway {list}` lists them."))
}

/// The name by which people know somebody; the id where there is none.
fn named(world: &World, subject: Subject) -> String {
    let name = match subject {
        Subject::User(id) => world.user(id).map(|user| user.email.clone()),
        Subject::Team(id) => world.team(id).map(|team| team.name.clone()),
        Subject::Account(id) => world.account(id).map(|account| account.name.clone()),
        Subject::AccessKey(_) | Subject::Token(_) => None,
    };
    name.unwrap_or_else(|| subject.to_string())
}

fn disabled(world: &World, subject: Subject) -> Option<Timestamp> {
    match subject {
        Subject::User(id) => world.user(id)?.disabled,
        Subject::Team(id) => world.team(id)?.disabled,
        Subject::Account(id) => world.account(id)?.disabled,
        Subject::AccessKey(id) => world.access_key(id)?.disabled,
        Subject::Token(id) => world.token(id)?.disabled,
    }
}
