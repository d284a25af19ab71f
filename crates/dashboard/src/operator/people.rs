//! The users and the teams of the installation.

use askama::Template;
use model::{Key, Role, Team, User};

use super::tabs::tabs;
use crate::context::Context;
use crate::markup::{Markup, command, fill, listed, text};
use crate::moment;
use crate::operator_paths::OperatorPart;
use crate::shell::Shell;
use crate::tabs::Tabs;

#[derive(Template)]
#[template(path = "operator-people.html")]
struct People<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    users: Vec<UserRow>,
    new_user: [Markup; 2],
    teams: Vec<TeamRow>,
    new_team: [Markup; 2],
}

struct UserRow {
    email: String,
    disabled: bool,
    teams: Markup,
    tokens: usize,
    password: &'static str,
    factor: bool,
    since: Markup,
}

struct TeamRow {
    name: String,
    disabled: bool,
    members: Markup,
    spaces: usize,
    apps: usize,
    since: Markup,
}

/// The users and the teams of the installation. Only the operator may see them.
pub fn operator_people(of: &Context<'_>) -> askama::Result<String> {
    let t = of.texts();
    let mut users: Vec<_> = of.world.users().collect();
    users.sort_by(|a, b| a.email.cmp(&b.email));
    let mut teams: Vec<_> = of.world.teams().collect();
    teams.sort_by(|a, b| a.name.cmp(&b.name));
    People {
        shell: Shell::new(of, format!("{} {}", t.operating.title, t.operating.tab_people).into()),
        tabs: tabs(of, OperatorPart::People),
        users: users.into_iter().map(|user| user_row(of, user)).collect(),
        new_user: [
            command(t, &["causeway", "users:create", "ada@example.com"]),
            command(t, &["causeway", "tokens:create", "--user ada@example.com"]),
        ],
        teams: teams.into_iter().map(|team| team_row(of, team)).collect(),
        new_team: [
            command(t, &["causeway", "teams:create", "web", "--admin ada@example.com"]),
            command(
                t,
                &["causeway", "teams:members:set", "web", "bob@example.com", "--role member"],
            ),
        ],
    }
    .render()
}

fn user_row(of: &Context<'_>, user: &User) -> UserRow {
    let t = of.texts();
    let mut teams: Vec<_> =
        of.world.teams_of(Key::User(user.id)).map(|team| team.name.as_str()).collect();
    teams.sort_unstable();
    let tokens = of.world.tokens_of(Key::User(user.id));
    UserRow {
        email: user.email.clone(),
        disabled: user.disabled.is_some(),
        teams: match teams.is_empty() {
            true => t.none.into(),
            false => listed(teams.into_iter().map(text)),
        },
        tokens: tokens.filter(|token| token.is_live(of.now)).count(),
        password: match user.password {
            Some(_) => t.operating.has_password,
            None => t.operating.no_password,
        },
        factor: user.second_factor.is_some(),
        since: moment::at(t, user.created),
    }
}

fn team_row(of: &Context<'_>, team: &Team) -> TeamRow {
    let t = of.texts();
    let mut members: Vec<_> = team
        .members
        .iter()
        .filter_map(|(id, role)| Some((of.world.user(*id)?.email.as_str(), *role)))
        .collect();
    members.sort_unstable();
    let member = |(email, role): (&str, Role)| {
        let words = match role {
            Role::Admin => t.operating.role_admin,
            Role::Member => t.operating.role_member,
        };
        fill(words, &[("email", text(email))])
    };
    let key = Key::Team(team.id);
    TeamRow {
        name: team.name.clone(),
        disabled: team.disabled.is_some(),
        members: listed(members.into_iter().map(member)),
        spaces: of.world.spaces_of(key).count(),
        apps: of.world.apps_in(key).count(),
        since: moment::at(t, team.created),
    }
}
