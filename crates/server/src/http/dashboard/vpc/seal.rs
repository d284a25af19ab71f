//! What was just changed, in the address of the page that follows: sealed for the session.

use dashboard::{Did, Edit};
use subtle::ConstantTimeEq;

use super::super::form::Form;
use super::super::visit::Visit;

/// Writes what was changed as the query of an address.
pub(crate) fn query(visit: &Visit, did: &Did) -> String {
    let undo = did.undo.as_ref().map_or_else(String::new, Edit::write);
    let (edit, state) = (did.edit.write(), &did.state);
    let seal = seal(visit, &edit, &undo, state);
    form_urlencoded::Serializer::new(String::new())
        .append_pair("did", &edit)
        .append_pair("undo", &undo)
        .append_pair("state", state)
        .append_pair("seal", &seal)
        .finish()
}

/// Reads what [`query`] wrote for the same session; `None` for everything else.
pub(crate) fn did(visit: &Visit, query: &Form) -> Option<Did> {
    let (edit, state) = (query.get("did")?, query.get("state")?);
    let undo = query.get("undo")?;
    let expected = seal(visit, edit, undo, state);
    if !bool::from(expected.as_bytes().ct_eq(query.get("seal")?.as_bytes())) {
        return None;
    }
    Some(Did { edit: Edit::read(edit)?, undo: Edit::read(undo), state: state.to_owned() })
}

/// A seal that only this server makes, for this session.
fn seal(visit: &Visit, edit: &str, undo: &str, state: &str) -> String {
    let session = visit.session.as_ref().map_or("", |session| &session.id);
    let subject = format!("{session}\0{edit}\0{undo}\0{state}");
    hex::encode(&visit.dashboard.state.secret.derive("dashboard-undo", &subject)[..16])
}
