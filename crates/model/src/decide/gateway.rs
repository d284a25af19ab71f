//! Rules of internet gateways, and of those that only let out (`ec2.md` §1.3).

use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::{ClientToken, EgressGateway, InternetGateway, Tags};
use crate::{Code, EgressGatewayId, IgwId, Key, Kind, PrefixedId, Quota, Scope, VpcId};

impl Decision<'_> {
    pub(super) fn create_gateway(&mut self, scope: Scope, tags: &Tags) -> Outcome {
        super::tag::check_tags(tags)?;
        let here = |gateway: &&Arc<InternetGateway>| gateway.region == scope.region;
        let count = || self.world.gateways_of(Key::Account(scope.account)).filter(here).count();
        self.world.check_quota(scope.account, Quota::InternetGateways, count)?;
        Ok(Key::InternetGateway(self.make_gateway(scope, None, tags)).into())
    }

    /// Makes an internet gateway, attached to a VPC or to none.
    pub(super) fn make_gateway(&mut self, scope: Scope, vpc: Option<VpcId>, tags: &Tags) -> IgwId {
        let id = IgwId::fresh(self.ids);
        self.put(InternetGateway {
            id,
            account: scope.account,
            region: scope.region,
            vpc,
            tags: tags.clone(),
            created: self.now,
        });
        id
    }

    pub(super) fn attach_gateway(&mut self, scope: Scope, id: IgwId, vpc: VpcId) -> Outcome {
        let gateway = self.own_gateway(scope, id)?;
        let vpc = self.editable_vpc(scope, vpc)?.id;
        if let Some(network) = gateway.vpc {
            return refuse(
                Code::AlreadyAssociated,
                format_args!("resource {id} is already attached to network {network}"),
            );
        }
        if self.world.naming(Key::Vpc(vpc), Kind::InternetGateway).next().is_some() {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Network {vpc} already has an internet gateway attached"),
            );
        }
        self.put(InternetGateway { vpc: Some(vpc), ..InternetGateway::clone(&gateway) });
        Ok(Reply::Done)
    }

    /// Routes to a gateway that is detached stay, and lead nowhere.
    pub(super) fn detach_gateway(&mut self, scope: Scope, id: IgwId, vpc: VpcId) -> Outcome {
        let gateway = self.own_gateway(scope, id)?;
        let vpc = self.editable_vpc(scope, vpc)?.id;
        if gateway.vpc != Some(vpc) {
            return refuse(
                Code::GatewayNotAttached,
                format_args!("resource {id} is not attached to network {vpc}"),
            );
        }
        if self.world.has_public_addresses(vpc) {
            return refuse(
                Code::DependencyViolation,
                format_args!(
                    "Network {vpc} has some mapped public address(es). Please unmap those public \
                     address(es) before detaching the gateway."
                ),
            );
        }
        self.put(InternetGateway { vpc: None, ..InternetGateway::clone(&gateway) });
        Ok(Reply::Done)
    }

    pub(super) fn delete_gateway(&mut self, scope: Scope, id: IgwId) -> Outcome {
        if self.own_gateway(scope, id)?.vpc.is_some() {
            return refuse(
                Code::DependencyViolation,
                format_args!("The internetGateway '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete(Key::InternetGateway(id));
        Ok(Reply::Done)
    }

    pub(super) fn create_egress_gateway(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        client_token: Option<&ClientToken>,
        tags: &Tags,
    ) -> Outcome {
        let vpc = self.editable_vpc(scope, vpc)?.id;
        if let Some(made) = self.repeated(scope, Kind::EgressGateway, client_token)? {
            return Ok(made.into());
        }
        super::tag::check_tags(tags)?;
        let id = EgressGatewayId::fresh(self.ids);
        self.put(EgressGateway {
            id,
            vpc,
            client_token: client_token.map(|token| token.of(scope)),
            tags: tags.clone(),
            created: self.now,
        });
        Ok(Key::EgressGateway(id).into())
    }

    pub(super) fn delete_egress_gateway(&mut self, scope: Scope, id: EgressGatewayId) -> Outcome {
        let gateway = self.in_editable(scope, self.own_egress_gateway(scope, id)?)?;
        self.delete(Key::EgressGateway(gateway.id));
        Ok(Reply::Done)
    }
}
