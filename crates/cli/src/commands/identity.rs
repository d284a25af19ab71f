//! Accounts, keys, users, tokens, teams, and the variables for the real clients.

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::{quote, rows, show};
use crate::arguments::{Command, Common};
use crate::client::{As, DATA_HOSTS, host_of, part};
use crate::output::Out;
use crate::password;
use crate::usage::usage;

pub fn run(command: Command, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Command::Env { account, user, common } => env(account, user, &common, out),
        Command::Accounts(common) => table(
            &common,
            out,
            "/_causeway/accounts",
            &["ID", "Name", "Platform", "Created"],
            &["id", "name", "platform", "created"],
        ),
        Command::AccountsCreate { name, common } => {
            let made = post(&common, "/_causeway/accounts", &json!({ "name": name }))?;
            let id = show(&made["id"]);
            say(
                &common,
                out,
                &made,
                &format!(
                    "Made account {id} ({name}).\nNext: causeway keys:create --account {name}"
                ),
            );
            Ok(())
        }
        Command::Keys(common) => table(
            &common,
            out,
            "/_causeway/keys",
            &["Access key", "Account", "Access", "Created"],
            &["access_key_id", "account", "access", "created"],
        ),
        Command::KeysCreate { account, read_only, common } => {
            let body = json!({ "account": account, "read_only": read_only });
            let made = post(&common, "/_causeway/keys", &body)?;
            print_key(&common, out, &made);
            Ok(())
        }
        Command::KeysRotate { key, common } => {
            let path = format!("/_causeway/keys/{}/rotate", part(&key));
            let made = post(&common, &path, &json!({}))?;
            print_key(&common, out, &made);
            Ok(())
        }
        Command::Users(common) => table(
            &common,
            out,
            "/_causeway/users",
            &["Email", "ID", "Created"],
            &["email", "id", "created"],
        ),
        Command::UsersCreate { email, password_stdin, common } => {
            let password = if password_stdin { Some(password::from_stdin()?) } else { None };
            let body = json!({ "email": email, "password": password });
            let made = post(&common, "/_causeway/users", &body)?;
            let next = match password {
                Some(_) => "heroku login -i".to_owned(),
                None => format!("causeway tokens:create --user {email}"),
            };
            say(&common, out, &made, &format!("Made user {email}.\nNext: {next}"));
            Ok(())
        }
        Command::UsersPassword { email, password_stdin, generate, end_tokens, common } => {
            let password = match (generate, password_stdin) {
                (true, _) => None,
                (false, true) => Some(password::from_stdin()?),
                (false, false) => Some(password::ask_for_new()?),
            };
            set_password(&email, password, end_tokens, &common, out)
        }
        Command::TokensCreate { user, description, expires_in, common } => {
            let body =
                json!({ "user": user, "description": description, "expires_in": expires_in });
            let made = post(&common, "/_causeway/tokens", &body)?;
            say(
                &common,
                out,
                &made,
                &format!(
                    "export HEROKU_API_KEY={}\n# This token is shown once; only its hash is kept.",
                    show(&made["token"])
                ),
            );
            Ok(())
        }
        Command::Teams(common) => {
            let teams = common.connection.client(As::Operator)?.get("/_causeway/teams")?;
            if common.json {
                out.json(&teams);
                return Ok(());
            }
            let rows: Vec<Vec<String>> = teams
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|team| {
                    rows(&team["members"], &["email", "role"])
                        .into_iter()
                        .map(|member| [vec![show(&team["name"])], member].concat())
                })
                .collect();
            out.table(&["Team", "Member", "Role"], &rows);
            Ok(())
        }
        Command::TeamsCreate { name, admin, common } => {
            let body = json!({ "name": name, "admin": admin });
            let made = post(&common, "/_causeway/teams", &body)?;
            say(
                &common,
                out,
                &made,
                &format!(
                    "Made team {name}, with {admin} as its admin.\n\
                 Next: causeway spaces:create NAME --team {name}"
                ),
            );
            Ok(())
        }
        Command::TeamsMembersSet { names, team, role, common } => {
            let (team, user) = team_and_user(names, team)?;
            let wanted = (role != "none").then_some(&role);
            let client = common.connection.client(As::Operator)?;
            let path = format!("/_causeway/teams/{}/members", part(&team));
            let body = json!({ "user": user, "role": wanted });
            let set = client.send(Method::PUT, &path, Some(&body))?.body;
            let text = match wanted {
                Some(role) => format!("{user} is {role} of {team}"),
                None => format!("{user} does not belong to {team} any more"),
            };
            say(&common, out, &set, &text);
            Ok(())
        }
        _ => bail!("this command is not about identities"),
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

fn set_password(
    email: &str,
    password: Option<String>,
    end_tokens: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let path = format!("/_causeway/users/{}/password", part(email));
    let generate = password.is_none();
    let body = json!({ "password": password, "generate": generate, "end_tokens": end_tokens });
    let set = client.send(Method::PUT, &path, Some(&body))?.body;
    let ended = if end_tokens { ", and ended all tokens of the user" } else { "" };
    let text = match set["password"].as_str() {
        Some(made_up) => format!(
            "{made_up}\n# This is the password of {email} now{ended}. It is shown once; only a \
             hash of it is kept."
        ),
        None => format!("Set the password of {email}{ended}.\nNext: heroku login -i"),
    };
    say(common, out, &set, &text);
    Ok(())
}

fn post(common: &Common, path: &str, body: &Value) -> anyhow::Result<Value> {
    common.connection.client(As::Operator)?.post(path, body)
}

fn table(
    common: &Common,
    out: &mut Out,
    path: &str,
    names: &[&str],
    fields: &[&str],
) -> anyhow::Result<()> {
    let list = common.connection.client(As::Operator)?.get(path)?;
    if common.json {
        out.json(&list);
    } else {
        out.table(names, &rows(&list, fields));
    }
    Ok(())
}

fn say(common: &Common, out: &mut Out, body: &Value, text: &str) {
    if common.json { out.json(body) } else { out.line(text) }
}

fn print_key(common: &Common, out: &mut Out, made: &Value) {
    say(
        common,
        out,
        made,
        &format!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n\
         # The secret is shown once; what is kept of it is encrypted.",
            show(&made["access_key_id"]),
            show(&made["secret_access_key"]),
        ),
    );
}

fn env(
    account: Option<String>,
    user: Option<String>,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let found = client.post("/_causeway/env", &json!({ "account": account, "user": user }))?;
    let url = client.url();
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", show(&found["access_key_id"])),
        ("AWS_SECRET_ACCESS_KEY", show(&found["secret_access_key"])),
        ("AWS_DEFAULT_REGION", show(&found["region"])),
        // The heroku command takes an address without a scheme for an https one, and any host
        // but this machine for a mistake (heroku.md §2.1).
        ("HEROKU_HOST", url.to_owned()),
        ("HEROKU_API_KEY", show(&found["token"])),
        ("HEROKU_PARTICLEBOARD_URL", url.to_owned()),
        ("DISABLE_TELEMETRY", "true".to_owned()),
        ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
        ("CAUSEWAY_URL", url.to_owned()),
    ];
    variables.extend(DATA_HOSTS.map(|name| (name, host_of(url))));
    if common.json {
        let map: serde_json::Map<String, Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        out.json(&map.into());
        return Ok(());
    }
    for (name, value) in variables {
        out.line(format_args!("export {name}={}", quote(&value)));
    }
    Ok(())
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
