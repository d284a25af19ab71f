use proptest::prelude::*;

use super::*;
use crate::{Cidr, PcxId, PrefixedId, RFC1918, Region, RouteTableId, Sequence, VpcId};

fn block(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn blocks(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().map(|text| block(text)).collect()
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn planned(texts: &[&str]) -> Side {
    Side::of_customer(None, blocks(texts), Region::DEFAULT)
}

/// What the document's own example hands out, and what is reserved.
fn info() -> HandedOut {
    HandedOut {
        vpc: Some(VpcId::MIN),
        region: Region::DEFAULT,
        cidr: block("10.0.0.0/16"),
        space_cidrs: blocks(&["10.0.128.0/20", "10.0.144.0/20", "10.0.0.0/20", "10.0.16.0/20"]),
        unavailable: blocks(&["10.1.0.0/16", "172.17.0.0/16"]),
    }
}

fn check(texts: &[&str]) -> Fit {
    Fit::of(planned(texts), Side::handed_out(info()))
}

#[test]
fn r8_every_reason_is_said_at_once_with_both_blocks() {
    let fit = check(&["10.0.0.0/12", "172.17.3.0/24", "192.0.2.0/24"]);
    let overlap = |block: &str, other: &str, whose| Misfit::Overlap {
        block: block.parse().unwrap(),
        other: other.parse().unwrap(),
        whose,
    };
    assert_eq!(
        fit.misfits,
        [
            overlap("10.0.0.0/12", "10.0.0.0/16", Whose::Space),
            overlap("10.0.0.0/12", "10.1.0.0/16", Whose::Unavailable),
            overlap("172.17.3.0/24", "172.17.0.0/16", Whose::Unavailable),
        ]
    );
    assert!(fit.fails_request() && !fit.fits());
    for misfit in &fit.misfits {
        let Misfit::Overlap { block, other, .. } = misfit else { panic!() };
        let said = fit.message(misfit);
        assert!(said.contains(&block.to_string()) && said.contains(&other.to_string()), "{said}");
    }
    assert_eq!(fit.misfitting_blocks(), blocks(&["10.0.0.0/12", "172.17.3.0/24"]));
}

#[test]
fn r8_what_is_outside_of_rfc_1918_does_not_fit_if_it_is_the_primary_block() {
    let fit = check(&["100.64.0.0/16"]);
    assert_eq!(fit.misfits, [Misfit::NotPrivate { block: block("100.64.0.0/16") }]);
    assert!(!fit.fails_request());
    assert!(check(&["10.2.0.0/16", "100.64.0.0/16"]).fits());
}

#[test]
fn r8_what_is_asked_for_before_a_vpc_is_there_gets_blocks_that_fit() {
    let fit = check(&["10.1.0.0/16"]);
    assert_eq!(
        fit.free_blocks(block("10.1.0.0/16")),
        blocks(&["10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"])
    );
    let [misfit] = fit.misfits[..] else { panic!("{:?}", fit.misfits) };
    let remedy = fit.remedy(&misfit);
    for words in ["10.2.0.0/16, 10.3.0.0/16 or 10.4.0.0/16", "--cidr 10.0.0.0/16 --data-cidr"] {
        assert!(remedy.contains(words), "{remedy}");
    }
    // EC2 adds a block to a VPC only if it is of the primary one's private range.
    let fit = check(&["192.168.0.0/20", "10.1.0.0/20"]);
    assert_eq!(
        fit.free_blocks(block("10.1.0.0/20")),
        blocks(&["192.168.16.0/20", "192.168.32.0/20", "192.168.48.0/20"])
    );
    let remedy = fit.remedy(&fit.misfits[0]);
    assert!(remedy.contains("disassociate-vpc-cidr-block"), "{remedy}");
}

#[test]
fn r8_a_block_that_the_owner_has_elsewhere_is_not_offered() {
    let requester = Side { elsewhere: blocks(&["10.2.0.0/15"]), ..planned(&["10.1.0.0/16"]) };
    let fit = Fit::of(requester, Side::handed_out(info()));
    assert_eq!(
        fit.free_blocks(block("10.1.0.0/16")),
        blocks(&["10.4.0.0/16", "10.5.0.0/16", "10.6.0.0/16"])
    );
}

#[test]
fn r8_where_nothing_is_free_nothing_is_offered() {
    let taken = HandedOut { unavailable: RFC1918.to_vec(), ..info() };
    let fit = Fit::of(planned(&["10.9.0.0/16"]), Side::handed_out(taken));
    assert_eq!(fit.free_blocks(block("10.9.0.0/16")), []);
    assert!(!fit.remedy(&fit.misfits[0]).contains("such as"));
}

#[test]
fn r8_two_that_are_peered_are_not_peered_again() {
    let mut ids = Sequence::default();
    let (vpc, peering) = (VpcId::fresh(&mut ids), PcxId::fresh(&mut ids));
    let mine = Whose::Peering { peering, vpc };
    let mut accepter = Side::handed_out(info());
    let SideKind::Space { beside, .. } = &mut accepter.kind else { panic!() };
    beside.push(Taken { cidr: block("10.9.0.0/16"), whose: mine });
    accepter.peers.push(Peer { peering, vpc });
    let requester = Side { vpc: Some(vpc), ..planned(&["10.9.0.0/16"]) };
    let fit = Fit::of(requester, accepter.clone());
    assert_eq!(fit.misfits, [Misfit::Peered { peering }], "its own blocks are no other's");
    let fit = Fit::of(planned(&["10.9.0.0/16"]), accepter);
    let [Misfit::Overlap { whose, .. }] = fit.misfits[..] else { panic!("{:?}", fit.misfits) };
    assert_eq!(whose, mine);
    assert!(fit.message(&fit.misfits[0]).contains(&format!("{vpc}, peered as {peering}")));
}

#[test]
fn r8_r24_limits_of_both_sides_are_reasons() {
    let peer = Peer { peering: PcxId::MIN, vpc: VpcId::MAX };
    let requester = Side { peers: vec![peer; 50], ..planned(&["10.9.0.0/16"]) };
    let mut accepter = Side::handed_out(info());
    (accepter.peers, accepter.limit) = (vec![peer; 5], Some(5));
    let fit = Fit::of(requester, accepter);
    assert_eq!(
        fit.misfits,
        [Misfit::VpcFull { vpc: None, limit: 50 }, Misfit::SpaceFull { limit: 5 }]
    );
    assert!(fit.remedy(&fit.misfits[1]).contains("--peerings 6"));
}

#[test]
fn r8_as_many_requests_as_may_wait_are_a_reason_for_one_more() {
    let mut ids = Sequence::default();
    let (own, peer) = (VpcId::fresh(&mut ids), VpcId::fresh(&mut ids));
    let other = VpcId::fresh(&mut ids);
    let fit = |waiting: Vec<(VpcId, VpcId)>| {
        let requester = Side { vpc: Some(own), waiting, ..planned(&["10.9.0.0/16"]) };
        Fit::of(requester, Side { vpc: Some(peer), ..Side::handed_out(info()) })
    };
    assert!(fit(vec![(own, other); 24]).fits());
    let full = fit(vec![(own, other); 25]);
    assert_eq!(full.misfits, [Misfit::TooManyWait { limit: 25 }]);
    assert!(full.fails_request() && full.message(&full.misfits[0]).starts_with("25 requests"));
    assert!(full.remedy(&full.misfits[0]).contains("delete-vpc-peering-connection"));
    let again = [vec![(own, other); 24], vec![(own, peer)]].concat();
    assert!(fit(again).fits(), "a repeat is not one more");
}

#[test]
fn r8_what_else_is_needed_is_said_before() {
    let needs = check(&["10.9.0.0/16"]).needs();
    let kinds: Vec<_> = needs.iter().map(|need| need.kind).collect();
    assert_eq!(kinds, [NeedKind::Route, NeedKind::SecurityGroup]);
    assert!(needs[0].message.contains("10.0.0.0/16"), "{needs:?}");
    assert!(needs[0].message.contains("10.0.128.0/20, 10.0.144.0/20, 10.0.0.0/20"), "{needs:?}");
    assert!(needs[1].message.contains("10.0.128.0/20, 10.0.144.0/20"), "{needs:?}");
    assert!(!needs[1].message.contains("10.0.0.0/20"), "the router connects to nothing");

    let abroad =
        Side::planned(blocks(&["10.9.0.0/16", "10.8.0.0/16"]), region("eu-west-1")).unwrap();
    let needs = Fit::of(abroad, Side::handed_out(info())).needs();
    let kinds: Vec<_> = needs.iter().map(|need| need.kind).collect();
    use NeedKind as N;
    assert_eq!(kinds, [N::Route, N::SecurityGroup, N::PrimaryBlock, N::Mtu, N::GroupReference]);
    assert!(needs[3].message.contains("1500"), "{needs:?}");
}

#[test]
fn r8_blocks_that_no_vpc_can_have_are_refused() {
    let six: Vec<String> = (0..6).map(|n| format!("10.{n}.0.0/16")).collect();
    let six: Vec<&str> = six.iter().map(String::as_str).collect();
    for (bad, named) in [
        (&[][..], &["1 to 5", "not 0"][..]),
        (&six, &["1 to 5", "not 6"]),
        (&["10.0.0.0/15"], &["10.0.0.0/15", "/16 to /28"]),
        (&["10.0.0.0/29"], &["10.0.0.0/29", "/16 to /28"]),
        (&["10.2.0.0/16", "127.0.0.0/16"], &["127.0.0.0/16", "127.0.0.0/8"]),
        (&["10.2.0.0/16", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.0/24"]),
    ] {
        let said = Side::planned(blocks(bad), Region::DEFAULT).unwrap_err();
        assert!(named.iter().all(|words| said.contains(words)), "{said}");
    }
}

/// The route that each table of a VPC needs, by its destinations.
fn routes(destinations: &[(&str, Option<VpcId>)]) -> (Vec<Cidr>, String) {
    let destinations = destinations.iter().map(|(to, vpc)| (block(to), *vpc)).collect();
    let table = Routes { table: RouteTableId::MIN, destinations };
    let requester = Side { tables: vec![table], ..planned(&["192.168.0.0/16"]) };
    let need = Fit::of(requester, Side::handed_out(info())).needs().swap_remove(0);
    assert_eq!(need.kind, NeedKind::Route);
    let to = |command: &String| {
        let rest = command.split("--destination-cidr-block ").nth(1).unwrap();
        block(rest.split(' ').next().unwrap())
    };
    (need.commands.iter().map(to).collect(), need.message)
}

#[test]
fn r8_r15_where_the_whole_block_is_routed_elsewhere_each_space_cidr_gets_a_route() {
    let whole = blocks(&["10.0.0.0/16"]);
    let other = Some(VpcId::MAX);
    // Wider routes, and those to what nothing in the space has, leave room for the whole block.
    for free in [&[][..], &[("10.0.0.0/8", other), ("0.0.0.0/0", None), ("10.0.64.0/20", other)]] {
        assert_eq!(routes(free).0, whole, "{free:?}");
    }
    let (to, said) = routes(&[("10.0.0.0/16", Some(VpcId::MIN))]);
    assert!(to.is_empty() && said.contains("already"), "{said}");
    for taken in ["10.0.0.0/16", "10.0.128.0/17", "10.0.0.0/19"] {
        assert_eq!(routes(&[(taken, other)]).0, info().space_cidrs, "{taken}");
    }
    // A longer route inside a Space CIDR keeps what it has.
    let (to, said) = routes(&[("10.0.129.0/24", other)]);
    assert_eq!(to, info().space_cidrs);
    assert!(said.contains("10.0.129.0/24 stays out of reach"), "{said}");
    let (to, said) = routes(&[("10.0.128.0/20", other), ("10.0.16.0/20", Some(VpcId::MIN))]);
    assert_eq!(to, blocks(&["10.0.144.0/20", "10.0.0.0/20"]));
    assert!(said.contains("10.0.128.0/20 stays out of reach"), "{said}");
}

fn any_block() -> impl Strategy<Value = Cidr> {
    (any::<u32>(), 16u8..=28, 0usize..4).prop_map(|(bits, len, range)| {
        let range = RFC1918.get(range).copied().unwrap_or(Cidr::ANY);
        let host = u32::MAX.checked_shr(range.prefix_len().into()).unwrap_or(0);
        Cidr::around((u32::from(range.base()) | bits & host).into(), len)
    })
}

proptest! {
    /// R8: what is offered instead of a block fits in its place, and is of its size.
    #[test]
    fn r8_what_is_offered_fits(
        own in proptest::collection::vec(any_block(), 1..4),
        unavailable in proptest::collection::vec(any_block(), 0..12),
        elsewhere in proptest::collection::vec(any_block(), 0..6),
    ) {
        let requester = Side { elsewhere, ..Side::of_customer(None, own.clone(), Region::DEFAULT) };
        let accepter = Side::handed_out(HandedOut { unavailable, ..info() });
        let fit = Fit::of(requester.clone(), accepter.clone());
        for misfitting in fit.misfitting_blocks() {
            for free in fit.free_blocks(misfitting) {
                prop_assert_eq!(free.prefix_len(), misfitting.prefix_len());
                prop_assert!(!requester.elsewhere.iter().any(|there| there.overlaps(free)));
                let put = |block: &Cidr| if *block == misfitting { free } else { *block };
                let blocks = own.iter().map(put).collect();
                let with = Fit::of(Side { blocks, ..requester.clone() }, accepter.clone());
                prop_assert!(!with.misfitting_blocks().contains(&free));
            }
        }
    }
}
