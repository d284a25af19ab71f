//! Who we are to a server.

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::print::{rows, say, show};
use crate::arguments::Common;
use crate::arguments::session::{Authorization, Session};
use crate::client::{As, Client, segment};
use crate::output::Out;
use crate::password;

const PATH: &str = "/oauth/authorizations";

pub(crate) fn run(command: Session, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Session::Login { email, interactive: _, password_stdin, expires_in, common } => {
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
        Session::Authorizations(common) => list(&common, out),
        Session::AuthorizationsCreate { description, expires_in, short, common } => {
            let client = common.connection.client(As::User)?;
            let body = json!({ "description": description, "expires_in": expires_in });
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
    let made = client.post(PATH, &body)?;
    let text = format!("export HEROKU_API_KEY={}", show(&made["access_token"]["token"]));
    say(common, out, &made, &text);
    Ok(())
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
    let fields = ["description", "id", "access_token.expires_in", "created_at"];
    out.table(&["Description", "ID", "Ends in (s)", "Created"], &rows(&list, &fields));
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
        ("Token", &token["access_token"]["token"]),
        ("Ends in (s)", &token["access_token"]["expires_in"]),
        ("Updated at", &token["updated_at"]),
    ] {
        if !value.is_null() {
            out.line(format_args!("{:<13}{}", format!("{name}:"), show(value)));
        }
    }
}
