//! Accounts, keys, users, tokens and teams.

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::print::say;
use super::subjects::state;
use crate::arguments::Common;
use crate::arguments::identity::{Identity, Membership};
use crate::arguments::token::TokenLimits;
use crate::client::{As, segment};
use crate::output::Out;
use crate::password;
use crate::usage::usage;

/// Does what a command about accounts, keys, users, tokens or teams says.
///
/// # Errors
///
/// What the server refused, and a password that cannot be read.
pub(super) fn run(command: Identity, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Identity::Accounts(common) => {
            let names = ["ID", "Name", "Platform", "Created", "State"];
            list(&common, out, "/_causeway/accounts", &names, |account: &api::Account| {
                let api::Account { id, name, platform, created, disabled } = account;
                let (id, created) = (id.to_string(), created.to_string());
                vec![id, name.clone(), platform.to_string(), created, state(*disabled)]
            })
        }
        Identity::AccountsCreate { name, common } => {
            let made: api::AccountCreated =
                post(&common, "/_causeway/accounts", &api::CreateAccount { name })?;
            let api::AccountCreated { id, name } = &made;
            let text =
                format!("Made account {id} ({name}).\nNext: causeway keys:create --account {name}");
            say(&common, out, &made, &text);
            Ok(())
        }
        Identity::Keys(common) => {
            let names = ["Access key", "Account", "Access", "Created", "State"];
            list(&common, out, "/_causeway/keys", &names, |key: &api::AccessKey| {
                let access = match key.access {
                    model::Access::Full => "full",
                    model::Access::ReadOnly => "read_only",
                };
                let (id, account) = (key.access_key_id.to_string(), key.account.to_string());
                let created = key.created.to_string();
                vec![id, account, access.to_owned(), created, state(key.disabled)]
            })
        }
        Identity::KeysCreate { account, read_only, common } => {
            let request = api::CreateAccessKey { account, read_only };
            let made = post(&common, "/_causeway/keys", &request)?;
            print_key(&common, out, &made);
            Ok(())
        }
        Identity::KeysRotate { key, common } => {
            let path = format!("/_causeway/keys/{}/rotate", segment(&key));
            let made = post(&common, &path, &api::Empty {})?;
            print_key(&common, out, &made);
            Ok(())
        }
        Identity::Users(common) => {
            let names = ["Email", "ID", "Created", "State"];
            list(&common, out, "/_causeway/users", &names, |user: &api::User| {
                let (id, created) = (user.id.to_string(), user.created.to_string());
                vec![user.email.clone(), id, created, state(user.disabled)]
            })
        }
        Identity::UsersCreate { email, password_stdin, common } => {
            let password = if password_stdin { Some(password::from_stdin()?) } else { None };
            let next = match password {
                Some(_) => "heroku login -i".to_owned(),
                None => format!("causeway tokens:create --user {email}"),
            };
            let text = format!("Made user {email}.\nNext: {next}");
            let request = api::CreateUser { email, password };
            let made: api::UserCreated = post(&common, "/_causeway/users", &request)?;
            say(&common, out, &made, &text);
            Ok(())
        }
        Identity::UsersPassword { email, password_stdin, generate, end_tokens, common } => {
            let password = match (generate, password_stdin) {
                (true, _) => None,
                (false, true) => Some(password::from_stdin()?),
                (false, false) => Some(password::ask_for_new()?),
            };
            set_password(&email, password, end_tokens, &common, out)
        }
        Identity::TokensCreate { user, description, expires_in, limits, common } => {
            let TokenLimits { scope: scopes, app, space } = limits;
            let request = api::CreateToken { user, description, expires_in, scopes, app, space };
            let made: api::TokenCreated = post(&common, "/_causeway/tokens", &request)?;
            let text = format!(
                "export HEROKU_API_KEY={}\n# This token is shown once; only its hash is kept.",
                made.token
            );
            say(&common, out, &made, &text);
            Ok(())
        }
        Identity::Teams(common) => teams(&common, out),
        Identity::TeamsCreate { name, admin, common } => {
            let text = format!(
                "Made team {name}, with {admin} as its admin.\n\
                 Next: causeway spaces:create NAME --team {name}"
            );
            let request = api::CreateTeam { name, admin };
            let made: api::TeamCreated = post(&common, "/_causeway/teams", &request)?;
            say(&common, out, &made, &text);
            Ok(())
        }
        Identity::TeamsMembersSet { names, team, role, common } => {
            let (team, user) = team_and_user(names, team)?;
            set_member(&team, user, role, &common, out)
        }
    }
}

/// A team and a user's address, of which the team may be named by a flag.
fn team_and_user(names: Vec<String>, team: Option<String>) -> anyhow::Result<(String, String)> {
    let mut names = names.into_iter();
    let (first, second) = (names.next().unwrap_or_default(), names.next());
    match (team, second) {
        (None, Some(user)) => Ok((first, user)),
        (Some(team), None) => Ok((team, first)),
        (None, None) => Err(usage("name the team too: TEAM EMAIL, or EMAIL --team TEAM")),
        (Some(_), Some(_)) => Err(usage("name the team once: TEAM EMAIL, or EMAIL --team TEAM")),
    }
}

fn set_member(
    team: &str,
    user: String,
    role: Membership,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let text = match role.role() {
        Some(role) => format!("{user} is {} of {team}", role.name()),
        None => format!("{user} no longer belongs to {team}"),
    };
    let client = common.connection.client(As::Operator)?;
    let path = format!("/_causeway/teams/{}/members", segment(team));
    let request = api::SetMember { user, role: role.role() };
    let set: api::MemberSet = client.write(&Method::PUT, &path, &request)?;
    say(common, out, &set, &text);
    Ok(())
}

fn set_password(
    email: &str,
    password: Option<String>,
    end_tokens: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let path = format!("/_causeway/users/{}/password", segment(email));
    let generate = password.is_none();
    let request = api::SetPassword { password, generate, end_tokens };
    let set: api::PasswordSet = client.write(&Method::PUT, &path, &request)?;
    let ended = if end_tokens { ", and ended all tokens of the user" } else { "" };
    let text = match &set.password {
        Some(generated) => format!(
            "{generated}\n# This is the password of {email} now{ended}. It is shown once; only a \
             hash of it is kept."
        ),
        None => format!("Set the password of {email}{ended}.\nNext: heroku login -i"),
    };
    say(common, out, &set, &text);
    Ok(())
}

fn teams(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let teams: Vec<api::Team> = client.read("/_causeway/teams")?;
    if common.json {
        out.json(&teams);
        return Ok(());
    }
    let members = teams.iter().flat_map(|team| team.members.iter().map(move |it| (team, it)));
    let rows: Vec<Vec<String>> = members
        .map(|(team, it)| {
            let (email, role) = (it.email.clone(), it.role.name().to_owned());
            vec![team.name.clone(), email, role, state(team.disabled)]
        })
        .collect();
    out.table(&["Team", "Member", "Role", "State"], &rows);
    Ok(())
}

fn post<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    request: &impl Serialize,
) -> anyhow::Result<T> {
    common.connection.client(As::Operator)?.write(&Method::POST, path, request)
}

/// Prints all that an endpoint lists.
fn list<T: DeserializeOwned + Serialize>(
    common: &Common,
    out: &mut Out,
    path: &str,
    names: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    let list: Vec<T> = common.connection.client(As::Operator)?.read(path)?;
    if common.json {
        out.json(&list);
    } else {
        out.table(names, &list.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}

fn print_key(common: &Common, out: &mut Out, made: &api::NewAccessKey) {
    let text = format!(
        "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n\
         # The secret is shown once; what is kept of it is encrypted.",
        made.access_key_id, made.secret_access_key,
    );
    say(common, out, made, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_named_either_way() {
        let ask = |names: &[&str], team: Option<&str>| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            team_and_user(names, team.map(str::to_owned))
        };
        let both = ("web".to_owned(), "ada@example.com".to_owned());
        assert_eq!(ask(&["web", "ada@example.com"], None).unwrap(), both);
        assert_eq!(ask(&["ada@example.com"], Some("web")).unwrap(), both);
        for (names, team) in [(&["web"][..], None), (&["web", "ada@example.com"], Some("web"))] {
            assert!(crate::usage::is_usage(&ask(names, team).unwrap_err()), "{names:?}");
        }
    }
}
