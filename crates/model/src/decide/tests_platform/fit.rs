//! R8: a check before the request and the acceptance after it never disagree, because both ask
//! [`crate::fit`].

use proptest::prelude::*;

use super::fixture::*;
use crate::fit::{Fit, HandedOut, Misfit, Side, taken_beside};
use crate::*;

/// What chance a step is made from.
type Dice = [u8; 4];

/// Where customers' VPCs are.
const PLACES: [&str; 2] = [VIRGINIA, TOKYO];

/// A block that collides with others often, in a VPC or with what a space has.
fn block_of(n: u8) -> Cidr {
    match n % 16 {
        0 => Cidr::new(10, 0, n, 0, 20 + n / 64),
        1 => Cidr::new(10, 1, n, 0, 20),
        2 => Cidr::new(172, 17, n, 0, 24),
        3 => Cidr::new(100, 64 + n / 64, 0, 0, 16),
        4..=7 => Cidr::new(10, 2, n, 0, 18 + n / 128 * 6),
        8..=11 => Cidr::new(192, 168, n, 0, 20),
        _ => Cidr::new(10, 2 + n / 16, 0, 0, 16),
    }
}

/// Up to three blocks that a VPC can have together.
fn blocks_of(dice: Dice) -> Vec<Cidr> {
    let mut blocks: Vec<Cidr> = Vec::new();
    for n in &dice[1..=usize::from(1 + dice[0] % 5 / 3 + dice[0] % 7 / 6)] {
        let block = block_of(*n);
        if !blocks.iter().any(|other| other.overlaps(block)) {
            blocks.push(block);
        }
    }
    blocks
}

fn texts(blocks: &[Cidr]) -> Vec<String> {
    blocks.iter().map(Cidr::to_string).collect()
}

struct Game {
    town: Town,
    customers: Vec<(Scope, VpcId)>,
}

impl Game {
    fn new() -> Self {
        Self { town: Town::new(), customers: Vec::new() }
    }

    fn customer(&mut self, dice: Dice) -> (Scope, VpcId) {
        let owner = scope(700 + u64::from(dice[0] % 3), PLACES[usize::from(dice[0] / 128)]);
        let blocks = texts(&blocks_of(dice));
        let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
        (owner, self.town.bench.vpc(owner, &blocks))
    }

    fn pick(&self, n: u8) -> Option<(Scope, VpcId)> {
        let at = usize::from(n) % self.customers.len().max(1);
        self.customers.get(at).copied()
    }

    /// A request of one customer, mostly for the space, or something else that changes what fits.
    fn play(&mut self, dice: Dice) {
        let bench = &mut self.town.bench;
        let peerings: Vec<PcxId> = bench.world.peerings().map(|peering| peering.id).collect();
        let peering = peerings[usize::from(dice[1]) % peerings.len()];
        let space = self.town.space;
        let admin = self.town.admin();
        match dice[3] % 16 {
            0..=4 => {
                let customer = self.customer(dice);
                self.customers.push(customer);
            }
            5..=8 => {
                if let Some(from) = self.pick(dice[1]) {
                    let to = (self.town.bench.platform(), self.town.space().vpc);
                    self.request(from, to);
                }
            }
            9 => {
                if let (Some(from), Some(to)) = (self.pick(dice[1]), self.pick(dice[2]))
                    && from.1 != to.1
                {
                    self.request(from, (to.0.account, to.1));
                }
            }
            10..=12 => {
                let accept = PlatformCommand::AcceptPeering { space, peering };
                let _ = self.town.bench.run(admin, accept);
            }
            13 => {
                let limit = u16::from(1 + dice[2] % 3);
                let set = PlatformCommand::SetPeeringLimit { space, limit };
                self.town.bench.ok(Caller::Operator, set);
            }
            14 => {
                if let Some((scope, vpc)) = self.pick(dice[1]) {
                    let add = Ec2Command::AssociateVpcCidrBlock { vpc, cidr: block_of(dice[2]) };
                    let _ = self.town.bench.run(key(scope), add);
                }
            }
            _ => {
                let destroy = PlatformCommand::DeletePeering { space, peering };
                let _ = self.town.bench.run(admin, destroy);
            }
        }
    }

    /// Asks, which may be refused as one request too many.
    fn request(&mut self, from: (Scope, VpcId), (owner, peer_vpc): (AccountId, VpcId)) {
        let create = Ec2Command::CreatePeering {
            vpc: from.1,
            peer_vpc,
            peer_owner: Some(owner),
            peer_region: self.town.bench.world.vpc(peer_vpc).map(|vpc| vpc.region),
            tags: Tags::default(),
        };
        let _ = self.town.bench.run(key(from.0), create);
    }

    /// What becomes of a peering that somebody who may accepts, on a copy of the world.
    fn accepted(&self, peering: &Peering) -> Result<PeeringState, Refused> {
        let scope = Scope { account: peering.accepter.account, region: peering.accepter.region };
        let accept = Ec2Command::AcceptPeering { peering: peering.id };
        let bench = &self.town.bench;
        let mut ids = Sequence(1 << 40);
        let decided = bench.world.decide(key(scope), &accept.into(), bench.now, &mut ids)?;
        Ok(decided.world.peering(peering.id).unwrap().state)
    }

    /// Holds the check of every request that waits against what comes of accepting it.
    fn compare_requests(&self, seen: &mut [u32; 3]) {
        let (world, now) = (&self.town.bench.world, self.town.bench.now);
        let waits =
            |p: &&std::sync::Arc<Peering>| p.status(now) == PeeringStatus::PendingAcceptance;
        for peering in world.peerings().filter(waits) {
            let fit = Fit::of_peering(world, peering);
            match self.accepted(peering) {
                Ok(PeeringState::Provisioning) => {
                    assert!(fit.fits(), "{:?}", fit.misfits);
                    seen[0] += 1;
                }
                Ok(state) => {
                    assert_eq!(state, PeeringState::Failed);
                    assert!(fit.fails_request(), "{:?}", fit.misfits);
                    seen[1] += 1;
                }
                Err(refused) => {
                    assert!(!fit.fits() && !fit.fails_request(), "{refused}: {:?}", fit.misfits);
                    for misfit in &fit.misfits {
                        let said = fit.message(misfit);
                        assert!(refused.message.contains(&said), "{said} is not in {refused}");
                    }
                    seen[2] += 1;
                }
            }
        }
    }

    /// Holds checks of blocks that no VPC has yet against what comes of it: a VPC is made, asks,
    /// and is accepted.
    fn compare_plan(&mut self, dice: Dice) {
        let space = self.town.space();
        let world = &self.town.bench.world;
        let accepter = Side::of(world, world.vpc(space.vpc).unwrap());
        let handed_out = Side::handed_out(HandedOut {
            vpc: Some(space.vpc),
            region: space.region,
            cidr: space.cidr,
            space_cidrs: space.space_cidrs().to_vec(),
            unavailable: taken_beside(world, &space).iter().map(|taken| taken.cidr).collect(),
        });
        let region = region(PLACES[usize::from(dice[0] / 128)]);
        let before = Fit::of(Side::planned(blocks_of(dice), region).unwrap(), accepter.clone());

        // The account is new, so it has nothing else that could keep it from asking.
        let owner = Scope { account: account(900), region };
        let blocks = texts(&blocks_of(dice));
        let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
        let vpc = self.town.bench.vpc(owner, &blocks);
        let (world, now) = (&self.town.bench.world, self.town.bench.now);
        let side = || Side::of(world, world.vpc(vpc).unwrap());
        // Neither that there is a VPC now, nor what its owner sees of it, makes a difference.
        let mut after = Fit::of(side().for_owner(world, now), accepter);
        assert_eq!(after.misfits, before.misfits);
        // Who knows no more than what was handed out knows all but whether there is room.
        let told = Fit::of(side().for_owner(world, now), handed_out);
        after.misfits.retain(|misfit| !matches!(misfit, Misfit::SpaceFull { .. }));
        assert_eq!(told.misfits.len(), after.misfits.len());
        assert_eq!(told.misfitting_blocks(), after.misfitting_blocks());
        assert_eq!(told.fails_request(), before.fails_request());

        let pcx = self.town.request_from((owner, vpc));
        let peering = self.town.bench.peering(pcx);
        let failed = peering.state == PeeringState::Failed;
        assert_eq!(failed, before.fails_request(), "{:?}", before.misfits);
        if !failed {
            assert_eq!(self.accepted(&peering).is_ok(), before.fits(), "{:?}", before.misfits);
        }
        self.town.bench.ok(key(owner), Ec2Command::DeleteVpc { vpc });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// R8: a request that waits is said to fit if and only if accepting it is not refused.
    #[test]
    fn r8_check_and_accept_never_disagree(
        steps in proptest::collection::vec(any::<Dice>(), 1..60)
    ) {
        let mut game = Game::new();
        for dice in steps {
            game.play(dice);
            game.compare_requests(&mut [0; 3]);
        }
    }

    /// R8: what is checked before there is a VPC, or by what was handed out, is what comes of it.
    #[test]
    fn r8_a_check_before_the_request_foretells_what_comes_of_it(
        steps in proptest::collection::vec(any::<Dice>(), 1..40),
        plans in proptest::collection::vec(any::<Dice>(), 1..8),
    ) {
        let mut game = Game::new();
        steps.into_iter().for_each(|dice| game.play(dice));
        plans.into_iter().for_each(|dice| game.compare_plan(dice));
    }
}

/// The random worlds are worth something only if requests fit, fail and are refused in them.
#[test]
fn r8_random_requests_fit_fail_and_are_refused() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = [0; 3];
    let mut reasons = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let mut game = Game::new();
        for _ in 0..60 {
            game.play(any::<Dice>().new_tree(&mut runner).unwrap().current());
            game.compare_requests(&mut seen);
            let world = &game.town.bench.world;
            for peering in world.peerings() {
                for misfit in Fit::of_peering(world, peering).misfits {
                    let name = format!("{misfit:?}");
                    let whose = name.split("whose: ").nth(1).unwrap_or_default();
                    let first = |text: &str| text.split([' ', '{', '}']).next().map(str::to_owned);
                    reasons.insert((first(&name), first(whose)));
                }
            }
        }
    }
    assert!(seen[0] >= 50 && seen[2] >= 50, "{seen:?}");
    // Overlaps with the space, another VPC, data, the reserved block and another peering; what is
    // not private, peered already, and a space that is full.
    assert!(reasons.len() >= 8, "{reasons:?}");
}

#[test]
fn r8_unavailable_are_all_blocks_that_accept_would_refuse() {
    let mut town = Town::new();
    let space = town.space();
    let said = |town: &Town| -> Vec<String> {
        let taken = taken_beside(&town.bench.world, &space);
        taken.iter().map(|taken| taken.cidr.to_string()).collect()
    };
    assert_eq!(said(&town), ["10.1.0.0/16", "172.17.0.0/16"]);
    let pcx = town.request(0);
    assert_eq!(said(&town).len(), 2, "a request takes nothing yet");
    let admin = town.admin();
    let accept = PlatformCommand::AcceptPeering { space: space.id, peering: pcx };
    town.bench.ok(admin, accept);
    assert_eq!(said(&town), ["10.1.0.0/16", "172.17.0.0/16", "10.10.0.0/16"]);
    let destroy = PlatformCommand::DeletePeering { space: space.id, peering: pcx };
    town.bench.ok(admin, destroy);
    assert_eq!(said(&town).len(), 2);
}

#[test]
fn r8_a_refusal_says_every_reason() {
    let mut town = Town::new();
    let owner = scope(7, VIRGINIA);
    let vpc = town.bench.vpc(owner, &["100.64.0.0/16", "10.1.0.0/24", "172.17.1.0/24"]);
    let pcx = town.request_from((owner, vpc));
    let (admin, space) = (town.admin(), town.space);
    let accept = PlatformCommand::AcceptPeering { space, peering: pcx };
    let refused = town.bench.refused(admin, accept);
    assert_eq!(refused.code, Code::InvalidParameterValue);
    for words in ["100.64.0.0/16", "10.1.0.0/24", "10.1.0.0/16", "172.17.1.0/24", "172.17.0.0/16"] {
        assert!(refused.message.contains(words), "{}", refused.message);
    }
}
