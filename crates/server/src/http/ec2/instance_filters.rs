//! The filters of `DescribeInstances`.

use model::names::private_name;
use model::{Eni, Instance, RootVolume};

use super::describe::{Filter, Values, View, many, nothing, one, values_of};
use super::instance_facts::{
    boot_mode, current_boot_mode, eni, enis, placed, reason, subnet, transition,
};

/// What the interfaces of an instance have under one of the filters of `DescribeNetworkInterfaces`.
fn of_interfaces<'v>(view: &View<'v>, instance: &Instance, name: &str) -> Values<'v> {
    enis(instance, view.world)
        .into_iter()
        .flat_map(|eni| values_of::<Eni>(view, eni, name))
        .collect()
}

fn interface_tags<'v>(
    view: &View<'v>,
    instance: &Instance,
) -> impl Iterator<Item = (&'v String, &'v String)> {
    enis(instance, view.world).into_iter().flat_map(|eni| &eni.tags)
}

fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

/// The filters, but those of tags.
pub(super) const FILTERS: &[Filter<Instance>] = &[
    ("affinity", nothing),
    ("architecture", |_, i| one(i.architecture().name())),
    ("availability-zone", |view, i| many(subnet(i, view.world).map(|s| s.zone))),
    ("availability-zone-id", |view, i| many(subnet(i, view.world).map(|s| s.zone.zone_id()))),
    ("block-device-mapping.attach-time", |_, i| many(i.has_volume().then_some(i.launched))),
    ("block-device-mapping.delete-on-termination", |_, i| {
        many(i.has_volume().then_some(!i.options.volume.stays))
    }),
    ("block-device-mapping.device-name", |_, i| many(i.has_volume().then(|| i.root_device()))),
    ("block-device-mapping.status", |_, i| many(i.has_volume().then_some("attached"))),
    ("block-device-mapping.volume-id", |_, i| {
        many(i.has_volume().then(|| RootVolume::id_of(i.id)))
    }),
    ("boot-mode", |_, i| many(boot_mode(i))),
    ("capacity-reservation-id", nothing),
    ("capacity-reservation-specification.capacity-reservation-preference", |_, _| one("open")),
    (
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
        nothing,
    ),
    (
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
        nothing,
    ),
    ("client-token", |_, i| many(i.client_token.as_ref().map(|t| &t.token))),
    ("current-instance-boot-mode", |_, i| one(current_boot_mode(i))),
    ("dns-name", |view, i| of_interfaces(view, i, "association.public-dns-name")),
    ("ebs-optimized", |_, i| one(i.options.ebs_optimized)),
    ("ena-support", |_, _| one(true)),
    ("enclave-options.enabled", |_, _| one(false)),
    ("hibernation-options.configured", |_, _| one(false)),
    ("host-id", nothing),
    ("hypervisor", |_, _| one("xen")),
    ("iam-instance-profile.arn", nothing),
    ("iam-instance-profile.id", nothing),
    ("image-id", |_, i| one(&i.image)),
    ("instance-id", |_, i| one(i.id)),
    ("instance-lifecycle", nothing),
    ("instance-state-code", |_, i| one(i.state.code())),
    ("instance-state-name", |_, i| one(i.state.name())),
    ("instance-type", |_, i| one(&i.instance_type)),
    ("instance.group-id", |view, i| of_interfaces(view, i, "group-id")),
    ("instance.group-name", |view, i| of_interfaces(view, i, "group-name")),
    ("ip-address", |view, i| of_interfaces(view, i, "association.public-ip")),
    ("ipv6-address", |view, i| of_interfaces(view, i, "ipv6-addresses.ipv6-address")),
    ("kernel-id", nothing),
    ("key-name", |_, i| many(&i.key_name)),
    ("launch-index", |_, i| one(i.launch_index)),
    ("launch-time", |_, i| one(i.launched)),
    ("maintenance-options.auto-recovery", |_, i| {
        one(if i.options.recovery_disabled { "disabled" } else { "default" })
    }),
    ("metadata-options.http-endpoint", |_, i| one(switch(i.metadata().enabled))),
    ("metadata-options.http-protocol-ipv4", |_, i| one(switch(i.metadata().enabled))),
    ("metadata-options.http-protocol-ipv6", |_, i| one(switch(i.metadata().ipv6))),
    ("metadata-options.http-put-response-hop-limit", |_, i| one(i.metadata().hop_limit)),
    ("metadata-options.http-tokens", |_, i| {
        one(if i.metadata().tokens_required { "required" } else { "optional" })
    }),
    ("metadata-options.instance-metadata-tags", |_, i| one(switch(i.metadata().tags))),
    ("metadata-options.state", |_, _| one("applied")),
    ("monitoring-state", |_, i| one(switch(i.options.monitoring))),
    ("network-interface.addresses.association.allocation-id", |view, i| {
        of_interfaces(view, i, "association.allocation-id")
    }),
    ("network-interface.addresses.association.association-id", |view, i| {
        of_interfaces(view, i, "association.association-id")
    }),
    ("network-interface.addresses.association.carrier-ip", |view, i| {
        of_interfaces(view, i, "addresses.association.carrier-ip")
    }),
    ("network-interface.addresses.association.customer-owned-ip", |view, i| {
        of_interfaces(view, i, "addresses.association.customer-owned-ip")
    }),
    ("network-interface.addresses.association.ip-owner-id", |view, i| {
        of_interfaces(view, i, "association.ip-owner-id")
    }),
    ("network-interface.addresses.association.public-dns-name", |view, i| {
        of_interfaces(view, i, "association.public-dns-name")
    }),
    ("network-interface.addresses.association.public-ip", |view, i| {
        of_interfaces(view, i, "addresses.association.public-ip")
    }),
    ("network-interface.addresses.primary", |view, i| of_interfaces(view, i, "addresses.primary")),
    ("network-interface.addresses.private-dns-name", |view, i| {
        of_interfaces(view, i, "addresses.private-dns-name")
    }),
    ("network-interface.addresses.private-ip-address", |view, i| {
        of_interfaces(view, i, "addresses.private-ip-address")
    }),
    ("network-interface.association.allocation-id", |view, i| {
        of_interfaces(view, i, "association.allocation-id")
    }),
    ("network-interface.association.association-id", |view, i| {
        of_interfaces(view, i, "association.association-id")
    }),
    ("network-interface.association.carrier-ip", |view, i| {
        of_interfaces(view, i, "association.carrier-ip")
    }),
    ("network-interface.association.customer-owned-ip", |view, i| {
        of_interfaces(view, i, "association.customer-owned-ip")
    }),
    ("network-interface.association.ip-owner-id", |view, i| {
        of_interfaces(view, i, "association.ip-owner-id")
    }),
    ("network-interface.association.public-dns-name", |view, i| {
        of_interfaces(view, i, "association.public-dns-name")
    }),
    ("network-interface.association.public-ip", |view, i| {
        of_interfaces(view, i, "association.public-ip")
    }),
    ("network-interface.attachment.attach-time", |view, i| {
        of_interfaces(view, i, "attachment.attach-time")
    }),
    ("network-interface.attachment.attachment-id", |view, i| {
        of_interfaces(view, i, "attachment.attachment-id")
    }),
    ("network-interface.attachment.delete-on-termination", |view, i| {
        of_interfaces(view, i, "attachment.delete-on-termination")
    }),
    ("network-interface.attachment.device-index", |view, i| {
        of_interfaces(view, i, "attachment.device-index")
    }),
    ("network-interface.attachment.instance-id", |view, i| {
        of_interfaces(view, i, "attachment.instance-id")
    }),
    ("network-interface.attachment.instance-owner-id", |view, i| {
        of_interfaces(view, i, "attachment.instance-owner-id")
    }),
    ("network-interface.attachment.network-card-index", |view, i| {
        of_interfaces(view, i, "attachment.network-card-index")
    }),
    ("network-interface.attachment.status", |view, i| of_interfaces(view, i, "attachment.status")),
    ("network-interface.availability-zone", |view, i| of_interfaces(view, i, "availability-zone")),
    ("network-interface.deny-all-igw-traffic", |view, i| {
        of_interfaces(view, i, "deny-all-igw-traffic")
    }),
    ("network-interface.description", |view, i| of_interfaces(view, i, "description")),
    ("network-interface.group-id", |view, i| of_interfaces(view, i, "group-id")),
    ("network-interface.group-name", |view, i| of_interfaces(view, i, "group-name")),
    ("network-interface.ipv4-prefixes.ipv4-prefix", |view, i| {
        of_interfaces(view, i, "ipv4-prefixes.ipv4-prefix")
    }),
    ("network-interface.ipv6-address", |view, i| {
        of_interfaces(view, i, "ipv6-addresses.ipv6-address")
    }),
    ("network-interface.ipv6-addresses.ipv6-address", |view, i| {
        of_interfaces(view, i, "ipv6-addresses.ipv6-address")
    }),
    ("network-interface.ipv6-addresses.is-primary-ipv6", |view, i| {
        many(
            enis(i, view.world)
                .into_iter()
                .flat_map(|eni| (0..eni.ipv6_addresses.len()).map(|n| n == 0 && eni.primary_ipv6)),
        )
    }),
    ("network-interface.ipv6-native", |view, i| of_interfaces(view, i, "ipv6-native")),
    ("network-interface.ipv6-prefixes.ipv6-prefix", |view, i| {
        of_interfaces(view, i, "ipv6-prefixes.ipv6-prefix")
    }),
    ("network-interface.mac-address", |view, i| of_interfaces(view, i, "mac-address")),
    ("network-interface.network-interface-id", |view, i| {
        of_interfaces(view, i, "network-interface-id")
    }),
    ("network-interface.operator.managed", |view, i| of_interfaces(view, i, "operator.managed")),
    ("network-interface.operator.principal", |view, i| {
        of_interfaces(view, i, "operator.principal")
    }),
    ("network-interface.outpost-arn", |view, i| of_interfaces(view, i, "outpost-arn")),
    ("network-interface.owner-id", |view, i| of_interfaces(view, i, "owner-id")),
    ("network-interface.private-dns-name", |view, i| of_interfaces(view, i, "private-dns-name")),
    ("network-interface.private-ip-address", |view, i| {
        of_interfaces(view, i, "private-ip-address")
    }),
    ("network-interface.public-dns-name", |view, i| {
        of_interfaces(view, i, "association.public-dns-name")
    }),
    ("network-interface.requester-id", |view, i| of_interfaces(view, i, "requester-id")),
    ("network-interface.requester-managed", |view, i| of_interfaces(view, i, "requester-managed")),
    ("network-interface.status", |view, i| of_interfaces(view, i, "status")),
    ("network-interface.source-dest-check", |view, i| of_interfaces(view, i, "source-dest-check")),
    ("network-interface.subnet-id", |view, i| of_interfaces(view, i, "subnet-id")),
    ("network-interface.tag-key", |view, i| many(interface_tags(view, i).map(|(key, _)| key))),
    ("network-interface.tag-value", |view, i| {
        many(interface_tags(view, i).map(|(_, value)| value))
    }),
    ("network-interface.vpc-id", |view, i| of_interfaces(view, i, "vpc-id")),
    ("network-performance-options.bandwidth-weighting", nothing),
    ("operator.managed", |_, _| one(false)),
    ("operator.principal", nothing),
    ("outpost-arn", nothing),
    ("owner-id", |_, i| one(i.account)),
    ("placement-group-name", nothing),
    ("placement-partition-number", nothing),
    ("platform", nothing),
    ("platform-details", |_, _| one("Linux/UNIX")),
    ("private-dns-name", |view, i| {
        many(placed(i).then(|| private_name(i.address, view.scope.region)))
    }),
    ("private-dns-name-options.enable-resource-name-dns-a-record", |_, i| {
        one(i.options.names.a_record)
    }),
    ("private-dns-name-options.enable-resource-name-dns-aaaa-record", |_, i| {
        one(i.options.names.aaaa_record)
    }),
    ("private-dns-name-options.hostname-type", |_, i| {
        one(if i.options.names.by_id { "resource-name" } else { "ip-name" })
    }),
    ("private-ip-address", |_, i| many(placed(i).then_some(i.address))),
    ("product-code", nothing),
    ("product-code.type", nothing),
    ("ramdisk-id", nothing),
    ("reason", |_, i| one(transition(i))),
    ("requester-id", nothing),
    ("reservation-id", |_, i| one(i.reservation)),
    ("root-device-name", |_, i| one(i.root_device())),
    ("root-device-type", |_, _| one("ebs")),
    ("source-dest-check", |view, i| many(eni(i, view.world).map(|e| e.source_dest_check))),
    ("spot-instance-request-id", nothing),
    ("state-reason-code", |_, i| many(reason(i).map(|(code, _)| code))),
    ("state-reason-message", |_, i| many(reason(i).map(|(_, message)| message))),
    ("subnet-id", |_, i| many(placed(i).then_some(i.subnet))),
    ("tenancy", |_, _| one("default")),
    ("tpm-support", nothing),
    ("usage-operation", |_, _| one("RunInstances")),
    ("usage-operation-update-time", |_, i| one(i.launched)),
    ("virtualization-type", |_, _| one("hvm")),
    ("vpc-id", |_, i| many(placed(i).then_some(i.vpc))),
];
