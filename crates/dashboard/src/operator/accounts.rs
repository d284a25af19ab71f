//! The accounts of the installation.

use askama::Template;
use model::{Account, Key};

use super::tabs::tabs;
use crate::context::Context;
use crate::markup::{Markup, command};
use crate::moment;
use crate::operator_paths::OperatorPart;
use crate::shell::Shell;
use crate::tabs::Tabs;

#[derive(Template)]
#[template(path = "operator-accounts.html")]
struct Accounts<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    rows: Vec<Row>,
    /// Whether there is none but the platform's.
    is_empty: bool,
    commands: [Markup; 2],
}

struct Row {
    name: String,
    id: String,
    is_platforms: bool,
    disabled: bool,
    vpcs: usize,
    keys: usize,
    since: Markup,
}

/// The accounts of the installation. Only the operator may see them.
pub fn operator_accounts(of: &Context<'_>) -> askama::Result<String> {
    let t = of.texts();
    let platform = of.world.settings().map(|settings| settings.platform_account);
    let mut accounts: Vec<_> = of.world.accounts().collect();
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    let row = |account: &Account| Row {
        name: account.name.clone(),
        id: account.id.to_string(),
        is_platforms: platform == Some(account.id),
        disabled: account.disabled.is_some(),
        vpcs: of.world.vpcs_of(Key::Account(account.id)).count(),
        keys: of.world.access_keys_of(Key::Account(account.id)).count(),
        since: moment::at(t, account.created),
    };
    let rows: Vec<_> = accounts.into_iter().map(|account| row(account)).collect();
    Accounts {
        shell: Shell::new(of, format!("{} {}", t.operating.title, t.operating.tab_accounts).into()),
        tabs: tabs(of, OperatorPart::Accounts),
        is_empty: rows.iter().all(|row| row.is_platforms),
        rows,
        commands: [
            command(t, &["causeway", "accounts:create", "partner"]),
            command(t, &["causeway", "keys:create", "--account partner"]),
        ],
    }
    .render()
}
