//! The pages of a VPC by their addresses.

use std::sync::Arc;

use dashboard::{Begin, Context, Did, Fields};
use model::{InstanceId, PcxId, Peering, RouteTableId, SecurityGroupId, Timestamp, Vpc, World};

/// A page of a VPC, but for the first one and the form that asks for a peering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VpcPage {
    Instances,
    Instance(InstanceId),
    Terminate(InstanceId),
    Interfaces,
    Acls,
    Gateways,
    Peerings,
    Join(PcxId),
    Table(RouteTableId),
    Group(SecurityGroupId),
    /// The preview of a change, which the query says.
    Change,
}

impl VpcPage {
    /// Reads what comes behind the VPC in an address.
    pub(crate) fn of_parts(parts: &[&str]) -> Option<Self> {
        match *parts {
            ["instances"] => Some(Self::Instances),
            ["instances", id] => Some(Self::Instance(id.parse().ok()?)),
            ["instances", id, "terminate"] => Some(Self::Terminate(id.parse().ok()?)),
            ["interfaces"] => Some(Self::Interfaces),
            ["acls"] => Some(Self::Acls),
            ["gateways"] => Some(Self::Gateways),
            ["peerings"] => Some(Self::Peerings),
            ["peerings", id] => Some(Self::Join(id.parse().ok()?)),
            ["tables", id] => Some(Self::Table(id.parse().ok()?)),
            ["groups", id] => Some(Self::Group(id.parse().ok()?)),
            ["change"] => Some(Self::Change),
            _ => None,
        }
    }

    /// The page of a VPC that the viewer sees; `None` if what it is about is not there, or not for them.
    /// `typed` is what its forms have, `did` what was just changed, and `console` what the instance wrote.
    pub(crate) fn render(
        self,
        of: &Context<'_>,
        vpc: &Vpc,
        typed: Fields<'_>,
        did: Option<&Did>,
        console: &str,
    ) -> Option<Result<String, dashboard::RenderError>> {
        let world = of.world;
        Some(match self {
            Self::Instances => {
                let started = typed.started();
                dashboard::instances(of, vpc, Begin { started, ..Begin::default() })
            }
            Self::Instance(id) => dashboard::instance(of, vpc, instance(world, vpc, id)?, console),
            Self::Terminate(id) => {
                if !of.viewer.may_change_vpc(vpc) {
                    return None;
                }
                dashboard::terminate(of, vpc, instance(world, vpc, id)?, None, "")
            }
            Self::Interfaces => dashboard::interfaces(of, vpc),
            Self::Acls => dashboard::acls(of, vpc),
            Self::Gateways => dashboard::gateways(of, vpc),
            Self::Peerings => dashboard::peerings(of, vpc, None),
            Self::Join(id) => {
                let peering = peering(of.now, world, vpc, id)?;
                dashboard::join(of, vpc, peering, typed, None, did)
            }
            Self::Table(id) => {
                let table = world.route_table(id).filter(|table| table.vpc == vpc.id)?;
                dashboard::table(of, vpc, table, typed, None, did)
            }
            Self::Group(id) => {
                let group = world.group(id).filter(|group| group.vpc == vpc.id)?;
                dashboard::group(of, vpc, group, typed, None, did)
            }
            Self::Change => return None,
        })
    }
}

/// An instance of a VPC.
pub(super) fn instance<'w>(
    world: &'w World,
    vpc: &Vpc,
    id: InstanceId,
) -> Option<&'w Arc<model::Instance>> {
    world.instance(id).filter(|instance| instance.vpc == vpc.id && instance.account == vpc.account)
}

/// A peering of a VPC, as far as its owner sees it.
pub(super) fn peering<'w>(
    now: Timestamp,
    world: &'w World,
    vpc: &Vpc,
    id: PcxId,
) -> Option<&'w Arc<Peering>> {
    let seen = |peering: &&Arc<Peering>| {
        peering.side(vpc.id).is_some() && peering.visible_to(vpc.account, vpc.region, now)
    };
    world.peering(id).filter(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_lead_nowhere() {
        let page = |rest: &str| VpcPage::of_parts(&rest.split('/').collect::<Vec<_>>());
        for (rest, found) in [
            ("instances", Some(VpcPage::Instances)),
            (
                "instances/i-00000000000000001",
                Some(VpcPage::Instance("i-00000000000000001".parse().unwrap())),
            ),
            (
                "instances/i-00000000000000001/terminate",
                Some(VpcPage::Terminate("i-00000000000000001".parse().unwrap())),
            ),
            ("interfaces", Some(VpcPage::Interfaces)),
            ("acls", Some(VpcPage::Acls)),
            ("gateways", Some(VpcPage::Gateways)),
            ("peerings", Some(VpcPage::Peerings)),
            (
                "peerings/pcx-00000000000000001",
                Some(VpcPage::Join("pcx-00000000000000001".parse().unwrap())),
            ),
            (
                "tables/rtb-00000000000000001",
                Some(VpcPage::Table("rtb-00000000000000001".parse().unwrap())),
            ),
            (
                "groups/sg-00000000000000001",
                Some(VpcPage::Group("sg-00000000000000001".parse().unwrap())),
            ),
            ("change", Some(VpcPage::Change)),
            ("", None),
            ("tables", None),
            ("tables/sg-00000000000000001", None),
            ("instances/", None),
            ("instances/i-00000000000000001/x", None),
            ("change/x", None),
        ] {
            assert_eq!(page(rest), found, "{rest}");
        }
    }
}
