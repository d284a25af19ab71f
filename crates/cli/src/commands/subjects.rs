//! Who is disabled, let in again and destroyed. What depends on them is said first.

use anyhow::bail;
use api::{Measure, SubjectKind as Kind};
use hyper::Method;

use super::confirm::confirm;
use super::print::say;
use crate::arguments::Common;
use crate::arguments::subjects::{Confirmed, Named, SubjectCommand};
use crate::client::{As, query, segment};
use crate::output::Out;

/// How many names of one kind are listed at most.
const MOST_NAMES: usize = 12;

/// Does what such a command says.
///
/// # Errors
///
/// What the server refused, and what was not confirmed.
pub(super) fn run(command: SubjectCommand, out: &mut Out) -> anyhow::Result<()> {
    use SubjectCommand as C;
    match command {
        C::UsersDisable(args) => measure(Kind::User, Measure::Disable, &args, out),
        C::UsersEnable(args) => enable(Kind::User, &args, out),
        C::UsersDestroy(args) => measure(Kind::User, Measure::Destroy, &args, out),
        C::TeamsDisable(args) => measure(Kind::Team, Measure::Disable, &args, out),
        C::TeamsEnable(args) => enable(Kind::Team, &args, out),
        C::TeamsDestroy(args) => measure(Kind::Team, Measure::Destroy, &args, out),
        C::AccountsDisable(args) => measure(Kind::Account, Measure::Disable, &args, out),
        C::AccountsEnable(args) => enable(Kind::Account, &args, out),
        C::AccountsDestroy(args) => measure(Kind::Account, Measure::Destroy, &args, out),
        C::KeysDisable(args) => measure(Kind::Key, Measure::Disable, &args, out),
        C::KeysEnable(args) => enable(Kind::Key, &args, out),
        C::KeysDestroy(args) => measure(Kind::Key, Measure::Destroy, &args, out),
        C::TokensDisable(args) => measure(Kind::Token, Measure::Disable, &args, out),
        C::TokensEnable(args) => enable(Kind::Token, &args, out),
        C::TokensDestroy(args) => measure(Kind::Token, Measure::Destroy, &args, out),
        C::Tokens { user, common } => tokens(user, &common, out),
    }
}

fn path(kind: Kind, name: &str) -> String {
    format!("/_causeway/{}/{}", kind.plural(), segment(name))
}

fn measure(kind: Kind, measure: Measure, args: &Confirmed, out: &mut Out) -> anyhow::Result<()> {
    let Confirmed { named: Named { name, common }, confirm: given } = args;
    let client = common.connection.client(As::Operator)?;
    let path = path(kind, name);
    let asked = query(&api::DependentsQuery { measure })?;
    let told: api::Dependents = client.read(&format!("{path}/dependents?{asked}"))?;
    // In words, also where JSON was asked for and nobody is to confirm: the answer has its state.
    if !common.json {
        for it in &told.dependents {
            out.line(format_args!("{}: {} {}", it.what, listed(&it.names), it.then));
        }
    }
    if let Some(why) = told.refused {
        bail!("{why}");
    }
    let (verb, what) = match measure {
        Measure::Disable => ("disable", kind.name()),
        Measure::Destroy => ("destroy", kind.name()),
    };
    let warning = format!("This command will {verb} the {what} {}.", told.name);
    confirm(&warning, name, given.as_deref(), out)?;
    let (state, text): (api::SubjectState, _) = match measure {
        Measure::Disable => {
            let body = api::SetDisabled { disabled: true };
            let state = client.write(&Method::PUT, &format!("{path}/disabled"), &body)?;
            let plural = kind.plural();
            (
                state,
                format!(
                    "Disabled the {what} {}.\nUndo: causeway {plural}:enable {name}",
                    told.name
                ),
            )
        }
        Measure::Destroy => {
            let state = client.write(&Method::DELETE, &path, &api::Empty {})?;
            (state, format!("Destroyed the {what} {}.", told.name))
        }
    };
    say(common, out, &state, &text);
    Ok(())
}

fn enable(kind: Kind, args: &Named, out: &mut Out) -> anyhow::Result<()> {
    let Named { name, common } = args;
    let client = common.connection.client(As::Operator)?;
    let body = api::SetDisabled { disabled: false };
    let path = format!("{}/disabled", path(kind, name));
    let state: api::SubjectState = client.write(&Method::PUT, &path, &body)?;
    say(common, out, &state, &format!("Enabled the {} {}.", kind.name(), state.name));
    Ok(())
}

fn tokens(user: Option<String>, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let asked = query(&api::TokenQuery { user })?;
    let list: Vec<api::Token> = client.read(&format!("/_causeway/tokens?{asked}"))?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    let rows: Vec<_> = list
        .iter()
        .map(|token| {
            let expires = token.expires.map(|end| end.to_string()).unwrap_or_default();
            let (id, created) = (token.id.to_string(), token.created.to_string());
            let about = token.description.clone();
            let may = [Some(token.scopes.join(", ")), token.bound.clone()];
            let may = may.into_iter().flatten().collect::<Vec<_>>().join(", for ");
            vec![id, token.user.clone(), about, may, created, expires, state(token.disabled)]
        })
        .collect();
    out.table(&["ID", "User", "Description", "May", "Created", "Expires", "State"], &rows);
    Ok(())
}

/// What a list says of who is disabled.
pub(super) fn state(disabled: Option<model::Timestamp>) -> String {
    disabled.map_or_else(String::new, |since| format!("disabled since {since}"))
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&names(2)), "0, 1");
        assert!(listed(&names(15)).ends_with("11 and 3 more"));
    }
}
