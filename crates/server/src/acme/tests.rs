use super::keep::{Keep, Kept};
use super::*;
use crate::config::AcmeConfig;

fn config(names: &[&str]) -> AcmeConfig {
    AcmeConfig {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        email: None,
        directory: "https://acme.test/dir".to_owned(),
        ca: None,
    }
}

fn kept(config: &AcmeConfig) -> Kept {
    let made = rcgen::generate_simple_self_signed(config.names.clone()).unwrap();
    Kept {
        directory: config.directory.clone(),
        names: config.names.clone(),
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

fn refusal(offer: Offer) -> Option<Alert> {
    match offer {
        Offer::Refuse(alert) => Some(alert),
        Offer::Serve(_) | Offer::Prove(_) => None,
    }
}

#[test]
fn pauses_grow_up_to_a_bound_and_chance_adds_a_quarter_at_most() {
    let minutes = |failures| pause(failures, 0).as_secs() / 60;
    assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(minutes), [1, 4, 16, 64, 256, 360, 360]);
    let (least, most) = (pause(3, 0), pause(3, u8::MAX));
    assert!(most > least && most < least + least / 4, "{most:?}");
}

#[test]
fn a_kept_certificate_is_used_again_and_another_name_wants_another_one() {
    let data = tempfile::tempdir().unwrap();
    let first = config(&["cw.test"]);
    assert_eq!(Certificates::open(data.path(), first.clone()).leaf(), None);
    Keep::at(data.path()).set_certificate(&kept(&first)).unwrap();
    let same = Certificates::open(data.path(), first.clone());
    assert!(same.leaf().is_some() && same.due().is_some());
    let other = Certificates::open(data.path(), config(&["cw.test", "other.test"]));
    assert!(other.leaf().is_some(), "it serves on");
    assert_eq!(other.due(), None, "another one is asked for at once");
    let elsewhere = AcmeConfig { directory: "https://other.test/dir".to_owned(), ..first.clone() };
    assert_eq!(Certificates::open(data.path(), elsewhere).due(), None);
    std::fs::write(data.path().join("acme/certificate.json"), "{").unwrap();
    assert_eq!(Certificates::open(data.path(), first).leaf(), None);
}

#[test]
fn a_greeting_gets_the_certificate_a_proof_or_an_alert() {
    let data = tempfile::tempdir().unwrap();
    let config = config(&["cw.test"]);
    let none = Certificates::open(data.path(), config.clone());
    assert_eq!(refusal(none.offer(Some("cw.test"), false)), Some(Alert::InternalError));
    assert_eq!(refusal(none.offer(Some("cw.test"), true)), Some(Alert::UnrecognizedName));
    none.prove("cw.test", Arc::new(certificates::proof("cw.test", &[7; 32]).unwrap()));
    assert!(matches!(none.offer(Some("CW.test"), true), Offer::Prove(_)));
    assert_eq!(refusal(none.offer(Some("cw.test"), false)), Some(Alert::InternalError));
    Keep::at(data.path()).set_certificate(&kept(&config)).unwrap();
    let some = Certificates::open(data.path(), config);
    for name in [Some("cw.test"), Some("CW.TEST"), None] {
        assert!(matches!(some.offer(name, false), Offer::Serve(_)), "{name:?}");
    }
    assert_eq!(refusal(some.offer(Some("other.test"), false)), Some(Alert::UnrecognizedName));
    assert_eq!(Alert::UnrecognizedName.record(), [21, 3, 3, 0, 2, 2, 112]);
}

#[test]
fn an_error_is_told_with_its_causes_each_of_them_once() {
    let cause = std::io::Error::other("nobody listens");
    let error: Error = Box::new(store::Error::Random(getrandom::Error::UNSUPPORTED));
    assert!(!words(&*error).is_empty());
    assert_eq!(words(&std::io::Error::other(cause)), "nobody listens");
}
