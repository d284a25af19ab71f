//! `servers`: the servers that share an installation.

use crate::arguments::Common;
use crate::client::As;
use crate::output::{Out, columns};

/// A server that was not heard of for so many seconds is said to be silent. Each says that it is there every
/// two seconds.
pub(super) const SILENT: u64 = 8;

/// `servers`: lists them, and says which one leads.
pub(super) fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let list: Vec<api::ServerEntry> = client.read("/_causeway/servers")?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    if list.is_empty() {
        out.line("This server has its database to itself.");
        return Ok(());
    }
    let head = ["NAME", "ROLE", "VERSION", "REVISION", "BEHIND", "HEARD", "ADDRESS"];
    let rows = list.iter().map(|server| {
        let role = match (server.leader, server.fabric) {
            (true, true) => "leader, fabric",
            (true, false) => "leader",
            (false, true) => "fabric",
            (false, false) => "follower",
        };
        let heard = match server.silent_seconds {
            _ if server.this => "this server".to_owned(),
            seconds if seconds >= SILENT => format!("SILENT for {seconds} s"),
            seconds => format!("{seconds} s ago"),
        };
        vec![
            server.name.clone(),
            role.to_owned(),
            server.version.clone(),
            server.revision.to_string(),
            server.behind.to_string(),
            heard,
            server.address.clone(),
        ]
    });
    let table: Vec<Vec<String>> =
        std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect();
    for line in columns(&table) {
        out.line(line);
    }
    Ok(())
}

/// Prints what `status` says of it, which is nothing where a server has its database to itself.
pub(super) fn print_short(role: Option<&api::ServerRole>, out: &mut Out) {
    let Some(role) = role else { return };
    let leads = match (&role.leader, role.leads) {
        (_, true) => "leads".to_owned(),
        (Some(leader), false) => format!("follows; {leader} leads"),
        (None, false) => "follows; nobody leads".to_owned(),
    };
    let behind = role.behind;
    out.line(format_args!("Role       {leads}; {behind} revisions behind"));
    match &role.fabric {
        Some(_) if role.drives_fabric => out.line("           drives networks and workloads"),
        Some(driver) => {
            out.line(format_args!("           {driver} drives networks and workloads"));
        }
        None => {}
    }
}
