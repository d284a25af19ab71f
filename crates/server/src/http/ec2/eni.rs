//! Network interfaces.

use aws::xml::Xml;
use model::names::{private_name, public_name};
use model::{Attachment, Eni, EniId, Key, PublicOf, SecurityGroupId, Tags, Timestamp, World};

use super::describe::{Described, Filter, Stored, View, many, nothing, one, write_tags};
use super::input;

impl Described for Eni {
    type Id = EniId;
    const SET: &'static str = "networkInterfaceSet";
    const PARAM: &'static str = "NetworkInterfaceId";
    const MALFORMED: &'static str = <EniId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("association.allocation-id", |view, eni| {
            many(publics(view, eni).filter_map(|public| Some(public.elastic?.id)))
        }),
        ("association.association-id", |view, eni| {
            many(publics(view, eni).filter_map(|public| Some(public.elastic?.association?.id)))
        }),
        ("association.ip-owner-id", |view, eni| {
            many(publics(view, eni).map(|public| owner(view, &public)))
        }),
        ("association.public-ip", |view, eni| many(publics(view, eni).map(|p| p.address))),
        ("association.public-dns-name", |view, eni| {
            many(publics(view, eni).filter_map(|p| public_dns(view, eni, p.address)))
        }),
        ("addresses.association.owner-id", |view, eni| {
            many(publics(view, eni).map(|public| owner(view, &public)))
        }),
        ("addresses.association.public-ip", |view, eni| {
            many(publics(view, eni).map(|p| p.address))
        }),
        ("addresses.primary", |_, eni| many((0..eni.addresses.len()).map(|n| n == 0))),
        ("addresses.private-dns-name", |view, eni| {
            many(eni.addresses.iter().map(|address| private_name(*address, view.scope.region)))
        }),
        ("addresses.private-ip-address", |_, eni| many(&eni.addresses)),
        ("attachment.attach-time", |_, eni| many(eni.attachment.as_ref().map(|a| a.attached))),
        ("attachment.attachment-id", |_, eni| many(eni.attachment.as_ref().map(|a| a.id))),
        ("attachment.delete-on-termination", |_, eni| {
            many(eni.attachment.as_ref().map(|a| a.delete_on_termination))
        }),
        ("attachment.device-index", |_, eni| many(eni.attachment.as_ref().map(|a| a.device_index))),
        ("attachment.instance-id", |_, eni| many(eni.instance())),
        ("attachment.instance-owner-id", |view, eni| {
            many(eni.attachment.as_ref().map(|_| view.scope.account))
        }),
        ("attachment.network-card-index", |_, eni| many(eni.attachment.as_ref().map(|_| 0))),
        ("attachment.status", |_, eni| many(eni.attachment.as_ref().map(|_| "attached"))),
        ("availability-zone", |view, eni| {
            many(view.world.subnet(eni.subnet).map(|subnet| subnet.zone))
        }),
        ("availability-zone-id", |view, eni| {
            many(view.world.subnet(eni.subnet).map(|subnet| subnet.zone.zone_id()))
        }),
        ("description", |_, eni| one(&eni.description)),
        ("group-id", |_, eni| many(&eni.groups)),
        ("group-name", |view, eni| {
            many(eni.groups.iter().filter_map(|id| view.world.group(*id)).map(|g| &g.name))
        }),
        ("ipv6-addresses.ipv6-address", nothing),
        ("interface-type", |_, eni| one(kind(eni))),
        ("mac-address", |_, eni| one(eni.mac)),
        ("network-interface-id", |_, eni| one(eni.id)),
        ("operator.managed", |_, _| one(false)),
        ("operator.principal", nothing),
        ("owner-id", |view, _| one(view.scope.account)),
        ("private-dns-name", |view, eni| one(private_name(eni.primary(), view.scope.region))),
        ("private-ip-address", |_, eni| many(&eni.addresses)),
        ("requester-id", nothing),
        ("requester-managed", |_, eni| one(eni.requester_managed)),
        ("source-dest-check", |_, eni| one(eni.source_dest_check)),
        ("status", |_, eni| one(status(eni))),
        ("subnet-id", |_, eni| one(eni.subnet)),
        ("vpc-id", |_, eni| one(eni.vpc)),
    ];

    fn id(&self) -> EniId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        write_interface(self, status(self), view, x);
    }
}

/// Writes an interface as one with a status.
pub(super) fn write_interface(eni: &Eni, status: &str, view: &View<'_>, x: &mut Xml) {
    x.el("networkInterfaceId", eni.id);
    x.el("subnetId", eni.subnet);
    x.el("vpcId", eni.vpc);
    if let Some(subnet) = view.world.subnet(eni.subnet) {
        x.el("availabilityZone", subnet.zone);
        x.el("availabilityZoneId", subnet.zone.zone_id());
    }
    x.el("description", &eni.description);
    x.el("ownerId", view.scope.account);
    x.el("requesterManaged", eni.requester_managed);
    x.el("interfaceType", kind(eni));
    x.el("status", status);
    x.el("macAddress", eni.mac);
    x.el("privateIpAddress", eni.primary());
    x.el("privateDnsName", private_name(eni.primary(), view.scope.region));
    x.el("sourceDestCheck", eni.source_dest_check);
    write_groups(&eni.groups, view.world, x);
    if let Some(attachment) = &eni.attachment {
        x.nest("attachment", |x| write_attachment_to(attachment, view, x));
    }
    if let Some(public) = view.world.public_of(eni, eni.primary()) {
        write_association(view, eni, &public, true, x);
    }
    write_addresses(eni, view, true, x);
    x.items("ipv6AddressesSet", [(); 0], |_, ()| {});
    x.nest("operator", |x| x.el("managed", false));
    write_tags(x, Some(&eni.tags));
}

impl Stored for Eni {
    fn get<'w>(view: &View<'w>, id: EniId) -> Option<&'w Self> {
        view.world.eni(id).map(|eni| &**eni).filter(|eni| view.vpc(eni.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.enis_in(Key::Vpc(id)).map(|eni| &**eni);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

fn status(eni: &Eni) -> &'static str {
    if eni.attachment.is_some() || eni.nat_gateway.is_some() { "in-use" } else { "available" }
}

fn kind(eni: &Eni) -> &'static str {
    if eni.nat_gateway.is_some() { "nat_gateway" } else { "interface" }
}

/// The public addresses of an interface.
fn publics<'w>(view: &View<'w>, eni: &'w Eni) -> impl Iterator<Item = PublicOf<'w>> {
    let world = view.world;
    eni.addresses.iter().filter_map(move |private| world.public_of(eni, *private))
}

/// The account that has a public address: those that come and go with instances are Amazon's.
fn owner(view: &View<'_>, public: &PublicOf<'_>) -> String {
    public.elastic.map_or_else(|| "amazon".to_owned(), |_| view.scope.account.to_string())
}

/// The public name of an interface's public address, where its VPC has public names.
pub(super) fn public_dns(
    view: &View<'_>,
    eni: &Eni,
    address: std::net::Ipv4Addr,
) -> Option<String> {
    let vpc = view.world.vpc(eni.vpc)?;
    vpc.dns_hostnames.then(|| public_name(address, vpc.region))
}

/// Writes which public address an address has; with the ids of an elastic one if `ids`.
pub(super) fn write_association(
    view: &View<'_>,
    eni: &Eni,
    public: &PublicOf<'_>,
    ids: bool,
    x: &mut Xml,
) {
    x.nest("association", |x| {
        x.el("publicIp", public.address);
        x.el("publicDnsName", public_dns(view, eni, public.address).unwrap_or_default());
        x.el("ipOwnerId", owner(view, public));
        if let Some(elastic) = public.elastic.filter(|_| ids) {
            x.el("allocationId", elastic.id);
            x.opt("associationId", elastic.association.map(|association| association.id));
        }
    });
}

/// Writes an attachment, and to what it is.
pub(super) fn write_attachment_to(attachment: &Attachment, view: &View<'_>, x: &mut Xml) {
    write_attachment(attachment, x);
    x.opt("instanceId", attachment.instance());
    x.el("instanceOwnerId", view.scope.account);
}

/// Writes the elements of an attachment that interfaces and instances share.
pub(super) fn write_attachment(attachment: &Attachment, x: &mut Xml) {
    x.el("attachmentId", attachment.id);
    x.el("deviceIndex", attachment.device_index);
    x.el("networkCardIndex", 0);
    x.el("status", "attached");
    x.el("attachTime", attachment.attached);
    x.el("deleteOnTermination", attachment.delete_on_termination);
}

/// Writes groups with their ids and names.
pub(super) fn write_groups(groups: &[SecurityGroupId], world: &World, x: &mut Xml) {
    x.items("groupSet", groups, |x, id| {
        x.el("groupId", id);
        x.opt("groupName", world.group(*id).map(|group| &*group.name));
    });
}

/// Writes the addresses of an interface, with the ids of elastic IP addresses if `ids`.
pub(super) fn write_addresses(eni: &Eni, view: &View<'_>, ids: bool, x: &mut Xml) {
    x.items("privateIpAddressesSet", eni.addresses.iter().enumerate(), |x, (n, address)| {
        x.el("privateIpAddress", address);
        x.el("privateDnsName", private_name(*address, view.scope.region));
        x.el("primary", n == 0);
        if let Some(public) = view.world.public_of(eni, *address) {
            write_association(view, eni, &public, ids, x);
        }
    });
}
