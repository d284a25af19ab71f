//! The world: every resource with its indexes, as a value that is cheap to copy.
//!
//! Copies share what they have in common, so that a decision can work on its own copy, a refusal
//! drops it, and readers hold on to a consistent state for as long as they like.

use std::net::Ipv4Addr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::load::Load;
use crate::resource::*;
use crate::{
    AccessKeyId, AccountId, AclId, AddonId, Alias, AllocationId, AppId, DhcpOptionsId, DynoId,
    EgressGatewayId, EniId, Errand, FlowLogId, HostId, IgwId, InstanceId, JoinTokenId, Key,
    KeyPairId, Kind, LogDrainId, NatGatewayId, NetworkInsightsAnalysisId, NetworkInsightsPathId,
    Part, PcxId, PrefixListId, Record, ReleaseId, RoleId, RouteTableId, SecurityGroupId,
    SettingsKey, SlugId, SpaceId, SubnetId, SubnetReservationId, TeamId, Timestamp, TokenId,
    UserId, VpcId, WebhookId, WorkloadId,
};

/// One change of the world, and of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This is the resource from now on.
    Put(Record),
    /// The resource is deleted.
    Delete(Key),
}

impl Change {
    /// The key of the resource that changes.
    pub fn key(&self) -> Key {
        match self {
            Self::Put(record) => record.key(),
            Self::Delete(key) => *key,
        }
    }
}

/// Every resource with its indexes.
#[derive(Debug, Clone, Default)]
pub struct World {
    records: OrdMap<Key, Record>,
    /// (what is named, who names it).
    mentions: OrdSet<(Key, Key)>,
    aliases: OrdMap<Alias, Key>,
    parts: OrdMap<Part, Key>,
    addresses: OrdMap<(VpcId, Ipv4Addr), EniId>,
    /// When which resource is due for which errand.
    agenda: OrdSet<(Errand, Timestamp, Key)>,
    /// What is on which host.
    pub(crate) load: Load,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $get:ident $id:ty => $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $get(&self, id: $id) -> Option<&Arc<$name>> {
            match self.records.get(&Key::$name(id)) {
                Some(Record::$name(resource)) => Some(resource),
                _ => None,
            }
        }
    )*};
}

macro_rules! listers {
    ($($(#[$doc:meta])* $all:ident $in:ident => $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $all(&self) -> impl Iterator<Item = &Arc<$name>> + '_ {
            let (min, max) = Kind::$name.range();
            self.records.range(min..=max).filter_map(|(_, record)| match record {
                Record::$name(resource) => Some(resource),
                _ => None,
            })
        }

        /// The resources of this kind that name another resource.
        pub fn $in(&self, named: Key) -> impl Iterator<Item = &Arc<$name>> + '_ {
            self.naming(named, Kind::$name).filter_map(|key| match self.records.get(&key) {
                Some(Record::$name(resource)) => Some(resource),
                _ => None,
            })
        }
    )*};
}

impl World {
    getters! {
        /// An account.
        account AccountId => Account;
        /// An access key.
        access_key AccessKeyId => AccessKey;
        /// A role of an account.
        iam_role RoleId => IamRole;
        /// A user.
        user UserId => User;
        /// A token.
        token TokenId => Token;
        /// A team.
        team TeamId => Team;
        /// A user who was destroyed.
        former_user UserId => FormerUser;
        /// A team that was destroyed.
        former_team TeamId => FormerTeam;
        /// An account that was destroyed.
        former_account AccountId => FormerAccount;
        /// A host.
        host HostId => Host;
        /// A token by which a host joins.
        join_token JoinTokenId => JoinToken;
        /// A space.
        space SpaceId => Space;
        /// An app.
        app AppId => App;
        /// An app's code.
        slug SlugId => Slug;
        /// A release.
        release ReleaseId => Release;
        /// A dyno.
        dyno DynoId => Dyno;
        /// A log drain of an app.
        log_drain LogDrainId => LogDrain;
        /// A data service.
        addon AddonId => Addon;
        /// A VPC.
        vpc VpcId => Vpc;
        /// A subnet.
        subnet SubnetId => Subnet;
        /// A reservation of addresses in a subnet.
        subnet_reservation SubnetReservationId => SubnetReservation;
        /// A route table.
        route_table RouteTableId => RouteTable;
        /// A security group.
        group SecurityGroupId => SecurityGroup;
        /// A network ACL.
        acl AclId => NetworkAcl;
        /// A managed prefix list.
        prefix_list PrefixListId => PrefixList;
        /// A network interface.
        eni EniId => Eni;
        /// An instance.
        instance InstanceId => Instance;
        /// A peering connection.
        peering PcxId => Peering;
        /// An internet gateway.
        gateway IgwId => InternetGateway;
        /// An egress-only internet gateway.
        egress_gateway EgressGatewayId => EgressGateway;
        /// An elastic IP address.
        elastic_ip AllocationId => ElasticIp;
        /// A NAT gateway.
        nat_gateway NatGatewayId => NatGateway;
        /// A DHCP option set.
        dhcp_options DhcpOptionsId => DhcpOptions;
        /// A key pair.
        key_pair KeyPairId => KeyPair;
        /// A flow log.
        flow_log FlowLogId => FlowLog;
        /// A path of Network Insights.
        insights_path NetworkInsightsPathId => NetworkInsightsPath;
        /// An analysis of a path of Network Insights.
        insights_analysis NetworkInsightsAnalysisId => NetworkInsightsAnalysis;
        /// A webhook.
        webhook WebhookId => Webhook;
    }

    listers! {
        /// Every account.
        accounts accounts_naming => Account;
        /// Every access key.
        access_keys access_keys_of => AccessKey;
        /// Every role of an account.
        iam_roles iam_roles_of => IamRole;
        /// Every user.
        users users_naming => User;
        /// Every token.
        tokens tokens_of => Token;
        /// Every team.
        teams teams_of => Team;
        /// Every user who was destroyed.
        former_users former_users_naming => FormerUser;
        /// Every team that was destroyed.
        former_teams former_teams_naming => FormerTeam;
        /// Every account that was destroyed.
        former_accounts former_accounts_naming => FormerAccount;
        /// Every host.
        hosts hosts_naming => Host;
        /// Every token by which a host joins.
        join_tokens join_tokens_naming => JoinToken;
        /// Every space.
        spaces spaces_of => Space;
        /// Every app.
        apps apps_in => App;
        /// Every slug.
        slugs slugs_of => Slug;
        /// Every release.
        releases releases_of => Release;
        /// Every dyno.
        dynos dynos_in => Dyno;
        /// Every log drain of an app.
        log_drains log_drains_of => LogDrain;
        /// Every data service.
        addons addons_of => Addon;
        /// Every VPC.
        vpcs vpcs_of => Vpc;
        /// Every subnet.
        subnets subnets_in => Subnet;
        /// Every reservation of addresses in a subnet.
        subnet_reservations subnet_reservations_in => SubnetReservation;
        /// Every route table.
        route_tables route_tables_in => RouteTable;
        /// Every security group.
        groups groups_in => SecurityGroup;
        /// Every network ACL.
        acls acls_in => NetworkAcl;
        /// Every managed prefix list.
        prefix_lists prefix_lists_of => PrefixList;
        /// Every network interface.
        enis enis_in => Eni;
        /// Every instance.
        instances instances_of => Instance;
        /// Every peering connection.
        peerings peerings_of => Peering;
        /// Every internet gateway.
        gateways gateways_of => InternetGateway;
        /// Every egress-only internet gateway.
        egress_gateways egress_gateways_in => EgressGateway;
        /// Every elastic IP address.
        elastic_ips elastic_ips_of => ElasticIp;
        /// Every NAT gateway.
        nat_gateways nat_gateways_of => NatGateway;
        /// Every DHCP option set.
        dhcp_option_sets dhcp_option_sets_of => DhcpOptions;
        /// Every key pair.
        key_pairs key_pairs_of => KeyPair;
        /// Every flow log.
        flow_logs flow_logs_of => FlowLog;
        /// Every path of Network Insights.
        insights_paths insights_paths_of => NetworkInsightsPath;
        /// Every analysis of a path of Network Insights.
        insights_analyses insights_analyses_of => NetworkInsightsAnalysis;
        /// Every webhook.
        webhooks webhooks_of => Webhook;
    }

    /// The settings of the installation; `None` before its first start.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        match self.records.get(&Key::Settings(SettingsKey)) {
            Some(Record::Settings(settings)) => Some(settings),
            _ => None,
        }
    }

    /// Any resource.
    pub fn get(&self, key: Key) -> Option<&Record> {
        self.records.get(&key)
    }

    /// Every resource, by kind and id.
    pub fn records(&self) -> impl Iterator<Item = &Record> + '_ {
        self.records.values()
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The key of the resource that another name stands for.
    pub fn find(&self, alias: &Alias) -> Option<Key> {
        self.aliases.get(alias).copied()
    }

    /// The app that has a custom domain, or exactly this pattern.
    pub(crate) fn app_at(&self, host: &str) -> Option<&Arc<App>> {
        match self.find(&Alias::host(host))? {
            Key::App(id) => self.app(id),
            _ => None,
        }
    }

    /// The apps that have names or patterns below a domain, once for each name.
    pub(crate) fn apps_below(&self, domain: &str) -> impl Iterator<Item = &Arc<App>> {
        let prefix: Arc<str> = format!("{}.", crate::reversed_labels(domain)).into();
        let first = Alias::Host(Arc::clone(&prefix));
        self.aliases.range(first..).map_while(move |(alias, key)| match (alias, key) {
            (Alias::Host(host), Key::App(id)) if host.starts_with(&*prefix) => self.app(*id),
            _ => None,
        })
    }

    /// The key of the resource that a part belongs to.
    pub fn whole(&self, part: Part) -> Option<Key> {
        self.parts.get(&part).copied()
    }

    /// The resources of a kind that name another resource.
    pub fn naming(&self, named: Key, kind: Kind) -> impl Iterator<Item = Key> + '_ {
        let (min, max) = kind.range();
        self.mentions.range((named, min)..=(named, max)).map(|(_, who)| *who)
    }

    /// The interface that has an address in a VPC.
    pub fn eni_at(&self, vpc: VpcId, address: Ipv4Addr) -> Option<&Arc<Eni>> {
        self.addresses.get(&(vpc, address)).and_then(|id| self.eni(*id))
    }

    /// The addresses in use between two of a VPC, inclusive.
    pub fn addresses_between(
        &self,
        vpc: VpcId,
        first: Ipv4Addr,
        last: Ipv4Addr,
    ) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.addresses.range((vpc, first)..=(vpc, last)).map(|((_, address), _)| *address)
    }

    /// The public addresses that are taken between two, inclusive.
    pub(crate) fn public_addresses_between(
        &self,
        first: Ipv4Addr,
        last: Ipv4Addr,
    ) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let all = self.aliases.range(Alias::PublicAddress(first)..=Alias::PublicAddress(last));
        all.filter_map(|(alias, _)| match alias {
            Alias::PublicAddress(address) => Some(*address),
            _ => None,
        })
    }

    /// The resources that wait for an errand, by the time at which they are due.
    pub(crate) fn waiting(&self, errand: Errand) -> impl Iterator<Item = (Timestamp, Key)> + '_ {
        let from = (errand, Timestamp::MIN, Key::Settings(SettingsKey));
        let same = move |entry: &&(Errand, Timestamp, Key)| entry.0 == errand;
        self.agenda.range(from..).take_while(same).map(|(_, at, key)| (*at, *key))
    }

    /// An account by name.
    pub fn account_named(&self, name: &str) -> Option<&Arc<Account>> {
        match self.find(&Alias::Account(name.into()))? {
            Key::Account(id) => self.account(id),
            _ => None,
        }
    }

    /// A role of an account by its name, whatever its case.
    pub fn iam_role_named(&self, account: AccountId, name: &str) -> Option<&Arc<IamRole>> {
        match self.find(&IamRole::alias(account, name))? {
            Key::IamRole(id) => self.iam_role(id),
            _ => None,
        }
    }

    /// A user by address, whatever its case.
    pub fn user_named(&self, email: &str) -> Option<&Arc<User>> {
        match self.find(&Alias::User(email.to_lowercase().into()))? {
            Key::User(id) => self.user(id),
            _ => None,
        }
    }

    /// A team by name.
    pub fn team_named(&self, name: &str) -> Option<&Arc<Team>> {
        match self.find(&Alias::Team(name.into()))? {
            Key::Team(id) => self.team(id),
            _ => None,
        }
    }

    /// A host by name.
    pub fn host_named(&self, name: &str) -> Option<&Arc<Host>> {
        match self.find(&Alias::Machine(name.into()))? {
            Key::Host(id) => self.host(id),
            _ => None,
        }
    }

    /// A token by which a host joins, by hash.
    pub fn join_token_hashed(&self, hash: &str) -> Option<&Arc<JoinToken>> {
        match self.find(&Alias::JoinToken(hash.into()))? {
            Key::JoinToken(id) => self.join_token(id),
            _ => None,
        }
    }

    /// A space by name.
    pub fn space_named(&self, name: &str) -> Option<&Arc<Space>> {
        match self.find(&Alias::Space(name.into()))? {
            Key::Space(id) => self.space(id),
            _ => None,
        }
    }

    /// An app by name.
    pub fn app_named(&self, name: &str) -> Option<&Arc<App>> {
        match self.find(&Alias::App(name.into()))? {
            Key::App(id) => self.app(id),
            _ => None,
        }
    }

    /// A release of an app by its number.
    pub fn release_numbered(&self, app: AppId, version: u32) -> Option<&Arc<Release>> {
        match self.find(&Alias::Release(app, version))? {
            Key::Release(id) => self.release(id),
            _ => None,
        }
    }

    /// A data service by name.
    pub fn addon_named(&self, name: &str) -> Option<&Arc<Addon>> {
        match self.find(&Alias::Addon(name.into()))? {
            Key::Addon(id) => self.addon(id),
            _ => None,
        }
    }

    /// A dyno by its name in an app.
    pub fn dyno_named(&self, app: AppId, name: &str) -> Option<&Arc<Dyno>> {
        match self.find(&Alias::Dyno(app, name.into()))? {
            Key::Dyno(id) => self.dyno(id),
            _ => None,
        }
    }

    /// The dyno that is up in a place that another one has, until that one is up too.
    pub(crate) fn predecessor(&self, app: AppId, name: &str) -> Option<&Arc<Dyno>> {
        match self.find(&Alias::Predecessor(app, name.into()))? {
            Key::Dyno(id) => self.dyno(id),
            _ => None,
        }
    }

    /// The space that a VPC is the own VPC of.
    pub fn space_of_vpc(&self, vpc: &Vpc) -> Option<&Arc<Space>> {
        match vpc.role {
            Some(VpcRole::Space(id)) => self.space(id),
            Some(VpcRole::Data(_)) | None => None,
        }
    }

    /// The dynos of an app that run, start, or crashed and will be restarted. While a dyno of the
    /// formation replaces another one, the old one is included as long as it is up. Dynos that are
    /// being stopped are not.
    pub fn shown_dynos(&self, app: AppId) -> impl Iterator<Item = &Arc<Dyno>> {
        self.dynos_in(Key::App(app)).filter(|dyno| match dyno.superseded {
            true => dyno.state == DynoState::Up,
            false => dyno.is_live(),
        })
    }

    /// The interface of a dyno or an instance.
    pub fn eni_of(&self, workload: WorkloadId) -> Option<&Arc<Eni>> {
        match workload {
            WorkloadId::Dyno(id) => self.eni(self.dyno(id)?.eni),
            WorkloadId::Instance(id) => self.eni(self.instance(id)?.eni),
            WorkloadId::Service(id) => self.eni(self.addon(id)?.eni),
            WorkloadId::Router(id) => self.eni(*self.space(id)?.router_enis.first()?),
        }
    }

    /// Whether the target of a route takes packets, so that the route is active and not a blackhole.
    pub fn takes_packets(&self, table: &RouteTable, to: RouteTo) -> bool {
        match to {
            RouteTo::Peering(id) => {
                self.peering(id).is_some_and(|pcx| pcx.carries() && pcx.side(table.vpc).is_some())
            }
            RouteTo::Interface(id) => self.eni(id).is_some_and(|eni| eni.attachment.is_some()),
            RouteTo::Gateway(id) => self.gateway(id).is_some_and(|igw| igw.vpc == Some(table.vpc)),
            RouteTo::EgressGateway(id) => {
                self.egress_gateway(id).is_some_and(|gateway| gateway.vpc == table.vpc)
            }
            RouteTo::Nat(id) => {
                self.nat_gateway(id).is_some_and(|nat| nat.works() && nat.vpc == table.vpc)
            }
        }
    }

    /// Whether packets go by a route. None go by one to IPv6 blocks yet, whatever its target is.
    pub fn is_active(&self, table: &RouteTable, to: RouteDestination, by: RouteTo) -> bool {
        let is_ipv6 = match to {
            RouteDestination::Cidr(_) => false,
            RouteDestination::Ipv6(_) => true,
            RouteDestination::PrefixList(id) => {
                self.prefix_list(id).is_some_and(|list| list.family == AddressFamily::Ipv6)
            }
        };
        !is_ipv6 && self.takes_packets(table, by)
    }

    /// The account that a resource belongs to, for the store's rows.
    pub fn owner(&self, record: &Record) -> Option<AccountId> {
        match record.owner() {
            Owner::None | Owner::App(_) => None,
            Owner::Account(id) => Some(id),
            Owner::OfVpc(id) => self.vpc(id).map(|vpc| vpc.account),
        }
    }

    /// The app that a resource is or belongs to.
    pub fn app_of(&self, key: Key) -> Option<&Arc<App>> {
        match self.get(key)?.owner() {
            Owner::App(id) => self.app(id),
            Owner::None | Owner::Account(_) | Owner::OfVpc(_) => None,
        }
    }

    /// Applies a change. The indexes follow by themselves.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(record) => self.put(record.clone()),
            Change::Delete(key) => self.delete(*key),
        }
    }

    fn put(&mut self, record: Record) {
        let key = record.key();
        self.delete(key);
        record.mentions(&mut |named| {
            self.mentions.insert((named, key));
        });
        record.aliases(&mut |alias| {
            self.aliases.insert(alias, key);
        });
        record.parts(&mut |part| {
            self.parts.insert(part, key);
        });
        if let Record::Eni(eni) = &record {
            for address in &eni.addresses {
                self.addresses.insert((eni.vpc, *address), eni.id);
            }
        }
        if let Some((errand, at)) = record.due() {
            self.agenda.insert((errand, at, key));
        }
        self.load.add(&record);
        self.records.insert(key, record);
    }

    fn delete(&mut self, key: Key) {
        let Some(record) = self.records.remove(&key) else { return };
        record.mentions(&mut |named| {
            self.mentions.remove(&(named, key));
        });
        record.aliases(&mut |alias| {
            if self.aliases.get(&alias) == Some(&key) {
                self.aliases.remove(&alias);
            }
        });
        record.parts(&mut |part| {
            if self.parts.get(&part) == Some(&key) {
                self.parts.remove(&part);
            }
        });
        if let Record::Eni(eni) = &record {
            for address in eni.addresses.iter().map(|address| (eni.vpc, *address)) {
                if self.addresses.get(&address) == Some(&eni.id) {
                    self.addresses.remove(&address);
                }
            }
        }
        if let Some((errand, at)) = record.due() {
            self.agenda.remove(&(errand, at, key));
        }
        self.load.remove(&record);
    }
}

#[cfg(test)]
impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
            && self.mentions == other.mentions
            && self.aliases == other.aliases
            && self.parts == other.parts
            && self.addresses == other.addresses
            && self.agenda == other.agenda
            && self.load == other.load
    }
}

#[cfg(test)]
impl World {
    /// Panics unless the indexes are what the resources make of them, and every part is unique.
    pub(crate) fn check(&self) {
        let mut rebuilt = Self::default();
        let (mut aliases, mut parts, mut addresses) = (0, 0, 0);
        for record in self.records() {
            record.aliases(&mut |_| aliases += 1);
            record.parts(&mut |_| parts += 1);
            if let Record::Eni(eni) = record {
                addresses += eni.addresses.len();
            }
            rebuilt.put(record.clone());
        }
        assert_eq!(*self, rebuilt);
        assert_eq!(self.aliases.len(), aliases, "two resources share a name");
        assert_eq!(self.parts.len(), parts, "two resources share a part");
        assert_eq!(self.addresses.len(), addresses, "two interfaces share an address");
        for vpc in self.vpcs() {
            self.check_subnets(vpc);
        }
    }

    fn check_subnets(&self, vpc: &Vpc) {
        let mut blocks: Vec<_> =
            self.subnets_in(Key::Vpc(vpc.id)).map(|subnet| subnet.cidr).collect();
        blocks.sort_unstable_by_key(|block| block.base());
        for pair in blocks.windows(2) {
            assert!(!pair[0].overlaps(pair[1]), "subnets overlap: {pair:?}");
        }
        for block in blocks {
            assert!(vpc.blocks().any(|own| own.covers(block)), "{block} lies outside");
        }
        let inside = self.subnets_in(Key::Vpc(vpc.id)).filter_map(|subnet| subnet.ipv6);
        let mut ipv6: Vec<_> = inside.map(|block| block.cidr).collect();
        ipv6.sort_unstable();
        for pair in ipv6.windows(2) {
            assert!(!pair[0].overlaps(pair[1]), "subnets overlap: {pair:?}");
        }
        for block in ipv6 {
            assert!(vpc.ipv6_blocks().any(|own| own.covers(block)), "{block} lies outside");
        }
    }
}
