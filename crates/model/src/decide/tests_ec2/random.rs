//! Random requests of two accounts, of which most name something that exists: nothing panics, and
//! what always holds, holds after each.

mod holds;
mod insights;
mod instances;
mod networks;
mod rules;

use std::time::Duration;

use proptest::prelude::*;

use holds::{check_invariants, check_quotas, check_record, observation};

use super::fixture::*;
use super::ipv6::{subnet_with, vpc_with_ipv6};
use crate::command::*;
use crate::resource::*;
use crate::*;

/// What chance a request is made from.
pub(in crate::decide) type Dice = [u8; 6];

/// Turns chance into requests about what there is.
pub(in crate::decide) struct Player<'a> {
    pub(in crate::decide) world: &'a World,
    pub(in crate::decide) scope: Scope,
    pub(in crate::decide) dice: Dice,
}

impl Player<'_> {
    fn pick<T>(&self, die: usize, all: impl Iterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.collect();
        let at = usize::from(self.dice[die]) % all.len().max(1);
        all.into_iter().nth(at)
    }

    fn flag(&self, die: usize) -> bool {
        self.dice[die] & 0x80 != 0
    }

    /// Mostly the player's own, for what is somebody else's is always refused.
    fn mine(&self, vpc: VpcId) -> bool {
        let mine = self.world.vpc(vpc).is_some_and(|vpc| self.scope.holds(vpc));
        mine || self.dice[4].is_multiple_of(16)
    }

    fn vpc(&self, die: usize) -> VpcId {
        let all = self.world.vpcs().map(|r| r.id);
        self.pick(die, all.filter(|id| self.mine(*id))).unwrap_or(VpcId::MIN)
    }

    fn subnet(&self, die: usize) -> SubnetId {
        let all = self.world.subnets().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(SubnetId::MIN)
    }

    fn table(&self, die: usize) -> RouteTableId {
        let all = self.world.route_tables().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(RouteTableId::MIN)
    }

    fn group(&self, die: usize) -> SecurityGroupId {
        let all = self.world.groups().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(SecurityGroupId::MIN)
    }

    fn acl(&self, die: usize) -> AclId {
        let all = self.world.acls().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(AclId::MIN)
    }

    fn pcx(&self, die: usize) -> PcxId {
        self.pick(die, self.world.peerings().map(|r| r.id)).unwrap_or(PcxId::MIN)
    }

    fn instance(&self, die: usize) -> InstanceId {
        let all = self.world.instances().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(InstanceId::MIN)
    }

    /// A VPC's block: one of few, so that they collide.
    fn block(&self, die: usize) -> Cidr {
        let n = self.dice[die];
        match n % 8 {
            7 => Cidr::new(172, 16 + n / 16, 0, 0, 16),
            _ => Cidr::new(10, n % 4, (n & 0x30) * 4, 0, 16 + n / 64 * 2),
        }
    }

    /// An IPv6 block: one of few, so that they collide.
    fn block6(&self, die: usize) -> Ipv6Cidr {
        let n = u16::from(self.dice[die]);
        Ipv6Cidr::new([0x2001, 0xdb8, n % 4, 0, 0, 0, 0, 0], 32 + self.dice[die] / 8)
    }

    fn prefix_list(&self, die: usize) -> PrefixListId {
        let mine = |list: &&std::sync::Arc<PrefixList>| {
            list.account == self.scope.account || self.dice[4].is_multiple_of(16)
        };
        self.pick(die, self.world.prefix_lists().filter(mine).map(|list| list.id))
            .unwrap_or(PrefixListId::MIN)
    }

    fn part(&self, of: Cidr, die: usize) -> Cidr {
        let n = self.dice[die];
        let len = (of.prefix_len() + n % 12).min(28 + n / 128);
        of.subnet(len, u32::from(n / 4) % (1 << (len - of.prefix_len()).min(6))).unwrap_or(of)
    }

    fn block_of(&self, vpc: VpcId, die: usize) -> Cidr {
        self.world
            .vpc(vpc)
            .and_then(|vpc| self.pick(die, vpc.blocks()))
            .unwrap_or_else(|| self.block(die))
    }

    fn tags(&self, die: usize) -> Tags {
        let n = self.dice[die];
        (0..n % 3).map(|key| (key.to_string(), n.to_string())).collect()
    }

    fn token(&self, die: usize) -> Option<ClientToken> {
        let n = self.dice[die];
        token(&(n % 4).to_string(), &(n / 128).to_string()).filter(|_| n & 64 != 0)
    }

    fn tagged(&self, die: usize) -> Vec<TaggedResource> {
        let any = self.pick(die, self.world.records().filter_map(|record| tagged(record.key())));
        let rule = self.rule_id(die).map(TaggedResource::GroupRule);
        any.into_iter().chain(rule).collect()
    }

    pub(in crate::decide) fn command(&self) -> Ec2Command {
        use Ec2Command as C;
        match self.dice[0] % 66 {
            0..=1 => C::create_vpc(self.block(1), self.tags(2)),
            2 => C::DeleteVpc { vpc: self.vpc(1) },
            3..=4 => C::ModifyVpcAttribute { vpc: self.vpc(1), attribute: self.attribute() },
            5 => C::AssociateVpcCidrBlock { vpc: self.vpc(1), cidr: self.block(2) },
            6 => C::DisassociateVpcCidrBlock { association: self.cidr_association() },
            7..=9 => {
                let vpc = self.vpc(1);
                let cidr = self.part(self.block_of(vpc, 2), 3);
                C::create_subnet(vpc, cidr, None, self.tags(4))
            }
            10 => C::DeleteSubnet { subnet: self.subnet(1) },
            11..=17 => self.route_command(),
            18..=23 => self.group_command(),
            24..=28 => self.acl_command(),
            29..=31 => C::RunInstances(self.run()),
            32 => C::TerminateInstances { instances: vec![self.instance(1), self.instance(2)] },
            33 => C::CreateTags { resources: self.tagged(2), tags: self.tags(3) },
            34 => C::DeleteTags { resources: self.tagged(2), tags: Vec::new() },
            35..=36 => self.subnet_command(),
            37..=38 => self.gateway_command(),
            39..=42 => self.prefix_list_command(),
            43..=46 => self.instance_command(),
            47..=50 => self.interface_command(),
            51..=56 => self.outside_command(),
            57..=58 => self.flow_log_command(),
            59..=60 => self.insights_command(),
            _ => self.peering_command(),
        }
    }
}

fn play(f: &mut Fixture, dice: Dice) -> bool {
    let scope = if dice[5] & 0x40 == 0 { ours() } else { theirs() };
    match dice[0] {
        240..=246 => {
            let report = SystemCommand::Observe(observation(&f.world));
            f.decide(Caller::System, report.into()).is_ok()
        }
        247..=249 => f.decide(Caller::System, SystemCommand::Tick.into()).is_ok(),
        239 => {
            const SOME: [Quota; 6] = [
                Quota::Vpcs,
                Quota::Instances,
                Quota::Interfaces,
                Quota::GroupRules,
                Quota::ElasticIps,
                Quota::PrefixLists,
            ];
            let quota = SOME[usize::from(dice[1] % 6)];
            let most = (!dice[2].is_multiple_of(4)).then(|| u32::from(dice[2] % 32));
            let of = QuotaOf::Account(scope.account);
            let set = IdentityCommand::SetQuota { of, quota, most };
            f.decide(Caller::Operator, set.into()).is_ok()
        }
        250.. => {
            f.now = f.now + Duration::from_secs(u64::from(dice[1]) * 3600);
            true
        }
        _ => {
            let command = Player { world: &f.world, scope, dice }.command();
            f.try_as(scope, command).is_ok()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_for_the_world_stays_whole(
        steps in proptest::collection::vec(any::<Dice>(), 1..160)
    ) {
        let mut f = Fixture::new();
        for (scope, block) in [(ours(), "10.0.0.0/20"), (theirs(), "10.1.0.0/20")] {
            let vpc = f.vpc_as(scope, block);
            f.subnet_as(scope, vpc, &block.replace("/20", "/24"));
            let id = IgwId::fresh(&mut f.ids);
            let Scope { account, region } = scope;
            f.put(InternetGateway { id, account, region, vpc: Some(vpc), tags: Tags::new(), created: Timestamp::default() });
        }
        for dice in steps {
            let before = f.world.clone();
            play(&mut f, dice);
            check_invariants(&f.world);
            check_quotas(&before, &f.world);
        }
        f.world.records().for_each(check_record);
    }
}

/// The random requests are worth something only if enough of them are granted.
#[test]
fn random_requests_reach_what_they_are_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut f = Fixture::new();
    f.vpc("10.0.0.0/20");
    f.vpc_as(theirs(), "10.1.0.0/20");
    let (vpc, block) = vpc_with_ipv6(&mut f, "10.7.0.0/20");
    f.run(subnet_with(vpc, "10.7.0.0/24", block.subnet(64, 0).unwrap()));
    let mut runner = TestRunner::deterministic();
    let mut granted = 0;
    let (mut carried, mut routed, mut ended, mut listed) = (false, false, false, false);
    let (mut ipv6, mut logged, mut analysed) = (false, false, false);
    for _ in 0..2500 {
        let dice = any::<Dice>().new_tree(&mut runner).unwrap().current();
        granted += usize::from(play(&mut f, dice));
        carried |= f.world.peerings().any(|pcx| pcx.state == PeeringState::Active);
        routed |= f.world.route_tables().any(|table| !table.routes.is_empty());
        listed |= f.world.prefix_lists().any(|list| {
            let named = f.world.groups_in(Key::PrefixList(list.id)).next().is_some();
            named && list.version > 1
        });
        logged |= f.world.flow_logs().any(|log| log.first != log.id);
        analysed |= f.world.insights_analyses().any(|it| it.outcome.is_ok());
        ipv6 |= f.world.enis().any(|eni| !eni.ipv6_addresses.is_empty());
        ended |= f.world.peerings().any(|pcx| pcx.state == PeeringState::Deleted);
    }
    assert!(carried && routed && ended && listed, "{carried} {routed} {ended} {listed}");
    assert!(ipv6);
    assert!(logged && analysed, "several flow logs by one request {logged}, analyses {analysed}");
    assert!(granted > 500, "{granted}");
}
