//! Who we are to a server.

use std::time::Duration;

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::print::{rows, say, show};
use crate::arguments::Common;
use crate::arguments::session::{Authorization, Session};
use crate::client::{As, Client, Refusal, segment};
use crate::output::Out;
use crate::password;

const PATH: &str = "/oauth/authorizations";
/// How long a token from a log-in lives, in seconds.
const MONTH: u64 = 30 * 24 * 3600;
/// How long somebody may take to allow a log-in.
const PATIENCE: Duration = Duration::from_secs(11 * 60);

pub(crate) fn run(command: Session, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Session::Login { email, interactive, password_stdin, expires_in, common } => {
            let asks = interactive || password_stdin || expires_in.is_some();
            if email.is_none() && !asks {
                return log_in_by_browser(&common, out);
            }
            let expires_in = expires_in.unwrap_or(MONTH);
            let email = match email {
                Some(email) => email,
                None => password::ask_openly("Email")?,
            };
            login(&email, password_stdin, expires_in, &common, out)
        }
        Session::Logout(common) => logout(&common, out),
        Session::Whoami(common) => {
            let account = common.connection.client(As::User)?.get("/account")?;
            say(&common, out, &account, &show(&account["email"]));
            Ok(())
        }
        Session::OperatorToken(common) => {
            let token = common.connection.operator_token()?;
            say(&common, out, &json!({ "token": token }), &token);
            Ok(())
        }
        Session::Authorizations(common) => list(&common, out),
        Session::AuthorizationsCreate { description, expires_in, limits, short, common } => {
            let client = common.connection.client(As::User)?;
            let body = json!({
                "description": description, "expires_in": expires_in, "scope": limits.scope,
                "app": limits.app, "space": limits.space,
            });
            let made = client.post(PATH, &body)?;
            if short {
                out.line(show(&made["access_token"]["token"]));
            } else {
                print(&made, &common, out);
            }
            Ok(())
        }
        Session::AuthorizationsInfo(token) => {
            let found = token.common.connection.client(As::User)?.get(&path(&token))?;
            print(&found, &token.common, out);
            Ok(())
        }
        Session::AuthorizationsUpdate { description, authorization: token } => {
            let client = token.common.connection.client(As::User)?;
            let body = json!({ "description": description });
            let named = client.send(Method::PATCH, &path(&token), Some(&body))?.body;
            print(&named, &token.common, out);
            Ok(())
        }
        Session::AuthorizationsRotate(token) => {
            let client = token.common.connection.client(As::User)?;
            let path = format!("{}/actions/regenerate-tokens", path(&token));
            print(&client.post(&path, &json!({}))?, &token.common, out);
            Ok(())
        }
        Session::AuthorizationsRevoke(token) => {
            let gone = token.common.connection.client(As::User)?.delete(&path(&token))?;
            let text = format!("Revoked {} ({})", token.id, show(&gone["description"]));
            say(&token.common, out, &gone, &text);
            Ok(())
        }
    }
}

fn path(token: &Authorization) -> String {
    format!("{PATH}/{}", segment(&token.id))
}

fn login(
    email: &str,
    from_stdin: bool,
    expires_in: u64,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let password = if from_stdin { password::from_stdin()? } else { password::ask("Password")? };
    let client = common.connection.client_by_password(email, &password)?;
    let body = json!({
        "description": "causeway login", "expires_in": expires_in, "scope": ["global"],
    });
    let made = match client.post(PATH, &body) {
        Err(error) if wants_code(&error) => {
            client.post_with(PATH, &body, ("heroku-two-factor-code", &password::code()?))?
        }
        made => made?,
    };
    let text = format!("export HEROKU_API_KEY={}", show(&made["access_token"]["token"]));
    say(common, out, &made, &text);
    Ok(())
}

/// Shows an address of the dashboard, and waits until somebody allows the log-in there. The address goes to
/// standard error, as standard output is read by a shell.
fn log_in_by_browser(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let description = format!("causeway login from {}", host.to_string_lossy());
    let client = common.connection.anybody()?;
    let begun = client.post("/auth", &json!({ "description": description }))?;
    anstream::eprintln!(
        "Open this in a browser, and allow the log-in there:\n  {}{}\nWaiting for it.",
        client.url(),
        show(&begun["browser_url"])
    );
    let waiting = common.connection.client_by_token(&show(&begun["token"]))?;
    let answer = waiting.get_within(&show(&begun["cli_url"]), PATIENCE)?;
    let Some(token) = answer["access_token"].as_str() else {
        bail!("{}", show(&answer["error"]));
    };
    say(common, out, &answer, &format!("export HEROKU_API_KEY={token}"));
    Ok(())
}

/// Whether the password was right, and the server wants a code of the second factor as well.
fn wants_code(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.is_some_and(|refusal| refusal.id.as_deref() == Some("two_factor"))
}

/// Ends the token that is in use: the one in the list that the server shows the ends of.
fn logout(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client: Client = common.connection.client(As::User)?;
    let list = client.get(PATH)?;
    let own = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|token| !token["access_token"]["token"].is_null());
    let Some(own) = own else {
        bail!(
            "you are not logged in with a user's token; as long as you can read the data directory, \
             you are the operator"
        )
    };
    let gone = client.delete(&format!("{PATH}/{}", segment(&show(&own["id"]))))?;
    say(common, out, &gone, "Logged out. Next: unset HEROKU_API_KEY");
    Ok(())
}

fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let list = common.connection.client(As::User)?.get(PATH)?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    let fields = ["description", "id", "scope", "access_token.expires_in", "created_at"];
    out.table(&["Description", "ID", "Scope", "Ends in (s)", "Created"], &rows(&list, &fields));
    Ok(())
}

fn print(token: &Value, common: &Common, out: &mut Out) {
    if common.json {
        return out.json(token);
    }
    for (name, value) in [
        ("ID", &token["id"]),
        ("Description", &token["description"]),
        ("Scope", &token["scope"]),
        ("App", &token["app"]["name"]),
        ("Space", &token["space"]["name"]),
        ("Token", &token["access_token"]["token"]),
        ("Ends in (s)", &token["access_token"]["expires_in"]),
        ("Updated at", &token["updated_at"]),
    ] {
        if !value.is_null() {
            out.line(format_args!("{:<13}{}", format!("{name}:"), show(value)));
        }
    }
}
