//! Worlds with spaces, VPCs and peerings, made record by record from what `model` offers anyone.

use std::collections::BTreeMap;
use std::str::FromStr;

use model::intent::MacAddr;
use model::*;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) fn id<T: PrefixedId>(n: usize) -> T {
    // Spread over all digits, as real ones are.
    let digits = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> 60;
    format!("{}-{digits:017x}", T::PREFIX).parse().expect("seventeen digits are an id")
}

pub(crate) fn uuid<T: FromStr<Err = MalformedId>>(n: usize) -> T {
    format!("00000000-0000-4000-8000-{n:012x}").parse().expect("it is a uuid")
}

pub(crate) fn account(n: usize) -> AccountId {
    format!("{:012}", 111_111_111_111 + n as u64 * 7_654_321).parse().expect("twelve digits")
}

pub(crate) fn platform() -> AccountId {
    "999999999999".parse().expect("twelve digits")
}

fn cidr(text: &str) -> Cidr {
    text.parse().expect("it is a block")
}

/// A world that is being made. Numbers are ids, of their own for each kind.
pub(crate) struct Fixture {
    pub(crate) world: World,
    next: usize,
}

pub(crate) const PAYMENTS: usize = 0;
pub(crate) const LEDGER: usize = 1;
pub(crate) const ORDERS: usize = 2;
pub(crate) const ARCHIVE: usize = 3;
pub(crate) const SEARCH: usize = 4;
pub(crate) const WAREHOUSE: usize = 5;

impl Fixture {
    pub(crate) fn new() -> Self {
        let mut new = Self { world: World::default(), next: 0 };
        new.put(Settings {
            platform_account: platform(),
            region: Region::DEFAULT,
            emulator: false,
            instance: "t1".to_owned(),
            created: NOW,
            clock_offset: 0,
            outbound: None,
            fabric: None,
            quotas: Default::default(),
        });
        new
    }

    pub(crate) fn put(&mut self, record: impl Into<Record>) {
        self.world.apply(&Change::Put(record.into()));
    }

    fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next + 1_000_000
    }

    pub(crate) fn account(&mut self, n: usize, name: &str) {
        self.put(Account {
            disabled: None,
            id: account(n),
            name: name.to_owned(),
            created: NOW,
            quotas: Default::default(),
        });
    }

    /// A team with one member, the user of the same number.
    pub(crate) fn team(&mut self, n: usize) {
        self.put(Team {
            disabled: None,
            quotas: Default::default(),
            id: uuid(n),
            name: format!("team-{n}"),
            members: BTreeMap::from([(uuid(n), Role::Member)]),
            demands_second_factor: false,
            created: NOW,
            updated: NOW,
        });
    }

    /// A VPC with an open ACL and group, one table and as many subnets as there are names.
    fn network(&mut self, vpc: Vpc, subnets: &[(&str, &str)]) {
        let all = Traffic::All;
        let any = AclEntry { allow: true, traffic: all, cidr: Cidr::ANY.into() };
        let rules = [Direction::Egress, Direction::Ingress].map(|direction| {
            let peer = match direction {
                Direction::Egress => GroupPeer::Cidr(Cidr::ANY),
                Direction::Ingress => GroupPeer::Cidr(vpc.primary()),
            };
            let rule = GroupRule {
                direction,
                traffic: all,
                peer,
                description: None,
                tags: Tags::new(),
                created: NOW,
            };
            (id(self.fresh()), rule)
        });
        let at = vpc.id;
        self.put(RouteTable {
            id: vpc.main_route_table,
            vpc: at,
            routes: SmallMap::new(),
            client_token: None,
            tags: Tags::new(),
            created: NOW,
        });
        self.put(NetworkAcl {
            id: vpc.default_acl,
            vpc: at,
            is_default: true,
            ingress: [(100, any)].into_iter().collect(),
            egress: [(100, any)].into_iter().collect(),
            client_token: None,
            tags: Tags::new(),
            created: NOW,
        });
        self.put(SecurityGroup {
            id: vpc.default_group,
            vpc: at,
            name: "default".into(),
            description: String::new(),
            rules: rules.into_iter().collect(),
            tags: Tags::new(),
            created: NOW,
        });
        for (n, (block, name)) in subnets.iter().enumerate() {
            let association = id(self.fresh());
            self.put(Subnet {
                id: id(vpc.id.bits() as usize % 1_000_000_007 * 8 + n),
                vpc: at,
                cidr: cidr(block),
                zone: vpc.region.zone(n),
                route_table: None,
                acl: vpc.default_acl,
                acl_association: association,
                default_for_zone: false,
                map_public_ip: false,
                ipv6: None,
                launch: Default::default(),
                tags: named(name),
                created: NOW,
            });
        }
        self.put(vpc);
    }

    fn bare(&mut self, n: usize, of: AccountId, region: &str, blocks: &[&str]) -> Vpc {
        Vpc {
            id: id(n),
            account: of,
            region: region.parse().expect("it is a region"),
            cidrs: blocks
                .iter()
                .map(|block| VpcCidr { id: id(self.fresh()), cidr: cidr(block) })
                .collect(),
            ipv6: Vec::new(),
            dns_support: true,
            dns_hostnames: false,
            usage_metrics: false,
            is_default: false,
            dhcp_options: Some(id(1)),
            main_route_table: id(n),
            main_association: id(n),
            default_acl: id(n),
            default_group: id(n),
            tenancy: Default::default(),
            role: None,
            tags: Tags::new(),
            created: NOW,
        }
    }

    /// A VPC of an account; its subnets are pairs of a block and a name.
    pub(crate) fn vpc(
        &mut self,
        n: usize,
        of: usize,
        region: &str,
        (block, name): (&str, &str),
        subnets: &[(&str, &str)],
    ) {
        let bare = self.bare(n, account(of), region, &[block]);
        self.network(Vpc { tags: named(name), ..bare }, subnets);
    }

    /// A space of a team. Its VPC has the number of the space and 10,000, its data VPC 20,000.
    pub(crate) fn space(&mut self, n: usize, team: usize, region: &str, name: &str, block: &str) {
        let whole = cidr(block);
        let [a, b, ..] = whole.base().octets();
        let dynos = [128, 144].map(|third| format!("{a}.{b}.{third}.0/20"));
        let (own, data) = (10_000 + n, 20_000 + n);
        let data_block = "10.1.0.0/16";
        let bare = self.bare(own, platform(), region, &[block]);
        let vpc = Vpc { role: Some(VpcRole::Space(uuid(n))), ..bare };
        let subnets: Vec<(&str, &str)> = dynos.iter().map(|d| (d.as_str(), "")).collect();
        let first = vpc.id.bits() as usize % 1_000_000_007 * 8;
        self.network(vpc, &subnets);
        let bare = self.bare(data, platform(), region, &[data_block]);
        self.network(Vpc { role: Some(VpcRole::Data(uuid(n))), ..bare }, &[]);
        self.put(Space {
            id: uuid(n),
            name: name.to_owned(),
            team: uuid(team),
            region: region.parse().expect("it is a region"),
            state: SpaceState::Allocated,
            cidr: whole,
            data_cidr: cidr(data_block),
            vpc: id(own),
            data_vpc: id(data),
            data_peering: id(data),
            dyno_subnets: [id(first), id(first + 1)],
            dyno_group: id(own),
            router_enis: Vec::new(),
            router_hosts: BTreeMap::new(),
            peering_limit: 500,
            trusted: vec![Cidr::ANY],
            inbound: None,
            no_apps: Default::default(),
            nat_gateway: None,
            created: NOW,
            updated: NOW,
        });
        self.put(App {
            id: uuid(n),
            name: name.split('-').next().unwrap_or(name).to_owned(),
            team: uuid(team),
            space: uuid(n),
            owner: uuid(team),
            internal_routing: false,
            fence_stop: false,
            label: format!("label-{n}"),
            config: BTreeMap::new(),
            formation: BTreeMap::new(),
            domains: BTreeMap::new(),
            release: uuid(n),
            created: NOW,
            updated: NOW,
        });
    }

    fn eni(&mut self, vpc: VpcId, subnet: usize, address: &str, workload: WorkloadId) -> EniId {
        let n = self.fresh();
        let attachment = Attachment {
            id: id(n),
            workload,
            device_index: 0,
            delete_on_termination: true,
            attached: NOW,
        };
        let group = self.world.vpc(vpc).expect("it is there").default_group;
        self.put(Eni {
            id: id(n),
            vpc,
            subnet: id(vpc.bits() as usize % 1_000_000_007 * 8 + subnet),
            mac: MacAddr([2, 0, 0, (n >> 16) as u8, (n >> 8) as u8, n as u8]),
            addresses: vec![address.parse().expect("it is an address")],
            ipv6_addresses: Vec::new(),
            primary_ipv6: false,
            groups: vec![group],
            source_dest_check: true,
            description: String::new(),
            attachment: Some(attachment),
            requester_managed: false,
            public: PublicAddress::None,
            nat_gateway: None,
            created: NOW,
            tags: Tags::new(),
            client_token: None,
        });
        id(n)
    }

    /// An instance in a subnet of a VPC, by its place.
    pub(crate) fn instance(&mut self, vpc: usize, subnet: usize, address: &str) -> InstanceId {
        let (n, vpc): (usize, VpcId) = (self.fresh(), id(vpc));
        let eni = self.eni(vpc, subnet, address, WorkloadId::Instance(id(n)));
        self.put(Instance {
            id: id(n),
            reservation: id(n),
            launch_index: 0,
            account: self.world.vpc(vpc).expect("it is there").account,
            vpc,
            subnet: id(vpc.bits() as usize % 1_000_000_007 * 8 + subnet),
            eni,
            host: None,
            address: address.parse().expect("it is an address"),
            image: "ami-host".to_owned(),
            instance_type: "t3.micro".to_owned(),
            key_name: None,
            user_data: None,
            state: InstanceState::Running,
            exit: None,
            launched: NOW,
            since: NOW,
            client_token: None,
            tags: Tags::new(),
            options: InstanceOptions::default(),
            boot: Boot::Settled,
            starts: 0,
        });
        id(n)
    }

    /// A dyno of a space's app.
    pub(crate) fn dyno(
        &mut self,
        space: usize,
        name: &str,
        (subnet, address): (usize, &str),
        up: bool,
    ) {
        let n = self.fresh();
        let eni = self.eni(id(10_000 + space), subnet, address, WorkloadId::Dyno(uuid(n)));
        let (kind, number) = name.split_once('.').expect("a name has a number");
        self.put(Dyno {
            id: uuid(n),
            app: uuid(space),
            space: uuid(space),
            name: name.to_owned(),
            process_type: kind.to_owned(),
            number: number.parse().ok(),
            release: uuid(space),
            command: String::new(),
            size: DynoSize::S,
            environment: BTreeMap::new(),
            stdio: Stdio::Log,
            state: if up { DynoState::Up } else { DynoState::Starting },
            exit: None,
            eni,
            host: None,
            superseded: false,
            fenced_until: None,
            crashes: 0,
            created: NOW,
            updated: NOW,
        });
    }

    /// A peering that one VPC asked another for.
    pub(crate) fn peering(&mut self, n: usize, from: usize, to: usize, state: PeeringState) {
        let side = |vpc: usize| {
            let vpc = self.world.vpc(id(vpc)).expect("it is there");
            PeeringSide {
                account: vpc.account,
                region: vpc.region,
                vpc: vpc.id,
                cidrs: vpc.blocks().collect(),
                ipv6: Vec::new(),
                dns_resolution: false,
                tags: Tags::new(),
            }
        };
        let peering = Peering {
            id: id(n),
            requester: side(from),
            accepter: side(to),
            kind: PeeringKind::Customer,
            state,
            since: NOW,
            by: None,
            expires: NOW + PEERING_EXPIRY,
        };
        self.put(peering);
    }

    /// The same, active, with routes on both sides.
    pub(crate) fn active(&mut self, n: usize, from: usize, to: usize) {
        self.peering(n, from, to, PeeringState::Active);
        self.route(n, from, to);
        self.route(n, to, from);
    }

    /// A route of a VPC's main table over a peering to another one.
    pub(crate) fn route(&mut self, n: usize, of: usize, to: usize) {
        let block = self.world.vpc(id(to)).expect("it is there").primary();
        let table = self.world.route_table(id(of)).expect("it is there");
        let mut table = RouteTable::clone(table);
        table.routes.insert(block.into(), RouteTo::Peering(id(n)));
        self.put(table);
    }

    /// Lets everything from a block into a VPC.
    pub(crate) fn let_in(&mut self, vpc: usize, block: &str) {
        let group = self.world.group(id(vpc)).expect("it is there");
        let mut group = SecurityGroup::clone(group);
        let rule = GroupRule {
            direction: Direction::Ingress,
            traffic: Traffic::All,
            peer: GroupPeer::Cidr(cidr(block)),
            description: None,
            tags: Tags::new(),
            created: NOW,
        };
        group.rules.insert(id(self.fresh()), rule);
        self.put(group);
    }
}

fn named(name: &str) -> Tags {
    let tag = (!name.is_empty()).then(|| ("Name".to_owned(), name.to_owned()));
    tag.into_iter().collect()
}

/// Three spaces and six VPCs in two regions: something of everything. Team 1 has the spaces,
/// account 1 most VPCs, and account 2 `archive`.
pub(crate) fn small() -> Fixture {
    let mut f = Fixture::new();
    f.team(1);
    f.account(1, "shop");
    f.account(2, "archives");
    let (us, eu) = ("us-east-1", "eu-west-1");
    f.space(1, 1, us, "spaces-peering-example", "10.0.0.0/16");
    f.space(2, 1, us, "staging-private", "10.32.0.0/16");
    f.space(3, 1, eu, "billing-private", "10.20.0.0/16");
    let payments =
        [("10.64.0.0/20", "app-a"), ("10.64.16.0/20", "app-b"), ("10.64.32.0/20", "db-a")];
    f.vpc(PAYMENTS, 1, us, ("10.64.0.0/16", "payments-prod"), &payments);
    f.vpc(LEDGER, 1, us, ("10.1.128.0/18", "ledger"), &[("10.1.128.0/24", "main")]);
    f.vpc(ORDERS, 1, us, ("10.100.0.0/16", "orders"), &[("10.100.0.0/24", "main")]);
    f.vpc(ARCHIVE, 2, eu, ("10.200.0.0/16", "archive"), &[("10.200.0.0/24", "main")]);
    f.vpc(SEARCH, 1, eu, ("192.168.0.0/20", "search-eu"), &[]);
    f.vpc(WAREHOUSE, 1, eu, ("172.20.0.0/16", "warehouse"), &[("172.20.0.0/24", "main")]);
    f.instance(PAYMENTS, 0, "10.64.0.10");
    f.instance(PAYMENTS, 1, "10.64.16.10");
    f.instance(PAYMENTS, 2, "10.64.32.10");
    f.instance(ARCHIVE, 0, "10.200.0.10");
    f.instance(WAREHOUSE, 0, "172.20.0.10");
    f.instance(ORDERS, 0, "10.100.0.10");
    f.dyno(1, "web.1", (0, "10.0.128.11"), true);
    f.dyno(1, "worker.1", (0, "10.0.128.12"), true);
    f.dyno(1, "web.2", (1, "10.0.144.11"), false);
    f.dyno(3, "web.1", (0, "10.20.128.11"), true);
    f.active(1, PAYMENTS, 10_001);
    f.peering(2, ORDERS, 10_001, PeeringState::PendingAcceptance);
    f.peering(3, LEDGER, 10_001, PeeringState::PendingAcceptance);
    f.active(4, WAREHOUSE, 10_001);
    f.active(5, ARCHIVE, 10_003);
    f.peering(6, PAYMENTS, 10_002, PeeringState::Rejected);
    f.peering(7, ORDERS, PAYMENTS, PeeringState::Active);
    f.route(7, ORDERS, PAYMENTS);
    f.peering(8, WAREHOUSE, ORDERS, PeeringState::Provisioning);
    f.let_in(WAREHOUSE, "10.0.0.0/16");
    f.let_in(ARCHIVE, "10.20.0.0/16");
    f
}

/// Many VPCs with two peerings each or more, of accounts in three regions, some of which wait, do
/// not work or ended.
pub(crate) fn large(spaces: usize, accounts: usize, vpcs: usize, peerings: usize) -> Fixture {
    let mut f = Fixture::new();
    f.team(1);
    let regions = ["us-east-1", "eu-west-1", "ap-northeast-1"];
    let names = ["payments", "orders", "ledger", "warehouse", "research", "logistics", "search"];
    for n in 0..accounts {
        f.account(n, &format!("{}-{n}", names[n % names.len()]));
    }
    for n in 0..spaces {
        let block = format!("10.{}.0.0/16", n % 250 + 2);
        f.space(n, 1, regions[n % 3], &format!("space-{n:03}"), &block);
        f.dyno(n, "web.1", (0, &format!("10.{}.128.11", n % 250 + 2)), true);
    }
    for n in 0..vpcs {
        let of = n % accounts.max(1);
        let block = format!("172.{}.{}.0/24", 20 + n / 250 % 10, n % 250);
        let name = format!("{}-{n:03}", names[of % names.len()]);
        let region = regions[(of + n / accounts.max(1) / 7) % 3];
        f.vpc(n, of, region, (&block, &name), &[(&block, "main")]);
        f.instance(n, 0, &format!("172.{}.{}.10", 20 + n / 250 % 10, n % 250));
    }
    for n in 0..peerings {
        let vpc = n % vpcs;
        let other = match n % 10 {
            9 => (vpc + 1 + n / vpcs) % vpcs,
            _ => 10_000 + (vpc * 7 + n / vpcs * 3) % spaces,
        };
        match n % 37 {
            5 => f.peering(n, vpc, other, PeeringState::PendingAcceptance),
            11 => f.peering(n, vpc, other, PeeringState::Active),
            17 => f.peering(n, vpc, other, PeeringState::Rejected),
            23 => f.peering(n, vpc, other, PeeringState::Provisioning),
            _ => f.active(n, vpc, other),
        }
    }
    f
}
