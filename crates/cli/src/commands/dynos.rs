//! An app's dynos: what runs, how much of it, and one-off commands.

use anyhow::Context;
use api::Dyno;
use serde_json::{Value, json};

use super::logs;
use super::print::{dyno_order, rows, say, sort, table};
use crate::arguments::apps::App;
use crate::client::{Parsed, segment};
use crate::output::Out;
use crate::usage::usage;

pub(crate) fn list(app: &App, out: &mut Out) -> anyhow::Result<()> {
    let list = app.client()?.get(&app.path("/dynos"))?;
    if app.common.json {
        out.json(&list);
        return Ok(());
    }
    let mut dynos = Parsed::<Vec<Dyno>>::of(list)?.value;
    dynos.sort_by_cached_key(|dyno| (dyno_order(&dyno.name), dyno.release.version));
    let row = |dyno: Dyno| {
        let release = dyno.release.version.map(|version| version.to_string()).unwrap_or_default();
        let Dyno { name, state, size, command, updated_at, .. } = dyno;
        vec![name, state, size, format!("v{release}"), command, updated_at]
    };
    let rows: Vec<_> = dynos.into_iter().map(row).collect();
    out.table(&["Name", "State", "Size", "Release", "Command", "Since"], &rows);
    Ok(())
}

pub(crate) fn scale(changes: &[String], app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    if changes.is_empty() {
        let mut list = client.get(&app.path("/formation"))?;
        sort(&mut list, "type");
        let names = ["Type", "Quantity", "Size", "Command"];
        table(&app.common, out, &list, &names, &["type", "quantity", "size", "command"]);
        return Ok(());
    }
    let updates = changes.iter().map(|text| update(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let list = client.patch(&app.path("/formation"), &json!({ "updates": updates }))?;
    let named = |row: &Vec<String>| updates.iter().any(|update| update["type"] == *row[0]);
    let now: Vec<String> = rows(&list, &["type", "quantity", "size"])
        .iter()
        .filter(|row| named(row))
        .map(|row| format!("{} at {}:{}", row[0], row[1], row[2]))
        .collect();
    let text = format!("Scaling {}... done, now running {}", app.name, now.join(", "));
    say(&app.common, out, &list, &text);
    Ok(())
}

/// Reads `web=2`, `web+1:Private-M`, `web-1`.
fn update(text: &str) -> anyhow::Result<Value> {
    let wrong = || format!("'{text}' is not like web=2, web+1 or web=2:Private-M");
    let (change, size) = match text.split_once(':') {
        Some((change, size)) => (change, Some(size)),
        None => (text, None),
    };
    // A process type may have hyphens, so the last sign is the one that counts.
    let at = change.rfind(['=', '+', '-']).filter(|at| *at > 0).with_context(wrong)?;
    let (process, quantity) = change.split_at(at);
    let digits = &quantity[1..];
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then_some(()).with_context(wrong)?;
    let quantity = quantity.strip_prefix('=').unwrap_or(quantity);
    let mut update = json!({ "type": process, "quantity": quantity });
    if let Some(size) = size {
        update["size"] = size.into();
    }
    Ok(update)
}

pub(crate) fn restart(which: Option<&str>, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let path = match which {
        None => "/dynos".to_owned(),
        Some(dyno) => below(dyno),
    };
    let done = app.client()?.delete(&app.path(&path))?;
    let what = which.unwrap_or("all dynos");
    say(&app.common, out, &done, &format!("Restarting {what} of {}", app.name));
    Ok(())
}

pub(crate) fn stop(which: &str, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let path = app.path(&format!("{}/actions/stop", below(which)));
    let done = app.client()?.post(&path, &json!({}))?;
    say(&app.common, out, &done, &format!("Stopping {which} of {}", app.name));
    Ok(())
}

/// The path of a dyno, which has a dot in its name, or of a process type, which has none.
fn below(which: &str) -> String {
    let kind = if which.contains('.') { "dynos" } else { "formations" };
    format!("/{kind}/{}", segment(which))
}

/// A command to run by itself.
pub(crate) struct OneOff {
    /// The size of its dyno.
    pub(crate) size: Option<String>,
    /// Further variables: `A=1;B=2`.
    pub(crate) env: Option<String>,
    /// Whether to go on with what it writes.
    pub(crate) tail: bool,
    /// The words of the command.
    pub(crate) command: Vec<String>,
}

pub(crate) fn start(run: &OneOff, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let command = command_line(&run.command);
    let mut body = json!({ "command": command, "attach": false });
    if let Some(size) = &run.size {
        body["size"] = size.as_str().into();
    }
    if let Some(env) = &run.env {
        body["env"] = variables(env)?;
    }
    let made = Parsed::<Dyno>::of(app.client()?.post(&app.path("/dynos"), &body)?)?;
    let (name, app_name) = (&made.value.name, &app.name);
    let more = match run.tail {
        true => String::new(),
        false => format!(
            "\nIts output: causeway logs --app {app_name} --dyno {name}. On the server's host: \
             causeway exec {app_name}/{name} -- COMMAND"
        ),
    };
    let text = format!("Running {command} on {app_name}... {name}{more}");
    say(&app.common, out, &made.json, &text);
    if run.tail {
        out.flush();
        let wanted = json!({ "tail": true, "dyno": name, "source": "app" });
        return logs::of_app(app_name, &wanted, &app.common, out);
    }
    Ok(())
}

/// One word is a command line as it is. Of several those are quoted that would fall apart, as the
/// `heroku` command does it; variables are left to the dyno.
fn command_line(words: &[String]) -> String {
    let quoted = |word: &String| {
        let whole = |c: char| !c.is_whitespace() && c != '"' && c != '\'';
        match !word.is_empty() && word.chars().all(whole) {
            true => word.clone(),
            false => format!("\"{}\"", word.replace('\\', r"\\").replace('"', r#"\""#)),
        }
    };
    match words {
        [line] => line.clone(),
        words => words.iter().map(quoted).collect::<Vec<_>>().join(" "),
    }
}

/// Reads `A=1;B=2`.
fn variables(text: &str) -> anyhow::Result<Value> {
    let pairs = text.split(';').filter(|pair| !pair.trim().is_empty());
    let read = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), Value::from(value)))
        }
        _ => Err(usage(format!("'{pair}' is not like KEY=VALUE, as --env wants it"))),
    };
    Ok(Value::Object(pairs.map(read).collect::<anyhow::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read() {
        assert_eq!(update("web=2").unwrap(), json!({ "type": "web", "quantity": "2" }));
        assert_eq!(update("my-job+1").unwrap(), json!({ "type": "my-job", "quantity": "+1" }));
        let sized = json!({ "type": "web", "quantity": "-1", "size": "Private-M" });
        assert_eq!(update("web-1:Private-M").unwrap(), sized);
        // How many there can be is for the server to say.
        assert_eq!(update("web=100000").unwrap()["quantity"], "100000");
        for wrong in ["web", "=2", "web=", "web=x", "web=+1x", ""] {
            assert!(update(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn words_of_a_command_stay_whole() {
        let line = |words: &[&str]| {
            command_line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(line(&["echo a; ls"]), "echo a; ls");
        assert_eq!(line(&["rake", "db:migrate"]), "rake db:migrate");
        assert_eq!(line(&["say", "a  b", "it's", "", "$PORT"]), r#"say "a  b" "it's" "" $PORT"#);
        assert_eq!(line(&["say", r#"\ ""#]), r#"say "\\ \"""#);
    }

    #[test]
    fn variables_of_one_dyno_are_read() {
        let read = variables("A=1;B=x=y; C=").unwrap();
        assert_eq!(read, json!({ "A": "1", "B": "x=y", "C": "" }));
        for wrong in ["A", "=1", "A=1;B"] {
            assert!(crate::usage::is_usage(&variables(wrong).unwrap_err()), "{wrong}");
        }
    }

    #[test]
    fn a_dyno_is_told_from_a_process_type() {
        assert_eq!(below("web.1"), "/dynos/web.1");
        assert_eq!(below("web"), "/formations/web");
    }
}
