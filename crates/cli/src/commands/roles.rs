//! Roles of accounts.

use hyper::Method;

use super::confirm::confirm;
use super::print::{print_fields, say};
use crate::arguments::Common;
use crate::arguments::roles::{Role, RoleCommand};
use crate::client::{As, segment};
use crate::output::Out;

const ROLES: &str = "/_causeway/roles";

/// Does what a command about roles says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: RoleCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        RoleCommand::Roles(common) => list(&common, out),
        RoleCommand::RolesCreate {
            name,
            account,
            trust,
            external_id,
            read_only,
            max_duration,
            description,
            common,
        } => {
            let request = api::CreateRole {
                name,
                account,
                trust,
                external_id,
                read_only,
                max_duration,
                description,
            };
            let client = common.connection.client(As::Operator)?;
            let made: api::IamRole = client.write(&Method::POST, ROLES, &request)?;
            let text = format!(
                "Made the role {} of account {}.\n\
                 Next: aws sts assume-role --role-arn {} --role-session-name NAME",
                made.name, made.account, made.arn
            );
            say(&common, out, &made, &text);
            Ok(())
        }
        RoleCommand::RolesInfo(role) => {
            let client = role.common.connection.client(As::Operator)?;
            let found: api::IamRole = client.read(&path(&role))?;
            print_fields(&role.common, out, &found, &fields(&found));
            Ok(())
        }
        RoleCommand::RolesDestroy { confirm: given, role } => {
            let client = role.common.connection.client(As::Operator)?;
            let warning = format!(
                "This command will destroy the role {} and end all credentials of it",
                role.name
            );
            confirm(&warning, &role.name, given.as_deref(), out)?;
            let gone: api::IamRole = client.write(&Method::DELETE, &path(&role), &api::Empty {})?;
            say(&role.common, out, &gone, &format!("Destroyed {}", gone.arn));
            Ok(())
        }
    }
}

fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let roles: Vec<api::IamRole> = common.connection.client(As::Operator)?.read(ROLES)?;
    if common.json {
        out.json(&roles);
        return Ok(());
    }
    let row = |role: &api::IamRole| {
        let access = access(role.access).to_owned();
        vec![role.arn.clone(), role.trust.join(", "), access, role.created.to_string()]
    };
    let rows: Vec<_> = roles.iter().map(row).collect();
    out.table(&["Role", "Trusts", "Access", "Created"], &rows);
    Ok(())
}

fn path(role: &Role) -> String {
    let account = role.account.as_deref().map(|account| format!("?account={}", segment(account)));
    format!("{ROLES}/{}{}", segment(&role.name), account.unwrap_or_default())
}

fn fields(role: &api::IamRole) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Role", role.arn.clone()),
        ("ID", role.id.to_string()),
        ("Trusts", role.trust.join(", ")),
        ("Access", access(role.access).to_owned()),
        ("Max duration", format!("{} seconds", role.max_duration)),
        ("Created", role.created.to_string()),
    ];
    if let Some(id) = &role.external_id {
        fields.insert(3, ("External ID", id.clone()));
    }
    if !role.description.is_empty() {
        fields.push(("Description", role.description.clone()));
    }
    fields
}

/// What a key or a role may do, in a word.
fn access(access: model::Access) -> &'static str {
    match access {
        model::Access::Full => "full",
        model::Access::ReadOnly => "read_only",
    }
}
