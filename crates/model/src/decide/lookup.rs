//! What a caller may name: its own resources, in the region that it asks in.
//!
//! What belongs to somebody else, or lies in another region, is answered exactly as what does not
//! exist: nothing about it is revealed.

use std::sync::Arc;

use super::{Decision, refuse};
use crate::resource::*;
use crate::{
    AclId, Alias, Code, EgressGatewayId, EniId, IgwId, InstanceId, Key, Kind, PcxId, PrefixListId,
    Record, Refused, RouteTableId, Scope, SecurityGroupId, SecurityGroupRuleId, SubnetId,
    SubnetReservationId, VpcId,
};

/// A resource that lies in a VPC.
pub(super) trait InVpc {
    fn vpc(&self) -> VpcId;
}

macro_rules! in_vpc {
    ($($name:ident),*) => {$(
        impl InVpc for Arc<$name> {
            fn vpc(&self) -> VpcId {
                self.vpc
            }
        }
    )*};
}

in_vpc!(Subnet, SubnetReservation, RouteTable, SecurityGroup, NetworkAcl, Eni, EgressGateway);

/// A refusal for an id that means nothing to the caller.
pub(super) fn absent(code: Code, what: &str, id: impl std::fmt::Display) -> Refused {
    Refused::new(code, format_args!("The {what} '{id}' does not exist"))
}

/// A refusal for instances that mean nothing to the caller: all of them, in one message.
pub(super) fn absent_instances(ids: &[InstanceId]) -> Refused {
    let texts: Vec<String> = ids.iter().map(InstanceId::to_string).collect();
    let (id, does) = if ids.len() == 1 { ("ID", "does") } else { ("IDs", "do") };
    Refused::new(
        Code::InstanceNotFound,
        format_args!("The instance {id} '{}' {does} not exist", texts.join(", ")),
    )
}

/// A refusal for a rule that is in no group of the caller.
pub(super) fn no_such_rule(id: SecurityGroupRuleId) -> Refused {
    absent(Code::GroupRuleNotFound, "security group rule ID", id)
}

macro_rules! own {
    ($($own:ident $get:ident $id:ty => $name:ident, $code:ident $what:literal;)*) => {$(
        pub(super) fn $own(&self, scope: Scope, id: $id) -> Result<Arc<$name>, Refused> {
            let found = self.world.$get(id).filter(|found| self.holds(scope, found.vpc));
            found.cloned().ok_or_else(|| absent(Code::$code, $what, id))
        }
    )*};
}

impl Decision<'_> {
    own! {
        own_subnet subnet SubnetId => Subnet, SubnetNotFound "subnet ID";
        own_reservation subnet_reservation SubnetReservationId
            => SubnetReservation, SubnetReservationNotFound "subnet CIDR reservation ID";
        own_route_table route_table RouteTableId => RouteTable, RouteTableNotFound "routeTable ID";
        own_group group SecurityGroupId => SecurityGroup, GroupNotFound "security group";
        own_acl acl AclId => NetworkAcl, AclNotFound "networkAcl ID";
        own_egress_gateway egress_gateway EgressGatewayId
            => EgressGateway, EgressGatewayNotFound "eigw ID";
        own_eni eni EniId => Eni, EniNotFound "networkInterface ID";
    }

    pub(super) fn own_vpc(&self, scope: Scope, id: VpcId) -> Result<Arc<Vpc>, Refused> {
        let found = self.world.vpc(id).filter(|vpc| scope.holds(vpc));
        found.cloned().ok_or_else(|| absent(Code::VpcNotFound, "vpc ID", id))
    }

    /// An instance outlives its VPC for a while, and then has no region any more.
    pub(super) fn own_instance(
        &self,
        scope: Scope,
        id: InstanceId,
    ) -> Result<Arc<Instance>, Refused> {
        let here = |instance: &Instance| {
            self.world.vpc(instance.vpc).is_none_or(|vpc| vpc.region == scope.region)
        };
        let found = self.world.instance(id).filter(|i| i.account == scope.account && here(i));
        found.cloned().ok_or_else(|| absent(Code::InstanceNotFound, "instance ID", id))
    }

    pub(super) fn own_gateway(
        &self,
        scope: Scope,
        id: IgwId,
    ) -> Result<Arc<InternetGateway>, Refused> {
        let mine =
            |igw: &InternetGateway| igw.account == scope.account && igw.region == scope.region;
        let found = self.world.gateway(id).filter(|igw| mine(igw));
        found.cloned().ok_or_else(|| absent(Code::GatewayNotFound, "internetGateway ID", id))
    }

    pub(super) fn own_prefix_list(
        &self,
        scope: Scope,
        id: PrefixListId,
    ) -> Result<Arc<PrefixList>, Refused> {
        let mine = |list: &PrefixList| list.account == scope.account && list.region == scope.region;
        let found = self.world.prefix_list(id).filter(|list| mine(list));
        found.cloned().ok_or_else(|| absent(Code::PrefixListNotFound, "prefix list ID", id))
    }

    /// A peering that the caller still sees, from either side.
    pub(super) fn seen_peering(&self, scope: Scope, id: PcxId) -> Result<Arc<Peering>, Refused> {
        let seen = |pcx: &Peering| pcx.visible_to(scope.account, scope.region, self.now);
        let found = self.world.peering(id).filter(|pcx| seen(pcx));
        found.cloned().ok_or_else(|| absent(Code::PeeringNotFound, "vpcPeeringConnection ID", id))
    }

    /// A VPC of the caller that it may change: the platform's are changed by the platform alone,
    /// not even with a key of its account (R14).
    pub(super) fn editable_vpc(&self, scope: Scope, id: VpcId) -> Result<Arc<Vpc>, Refused> {
        let vpc = self.own_vpc(scope, id)?;
        match vpc.role {
            None => Ok(vpc),
            Some(VpcRole::Space(_) | VpcRole::Data(_)) => refuse(
                Code::OperationNotPermitted,
                format_args!("The vpc '{id}' belongs to a Private Space; the platform manages it."),
            ),
        }
    }

    /// A resource that lies in a VPC which the caller may change.
    pub(super) fn in_editable<T: InVpc>(&self, scope: Scope, inside: T) -> Result<T, Refused> {
        self.editable_vpc(scope, inside.vpc()).map(|_| inside)
    }

    fn holds(&self, scope: Scope, vpc: VpcId) -> bool {
        self.world.vpc(vpc).is_some_and(|vpc| scope.holds(vpc))
    }

    /// The resource that an earlier request with the same client token made, if there was one.
    pub(super) fn repeated(
        &self,
        scope: Scope,
        kind: Kind,
        token: Option<&ClientToken>,
    ) -> Result<Option<Key>, Refused> {
        let Some(token) = token else { return Ok(None) };
        let alias = Alias::Request(scope, kind, token.token.as_str().into());
        let Some(key) = self.world.find(&alias) else { return Ok(None) };
        if self
            .world
            .get(key)
            .and_then(Record::client_token)
            .is_some_and(|first| first.is_repeated_by(token))
        {
            return Ok(Some(key));
        }
        refuse(
            Code::IdempotentParameterMismatch,
            format_args!(
                "The client token '{}' was used before, with other parameters",
                token.token
            ),
        )
    }
}

/// A refusal for a parameter that is not there.
pub(super) fn missing<T>(parameter: &str) -> Result<T, Refused> {
    refuse(
        Code::MissingParameter,
        format_args!("The request must contain the parameter {parameter}"),
    )
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    hex::decode_to_slice(text, &mut [0; 32]).is_ok()
}
