use model::Timestamp;

use super::backoff::pause;
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

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Duration::from_secs(seconds)
}

#[test]
fn what_was_refused_is_known_after_a_restart_to_whoever_asks_for_the_same() {
    let data = tempfile::tempdir().unwrap();
    let config = config(&["cw.test", "wrong.test"]);
    let keep = Keep::at(data.path());
    assert_eq!(keep.refusals(), None);
    // A start after another, each refused as soon as it may ask.
    let (mut now, mut asked) = (0, Vec::new());
    for _ in 0..6 {
        let before = keep.refusals().filter(|refused| refused.are_of(&config));
        now += before.as_ref().map_or(0, |refused| refused.wait(at(now)).as_secs());
        asked.push(now / 60);
        let count = before.map_or(0, |refused| refused.count) + 1;
        let refused = Refusals::noted(&config, count, "rejectedIdentifier", at(now), 0);
        keep.set_refusals(Some(&refused)).unwrap();
    }
    assert_eq!(asked, [0, 1, 5, 21, 85, 341], "minutes");
    let kept = keep.refusals().unwrap();
    assert_eq!(kept.error, "rejectedIdentifier");
    assert_eq!(kept.wait(at(now)), pause(6, 0));
    assert_eq!(kept.wait(at(now + 7 * 3600)), Duration::ZERO);
    // A clock that goes wrong does not keep it from asking for years.
    assert_eq!(kept.wait(at(0) - Duration::from_secs(1 << 30)), pause(u32::MAX, u8::MAX));
    for other in [
        AcmeConfig { names: vec!["cw.test".to_owned()], ..config.clone() },
        AcmeConfig { directory: "https://other.test/dir".to_owned(), ..config.clone() },
    ] {
        assert!(!kept.are_of(&other), "what was set right is asked for at once: {other:?}");
    }
    keep.set_refusals(None).unwrap();
    keep.set_refusals(None).unwrap();
    assert_eq!(Keep::at(data.path()).refusals(), None);
    std::fs::write(data.path().join("acme/refusals.json"), "{").unwrap();
    assert_eq!(keep.refusals(), None, "what cannot be read is no reason to wait");
}

#[test]
fn only_what_the_server_took_part_in_counts() {
    let io: Error = std::io::Error::other("nobody listens").into();
    let unreached: Error = instant_acme::Error::Other("nobody listens".into()).into();
    assert!(!is_refusal(&io) && !is_refusal(&unreached));
    let said: Error = "wrong.test: the proof was not found".into();
    let late: Error = instant_acme::Error::Timeout(None).into();
    assert!(is_refusal(&said) && is_refusal(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_supervisor_asks_it_as_every_loop() {
    let data = tempfile::tempdir().unwrap();
    let config = config(&["cw.test"]);
    Keep::at(data.path()).set_certificate(&kept(&config)).unwrap();
    let certificates = Arc::new(Certificates::open(data.path(), config));
    let supervisor = Supervisor::new(|panicked| panic!("{panicked:?}"));
    let (clock, stop) = (Arc::new(Clock::system()), CancellationToken::new());
    let thread = start(certificates, clock, Handle::current(), &supervisor, stop.clone()).unwrap();
    for _ in 0..3 {
        let loops = supervisor.check().await;
        let said: Vec<String> = loops.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["acme: ok"]);
    }
    stop.cancel();
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    assert!(!supervisor.check().await[0].is_well(), "it has ended");
}

/// Nobody has refused anything where nobody listens.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_reached_is_asked_anew_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let directory = "https://127.0.0.1:1/dir".to_owned();
    let config = AcmeConfig { directory, ..config(&["cw.test"]) };
    let keep = Keep::at(data.path());
    let certificates = Arc::new(Certificates::open(data.path(), config.clone()));
    let supervisor = Supervisor::new(|panicked| panic!("{panicked:?}"));
    let (clock, stop) = (Arc::new(Clock::system()), CancellationToken::new());
    let failing = Arc::clone(&certificates);
    let thread = start(certificates, clock, Handle::current(), &supervisor, stop.clone()).unwrap();
    while failing.status().failing.is_none() {
        tokio::task::yield_now().await;
    }
    // It comes round once everything is written down.
    assert_eq!(supervisor.check().await[0].to_string(), "acme: ok");
    assert_eq!(keep.refusals(), None);
    // What was refused before says so at once, and nobody is asked.
    stop.cancel();
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    let clock = Arc::new(Clock::system());
    let refused = Refusals::noted(&config, 2, "wrong.test is not yours", clock.wall(), 0);
    keep.set_refusals(Some(&refused)).unwrap();
    let again = Arc::new(Certificates::open(data.path(), config));
    let (stop, shown) = (CancellationToken::new(), Arc::clone(&again));
    let supervisor = Supervisor::new(|panicked| panic!("{panicked:?}"));
    let thread = start(again, clock, Handle::current(), &supervisor, stop.clone()).unwrap();
    assert_eq!(supervisor.check().await[0].to_string(), "acme: ok");
    assert_eq!(shown.status().failing.as_deref(), Some("wrong.test is not yours"));
    assert_eq!(keep.refusals(), Some(refused), "there was no other attempt");
    stop.cancel();
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}
