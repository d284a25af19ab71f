//! The pages of the audit, of tokens and keys, and of who runs the installation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Access, Caller, IdentityCommand, Key, NewToken};

use super::check;
use super::stage::{Seen, Stage};
use crate::*;

impl Stage {
    /// A token of the admin's, and a key of the account's.
    fn credentials(&mut self) {
        let user = self.admin().user.unwrap();
        for (hash, description) in [("a", "laptop"), ("b", "")] {
            let (hash, description) = (hash.repeat(64), description.to_owned());
            let new = NewToken::unlimited(user, hash, description);
            self.run(Caller::User(user), IdentityCommand::CreateToken(new));
        }
        let (account, access) = (self.account().account.unwrap(), Access::Full);
        let id = "AKIAIOSFODNN7EXAMPLE".parse().unwrap();
        let sealed_secret = "5ea1ed".to_owned();
        let create =
            IdentityCommand::CreateAccessKey { id, account, sealed_secret, access, replaces: None };
        self.run(Caller::Operator, create);
    }

    fn rows(&self) -> Vec<api::AuditRow> {
        let bob = self.member().user.unwrap();
        let stranger = self.stranger().user.unwrap();
        let space = self.space();
        let row = |number, who: &str, actor: String, what: &str| api::AuditRow {
            number,
            time: self.now,
            who: who.to_owned(),
            actor,
            account: String::new(),
            action: "Platform.RenameSpace".to_owned(),
            resource: space.id.to_string(),
            what: what.to_owned(),
            team: space.team.to_string(),
            space: space.id.to_string(),
            source: "192.0.2.7".to_owned(),
            outcome: "ok".to_owned(),
            message: String::new(),
            request_id: "request-1".to_owned(),
            revision: number,
        };
        vec![
            row(3, "bob@example.com", format!("user/{bob}"), "alpha"),
            api::AuditRow {
                outcome: "UnauthorizedOperation".to_owned(),
                message: "You may <not> do this.".to_owned(),
                ..row(2, "stranger@example.com", format!("user/{stranger}"), "alpha")
            },
            row(1, "operator", "operator".to_owned(), "alpha"),
        ]
    }

    fn audit(&self, seen: Seen, shown: &AuditShown<'_>) -> String {
        audit(&self.context(seen, AUDIT_PATH), shown).unwrap()
    }

    fn keys(&self, seen: Seen, page: &KeysPage<'_>) -> String {
        keys(&self.context(seen, KEYS_PATH), page).unwrap()
    }

    fn operating(&self, seen: Seen, machinery: &Machinery<'_>) -> Vec<String> {
        let path = operator_path(OperatorPart::Health);
        let of = self.context(seen, &path);
        vec![
            operator_health(&of, machinery).unwrap(),
            operator_accounts(&of).unwrap(),
            operator_people(&of).unwrap(),
            operator_limits(&of, Some("alpha"), Some(&Refusal::LimitUnreadable)).unwrap(),
        ]
    }
}

fn whole(pages: &[String], language: Language) {
    for page in pages {
        check(page);
        assert!(page.contains(&format!("<html lang=\"{}\"", language.code())), "{page}");
        assert_eq!(page.matches("<h1").count(), 1, "{page}");
    }
}

#[test]
fn the_audit_is_whole_and_names_only_whom_the_viewer_knows() {
    let stage = Stage::new();
    let rows = stage.rows();
    let asked = AuditAsked { who: "<b>", outcome: "DryRun", since: "3h", ..AuditAsked::default() };
    let shown = AuditShown { rows: &rows, older: Some(1), ..AuditShown::default() };
    for language in Language::ALL {
        let seen = Seen { language, ..stage.seen() };
        let unreadable = Some(AuditUnreadable::Since);
        let pages = [
            stage.audit(seen, &AuditShown::default()),
            stage.audit(seen, &AuditShown { asked, unreadable, ..shown }),
            stage.audit(seen, &AuditShown { asked, has_newer: true, rows: &[], ..shown }),
        ];
        whole(&pages, language);
    }
    let page = stage.audit(stage.seen(), &shown);
    for needed in ["bob@example.com", "another user", "operator", "alpha", "You may &lt;not&gt;"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    for absent in ["stranger@", "192.0.2.7"] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
    let own = stage.audit(Seen { viewer: stage.member(), ..stage.seen() }, &shown);
    assert_eq!(own.matches("192.0.2.7").count(), 1, "{own}");
    let all = stage.audit(Seen { viewer: stage.operator(), ..stage.seen() }, &shown);
    assert!(all.contains("stranger@") && all.matches("192.0.2.7").count() == 3, "{all}");
    let account = stage.audit(Seen { viewer: stage.account(), ..stage.seen() }, &shown);
    assert!(!account.contains("@example.com") && !account.contains(">alpha<"), "{account}");
    // What was asked for goes along to the next page.
    let page = stage.audit(stage.seen(), &AuditShown { asked, ..shown });
    let next = "/dashboard/audit?who=%3Cb%3E&#38;outcome=DryRun&#38;since=3h&#38;before=1\"";
    assert!(page.contains(next), "{next} is not in {page}");
    assert!(page.contains("<option value=\"DryRun\" selected>DryRun</option>"), "{page}");
}

#[test]
fn tokens_and_keys_are_whole_and_without_secrets() {
    let mut stage = Stage::new();
    let none = stage.keys(stage.seen(), &KeysPage::default());
    assert!(none.contains("No token yet.") && none.contains("make-token"), "{none}");
    stage.credentials();
    let token = stage.world.tokens_of(Key::User(stage.admin().user.unwrap())).next().unwrap().id;
    let key = stage.world.access_keys().next().unwrap().id;
    for language in Language::ALL {
        for viewer in [stage.admin(), stage.account(), stage.both(), stage.operator()] {
            let seen = Seen { viewer, language, theme: None };
            let own =
                KeysPage { own_token: Some(token), own_key: Some(key), ..KeysPage::default() };
            let pages = [
                stage.keys(seen, &own),
                stage.keys(seen, &KeysPage { asked: Some(Named::Token(token)), ..own }),
                stage.keys(seen, &KeysPage { asked: Some(Named::Key(key)), ..own }),
                stage.keys(seen, &KeysPage { told: Some(KeyTold::Revoked), ..own }),
                stage.keys(seen, &KeysPage { typed: "<b>\"", ..own }),
            ];
            whole(&pages, language);
            for page in pages {
                for absent in ["5ea1ed", &"a".repeat(64), &"b".repeat(64), "<b>\""] {
                    assert!(!page.contains(absent), "{absent} is in {page}");
                }
            }
        }
        let seen = Seen { language, ..stage.seen() };
        let made = Some(Made::Token("HRKU-once"));
        let page = stage.keys(seen, &KeysPage { made, ..KeysPage::default() });
        assert!(page.contains("data-copy=\"HRKU-once\""), "{page}");
        whole(&[page], language);
    }
    let page = stage.keys(stage.seen(), &KeysPage::default());
    assert!(page.contains("laptop") && page.contains("(without a description)"), "{page}");
    assert!(!page.contains("AKIA") && !page.contains("make-key"), "{page}");
    // Only a question about what is there for the viewer is asked.
    for (viewer, named) in [
        (stage.member(), Named::Token(token)),
        (stage.admin(), Named::Key(key)),
        (stage.operator(), Named::Token(token)),
    ] {
        let seen = Seen { viewer, ..stage.seen() };
        let page = stage.keys(seen, &KeysPage { asked: Some(named), ..KeysPage::default() });
        assert!(!page.contains("class=\"b dd\""), "{page}");
    }
    assert_eq!(lives("90").unwrap().unwrap().as_secs(), 90 * 24 * 3600);
    assert_eq!(lives("0"), Some(None));
    for wrong in ["", "7", "-1", "90 ", "x"] {
        assert_eq!(lives(wrong), None, "{wrong}");
    }
}

#[test]
fn the_operators_pages_are_whole_and_say_what_is_wrong() {
    let mut stage = Stage::new();
    stage.credentials();
    let why = |what: &str| BTreeMap::from([(what.to_owned(), "It <fails>.".to_owned())]);
    let well = api::Fabric { healthy: true, driver: "linux".to_owned(), ..Default::default() };
    let ill = api::Fabric {
        driver: "none".to_owned(),
        last_run: Some(stage.now),
        last_repairs: vec!["A route was put back.".to_owned()],
        problems: why("vpc-1"),
        failing: why("shop/web.1"),
        ..Default::default()
    };
    let set_aside = api::SetAside {
        id: "slugs/x".to_owned(),
        path: PathBuf::from("/data/lost/slugs/x"),
        since: stage.now,
    };
    let states = [
        LoopState::Turns,
        LoopState::Works(3),
        LoopState::Stuck { since: 90, bound: 60 },
        LoopState::Ended,
    ];
    let loops = states.map(|state| LoopShown { name: "ledger", state });
    for language in Language::ALL {
        let seen = Seen { viewer: stage.operator(), language, theme: None };
        let good = Machinery { fabric: &well, lost: &[], loops: &loops[..2] };
        let bad = Machinery { fabric: &ill, lost: std::slice::from_ref(&set_aside), loops: &loops };
        whole(&stage.operating(seen, &good), language);
        whole(&stage.operating(seen, &bad), language);
    }
    let seen = Seen { viewer: stage.operator(), ..stage.seen() };
    let good = Machinery { fabric: &well, lost: &[], loops: &loops[..2] };
    let page = &stage.operating(seen, &good)[0];
    assert!(page.contains("Everything is as it must be.") && !page.contains("note bad"), "{page}");
    let bad = Machinery { fabric: &ill, lost: &[set_aside], loops: &loops };
    let page = &stage.operating(seen, &bad)[0];
    for needed in [
        "Something is not as it must be.",
        "It &lt;fails&gt;.",
        "stuck in one step for 90",
        "has ended",
        "A route was put back.",
        "causeway lost:delete slugs/x",
        "/data/lost/slugs/x",
    ] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    // A fabric that is well does not hide a loop that is not.
    let stuck = Machinery { fabric: &well, lost: &[], loops: &loops[2..] };
    assert!(stage.operating(seen, &stuck)[0].contains("Something is not as it must be."));
    // The way there is in the operator's navigation alone.
    assert!(stage.home(seen).contains("/dashboard/operator"));
    assert!(!stage.home(stage.seen()).contains("/dashboard/operator"));
}

#[test]
fn who_is_disabled_is_marked_in_the_lists() {
    let mut stage = Stage::new();
    stage.credentials();
    let account = stage.account().account.unwrap();
    let key = stage.world.access_keys().next().unwrap().id;
    let stranger = stage.stranger().user.unwrap();
    let seen = Seen { viewer: stage.operator(), ..stage.seen() };
    let marks = |stage: &Stage| {
        let path = operator_path(OperatorPart::Health);
        let of = stage.context(seen, &path);
        let pages = [
            operator_people(&of).unwrap(),
            operator_accounts(&of).unwrap(),
            stage.keys(seen, &KeysPage::default()),
        ];
        pages.map(|page| page.matches("<span class=\"sub\">disabled</span>").count())
    };
    assert_eq!(marks(&stage), [0, 0, 0]);
    for subject in [
        model::Subject::User(stranger),
        model::Subject::Account(account),
        model::Subject::AccessKey(key),
    ] {
        stage.run(Caller::Operator, IdentityCommand::Disable { subject });
    }
    assert_eq!(marks(&stage), [1, 1, 1]);
}

#[test]
fn what_limits_a_token_and_which_quotas_were_set_is_shown() {
    let mut stage = Stage::new();
    let user = stage.admin().user.unwrap();
    let space = stage.space().id;
    let new = NewToken {
        scopes: [model::TokenScope::Read].into_iter().collect(),
        bound: Some(model::TokenBound::Space(space)),
        ..NewToken::unlimited(user, "c".repeat(64), "ci".to_owned())
    };
    stage.run(Caller::User(user), IdentityCommand::CreateToken(new));
    let page = stage.keys(stage.seen(), &KeysPage::default());
    for needed in ["scopes: read", "the space alpha alone"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }

    let (account, team) = (stage.account().account.unwrap(), stage.space().team);
    let quotas = [
        (model::QuotaOf::All, model::Quota::Acls, 77),
        (model::QuotaOf::Account(account), model::Quota::Vpcs, 88),
        (model::QuotaOf::Team(team), model::Quota::Apps, 99),
    ];
    for (of, quota, most) in quotas {
        let set = IdentityCommand::SetQuota { of, quota, most: Some(most) };
        stage.run(Caller::Operator, set);
    }
    for language in Language::ALL {
        let seen = Seen { viewer: stage.operator(), language, ..stage.seen() };
        let path = operator_path(OperatorPart::Limits);
        let of = stage.context(seen, &path);
        let page = operator_limits(&of, None, None).unwrap();
        check(&page);
        for needed in ["network-acls-per-vpc", "vpcs-per-region", "apps-per-team", ">88<", ">99<"] {
            assert!(page.contains(needed), "{needed} is not in {page}");
        }
    }
}
