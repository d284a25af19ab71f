//! A user's second factor: enabling it, its recovery codes, and disabling it.

use askama::Template;
use model::User;

use crate::context::Context;
use crate::markup::{
    Markup, command, copy_all_button, copy_button, fill, mono, strong, strong_mono,
};
use crate::moment;
use crate::paths;
use crate::qr;
use crate::refusal::Refusal;
use crate::shell::{Shell, counted};

/// What the page is made from, beside its context.
#[derive(Debug, Clone, Copy)]
pub struct FactorPage<'a> {
    /// Whose second factor it is.
    pub user: &'a User,
    /// How far they are.
    pub state: FactorState<'a>,
    /// Why what was asked for last was not done.
    pub trouble: Option<FactorTrouble<'a>>,
    /// Whether it was just disabled.
    pub was_disabled: bool,
    /// Where to go then.
    pub back: &'a str,
}

/// How far a user is with a second factor.
#[derive(Debug, Clone, Copy)]
pub enum FactorState<'a> {
    /// There is none, and a new secret waits for its first code.
    Offered {
        /// The secret, to be typed.
        secret: &'a str,
        /// The same as an address that apps on phones read.
        url: &'a str,
        /// What is sent back with the first code.
        enrolment: &'a str,
    },
    /// There is one.
    Enabled,
    /// Recovery codes were just made. They are shown this once.
    Codes(&'a [String]),
}

/// Why something was not done.
#[derive(Debug, Clone, Copy)]
pub enum FactorTrouble<'a> {
    /// The code is wrong.
    WrongCode(FactorForm),
    /// Too many codes were wrong; so many seconds until the next one is looked at.
    TooMany(u64),
    /// It was refused, or failed.
    Refused(&'a Refusal),
}

/// The forms of the page, each of which has a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorForm {
    /// Enables a second factor.
    Enable,
    /// Makes new recovery codes in place of those that are left.
    Renew,
    /// Disables the second factor.
    Disable,
}

impl FactorForm {
    const ALL: [Self; 3] = [Self::Enable, Self::Renew, Self::Disable];

    /// Its name, which it sends as its answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Renew => "renew",
            Self::Disable => "disable",
        }
    }

    /// Finds a form by its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

#[derive(Template)]
#[template(path = "factor.html")]
struct Page<'a> {
    shell: Shell<'a>,
    view: View<'a>,
}

/// The page for whom nothing else is open: it has no navigation.
#[derive(Template)]
#[template(path = "factor-alone.html")]
struct Alone<'a> {
    shell: Shell<'a>,
    view: View<'a>,
}

struct View<'a> {
    email: &'a str,
    /// The team that demands it of a user who has none.
    demanded: Option<Markup>,
    told: Option<&'static str>,
    trouble: Option<Markup>,
    offer: Option<OfferView<'a>>,
    enabled: Option<EnabledView>,
    codes: Option<CodesView<'a>>,
    back: &'a str,
    here: &'static str,
}

struct OfferView<'a> {
    enrolment: &'a str,
    picture: Option<Markup>,
    secret: Markup,
    copy_secret: Markup,
    url: Markup,
    copy_url: Markup,
    is_wrong: bool,
    command: Markup,
}

struct EnabledView {
    since: Markup,
    left: Markup,
    /// Whether few recovery codes are left.
    few: bool,
    renew_is_wrong: bool,
    disable_is_wrong: bool,
    /// Why it cannot be disabled.
    kept: Option<Markup>,
}

struct CodesView<'a> {
    codes: &'a [String],
    copy: Markup,
}

/// How few recovery codes are worth a warning.
const FEW: usize = 2;

/// The page of a user's second factor.
pub fn second_factor(of: &Context<'_>, page: &FactorPage<'_>) -> askama::Result<String> {
    let shell = Shell::new(of, of.texts().factor.title.into()).still();
    let view = view(of, page);
    // Who is let into nothing else is nobody on any other page.
    match of.viewer.user == Some(page.user.id) {
        true => Page { shell, view }.render(),
        false => Alone { shell, view }.render(),
    }
}

fn view<'a>(of: &Context<'_>, page: &FactorPage<'a>) -> View<'a> {
    let t = of.texts();
    let team = of.world.wants_second_factor(page.user.id);
    let demanded = |team: &str| fill(t.factor.demanded, &[("team", strong(team))]);
    let (mut offer, mut enabled, mut codes) = (None, None, None);
    match page.state {
        FactorState::Offered { secret, url, enrolment } => {
            offer = Some(OfferView {
                enrolment,
                picture: qr::picture(url, t.factor.picture),
                secret: strong_mono(in_groups(secret)),
                copy_secret: copy_button(t, t.factor.secret, secret),
                url: mono(url),
                copy_url: copy_button(t, t.factor.address, url),
                is_wrong: is_wrong(page, FactorForm::Enable),
                command: command(t, &["causeway", "2fa:enable"]),
            });
        }
        FactorState::Enabled => enabled = enabled_view(of, page),
        FactorState::Codes(made) => {
            let copy = copy_all_button(t, &made.join("\n"));
            codes = Some(CodesView { codes: made, copy });
        }
    }
    View {
        email: &page.user.email,
        demanded: team.map(|team| demanded(&team.name)),
        told: page.was_disabled.then_some(t.factor.told_disabled),
        trouble: match page.trouble {
            Some(FactorTrouble::TooMany(seconds)) => {
                Some(t.too_many_attempts.replace("{n}", &seconds.to_string()).into())
            }
            Some(FactorTrouble::Refused(refusal)) => Some(refusal.sentence(of)),
            Some(FactorTrouble::WrongCode(_)) | None => None,
        },
        offer,
        enabled,
        codes,
        back: page.back,
        here: paths::SECOND_FACTOR,
    }
}

fn is_wrong(page: &FactorPage<'_>, form: FactorForm) -> bool {
    matches!(page.trouble, Some(FactorTrouble::WrongCode(wrong)) if wrong == form)
}

fn enabled_view(of: &Context<'_>, page: &FactorPage<'_>) -> Option<EnabledView> {
    let t = of.texts();
    let factor = page.user.second_factor.as_ref()?;
    let left = factor.recovery.len();
    let mut teams = of.world.teams_of(model::Key::User(page.user.id));
    let demands = teams.find(|team| team.demands_factor_now());
    Some(EnabledView {
        since: fill(t.factor.since, &[("time", moment::at(t, factor.since))]),
        left: counted(t.factor.left_one, t.factor.left_other, left),
        few: left <= FEW,
        renew_is_wrong: is_wrong(page, FactorForm::Renew),
        disable_is_wrong: is_wrong(page, FactorForm::Disable),
        kept: demands.map(|team| fill(t.factor.kept, &[("team", strong(&team.name))])),
    })
}

/// A secret as people read it out: in groups of four.
fn in_groups(secret: &str) -> String {
    let mut shown = String::with_capacity(secret.len() * 5 / 4);
    for (n, c) in secret.chars().enumerate() {
        if n > 0 && n % 4 == 0 {
            shown.push(' ');
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_in_groups_of_four() {
        for (secret, shown) in
            [("", ""), ("ABC", "ABC"), ("ABCD", "ABCD"), ("ABCDEFGHI", "ABCD EFGH I")]
        {
            assert_eq!(in_groups(secret), shown);
        }
    }
}
