//! EC2's rules of peering (`ec2.md` §1.1–1.3).

use super::fixture::*;
use crate::*;

/// Two accounts with a VPC each, in one region.
fn two() -> (Bench, (Scope, VpcId), (Scope, VpcId)) {
    let mut bench = Bench::new();
    let (a, b) = (scope(111, VIRGINIA), scope(222, VIRGINIA));
    let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.2.0.0/16"]));
    (bench, (a, va), (b, vb))
}

fn accept(peering: PcxId) -> Ec2Command {
    Ec2Command::AcceptPeering { peering }
}

fn reject(peering: PcxId) -> Ec2Command {
    Ec2Command::RejectPeering { peering }
}

fn delete(peering: PcxId) -> Ec2Command {
    Ec2Command::DeletePeering { peering }
}

fn create(vpc: VpcId, peer_vpc: VpcId) -> Ec2Command {
    let tags = Tags::default();
    Ec2Command::CreatePeering { vpc, peer_vpc, peer_owner: None, peer_region: None, tags }
}

fn options(peering: PcxId, requester: Option<bool>, accepter: Option<bool>) -> Ec2Command {
    let (requester_dns, accepter_dns) = (requester, accepter);
    Ec2Command::ModifyPeeringOptions { peering, requester_dns, accepter_dns }
}

#[test]
fn r9_a_request_waits_for_seven_days_and_knows_both_sides() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    let peering = bench.peering(pcx);
    assert_eq!(peering.state, PeeringState::PendingAcceptance);
    assert_eq!(peering.expires, bench.now + 7 * DAY);
    assert_eq!(peering.requester.cidrs, [block("10.1.0.0/16")]);
    assert_eq!(peering.accepter.cidrs, [block("10.2.0.0/16")]);
    assert_eq!(peering.kind, PeeringKind::Customer);
}

#[test]
fn requests_are_refused_for_what_the_requester_can_know() {
    let (mut bench, a, b) = two();
    let refused = bench.refused(key(a.0), create(b.1, a.1));
    assert_eq!(refused.code, Code::VpcNotFound);
    assert_eq!(refused.message, format!("The vpc ID '{}' does not exist", b.1));
    let abroad = Scope { region: region(TOKYO), ..a.0 };
    assert_eq!(bench.refused(key(abroad), create(a.1, b.1)).code, Code::VpcNotFound);
    let refused = bench.refused(key(a.0), create(a.1, a.1));
    assert_eq!(refused.code, Code::InvalidParameterValue);
}

#[test]
fn r4_a_key_that_may_only_describe_changes_nothing() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    for (scope, command) in
        [(a.0, create(a.1, b.1)), (b.0, accept(pcx)), (b.0, reject(pcx)), (a.0, delete(pcx))]
    {
        let caller = Caller::Account { scope, read_only: true };
        assert_eq!(bench.refused(caller, command).code, Code::UnauthorizedOperation);
    }
    for caller in [Caller::Operator, Caller::System] {
        assert_eq!(bench.refused(caller, accept(pcx)).code, Code::UnauthorizedOperation);
    }
}

#[test]
fn what_does_not_fit_fails_without_a_word_about_the_other_vpc() {
    let (mut bench, a, b) = two();
    let twin = bench.vpc(b.0, &["192.168.0.0/16", "10.1.128.0/24"]);
    let nowhere = VpcId::fresh(&mut bench.ids);
    let wrong_owner = (scope(333, VIRGINIA), b.1);
    let wrong_region = (scope(222, TOKYO), b.1);
    for to in [(b.0, twin), (b.0, nowhere), wrong_owner, wrong_region] {
        let pcx = bench.request(a, to);
        let peering = bench.peering(pcx);
        assert_eq!(peering.state, PeeringState::Failed);
        assert!(peering.accepter.cidrs.is_empty());
        assert!(!peering.visible_to(to.0.account, to.0.region, bench.now));
        for command in [accept(pcx), reject(pcx)] {
            let code = bench.refused(key(to.0), command).code;
            assert_eq!(code, Code::PeeringNotFound);
        }
        let refused = bench.refused(key(a.0), delete(pcx));
        assert_eq!(refused.code, Code::InvalidStateTransition);
        assert_eq!(
            refused.message,
            format!(
                "Invalid state transition for {pcx}, attempted to transition from failed to \
                 deleting"
            )
        );
    }
}

#[test]
fn the_same_request_is_the_same_peering_while_it_lives() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    assert_eq!(bench.request(a, b), pcx);
    bench.ok(key(b.0), accept(pcx));
    assert_eq!(bench.request(a, b), pcx);
    bench.force(pcx, PeeringState::Deleting);
    let next = bench.request(a, b);
    assert_ne!(next, pcx);
    bench.pass(7 * DAY);
    assert_ne!(bench.request(a, b), next, "an expired request does not live");
}

#[test]
fn the_way_back_is_another_request_that_cannot_be_accepted_beside_the_first() {
    let (mut bench, a, b) = two();
    let (there, back) = (bench.request(a, b), bench.request(b, a));
    assert_ne!(there, back);
    bench.ok(key(b.0), accept(there));
    let refused = bench.refused(key(a.0), accept(back));
    assert_eq!(refused.code, Code::PeeringExists);
    assert_eq!(
        refused.message,
        format!("The vpc peering connection identified by {there} already exists.")
    );
    bench.ok(key(a.0), delete(there));
    bench.ok(key(a.0), accept(back));
    assert_eq!(bench.state(back), PeeringState::Provisioning);
}

#[test]
fn at_most_25_requests_wait() {
    let (mut bench, a, b) = two();
    let mut last = None;
    for n in 0..25 {
        let peer = bench.vpc(b.0, &[&format!("10.{}.0.0/16", 100 + n)]);
        last = Some((bench.request(a, (b.0, peer)), peer));
    }
    let (pcx, peer) = last.unwrap();
    assert_eq!(bench.request(a, (b.0, peer)), pcx, "a repeat is not one more");
    // Another VPC of the same account asks no more than the first one.
    let own = bench.vpc(a.0, &["192.168.0.0/16"]);
    let more = Ec2Command::CreatePeering {
        vpc: own,
        peer_vpc: b.1,
        peer_owner: Some(b.0.account),
        peer_region: None,
        tags: Tags::default(),
    };
    let refused = bench.refused(key(a.0), more.clone());
    assert_eq!(refused.code, Code::PeeringOutstandingLimit);
    bench.ok(key(b.0), reject(pcx));
    bench.ok(key(a.0), more);
}

#[test]
fn at_most_50_peerings_of_a_vpc_on_either_side() {
    let (mut bench, a, b) = two();
    for n in 0..50 {
        let peer = bench.vpc(b.0, &[&format!("10.{}.0.0/16", 100 + n)]);
        let pcx = bench.request(a, (b.0, peer));
        bench.ok(key(b.0), accept(pcx));
    }
    let as_requester = bench.request(a, b);
    assert_eq!(bench.refused(key(b.0), accept(as_requester)).code, Code::PeeringActiveLimit);
    let as_accepter = bench.request(b, a);
    assert_eq!(bench.refused(key(a.0), accept(as_accepter)).code, Code::PeeringActiveLimit);
}

#[test]
fn only_the_accepter_answers_and_only_in_its_region() {
    let mut bench = Bench::new();
    let (a, b) = (scope(111, VIRGINIA), scope(111, TOKYO));
    let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.2.0.0/16"]));
    let pcx = bench.request((a, va), (b, vb));
    for (command, done) in [(accept(pcx), "accepted"), (reject(pcx), "accepted or rejected")] {
        let refused = bench.refused(key(a), command);
        assert_eq!(refused.code, Code::OperationNotPermitted);
        assert_eq!(
            refused.message,
            format!(
                "Incorrect region (us-east-1) specified for this request. VPC peering connection \
                 {pcx} must be {done} in region ap-northeast-1"
            )
        );
    }
    bench.ok(key(b), accept(pcx));
    assert_eq!(bench.peering(pcx).mtu(), 1500);

    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    for (command, verb) in [(accept(pcx), "accept"), (reject(pcx), "reject")] {
        let refused = bench.refused(key(a.0), command);
        assert_eq!(refused.code, Code::OperationNotPermitted);
        assert_eq!(refused.message, format!("User (000000000111) cannot {verb} peering {pcx}"));
    }
}

#[test]
fn strangers_see_no_peering() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    let unknown = PcxId::fresh(&mut bench.ids);
    for (caller, id) in
        [(scope(333, VIRGINIA), pcx), (scope(111, TOKYO), pcx), (scope(111, VIRGINIA), unknown)]
    {
        for command in [accept(id), reject(id), delete(id), options(id, Some(true), None)] {
            let refused = bench.refused(key(caller), command);
            assert_eq!(refused.code, Code::PeeringNotFound);
            assert_eq!(
                refused.message,
                format!("The vpcPeeringConnection ID '{id}' does not exist")
            );
        }
    }
}

#[test]
fn accepting_knows_the_blocks_of_that_moment() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    let more =
        VpcCidr { id: VpcCidrAssociationId::fresh(&mut bench.ids), cidr: block("10.3.0.0/16") };
    bench.change_vpc(b.1, |vpc| vpc.cidrs.push(more));
    bench.ok(key(b.0), accept(pcx));
    let peering = bench.peering(pcx);
    assert_eq!(peering.state, PeeringState::Provisioning);
    assert_eq!(peering.accepter.cidrs, [block("10.2.0.0/16"), block("10.3.0.0/16")]);
    assert_eq!(bench.refused(key(b.0), accept(pcx)).code, Code::InvalidStateTransition);
    assert_eq!(bench.refused(key(b.0), reject(pcx)).code, Code::InvalidStateTransition);
}

#[test]
fn a_request_fails_where_the_blocks_came_to_overlap() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    let clash =
        VpcCidr { id: VpcCidrAssociationId::fresh(&mut bench.ids), cidr: block("10.1.0.0/20") };
    bench.change_vpc(b.1, |vpc| vpc.cidrs.push(clash));
    bench.ok(key(b.0), accept(pcx));
    assert_eq!(bench.state(pcx), PeeringState::Failed);
}

#[test]
fn a_request_is_deleted_by_the_requester_and_a_peering_by_either() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    assert_eq!(bench.refused(key(b.0), delete(pcx)).code, Code::OperationNotPermitted);
    bench.ok(key(a.0), delete(pcx));
    assert_eq!(bench.state(pcx), PeeringState::Deleted);
    assert_eq!(bench.peering(pcx).by, Some(a.0.account));
    for (scope, _) in [a, b] {
        let pcx = bench.request(a, b);
        bench.ok(key(b.0), accept(pcx));
        bench.ok(key(scope), delete(pcx));
        assert_eq!(bench.state(pcx), PeeringState::Deleting);
        assert_eq!(bench.peering(pcx).by, Some(scope.account));
        bench.force(pcx, PeeringState::Deleted);
    }
}

#[test]
fn r27_a_request_that_nobody_accepts_expires() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    bench.pass(7 * DAY);
    assert_eq!(bench.peering(pcx).status(bench.now).code(), "expired");
    for (scope, command) in [(b.0, accept(pcx)), (b.0, reject(pcx)), (a.0, delete(pcx))] {
        let refused = bench.refused(key(scope), command);
        assert_eq!(refused.code, Code::InvalidStateTransition);
        assert!(refused.message.contains("from expired to "), "{}", refused.message);
    }
    bench.pass(2 * DAY);
    assert_eq!(bench.refused(key(a.0), delete(pcx)).code, Code::PeeringNotFound);
    assert!(is_forgotten(&bench.peering(pcx), bench.now));
}

#[test]
fn what_has_ended_is_seen_for_a_while_only() {
    let seen = |bench: &Bench, pcx, (scope, _): (Scope, VpcId), span| {
        bench.peering(pcx).visible_to(scope.account, scope.region, bench.now + span)
    };
    let (mut bench, a, b) = two();
    let rejected = bench.request(a, b);
    bench.ok(key(b.0), reject(rejected));
    assert!(seen(&bench, rejected, a, 47 * HOUR) && !seen(&bench, rejected, a, 48 * HOUR));
    assert!(seen(&bench, rejected, b, HOUR) && !seen(&bench, rejected, b, 2 * HOUR));
    let deleted = bench.request(a, b);
    bench.ok(key(a.0), delete(deleted));
    assert!(seen(&bench, deleted, a, HOUR) && !seen(&bench, deleted, a, 2 * HOUR));
    assert!(seen(&bench, deleted, b, 47 * HOUR) && !seen(&bench, deleted, b, 48 * HOUR));
    let failed = bench.request(a, (b.0, VpcId::MAX));
    assert!(seen(&bench, failed, a, HOUR) && !seen(&bench, failed, a, 2 * HOUR));
}

#[test]
fn options_are_for_active_peerings_and_ones_own_side() {
    let (mut bench, a, b) = two();
    let pcx = bench.request(a, b);
    let refused = bench.refused(key(a.0), options(pcx, Some(true), None));
    assert_eq!(refused.code, Code::OperationNotPermitted);
    assert_eq!(
        refused.message,
        format!(
            "Peering {pcx} is not active. Peering options can be added only to active peerings."
        )
    );
    bench.force(pcx, PeeringState::Active);
    let refused = bench.refused(key(a.0), options(pcx, Some(true), None));
    assert_eq!(refused.code, Code::PeeringDnsDisabled);
    bench.change_vpc(a.1, |vpc| vpc.dns_hostnames = true);
    bench.ok(key(a.0), options(pcx, Some(true), None));
    assert!(bench.peering(pcx).requester.dns_resolution);
    bench.idle(key(a.0), options(pcx, Some(true), None));
    let refused = bench.refused(key(a.0), options(pcx, None, Some(false)));
    assert_eq!(refused.code, Code::OperationNotPermitted);
    let refused = bench.refused(key(a.0), options(pcx, None, None));
    assert_eq!(refused.code, Code::MissingParameter);
}

#[test]
fn tags_are_checked_and_belong_to_the_requester() {
    let (mut bench, a, b) = two();
    let with = |tags: Tags| Ec2Command::CreatePeering {
        vpc: a.1,
        peer_vpc: b.1,
        peer_owner: Some(b.0.account),
        peer_region: None,
        tags,
    };
    let long = "x".repeat(257);
    for (name, value) in [("", ""), ("aws:x", ""), (long.as_str(), ""), ("a", long.as_str())] {
        let tags = [(name.to_owned(), value.to_owned())].into();
        let code = bench.refused(key(a.0), with(tags)).code;
        assert!(matches!(code, Code::InvalidParameterValue | Code::TagKeyMalformed), "{code:?}");
    }
    let many = (0..51).map(|n| (n.to_string(), String::new())).collect();
    assert_eq!(bench.refused(key(a.0), with(many)).code, Code::TagLimitExceeded);
    let tags = Tags::from([("Name".to_owned(), "ours".to_owned())]);
    let Some(Key::Peering(pcx)) = bench.ok(key(a.0), with(tags.clone())).main() else { panic!() };
    assert_eq!(bench.peering(pcx).requester.tags, tags);
    assert!(bench.peering(pcx).accepter.tags.is_empty());
}
