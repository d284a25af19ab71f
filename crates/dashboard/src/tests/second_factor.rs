//! The page of a user's second factor.

use std::collections::BTreeSet;

use model::{Caller, Code, IdentityCommand, Refused, User, UserId};

use super::check;
use super::stage::{Seen, Stage};
use crate::*;

const SECRET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const URL: &str = "otpauth://totp/Causeway:a%40example.com?secret=ABCD&issuer=Causeway";

impl Stage {
    fn second_factor(
        &self,
        seen: Seen,
        user: &User,
        state: FactorState<'_>,
        trouble: Option<FactorTrouble<'_>>,
    ) -> String {
        let (was_disabled, back) = (false, "/dashboard/keys");
        let page = FactorPage { user, state, trouble, was_disabled, back };
        second_factor(&self.context(seen, SECOND_FACTOR_PATH), &page).unwrap()
    }

    /// The page in each state, with each trouble.
    pub(super) fn second_factor_pages(&self, seen: Seen, user: UserId) -> Vec<String> {
        let user = self.world.user(user).unwrap();
        let codes = ["abcd-efgh-ijkl-mnop".to_owned(), "qrst-uvwx-yz23-4567".to_owned()];
        let refusal = Refusal::Rule(Refused::new(Code::Conflict, "This code was used already."));
        let offered = FactorState::Offered { secret: SECRET, url: URL, enrolment: "c2VhbGVk" };
        let troubles = [
            None,
            Some(FactorTrouble::WrongCode(FactorForm::Enable)),
            Some(FactorTrouble::WrongCode(FactorForm::Renew)),
            Some(FactorTrouble::WrongCode(FactorForm::Disable)),
            Some(FactorTrouble::TooMany(7)),
            Some(FactorTrouble::Refused(&refusal)),
        ];
        let alone = Seen { viewer: Viewer::default(), ..seen };
        let mut pages = Vec::new();
        for state in [offered, FactorState::Enabled, FactorState::Codes(&codes)] {
            for trouble in troubles {
                pages.push(self.second_factor(seen, user, state, trouble));
                pages.push(self.second_factor(alone, user, state, trouble));
            }
        }
        pages
    }

    fn enable_second_factor(&mut self, user: UserId, codes: usize) {
        let recovery: BTreeSet<String> = (0..codes).map(|n| format!("{n:064x}")).collect();
        let sealed_secret = "5ea1ed".to_owned();
        let command =
            IdentityCommand::EnableSecondFactor { user, sealed_secret, step: 1, recovery };
        self.run(Caller::User(user), command);
    }
}

#[test]
fn the_offer_has_the_secret_in_groups_and_as_a_picture() {
    let stage = Stage::new();
    let user = stage.world.user(stage.admin().user.unwrap()).unwrap();
    let offered = FactorState::Offered { secret: SECRET, url: URL, enrolment: "c2VhbGVk" };
    for viewer in [stage.admin(), Viewer::default()] {
        let page = stage.second_factor(Seen { viewer, ..stage.seen() }, user, offered, None);
        check(&page);
        assert!(page.contains("ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567"), "{page}");
        assert!(page.contains(&format!("data-copy=\"{SECRET}\"")), "{page}");
        assert!(
            page.contains("otpauth://totp/Causeway:a%40example.com?secret=ABCD&amp;"),
            "{page}"
        );
        assert!(
            page.contains("<svg class=\"qr\"") && page.contains("value=\"c2VhbGVk\""),
            "{page}"
        );
        // Who is let into nothing else has no navigation, and may sign out.
        assert_eq!(page.contains("<nav"), viewer.user.is_some(), "{page}");
        assert!(
            page.contains("/dashboard/sign-out") && page.contains("alice@example.com"),
            "{page}"
        );
    }
}

#[test]
fn who_has_one_sees_what_is_left_and_what_a_team_forbids() {
    let mut stage = Stage::new();
    let admin = stage.admin().user.unwrap();
    stage.enable_second_factor(admin, 2);
    let shown = |stage: &Stage| {
        let user = stage.world.user(admin).unwrap();
        let page = stage.second_factor(stage.seen(), user, FactorState::Enabled, None);
        check(&page);
        page
    };
    let page = shown(&stage);
    assert!(page.contains("2 recovery codes are left") && page.contains("Few recovery"), "{page}");
    assert!(page.contains("value=\"renew\"") && page.contains("value=\"disable\""), "{page}");
    let team = stage.world.team_named("acme").unwrap().id;
    let demand = IdentityCommand::DemandSecondFactor { team, demanded: true };
    stage.run(Caller::Operator, demand);
    let page = shown(&stage);
    assert!(page.contains("value=\"renew\"") && !page.contains("value=\"disable\""), "{page}");
    assert!(page.contains("<b>acme</b> demands"), "{page}");
    // A member who has none is told who wants it.
    let member = stage.world.user(stage.member().user.unwrap()).unwrap();
    let offered = FactorState::Offered { secret: SECRET, url: URL, enrolment: "" };
    let alone = Seen { viewer: Viewer::default(), ..stage.seen() };
    let page = stage.second_factor(alone, member, offered, None);
    assert!(page.contains("<b>acme</b> demands") && page.contains("no other page"), "{page}");
}
