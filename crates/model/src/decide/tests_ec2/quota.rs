//! Each quota, reached.

use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;
use Ec2Command as C;

/// What a quota is set to. It is more than any world of these tests has from the start.
const MOST: u32 = 4;

/// A world, and what is in it of our account's.
struct Net {
    f: Fixture,
    vpc: VpcId,
    subnet: SubnetId,
    acl: AclId,
    group: SecurityGroupId,
    peering: PcxId,
}

fn net() -> Net {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.1.0.0/16");
    let subnet = f.subnet(vpc, "10.1.0.0/24");
    let group = f.group(vpc, "web");
    let create = C::CreateNetworkAcl { vpc, client_token: None, tags: Tags::new() };
    let Some(Key::NetworkAcl(acl)) = f.run(create).main() else { panic!() };
    let peer = f.vpc_as(theirs(), "10.200.0.0/16");
    let peering = f.peering(vpc, peer, PeeringState::Active);
    Net { f, vpc, subnet, acl, group, peering }
}

impl Net {
    /// One more of what a quota counts: what is to be done before, and the request.
    fn one_more(&mut self, quota: Quota, n: u8) -> (Scope, C) {
        let Self { vpc, subnet, acl, group, peering, .. } = *self;
        let (tags, client_token) = (Tags::new(), None);
        let block = |n: u8| cidr(&format!("10.{n}.0.0/16"));
        let command = match quota {
            Quota::Vpcs => C::create_vpc(block(n), tags),
            Quota::VpcBlocks => C::AssociateVpcCidrBlock { vpc, cidr: block(n) },
            Quota::Subnets => C::create_subnet(vpc, cidr(&format!("10.1.{n}.0/24")), None, tags),
            Quota::RouteTables => C::CreateRouteTable { vpc, client_token, tags },
            Quota::Routes => C::CreateRoute {
                route_table: self.f.get_vpc(vpc).main_route_table,
                destination: block(n).into(),
                target: RouteTo::Peering(peering),
            },
            Quota::Groups => {
                let (name, description) = (format!("group-{n}"), "a group".to_owned());
                C::CreateSecurityGroup { vpc, name, description, tags }
            }
            Quota::GroupRules => C::AuthorizeSecurityGroup {
                group,
                direction: Direction::Ingress,
                rules: vec![RuleSpec {
                    traffic: Traffic::All,
                    peer: RulePeerSpec::Cidr(block(n)),
                    description: None,
                }],
                tags,
            },
            Quota::InterfaceGroups => {
                let groups = (0..n).map(|at| self.f.group(vpc, &format!("group-{n}-{at}")));
                C::RunInstances(RunInstances { groups: groups.collect(), ..run_in(subnet) })
            }
            Quota::Acls => C::CreateNetworkAcl { vpc, client_token, tags },
            Quota::AclEntries => C::CreateNetworkAclEntry {
                acl,
                direction: Direction::Egress,
                number: n.into(),
                entry: AclEntry { allow: true, traffic: Traffic::All, cidr: block(n).into() },
            },
            Quota::InternetGateways => C::CreateInternetGateway { tags },
            Quota::ElasticIps => C::AllocateAddress { address: None, tags },
            Quota::NatGateways => C::CreateNatGateway(CreateNatGateway {
                subnet,
                connectivity: Connectivity::Private,
                allocation: None,
                private: None,
                secondary: NatAddressesSpec::default(),
                client_token,
                tags,
            }),
            Quota::Interfaces | Quota::Instances => C::RunInstances(run_in(subnet)),
            Quota::Peerings => {
                let peer = self.f.vpc_as(theirs(), &format!("10.{n}.0.0/16"));
                let waits = PeeringState::PendingAcceptance;
                let peering = self.f.peering(vpc, peer, waits);
                return (theirs(), C::AcceptPeering { peering });
            }
            Quota::Requests => {
                let peer = self.f.vpc_as(theirs(), &format!("10.{n}.0.0/16"));
                let (account, region) = (theirs().account, theirs().region);
                C::CreatePeering {
                    vpc,
                    peer_vpc: peer,
                    peer_owner: Some(account),
                    peer_region: Some(region),
                    tags,
                }
            }
            Quota::PrefixLists => C::CreatePrefixList(CreatePrefixList {
                name: "list".to_owned(),
                family: AddressFamily::Ipv4,
                max_entries: 1,
                entries: Vec::new(),
                client_token,
                tags,
            }),
            Quota::KeyPairs => C::CreateKeyPair(NewKeyPair {
                name: format!("key-{n}"),
                kind: KeyKind::Ed25519,
                fingerprint: "print".to_owned(),
                public_key: "ssh-ed25519 AAAA".to_owned(),
                tags,
            }),
            Quota::Spaces
            | Quota::Apps
            | Quota::Dynos
            | Quota::Memory
            | Quota::Code
            | Quota::Addons
            | Quota::Disk => panic!("{quota} is a team's"),
        };
        (ours(), command)
    }
}

#[test]
fn each_quota_is_reached_with_its_own_code_and_what_is_refused_changes_nothing() {
    let of_accounts = |quota: &&Quota| quota.holder() == QuotaHolder::Account;
    for quota in Quota::ALL.iter().filter(of_accounts).copied() {
        let mut net = net();
        net.f.set_quota(quota, MOST);
        let mut made = 0;
        let (scope, more, refused) = loop {
            // What is before these is there already.
            let (scope, more) = net.one_more(quota, 11 + made);
            let before: Vec<Record> = net.f.world.records().cloned().collect();
            match net.f.try_as(scope, more.clone()) {
                Ok(_) => made += 1,
                Err(refused) => {
                    assert!(net.f.world.records().eq(&before), "{quota}");
                    break (scope, more, refused);
                }
            }
            assert!(made <= 2 * MOST as u8, "{quota} is never reached");
        };
        assert_eq!(refused.code, quota.code(), "{quota}: {refused}");
        // Whoever accepts is refused for the other side's sake.
        let whose = if quota == Quota::Peerings { ours() } else { scope };
        let used = net.f.world.account_usage(whose.account, quota, net.f.now);
        // An interface with too many groups is refused as a whole.
        let full = if quota == Quota::InterfaceGroups { 0 } else { u64::from(MOST) };
        assert_eq!(used, full, "what is used of {quota}");
        // A quota of nothing refuses the very first one.
        net.f.set_quota(quota, 0);
        assert_eq!(net.f.try_as(scope, more.clone()).unwrap_err().code, quota.code(), "{quota}");
        // A greater one, and another account's, lets it through.
        net.f.set_quota(quota, 100);
        net.f.try_as(scope, more).unwrap_or_else(|refused| panic!("{quota}: {refused}"));
    }
}

#[test]
fn an_accounts_own_quota_comes_before_that_of_all_and_that_before_awss() {
    let mut f = Fixture::new();
    let quota = Quota::Vpcs;
    let set = |f: &mut Fixture, account: Option<Scope>, most| {
        let of = account.map_or(QuotaOf::All, |scope| QuotaOf::Account(scope.account));
        let set = IdentityCommand::SetQuota { of, quota, most };
        f.decide(Caller::Operator, set.into())
    };
    let of = |f: &Fixture| [ours(), theirs()].map(|scope| f.world.quota(scope.account, quota));
    let early = set(&mut f, None, Some(7)).unwrap_err();
    assert_eq!(early.code, Code::OperationNotPermitted, "nothing is set up yet");
    f.put(plan::lab::settings());
    assert_eq!(of(&f), [None; 2]);
    let like_aws = |like_aws| IdentityCommand::SetLikeAws { like_aws }.into();
    f.decide(Caller::Operator, like_aws(true)).unwrap();
    assert_eq!(of(&f), [Some(5); 2]);
    set(&mut f, None, Some(7)).unwrap();
    set(&mut f, Some(theirs()), Some(0)).unwrap();
    assert_eq!(of(&f), [Some(7), Some(0)]);
    f.decide(Caller::Operator, like_aws(false)).unwrap();
    set(&mut f, None, None).unwrap();
    assert_eq!(of(&f), [None, Some(0)]);
    set(&mut f, Some(theirs()), None).unwrap();
    assert_eq!(of(&f), [None; 2]);
    assert_eq!(set(&mut f, None, Some(1_000_001)).unwrap_err().code, Code::InvalidParameterValue);
    let nobody = Scope { account: AccountId::MAX, ..ours() };
    assert_eq!(set(&mut f, Some(nobody), Some(1)).unwrap_err().code, Code::NotFound);
    let of_all = IdentityCommand::SetQuota { of: QuotaOf::All, quota, most: None };
    for command in [like_aws(true), of_all.into()] {
        let caller = Caller::Account { scope: ours(), read_only: false };
        let refused = f.decide(caller, command).unwrap_err();
        assert_eq!(refused.code, Code::UnauthorizedOperation);
    }
}

#[test]
fn a_record_of_an_older_version_has_no_quotas_and_one_without_says_none() {
    let account = r#"{"id":"111111111111","name":"ours","created":"2026-01-31T12:00:00Z"}"#;
    let read = Record::read("account", "111111111111", account).unwrap();
    let Record::Account(found) = &read else { panic!() };
    assert!(found.quotas.is_empty());
    assert!(!read.body().contains("quotas"), "{}", read.body());
    let settings: Record = plan::lab::settings().into();
    assert!(!settings.body().contains("quotas"), "{}", settings.body());
}

#[test]
fn names_are_read_as_they_are_written() {
    for quota in Quota::ALL {
        assert_eq!(quota.to_string().parse(), Ok(*quota));
        // Who has AWS's quotas has no more than others.
        let of_aws = quota.of_aws().unwrap_or(0);
        assert!(quota.default().is_none_or(|most| most >= of_aws), "{quota}");
        assert_eq!(quota.of_aws().is_some(), quota.holder() == QuotaHolder::Account);
    }
    assert!("subnets".parse::<Quota>().is_err());
}

#[test]
fn as_many_instances_start_as_there_is_room_for_if_these_are_enough() {
    let mut net = net();
    net.f.set_quota(Quota::Instances, 5);
    let run = |min_count, max_count| {
        C::RunInstances(RunInstances { min_count, max_count, ..run_in(net.subnet) })
    };
    let made = |reply: Reply| match reply {
        Reply::Resources(made) => made,
        other => panic!("{other:?}"),
    };
    let first = made(net.f.run(run(2, 4)));
    assert_eq!(first.len(), 4);
    assert_eq!(made(net.f.run(run(1, 3))).len(), 1);
    let refused = net.f.try_as(ours(), run(1, 1)).unwrap_err();
    assert_eq!(refused.code, Code::InstanceLimitExceeded);
    assert!(refused.message.contains("instance limit of 5") && refused.message.contains("raise"));
    // What was terminated is not counted.
    let Key::Instance(id) = first[0] else { panic!() };
    let instance = Instance::clone(net.f.world.instance(id).unwrap());
    net.f.put(Instance { state: InstanceState::Terminated, ..instance });
    assert_eq!(made(net.f.run(run(1, 1))).len(), 1);
}
