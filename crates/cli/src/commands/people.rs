//! Members of teams, and who gets at a space.

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::print::{dyno_order, rows, say, show};
use crate::arguments::people::{Member, People, TrustedRange};
use crate::arguments::{Common, Space};
use crate::client::{As, segment};
use crate::output::Out;

pub(crate) fn run(command: People, out: &mut Out) -> anyhow::Result<()> {
    match command {
        People::Members { name, team, role, common } => {
            let team = name.or(team).unwrap_or_default();
            members(&team, role.as_deref(), &common, out)
        }
        People::MembersAdd(member) => set_member(&member, Method::PUT, out),
        People::MembersSet(member) => set_member(&member, Method::PATCH, out),
        People::MembersRemove { email, team, common } => {
            let path = format!("/teams/{}/members/{}", segment(&team), segment(&email));
            let gone = common.connection.client(As::User)?.delete(&path)?;
            say(&common, out, &gone, &format!("Removed {email} from {team}"));
            Ok(())
        }
        People::Access { app, common } => {
            let path = format!("/apps/{}/collaborators", segment(&app));
            let fields = ["user.email", "role", "permissions"];
            table(&common, out, &path, &["Email", "Role", "Permissions"], &fields)
        }
        People::SpacesMembers(space) => {
            let path = of_space(space.name(), "members");
            table(&space.common, out, &path, &["Email", "May"], &["user.email", "permissions"])
        }
        People::SpacesMembersSet { email, space, create_apps, common } => {
            let yes = create_apps == "yes";
            let permissions = if yes { json!([{ "name": "create_apps" }]) } else { json!([]) };
            let path = of_space(&space, &format!("members/{}", segment(&email)));
            let client = common.connection.client(As::User)?;
            let body = json!({ "permissions": permissions });
            let set = client.send(Method::PATCH, &path, Some(&body))?.body;
            let word = if yes { "may" } else { "may not" };
            say(&common, out, &set, &format!("{email} {word} make apps in {space}"));
            Ok(())
        }
        People::SpacesTransfer { space, team, common } => {
            let client = common.connection.client(As::User)?;
            let body = json!({ "new_owner": team });
            let moved = client.post(&of_space(&space, "transfer"), &body)?;
            say(&common, out, &moved, &format!("Transferred {space} to {team}"));
            Ok(())
        }
        People::TrustedIps(space) => trusted(&space, out),
        People::TrustedIpsAdd(range) => add_range(&range, out),
        People::TrustedIpsRemove(range) => remove_range(&range, out),
        People::SpacesHosts(space) => table(
            &space.common,
            out,
            &of_space(space.name(), "hosts"),
            &["Host ID", "State", "Free %", "Allocated At", "Released At"],
            &["host_id", "state", "available_capacity_percentage", "allocated_at", "released_at"],
        ),
        People::SpacesPs(space) => dynos(&space, out),
        People::SpacesTopology(space) => topology(&space, out),
    }
}

fn of_space(space: &str, rest: &str) -> String {
    format!("/spaces/{}/{rest}", segment(space))
}

fn table(
    common: &Common,
    out: &mut Out,
    path: &str,
    names: &[&str],
    fields: &[&str],
) -> anyhow::Result<()> {
    let mut list = common.connection.client(As::User)?.get(path)?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    // Of permissions, a person wants the names.
    for item in list.as_array_mut().into_iter().flatten() {
        if let Some(permissions) = item["permissions"].as_array() {
            item["permissions"] = permissions.iter().map(|p| p["name"].clone()).collect();
        }
    }
    out.table(names, &rows(&list, fields));
    Ok(())
}

fn members(team: &str, role: Option<&str>, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let path = format!("/teams/{}/members", segment(team));
    let list = common.connection.client(As::User)?.get(&path)?;
    let wanted = |member: &&Value| role.is_none_or(|role| member["role"] == role);
    let list: Value = list.as_array().into_iter().flatten().filter(wanted).cloned().collect();
    if common.json {
        out.json(&list);
    } else {
        out.table(&["Email", "Role"], &rows(&list, &["email", "role"]));
    }
    Ok(())
}

fn set_member(member: &Member, method: Method, out: &mut Out) -> anyhow::Result<()> {
    let Member { email, role, team, common } = member;
    let client = common.connection.client(As::User)?;
    let path = format!("/teams/{}/members", segment(team));
    let body = json!({ "email": email, "role": role });
    let set = client.send(method, &path, Some(&body))?.body;
    say(common, out, &set, &format!("{email} is {role} of {team}"));
    Ok(())
}

fn trusted(space: &Space, out: &mut Out) -> anyhow::Result<()> {
    let client = space.common.connection.client(As::User)?;
    let ruleset = client.get(&of_space(space.name(), "inbound-ruleset"))?;
    if space.common.json {
        out.json(&ruleset);
        return Ok(());
    }
    let rules = ruleset["rules"].as_array().cloned().unwrap_or_default();
    if rules.is_empty() {
        out.line(format_args!(
            "=== {} has no trusted IP ranges. All inbound web requests to dynos are blocked.",
            space.name()
        ));
        return Ok(());
    }
    out.line("=== Trusted IP Ranges");
    out.line("");
    for rule in rules {
        let denied = if rule["action"] == "deny" { " (denied)" } else { "" };
        out.line(format_args!("{}{denied}", show(&rule["source"])));
    }
    Ok(())
}

fn add_range(range: &TrustedRange, out: &mut Out) -> anyhow::Result<()> {
    change_ranges(range, out, "Added", |rules| {
        if rules.iter().any(|rule| rule["source"] == *range.source) {
            bail!("A rule already exists for {}.", range.source);
        }
        rules.push(json!({ "action": "allow", "source": range.source }));
        Ok(())
    })
}

fn remove_range(range: &TrustedRange, out: &mut Out) -> anyhow::Result<()> {
    change_ranges(range, out, "Removed", |rules| {
        let before = rules.len();
        rules.retain(|rule| rule["source"] != *range.source);
        if rules.len() == before {
            bail!(
                "No IP range matching {} was found; `causeway trusted-ips {}` lists them.",
                range.source,
                range.space
            );
        }
        Ok(())
    })
}

/// Reads the ranges, changes them, and puts them back as a whole, if they are what was read still:
/// nobody else's change in between is undone.
fn change_ranges(
    range: &TrustedRange,
    out: &mut Out,
    verb: &str,
    change: impl FnOnce(&mut Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let client = range.common.connection.client(As::User)?;
    let path = of_space(&range.space, "inbound-ruleset");
    let read = client.send(Method::GET, &path, None)?;
    let mut rules = read.body["rules"].as_array().cloned().unwrap_or_default();
    change(&mut rules)?;
    let body = json!({ "rules": rules });
    let set = client.send_if(Method::PUT, &path, Some(&body), read.tag.as_deref())?.body;
    let preposition = if verb == "Added" { "to" } else { "from" };
    let text =
        format!("{verb} {} {preposition} trusted IP ranges on {}", range.source, range.space);
    say(&range.common, out, &set, &text);
    Ok(())
}

fn dynos(space: &Space, out: &mut Out) -> anyhow::Result<()> {
    let client = space.common.connection.client(As::User)?;
    let apps = client.get(&of_space(space.name(), "dynos"))?;
    if space.common.json {
        out.json(&apps);
        return Ok(());
    }
    let fields = ["name", "size", "state", "updated_at", "command"];
    let mut rows: Vec<Vec<String>> = apps
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|app| {
            let name = show(&app["app_name"]);
            rows(&app["dynos"], &fields)
                .into_iter()
                .map(move |row| [vec![name.clone()], row].concat())
        })
        .collect();
    rows.sort_by_cached_key(|row| (row[0].clone(), dyno_order(&row[1])));
    out.table(&["App", "Dyno", "Size", "State", "Since", "Command"], &rows);
    Ok(())
}

/// Prints the apps of a space in the order of their names.
fn topology(space: &Space, out: &mut Out) -> anyhow::Result<()> {
    let client = space.common.connection.client(As::User)?;
    let topology = client.get(&of_space(space.name(), "topology"))?;
    if space.common.json {
        out.json(&topology);
        return Ok(());
    }
    let mut apps = Vec::new();
    for app in topology["apps"].as_array().into_iter().flatten() {
        let info = client.get(&format!("/apps/{}", segment(&show(&app["id"]))))?;
        apps.push((show(&info["name"]), app));
    }
    apps.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, app) in apps {
        out.line(format_args!("=== {name}"));
        out.line(format_args!("Domains: {}", show(&app["domains"])));
        for dyno in dynos_of(app) {
            out.line(format_args!("  {dyno}"));
        }
        out.line("");
    }
    Ok(())
}

/// The dynos of an app in a topology, each with its address and host name, in the order of their
/// numbers.
fn dynos_of(app: &Value) -> Vec<String> {
    let mut dynos = Vec::new();
    for formation in app["formation"].as_array().into_iter().flatten() {
        let process = show(&formation["process_type"]);
        for dyno in formation["dynos"].as_array().into_iter().flatten() {
            let name = format!("{process}.{}", show(&dyno["number"]));
            let (address, host) = (show(&dyno["private_ip"]), show(&dyno["hostname"]));
            dynos.push((dyno_order(&name), format!("{name} - {address} - {host}")));
        }
    }
    dynos.sort();
    dynos.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynos_of_a_topology_are_in_the_order_of_their_numbers() {
        let dyno = |number: u64| json!({ "number": number, "private_ip": "10.0.128.4", "hostname": format!("{number}.x") });
        let app = json!({ "formation": [
            { "process_type": "worker", "dynos": [dyno(1)] },
            { "process_type": "web", "dynos": [dyno(10), dyno(2), dyno(1)] },
        ] });
        let names: Vec<String> =
            dynos_of(&app).iter().map(|line| line[..line.find(' ').unwrap()].to_owned()).collect();
        assert_eq!(names, ["web.1", "web.2", "web.10", "worker.1"]);
    }
}
