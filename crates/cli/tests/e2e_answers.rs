//! Every answer to clients of EC2, STS and IAM is what botocore's models say, to the letter; and what the fast
//! tests know of those models is what they say.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::Server;
use support::model::{root, script};

#[test]
fn broken_answers_are_found() {
    let said = script(None, "ec2-model", &["self-test"]).ok();
    assert!(said.contains("broken answers were found"), "{said}");
}

#[test]
fn the_parameters_and_filters_that_tests_know_are_ec2s() {
    let file = root().join("crates/server/src/http/ec2/tests/surface.txt");
    script(None, "ec2-model", &["surface", file.to_str().unwrap()]).ok();
}

#[test]
fn boto3_gets_answers_by_the_model_from_every_action() {
    let server = Server::none(&[]);
    let kept = tempfile::tempdir().unwrap();
    let kept = kept.path().to_str().unwrap();
    script(Some(&server), "ec2-walk", &[kept]).ok();
    let said = script(None, "ec2-model", &["answers", kept]).ok();
    assert!(said.contains(" 0 findings"), "{said}");
}

/// `scripts/test` has the fast tests keep their answers, and says where.
#[test]
fn the_answers_of_all_fast_tests_are_by_the_model() {
    let kept = std::env::var("CAUSEWAY_TEST_KEPT_ANSWERS").expect(
        "run the fast tests with CAUSEWAY_TEST_ANSWERS=DIRECTORY first, and name it in \
         CAUSEWAY_TEST_KEPT_ANSWERS; scripts/test does so",
    );
    let said = script(None, "ec2-model", &["answers", &kept]).ok();
    let (_, rest) = said.split_once(" answers of ").unwrap();
    let actions: usize = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert!(actions > 150, "{said}");
}
