//! Records: every resource as one type, with what the world and the store need to know of it.

use std::sync::Arc;

use crate::resource::*;
use crate::{
    AccessKeyId, AccountId, AclAssociationId, AclId, AddonId, AppId, DhcpOptionsId, DynoId, EniId,
    IgwId, InstanceId, PcxId, PrefixedId, ReleaseId, RouteTableAssociationId, RouteTableId, Scope,
    SecurityGroupId, SecurityGroupRuleId, SlugId, SpaceId, SubnetId, TeamId, TokenId, UserId,
    VpcCidrAssociationId, VpcId,
};

/// The key of the one record of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Only;

impl std::fmt::Display for Only {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("settings")
    }
}

impl std::str::FromStr for Only {
    type Err = crate::MalformedId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "settings" => Ok(Self),
            _ => Err(crate::MalformedId { text: text.to_owned(), kind: "settings" }),
        }
    }
}

/// A row that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("the row {kind} {id} cannot be read")]
pub struct BadRow {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What is wrong with it.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident $id:ty = $kind:literal, $min:expr, $max:expr;)*) => {
        /// One resource, shared.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Record {
            $($(#[$doc])* $name(Arc<$name>),)*
        }

        /// Which resource: 17 bytes, as every id in it is aligned to one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[$doc])* $name($id),)*
        }

        /// Which kind of resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in the store.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }

            /// The smallest and the largest key of the kind.
            pub(crate) fn range(self) -> (Key, Key) {
                match self { $(Self::$name => (Key::$name($min), Key::$name($max)),)* }
            }
        }

        impl Key {
            /// What it names.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }

            /// Reads what the store holds.
            pub fn parse(kind: &str, id: &str) -> Result<Self, BadRow> {
                let bad = |source: Box<dyn std::error::Error + Send + Sync>| {
                    BadRow { kind: kind.to_owned(), id: id.to_owned(), source }
                };
                match kind {
                    $($kind => id.parse().map(Self::$name).map_err(|e| bad(Box::new(e))),)*
                    _ => Err(bad(format!("'{kind}' is not a kind of resource").into())),
                }
            }
        }

        impl std::fmt::Display for Key {
            /// Writes the id alone, without the kind.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$name(id) => id.fmt(f),)* }
            }
        }

        impl Record {
            /// The resource as JSON.
            pub fn body(&self) -> String {
                match self { $(Self::$name(r) => serde_json::to_string(&**r),)* }
                    .expect("resources hold only what JSON can hold")
            }

            /// Reads what the store holds.
            pub fn read(kind: &str, id: &str, body: &str) -> Result<Self, BadRow> {
                let bad = |source: Box<dyn std::error::Error + Send + Sync>| {
                    BadRow { kind: kind.to_owned(), id: id.to_owned(), source }
                };
                match kind {
                    $($kind => serde_json::from_str(body)
                        .map(|r| Self::$name(Arc::new(r)))
                        .map_err(|e| bad(Box::new(e))),)*
                    _ => Err(bad(format!("'{kind}' is not a kind of resource").into())),
                }
            }
        }

        $(impl From<$name> for Record {
            fn from(resource: $name) -> Self {
                Self::$name(Arc::new(resource))
            }
        })*
    };
}

impl Kind {
    /// The fields that are to be read by nobody but those who may ask for them: a store is to keep
    /// them sealed.
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::App | Self::Release => &["config"],
            Self::Dyno => &["environment"],
            Self::Addon => &["password"],
            Self::Instance => &["user_data"],
            _ => &[],
        }
    }
}

records! {
    /// What the installation was set up with.
    Settings Only = "settings", Only, Only;
    /// An owner of VPCs.
    Account AccountId = "account", AccountId::MIN, AccountId::MAX;
    /// An access key.
    AccessKey AccessKeyId = "access-key", AccessKeyId::MIN, AccessKeyId::MAX;
    /// A person.
    User UserId = "user", UserId::MIN, UserId::MAX;
    /// An API token.
    Token TokenId = "token", TokenId::MIN, TokenId::MAX;
    /// A team.
    Team TeamId = "team", TeamId::MIN, TeamId::MAX;
    /// A Private Space.
    Space SpaceId = "space", SpaceId::MIN, SpaceId::MAX;
    /// An app.
    App AppId = "app", AppId::MIN, AppId::MAX;
    /// An app's code.
    Slug SlugId = "slug", SlugId::MIN, SlugId::MAX;
    /// A release of an app.
    Release ReleaseId = "release", ReleaseId::MIN, ReleaseId::MAX;
    /// A dyno.
    Dyno DynoId = "dyno", DynoId::MIN, DynoId::MAX;
    /// A data service.
    Addon AddonId = "addon", AddonId::MIN, AddonId::MAX;
    /// A VPC.
    Vpc VpcId = "vpc", VpcId::MIN, VpcId::MAX;
    /// A subnet.
    Subnet SubnetId = "subnet", SubnetId::MIN, SubnetId::MAX;
    /// A route table.
    RouteTable RouteTableId = "route-table", RouteTableId::MIN, RouteTableId::MAX;
    /// A security group.
    SecurityGroup SecurityGroupId = "security-group", SecurityGroupId::MIN, SecurityGroupId::MAX;
    /// A network ACL.
    NetworkAcl AclId = "network-acl", AclId::MIN, AclId::MAX;
    /// A network interface.
    Eni EniId = "network-interface", EniId::MIN, EniId::MAX;
    /// An instance.
    Instance InstanceId = "instance", InstanceId::MIN, InstanceId::MAX;
    /// A peering connection.
    Peering PcxId = "vpc-peering-connection", PcxId::MIN, PcxId::MAX;
    /// An internet gateway.
    InternetGateway IgwId = "internet-gateway", IgwId::MIN, IgwId::MAX;
    /// A DHCP option set.
    DhcpOptions DhcpOptionsId = "dhcp-options", DhcpOptionsId::MIN, DhcpOptionsId::MAX;
}

/// Another name of a resource: unique, and an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alias {
    /// An account by name.
    Account(Arc<str>),
    /// A user by address.
    User(Arc<str>),
    /// A token by hash.
    Token(Arc<str>),
    /// A team by name.
    Team(Arc<str>),
    /// A space by name.
    Space(Arc<str>),
    /// An app by name.
    App(Arc<str>),
    /// An app by its name under the platform's domain.
    Label(Arc<str>),
    /// An app by a custom domain.
    Host(Arc<str>),
    /// A release by its number in an app.
    Release(AppId, u32),
    /// A data service by name.
    Addon(Arc<str>),
    /// A dyno that is up in a place that another one has by now, by the name that both have.
    Predecessor(AppId, Arc<str>),
    /// A dyno by its name in an app.
    Dyno(AppId, Arc<str>),
    /// A security group by its name in a VPC.
    Group(VpcId, Arc<str>),
    /// What a request with a token made: where the token means something, what, token.
    Request(Scope, Kind, Arc<str>),
}

/// A part of a resource that has an id of its own: an index too, and apart from [`Alias`] because
/// there are many and they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A rule of a security group.
    GroupRule(SecurityGroupRuleId),
    /// The association of a block with a VPC.
    VpcCidr(VpcCidrAssociationId),
    /// The association of a route table with a subnet, or with a VPC as its main table.
    RouteTableAssociation(RouteTableAssociationId),
    /// The association of a network ACL with a subnet.
    AclAssociation(AclAssociationId),
}

impl Record {
    /// Which resource it is.
    pub fn key(&self) -> Key {
        match self {
            Self::Settings(_) => Key::Settings(Only),
            Self::Account(r) => Key::Account(r.id),
            Self::AccessKey(r) => Key::AccessKey(r.id),
            Self::User(r) => Key::User(r.id),
            Self::Token(r) => Key::Token(r.id),
            Self::Team(r) => Key::Team(r.id),
            Self::Space(r) => Key::Space(r.id),
            Self::App(r) => Key::App(r.id),
            Self::Slug(r) => Key::Slug(r.id),
            Self::Release(r) => Key::Release(r.id),
            Self::Dyno(r) => Key::Dyno(r.id),
            Self::Addon(r) => Key::Addon(r.id),
            Self::Vpc(r) => Key::Vpc(r.id),
            Self::Subnet(r) => Key::Subnet(r.id),
            Self::RouteTable(r) => Key::RouteTable(r.id),
            Self::SecurityGroup(r) => Key::SecurityGroup(r.id),
            Self::NetworkAcl(r) => Key::NetworkAcl(r.id),
            Self::Eni(r) => Key::Eni(r.id),
            Self::Instance(r) => Key::Instance(r.id),
            Self::Peering(r) => Key::Peering(r.id),
            Self::InternetGateway(r) => Key::InternetGateway(r.id),
            Self::DhcpOptions(r) => Key::DhcpOptions(r.id),
        }
    }

    /// Calls back with every resource that this one names: what the world indexes, and what makes
    /// a resource one that is in use.
    pub fn mentions(&self, each: &mut dyn FnMut(Key)) {
        match self {
            Self::Settings(_) | Self::Account(_) | Self::User(_) => {}
            Self::AccessKey(r) => each(Key::Account(r.account)),
            Self::Token(r) => each(Key::User(r.user)),
            Self::Team(r) => r.members.keys().for_each(|user| each(Key::User(*user))),
            Self::Space(r) => {
                each(Key::Team(r.team));
                each(Key::Vpc(r.vpc));
                each(Key::Vpc(r.data_vpc));
                each(Key::Peering(r.data_peering));
            }
            Self::App(r) => {
                each(Key::Team(r.team));
                each(Key::Space(r.space));
            }
            Self::Slug(r) => each(Key::App(r.app)),
            Self::Release(r) => {
                each(Key::App(r.app));
                if let Some(slug) = r.slug {
                    each(Key::Slug(slug));
                }
            }
            Self::Dyno(r) => {
                each(Key::App(r.app));
                each(Key::Space(r.space));
                each(Key::Release(r.release));
            }
            Self::Addon(r) => {
                each(Key::App(r.app));
                each(Key::Space(r.space));
                r.attachments.iter().for_each(|attachment| each(Key::App(attachment.app)));
            }
            Self::Vpc(r) => {
                each(Key::Account(r.account));
                each(Key::DhcpOptions(r.dhcp_options));
            }
            Self::Subnet(r) => {
                each(Key::Vpc(r.vpc));
                each(Key::NetworkAcl(r.acl));
                if let Some(own) = r.route_table {
                    each(Key::RouteTable(own.route_table));
                }
            }
            Self::RouteTable(r) => {
                each(Key::Vpc(r.vpc));
                for to in r.routes.values() {
                    each(match to {
                        RouteTo::Peering(id) => Key::Peering(*id),
                        RouteTo::Interface(id) => Key::Eni(*id),
                        RouteTo::Gateway(id) => Key::InternetGateway(*id),
                    });
                }
            }
            Self::SecurityGroup(r) => {
                each(Key::Vpc(r.vpc));
                for rule in r.rules.values() {
                    if let GroupPeer::Group { group, .. } = rule.peer {
                        each(Key::SecurityGroup(group));
                    }
                }
            }
            Self::NetworkAcl(r) => each(Key::Vpc(r.vpc)),
            Self::Eni(r) => {
                each(Key::Vpc(r.vpc));
                each(Key::Subnet(r.subnet));
                r.groups.iter().for_each(|group| each(Key::SecurityGroup(*group)));
                match r.attachment.as_ref().map(|a| a.workload) {
                    Some(crate::WorkloadId::Dyno(id)) => each(Key::Dyno(id)),
                    Some(crate::WorkloadId::Instance(id)) => each(Key::Instance(id)),
                    Some(crate::WorkloadId::Router(id)) => each(Key::Space(id)),
                    Some(crate::WorkloadId::Service(id)) => each(Key::Addon(id)),
                    None => {}
                }
            }
            Self::Instance(r) => each(Key::Account(r.account)),
            Self::Peering(r) => {
                each(Key::Vpc(r.requester.vpc));
                each(Key::Vpc(r.accepter.vpc));
                each(Key::Account(r.requester.account));
                each(Key::Account(r.accepter.account));
            }
            Self::InternetGateway(r) => {
                each(Key::Account(r.account));
                if let Some(vpc) = r.vpc {
                    each(Key::Vpc(vpc));
                }
            }
            Self::DhcpOptions(r) => each(Key::Account(r.account)),
        }
    }

    /// Calls back with every other name of it.
    pub fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let request = |kind: Kind, token: &Option<ClientToken>| {
            let token = token.as_ref()?;
            Some(Alias::Request(token.scope?, kind, token.token.as_str().into()))
        };
        match self {
            Self::Settings(_)
            | Self::AccessKey(_)
            | Self::Vpc(_)
            | Self::Subnet(_)
            | Self::Eni(_)
            | Self::Peering(_)
            | Self::InternetGateway(_)
            | Self::Slug(_)
            | Self::DhcpOptions(_) => {}
            Self::Account(r) => each(Alias::Account(r.name.as_str().into())),
            Self::User(r) => each(Alias::User(r.email.as_str().into())),
            Self::Token(r) => each(Alias::Token(r.hash.as_str().into())),
            Self::Team(r) => each(Alias::Team(r.name.as_str().into())),
            Self::Space(r) => each(Alias::Space(r.name.as_str().into())),
            Self::App(r) => {
                each(Alias::App(r.name.as_str().into()));
                each(Alias::Label(r.label.as_str().into()));
                r.domains.keys().for_each(|host| each(Alias::Host(host.as_str().into())));
            }
            Self::Release(r) => each(Alias::Release(r.app, r.version)),
            // Of those with the same name, the one that has the place.
            Self::Dyno(r) if r.superseded && r.state == DynoState::Up => {
                each(Alias::Predecessor(r.app, r.name.as_str().into()));
            }
            Self::Dyno(r) if r.superseded => {}
            Self::Dyno(r) => each(Alias::Dyno(r.app, r.name.as_str().into())),
            Self::Addon(r) => each(Alias::Addon(r.name.as_str().into())),
            Self::SecurityGroup(r) => each(Alias::Group(r.vpc, Arc::clone(&r.name))),
            Self::RouteTable(r) => {
                request(Kind::RouteTable, &r.client_token).into_iter().for_each(each);
            }
            Self::NetworkAcl(r) => {
                request(Kind::NetworkAcl, &r.client_token).into_iter().for_each(each);
            }
            // Every instance of a request carries its token; the first one stands for them.
            Self::Instance(r) if r.launch_index == 0 => {
                request(Kind::Instance, &r.client_token).into_iter().for_each(each);
            }
            Self::Instance(_) => {}
        }
    }

    /// Calls back with every part of it that has an id of its own.
    pub fn parts(&self, each: &mut dyn FnMut(Part)) {
        match self {
            Self::Vpc(r) => {
                r.cidrs.iter().for_each(|c| each(Part::VpcCidr(c.id)));
                each(Part::RouteTableAssociation(r.main_association));
            }
            Self::Subnet(r) => {
                each(Part::AclAssociation(r.acl_association));
                if let Some(own) = r.route_table {
                    each(Part::RouteTableAssociation(own.id));
                }
            }
            Self::SecurityGroup(r) => r.rules.keys().for_each(|id| each(Part::GroupRule(*id))),
            Self::Settings(_)
            | Self::Account(_)
            | Self::AccessKey(_)
            | Self::User(_)
            | Self::Token(_)
            | Self::Team(_)
            | Self::Space(_)
            | Self::App(_)
            | Self::Slug(_)
            | Self::Release(_)
            | Self::Dyno(_)
            | Self::Addon(_)
            | Self::RouteTable(_)
            | Self::NetworkAcl(_)
            | Self::Eni(_)
            | Self::Instance(_)
            | Self::Peering(_)
            | Self::InternetGateway(_)
            | Self::DhcpOptions(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// The world's indexes hold little else: a word more in a key is megabytes in a large world.
    #[test]
    fn keys_are_small() {
        assert_eq!(size_of::<Key>(), 17);
        assert_eq!(size_of::<Part>(), 10);
        assert_eq!(size_of::<(Key, Record)>(), 40);
        assert_eq!(size_of::<(Alias, Key)>(), 64);
    }
}
