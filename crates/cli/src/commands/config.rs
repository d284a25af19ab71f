//! Config vars: shown, for shells too, set, and edited.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use hyper::Method;
use serde_json::{Map, Value};

use super::print::{print_members, quote, say, show};
use super::release;
use crate::arguments::apps::App;
use crate::client::Client;
use crate::output::Out;

pub(crate) fn list(shell: bool, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let config = app.client()?.get(&app.path("/config-vars"))?;
    if app.common.json {
        out.json(&config);
    } else if shell {
        print_for_shell(&config, out);
    } else {
        out.line(format_args!("=== {} Config Vars", app.name));
        print_members(&config, out);
    }
    Ok(())
}

/// Prints assignments that a shell can read back.
pub(crate) fn print_for_shell(config: &Value, out: &mut Out) {
    out.text(for_shell(config));
}

fn for_shell(config: &Value) -> String {
    let pairs = config.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{name}={}\n", quote(&show(value)))).collect()
}

pub(crate) fn get(names: &[String], shell: bool, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let config = app.client()?.get(&app.path("/config-vars"))?;
    let missing: Vec<_> =
        names.iter().filter(|name| config.get(*name).is_none()).map(String::as_str).collect();
    ensure!(
        missing.is_empty(),
        "{} has no config var {}; `causeway config` lists all",
        app.name,
        missing.join(", ")
    );
    let chosen: Map<String, Value> =
        names.iter().map(|name| (name.clone(), config[name].clone())).collect();
    match (app.common.json, shell, names) {
        (true, _, [name]) => out.json(&chosen[name]),
        (true, ..) => out.json(&chosen),
        (false, true, _) => print_for_shell(&chosen.into(), out),
        (false, false, _) => names.iter().for_each(|name| out.line(show(&chosen[name]))),
    }
    Ok(())
}

pub(crate) fn set(
    verb: &str,
    names: &[String],
    changes: &Value,
    app: &App,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = app.client()?;
    let config = client.patch(&app.path("/config-vars"), changes)?;
    let what = format!("{verb} {} of {}", names.join(", "), app.name);
    let text = done(&what, &client, app)?;
    say(&app.common, out, &config, &text);
    Ok(())
}

/// What to say of the release that a change has made.
fn done(what: &str, client: &Client, app: &App) -> anyhow::Result<String> {
    let last = release::find(client, None, app)?.value;
    let text = format!("{what}... done, v{}", last.version);
    Ok(match last.is_pending() {
        true => format!("{text}\n{}", release::waits(&last, app)),
        false => text,
    })
}

/// Has a person edit all variables, or one, and makes them what was saved, if nobody else changed
/// them meanwhile.
pub(crate) fn edit(name: Option<&str>, yes: bool, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    let path = app.path("/config-vars");
    let read = client.send(Method::GET, &path, None)?;
    let before = read.body.as_object().cloned().unwrap_or_default();
    let after = match name {
        Some(name) => {
            let value = before.get(name).map(show).unwrap_or_default();
            let mut edited = edited(&value, "")?;
            // Editors end a file by an end of line.
            if !value.ends_with('\n') && edited.ends_with('\n') {
                edited.pop();
            }
            let mut after = before.clone();
            after.insert(name.to_owned(), edited.into());
            after
        }
        None => assignments(&edited(&for_shell(&read.body), ".sh")?)?,
    };
    let changes = changes(&before, &after);
    if changes.is_empty() {
        say(&app.common, out, &read.body, "Nothing was changed.");
        return Ok(());
    }
    let names: Vec<String> = changes.keys().cloned().collect();
    if !yes {
        ask(&changes, &before, app)?;
    }
    let changes = Value::Object(changes);
    let config = client.send_if(Method::PATCH, &path, Some(&changes), read.tag.as_deref())?.body;
    let what = format!("Changing {} of {}", names.join(", "), app.name);
    let text = done(&what, &client, app)?;
    say(&app.common, out, &config, &text);
    Ok(())
}

/// What makes one set of variables another: `null` for what goes.
fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let set = set.map(|(name, value)| (name.clone(), value.clone()));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    set.chain(gone.map(|name| (name.clone(), Value::Null))).collect()
}

#[expect(clippy::print_stderr, reason = "a question is not what the command prints")]
fn ask(changes: &Map<String, Value>, before: &Map<String, Value>, app: &App) -> anyhow::Result<()> {
    for (name, value) in changes {
        let verb = match (value.is_null(), before.contains_key(name)) {
            (true, _) => "remove",
            (false, true) => "change",
            (false, false) => "add",
        };
        eprintln!("{verb} {name}");
    }
    eprint!("Make these changes to {}? (y/N) ", app.name);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    ensure!(
        matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"),
        "Aborted; nothing was changed. To change it without being asked, give --yes."
    );
    Ok(())
}

/// A text after a person edited it, in a file that nobody else reads.
fn edited(text: &str, suffix: &str) -> anyhow::Result<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = variable("VISUAL").or_else(|| variable("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut file = tempfile::Builder::new().prefix("causeway-config-").suffix(suffix).tempfile()?;
    file.write_all(text.as_bytes()).context("the file to edit cannot be written")?;
    file.flush()?;
    // By a shell, as the variable may have options in it.
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(file.path())
        .stdin(Stdio::inherit())
        .status()
        .context("there is no shell to start an editor with")?;
    ensure!(
        status.success(),
        "the editor `{editor}` ended with a failure; nothing was changed. VISUAL or EDITOR names \
         another one."
    );
    // By its path: editors may put another file in its place.
    std::fs::read_to_string(file.path()).context("what was edited cannot be read")
}

/// Reads lines such as `KEY=value`, `KEY='with spaces'` and `# a comment`, as a shell would.
fn assignments(text: &str) -> anyhow::Result<Map<String, Value>> {
    let mut all = Map::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.find('\n').map_or("", |end| &comment[end..]).trim_start();
            continue;
        }
        let line = rest.lines().next().unwrap_or_default();
        let Some((name, value)) = line.split_once('=').and_then(|_| rest.split_once('=')) else {
            bail!("the line `{line}` is not like KEY=value; nothing was changed")
        };
        let (value, after) = word(value)
            .with_context(|| format!("the quotes of {name} do not end; nothing was changed"))?;
        all.insert(name.trim().to_owned(), value.into());
        rest = after.trim_start();
    }
    Ok(all)
}

/// The rest of a line without its quotes, in which lines may end, and what comes after it; nothing
/// if a quote does not end.
fn word(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    // What is before is kept though it may be spaces.
    let mut quoted = 0;
    let mut chars = text.char_indices();
    let end = loop {
        match chars.next() {
            None => break text.len(),
            Some((at, '\n')) => break at,
            Some((_, '\'')) => {
                loop {
                    match chars.next()?.1 {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
                quoted = word.len();
            }
            Some((_, '"')) => {
                loop {
                    match chars.next()?.1 {
                        '"' => break,
                        '\\' => match chars.next()?.1 {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
                quoted = word.len();
            }
            Some((_, '\\')) => {
                word.push(chars.next()?.1);
                quoted = word.len();
            }
            Some((_, c)) => word.push(c),
        }
    };
    let kept = quoted + word[quoted..].trim_end().len();
    word.truncate(kept);
    Some((word, &text[end..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_for_a_shell_is_read_back() {
        let config = json!({
            "A": "plain", "B": "with spaces ", "C": "", "D": "it's \"$x\" \\ `y`", "E": "two\nlines\n",
        });
        let text = for_shell(&config);
        assert!(text.starts_with("A=plain\nB='with spaces '\nC=''\n"), "{text}");
        assert_eq!(Value::Object(assignments(&text).unwrap()), config);
    }

    #[test]
    fn what_people_write_is_read() {
        let text = "# mine\n\nA=1\n  B = x y  \nC=\"a \\\"b\\\" \\n\"\r\nD=a\\ b\nE=";
        let read = Value::Object(assignments(text).unwrap());
        assert_eq!(read, json!({ "A": "1", "B": " x y", "C": "a \"b\" \\n", "D": "a b", "E": "" }));
        for (wrong, names) in [("A=1\nB\n", "`B`"), ("A='x\nB=2", "quotes of A")] {
            let error = assignments(wrong).unwrap_err().to_string();
            assert!(error.contains(names), "{wrong}: {error}");
        }
    }

    #[test]
    fn changes_are_what_differs() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let before = object(json!({ "A": "1", "B": "2", "C": "3" }));
        let after = object(json!({ "A": "1", "B": "x", "D": "4" }));
        let expected = json!({ "B": "x", "C": null, "D": "4" });
        assert_eq!(Value::Object(changes(&before, &after)), expected);
        assert!(changes(&before, &before).is_empty());
    }
}
