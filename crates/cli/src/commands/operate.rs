//! Looking after an installation, and asking it why.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{backup, show};
use crate::arguments::{Command, Common};
use crate::client::{As, Refusal, part};
use crate::demo::Plan;
use crate::output::Out;
use crate::usage::usage;

pub fn run(command: Command, out: &mut Out) -> anyhow::Result<ExitCode> {
    match command {
        Command::Why { from, to, port, proto, common } => {
            why(&from, &to, port, &proto, &common, out)
        }
        Command::Exec { target, command, common } => exec(&target, &command, &common),
        Command::Logs { target: Some(target), bytes, common, .. } => {
            let client = common.connection.client(As::Operator)?;
            let logs = client.get(&format!("/_causeway/logs/{target}?bytes={bytes}"))?;
            out.text(show(&logs));
            done()
        }
        Command::Logs { target: None, app, tail, num, dyno, source, common, .. } => {
            let wanted = json!({ "lines": num, "tail": tail, "dyno": dyno, "source": source });
            app_logs(&app.unwrap_or_default(), &wanted, &common, out)?;
            done()
        }
        Command::Status(common) => status(&common, out),
        Command::Doctor(common) => doctor(&common, out),
        Command::FabricSweep(common) => {
            let client = common.connection.client(As::Operator)?;
            let fabric = client.post("/_causeway/sweep", &json!({}))?;
            if common.json {
                out.json(&fabric)
            } else {
                print_fabric(&fabric, out)
            }
            Ok(if fabric["healthy"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::FabricPurge { confirm, common } => purge(confirm, &common, out),
        Command::Backup { file, skip_unavailable, common } => {
            backup::write(&file, skip_unavailable, &common, out)?;
            done()
        }
        Command::Restore { file, new_instance, common } => {
            backup::restore(&file, new_instance, &common, out)?;
            done()
        }
        Command::ClockAdvance { span, common } => {
            let seconds = parse_span(&span)?.as_secs();
            let client = common.connection.client(As::Operator)?;
            let body = json!({ "advance_seconds": seconds });
            let moved = client.post("/_causeway/clock", &body)?;
            say(&common, out, &moved, &format!("It is {} now", show(&moved["now"])));
            done()
        }
        Command::Reset(common) => {
            let client = common.connection.client(As::Anybody)?;
            let body = client.post("/_causeway/reset", &json!({}))?;
            say(&common, out, &body, "Emptied");
            done()
        }
        Command::Demo { fabric, host, team, connection } => {
            crate::demo::run(&Plan { fabric, host, team, connection }, out)
        }
        _ => bail!("this command is not about an installation"),
    }
}

/// Prints an app's log line by line, each at once.
pub(super) fn app_logs(
    app: &str,
    wanted: &Value,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::User)?;
    let session = client.post(&format!("/apps/{}/log-sessions", part(app)), wanted)?;
    let Some(url) = session["logplex_url"].as_str() else {
        bail!("the server does not say where the log is")
    };
    let mut seen = None;
    let mut lost = None;
    loop {
        let opened = Instant::now();
        let ended = client.events(url, &mut seen, |line| {
            if common.json {
                out.line(Value::String(line.to_owned()));
            } else {
                out.line(line);
            }
            out.flush();
            lost = None;
        });
        let lasted = opened.elapsed();
        if wanted["tail"] != true {
            return ended;
        }
        match ended {
            // The app is gone, or whoever reads has no say in it any more.
            Ok(()) if lasted < AWAY => return Ok(()),
            Ok(()) => {}
            Err(error) if error.is::<Refusal>() => return Err(error),
            Err(error) if seen.is_none() && lasted < AWAY => return Err(error),
            Err(error) => {
                if lasted > LOST {
                    lost = None;
                }
                if lost.get_or_insert(opened + lasted).elapsed() > LOST {
                    return Err(error);
                }
            }
        }
        #[expect(clippy::disallowed_methods, reason = "who went away tells nobody of coming back")]
        std::thread::sleep(AWAY);
    }
}

/// How long to leave a server alone that went away, and when to give it up.
const AWAY: Duration = Duration::from_secs(1);
const LOST: Duration = Duration::from_secs(60);

fn done() -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

fn say(common: &Common, out: &mut Out, body: &Value, text: &str) {
    if common.json { out.json(body) } else { out.line(text) }
}

fn why(
    from: &str,
    to: &str,
    port: Option<u16>,
    proto: &str,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    match port {
        None if proto != "icmp" => {
            return Err(usage(format!(
                "say which {proto} port: causeway why {from} {to} --port N"
            )));
        }
        Some(_) if proto == "icmp" => return Err(usage("icmp has no ports; leave --port out")),
        Some(_) | None => {}
    }
    let client = common.connection.client(As::Viewer)?;
    let port = port.map(|port| format!("&port={port}")).unwrap_or_default();
    let path = format!("/_causeway/why?from={}&to={}&proto={proto}{port}", part(from), part(to));
    let verdict = client.get(&path).map_err(|error| match error.downcast_ref::<Refusal>() {
        // An end that is none, or that can be many.
        Some(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            usage(refusal.to_string())
        }
        Some(_) | None => error,
    })?;
    let allowed = verdict["allowed"] == true;
    if common.json {
        out.json(&verdict);
    } else {
        print_verdict(from, to, &verdict, out);
    }
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_verdict(from: &str, to: &str, verdict: &Value, out: &mut Out) {
    let word = if verdict["allowed"] == true { "gets through" } else { "does NOT get through" };
    out.line(format_args!("{from} → {to}: {word}"));
    let mut answer = false;
    for hop in verdict["hops"].as_array().into_iter().flatten() {
        if hop["leg"] == "answer" && !std::mem::replace(&mut answer, true) {
            out.line("  the answer, on its way back:");
        }
        let passed = hop["decision"] == "passed";
        let mark = if passed { "✓" } else { "✗" };
        out.line(format_args!("  {mark} {}: {}", show(&hop["where"]), show(&hop["because"])));
        if let Some(code) = hop["code"].as_str() {
            out.line(format_args!("      {code}"));
        }
        if let Some(remedy) = hop["remedy"].as_str() {
            out.line(format_args!("      to let it pass: {remedy}"));
        }
    }
}

/// Becomes the command: its streams and its exit status are ours.
fn exec(target: &str, command: &[String], common: &Common) -> anyhow::Result<ExitCode> {
    let client = common.connection.client(As::Operator)?;
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let arguments: String = command.iter().map(|word| format!("&arg={}", part(word))).collect();
    let found = client.get(&format!("/_causeway/workloads/{target}?tty={tty}{arguments}"))?;
    let argv: Vec<String> = found["argv"].as_array().into_iter().flatten().map(show).collect();
    let Some((program, rest)) = argv.split_first() else {
        bail!("the server does not say how to get into {target}")
    };
    let error = std::process::Command::new(program).args(rest).exec();
    Err(error).with_context(|| {
        format!("{program} cannot be run; are you on the server's host, as its user?")
    })
}

fn status(common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let client = common.connection.client(As::Operator)?;
    let status = client.get("/_causeway/status")?;
    let healthy = status["fabric"]["healthy"] == true;
    let code = if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.json {
        out.json(&status);
        return Ok(code);
    }
    out.line(format_args!("Server     {} (instance {})", client.url(), show(&status["instance"])));
    out.line(format_args!("Region     {}", show(&status["region"])));
    out.line(format_args!("Accounts   {}", status["accounts"]));
    let spaces = super::rows(&status["spaces"], &["name", "state", "region", "cidr"]);
    out.line(format_args!("Spaces     {}", spaces.len()));
    for space in spaces {
        out.line(format_args!("           {}", space.join("  ")));
    }
    out.line(format_args!("VPCs       {}", status["vpcs"]));
    out.line(format_args!("Peerings   {}", by_state(&status["peerings"])));
    out.line(format_args!("Instances  {}", by_state(&status["instances"])));
    out.line(format_args!("Dynos      {}", by_state(&status["dynos"])));
    print_fabric(&status["fabric"], out);
    Ok(code)
}

/// Counts by state in words.
fn by_state(counts: &Value) -> String {
    let counts = counts.as_object().into_iter().flatten();
    let counts: Vec<String> = counts.map(|(state, n)| format!("{n} {state}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(", ") }
}

fn print_fabric(fabric: &Value, out: &mut Out) {
    let word = if fabric["healthy"] == true { "healthy" } else { "NOT healthy" };
    out.line(format_args!("Fabric     {}, {word}", show(&fabric["driver"])));
    out.line(format_args!("           last compared {}", show(&fabric["last_sweep"])));
    out.line(format_args!("           last changed {}", show(&fabric["last_run"])));
    let repairs = if fabric["repairs"] == 1 { "repair" } else { "repairs" };
    out.line(format_args!("           {} {repairs}", fabric["repairs"]));
    for repair in fabric["last_repairs"].as_array().into_iter().flatten() {
        out.line(format_args!("           repaired {}", show(repair)));
    }
    for (what, why) in fabric["problems"].as_object().into_iter().flatten() {
        out.line(format_args!("           PROBLEM {what}: {}", show(why)));
    }
    for (what, why) in fabric["failing"].as_object().into_iter().flatten() {
        out.line(format_args!("           PROBLEM {what} cannot be started: {}", show(why)));
    }
}

fn doctor(common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut checks = fabric::linux::doctor();
    checks.extend(fabric::runtime::doctor(Path::new("runc")));
    let sound = checks.iter().all(|check| check.ok);
    let programs = server::plans::programs();
    if common.json {
        let fabric = checks
            .iter()
            .map(|c| json!({ "name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy }));
        // The fabric does without these; it is only that such services cannot run.
        let services = programs.iter().map(|program| {
            let (detail, remedy) = program_in_words(program);
            let ok = program.found.is_some();
            json!({
                "name": program.plan, "ok": ok, "detail": detail, "remedy": remedy, "needed": false,
            })
        });
        let list: Vec<Value> = fabric.chain(services).collect();
        out.json(&list.into());
    } else {
        for check in &checks {
            let mark = if check.ok { "✓" } else { "✗" };
            out.line(format_args!("{mark} {}: {}", check.name, check.detail));
            if !check.ok {
                out.line(format_args!("    {}", check.remedy));
            }
        }
        for program in &programs {
            let (detail, remedy) = program_in_words(program);
            let mark = if program.found.is_some() { "✓" } else { "–" };
            out.line(format_args!("{mark} {}: {detail}", program.plan));
            if program.found.is_none() {
                out.line(format_args!("    {remedy}"));
            }
        }
        let word = if sound {
            "This machine can carry the Linux fabric."
        } else {
            "This machine cannot carry the Linux fabric yet; `--fabric none` works without."
        };
        out.line(word);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a shipped data service can run, and what to do about it.
fn program_in_words(program: &server::plans::Program) -> (String, String) {
    match &program.found {
        Some(path) => (format!("{} is there", path.display()), String::new()),
        None => (
            "its program is missing, so such add-ons cannot run".to_owned(),
            format!("apt-get install --no-install-recommends {}", program.package),
        ),
    }
}

fn purge(confirmed: bool, common: &Common, out: &mut Out) -> anyhow::Result<ExitCode> {
    let data = common.connection.data_dir();
    if !store::DataDir::is_installation(&data) {
        return Err(usage(format!(
            "{} is no installation of Causeway: it has no secret.key and causeway.db",
            data.display()
        )));
    }
    if !confirmed {
        return Err(usage(format!(
            "this ends every dyno and instance of {} and removes its networks; say --confirm if \
             that is meant",
            data.display()
        )));
    }
    let purged = server::purge(&data)
        .with_context(|| format!("the networks of {} cannot be removed", data.display()))?;
    say(
        common,
        out,
        &json!({ "removed": purged }),
        &format!("Removed {purged} {}", if purged == 1 { "thing" } else { "things" }),
    );
    done()
}

/// A span such as `7d2h`, `90m`, `45s`.
fn parse_span(text: &str) -> anyhow::Result<Duration> {
    let wrong = || usage(format!("'{text}' is not a span of time such as 7d, 1h30m or 45s"));
    let mut seconds: u64 = 0;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        let more = count.checked_mul(unit).and_then(|more| seconds.checked_add(more));
        seconds = more.ok_or_else(wrong)?;
    }
    if !number.is_empty() || seconds == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(parse_span("7d2h").unwrap().as_secs(), 7 * 86_400 + 2 * 3_600);
        assert_eq!(parse_span("45s").unwrap().as_secs(), 45);
        for wrong in ["", "7", "d", "1x", "-1d", "99999999999999999999d", "0s"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
