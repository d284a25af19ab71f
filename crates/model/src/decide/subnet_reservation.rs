//! Rules of reservations of addresses in subnets.

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::{ReservationKind, SubnetReservation, Tags};
use crate::{Code, IpCidr, Key, PrefixedId, Scope, SubnetId, SubnetReservationId};

impl Decision<'_> {
    pub(super) fn reserve_addresses(
        &mut self,
        scope: Scope,
        subnet: SubnetId,
        cidr: IpCidr,
        kind: ReservationKind,
        description: Option<String>,
        tags: &Tags,
    ) -> Outcome {
        let subnet = self.in_editable(scope, self.own_subnet(scope, subnet)?)?;
        super::tag::check_tags(tags)?;
        let inside = match cidr {
            IpCidr::V4(block) => subnet.cidr.covers(block),
            IpCidr::V6(block) => subnet.ipv6.is_some_and(|own| own.cidr.covers(block)),
        };
        if !inside {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Reservation CIDR {cidr} does not lie within a CIDR block of the subnet {}",
                    subnet.id
                ),
            );
        }
        let key = Key::Subnet(subnet.id);
        if self.world.subnet_reservations_in(key).any(|other| other.cidr.overlaps(cidr)) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Reservation CIDR {cidr} has overlap with existing reserved CIDR block"
                ),
            );
        }
        let id = SubnetReservationId::fresh(self.ids);
        self.put(SubnetReservation {
            id,
            vpc: subnet.vpc,
            subnet: subnet.id,
            cidr,
            kind,
            description,
            tags: tags.clone(),
            created: self.now,
        });
        Ok(Key::SubnetReservation(id).into())
    }

    pub(super) fn delete_reservation(&mut self, scope: Scope, id: SubnetReservationId) -> Outcome {
        let reservation = self.in_editable(scope, self.own_reservation(scope, id)?)?;
        self.delete(Key::SubnetReservation(reservation.id));
        Ok(Reply::Done)
    }
}
