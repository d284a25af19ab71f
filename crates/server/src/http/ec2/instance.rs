//! How instances are shown.

use std::net::Ipv4Addr;

use aws::xml::Xml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::names::private_name;
use model::{
    Eni, Instance, InstanceId, InstanceState, InstanceType, Key, Reply, ReservationId, Tags,
    Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, not_found, select, write_tags};
use super::eni::{
    public_dns, write_addresses, write_association, write_attachment, write_groups, write_ipv6,
};
use super::input::{self, id};
use super::instance_attribute::write_metadata;
use super::instance_facts::{
    boot_mode, current_boot_mode, eni, enis, placed, reason, subnet, transition,
};
use super::instance_filters::FILTERS;
use super::request::{Ec2Error, Request};
use super::volume::write_devices;

impl Described for Instance {
    type Id = InstanceId;
    const SET: &'static str = "instancesSet";
    const PARAM: &'static str = "InstanceId";
    const MALFORMED: &'static str = <InstanceId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidInstanceID.NotFound", "instance ID");
    const FILTERS: &'static [Filter<Self>] = FILTERS;

    fn id(&self) -> InstanceId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.launched
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        let subnet = subnet(self, view.world);
        x.el("instanceId", self.id);
        x.el("imageId", &self.image);
        x.nest("instanceState", |x| write_state(self.state, x));
        x.el("privateDnsName", if placed(self) { name(self, view) } else { String::new() });
        let public = public(self, view);
        let dns = public.and_then(|(eni, address)| public_dns(view, eni, address));
        x.el("dnsName", dns.unwrap_or_default());
        x.el("reason", transition(self));
        x.opt("keyName", self.key_name.as_deref());
        x.el("amiLaunchIndex", self.launch_index);
        x.items("productCodes", [(); 0], |_, ()| {});
        x.el("instanceType", &self.instance_type);
        x.el("launchTime", self.launched);
        x.nest("placement", |x| {
            x.opt("availabilityZone", subnet.map(|subnet| subnet.zone));
            x.opt("availabilityZoneId", subnet.map(|subnet| subnet.zone.zone_id()));
            x.el("groupName", "");
            x.el("tenancy", "default");
        });
        let monitoring = if self.options.monitoring { "enabled" } else { "disabled" };
        x.nest("monitoring", |x| x.el("state", monitoring));
        if placed(self) {
            x.el("subnetId", self.subnet);
            x.el("vpcId", self.vpc);
            x.el("privateIpAddress", self.address);
            x.opt("ipAddress", public.map(|(_, address)| address));
            let ipv6 = eni(self, view.world).and_then(|eni| eni.ipv6_addresses.first());
            x.opt("ipv6Address", ipv6);
        }
        write_interfaces(self, view, x);
        if let Some((code, message)) = reason(self) {
            x.nest("stateReason", |x| {
                x.el("code", code);
                x.el("message", message);
            });
        }
        x.el("architecture", self.architecture().name());
        x.el("rootDeviceType", "ebs");
        x.el("rootDeviceName", self.root_device());
        write_devices(self, x);
        x.el("virtualizationType", "hvm");
        x.el("hypervisor", "xen");
        x.el("clientToken", self.client_token.as_ref().map_or("", |t| t.token.as_str()));
        x.el("ebsOptimized", self.options.ebs_optimized);
        x.el("enaSupport", true);
        write_tags(x, Some(&self.tags));
        write_options(self, x);
    }
}

/// Writes what its owner may change of an instance, and what follows from its type.
fn write_options(instance: &Instance, x: &mut Xml) {
    let options = &instance.options;
    if let Some(kind) = InstanceType::find(&instance.instance_type) {
        x.nest("cpuOptions", |x| {
            x.el("coreCount", kind.cores());
            x.el("threadsPerCore", kind.threads());
        });
    }
    x.nest("capacityReservationSpecification", |x| {
        x.el("capacityReservationPreference", "open");
    });
    x.nest("hibernationOptions", |x| x.el("configured", false));
    x.nest("metadataOptions", |x| write_metadata(instance.metadata(), "applied", x));
    x.nest("enclaveOptions", |x| x.el("enabled", false));
    x.opt("bootMode", boot_mode(instance));
    x.el("platformDetails", "Linux/UNIX");
    x.el("usageOperation", "RunInstances");
    x.el("usageOperationUpdateTime", instance.launched);
    x.nest("privateDnsNameOptions", |x| {
        x.el("hostnameType", if options.names.by_id { "resource-name" } else { "ip-name" });
        x.el("enableResourceNameDnsARecord", options.names.a_record);
        x.el("enableResourceNameDnsAAAARecord", options.names.aaaa_record);
    });
    x.nest("maintenanceOptions", |x| {
        let disabled = options.recovery_disabled;
        x.el("autoRecovery", if disabled { "disabled" } else { "default" });
        x.el("rebootMigration", "default");
    });
    x.el("currentInstanceBootMode", current_boot_mode(instance));
    x.nest("operator", |x| x.el("managed", false));
}

fn name(instance: &Instance, view: &View<'_>) -> String {
    private_name(instance.address, view.scope.region)
}

/// Writes the interfaces of an instance. Its groups and its check are those of the primary one.
fn write_interfaces(instance: &Instance, view: &View<'_>, x: &mut Xml) {
    let primary = eni(instance, view.world);
    let groups = primary.map_or(&[][..], |eni| &eni.groups);
    x.opt("sourceDestCheck", primary.map(|eni| eni.source_dest_check));
    write_groups(groups, view.world, x);
    x.items("networkInterfaceSet", enis(instance, view.world), |x, eni| {
        x.el("networkInterfaceId", eni.id);
        x.el("subnetId", eni.subnet);
        x.el("vpcId", eni.vpc);
        x.el("description", &eni.description);
        x.el("ownerId", view.scope.account);
        x.el("status", "in-use");
        x.el("macAddress", eni.mac);
        x.el("privateIpAddress", eni.primary());
        x.el("privateDnsName", private_name(eni.primary(), view.scope.region));
        x.el("sourceDestCheck", eni.source_dest_check);
        x.el("interfaceType", "interface");
        x.nest("operator", |x| x.el("managed", false));
        write_groups(&eni.groups, view.world, x);
        if let Some(attachment) = &eni.attachment {
            x.nest("attachment", |x| write_attachment(attachment, x));
        }
        if let Some(public) = view.world.public_of(eni, eni.primary()) {
            write_association(view, eni, &public, false, x);
        }
        write_addresses(eni, view, false, x);
        write_ipv6(eni, x);
    });
}

pub(super) fn write_state(state: InstanceState, x: &mut Xml) {
    x.el("code", state.code());
    x.el("name", state.name());
}

/// The interface of an instance, and the public address of its primary address.
fn public<'w>(instance: &Instance, view: &View<'w>) -> Option<(&'w Eni, Ipv4Addr)> {
    let eni = eni(instance, view.world)?;
    Some((eni, view.world.public_of(eni, eni.primary())?.address))
}

impl Stored for Instance {
    fn get<'w>(view: &View<'w>, id: InstanceId) -> Option<&'w Self> {
        view.world.instance(id).map(|i| &**i).filter(|i| seen(i, view))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.instances_of(Key::Account(view.scope.account));
        mine.map(|i| &**i).filter(|i| seen(i, view)).collect()
    }
}

/// Whether the caller sees the instance. An instance outlives its VPC for a while, and has no
/// region then.
fn seen(instance: &Instance, view: &View<'_>) -> bool {
    let vpc = view.world.vpc(instance.vpc);
    instance.account == view.scope.account && vpc.is_none_or(|vpc| vpc.region == view.scope.region)
}

/// How long an instance counts as new, in milliseconds.
const NEW: i64 = 5_000;

/// Whether a `DescribeInstances` would show a new instance that does not run yet. Clients that wait
/// for it ask again after 15 s, so a slightly later answer serves them better.
pub(crate) fn starts(world: &World, request: &Request<'_>) -> bool {
    let new = |instance: &Instance| {
        instance.state == InstanceState::Pending
            && request.now.millis().saturating_sub(instance.launched.millis()) < NEW
    };
    // Usually there is no such instance, and the request need not be parsed twice.
    let mut mine = world.instances_of(Key::Account(request.scope.account));
    mine.any(|instance| new(instance))
        && select::<Instance>(&View::new(world, request), request)
            .is_ok_and(|(shown, _)| shown.into_iter().any(new))
}

/// `DescribeInstances`. Instances are grouped by the request that started them.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    // There are no managed resources that could be left out.
    request.params.bool("IncludeManagedResources")?;
    let view = View::new(world, request);
    let (instances, next) = select::<Instance>(&view, request)?;
    let mut reservations: Vec<(ReservationId, Vec<&Instance>)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for instance in instances {
        let place = *places.entry(instance.reservation).or_insert_with(|| {
            reservations.push((instance.reservation, Vec::new()));
            reservations.len() - 1
        });
        reservations[place].1.push(instance);
    }
    for (_, instances) in &mut reservations {
        instances.sort_by_key(|instance| instance.launch_index);
    }
    Ok(request.respond(|x| {
        x.items("reservationSet", &reservations, |x, (id, instances)| {
            write_reservation(*id, instances, &view, x);
        });
        x.opt("nextToken", next);
    }))
}

fn write_reservation(id: ReservationId, instances: &[&Instance], view: &View<'_>, x: &mut Xml) {
    x.el("reservationId", id);
    x.el("ownerId", view.scope.account);
    x.items("groupSet", [(); 0], |_, ()| {});
    x.items("instancesSet", instances, |x, instance| instance.write(view, x));
}

/// The answer to `RunInstances`.
pub(super) fn started(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    let instances: Vec<&Instance> = match reply {
        Reply::Resources(keys) => keys
            .iter()
            .filter_map(|key| match key {
                Key::Instance(id) => after.instance(*id).map(|instance| &**instance),
                _ => None,
            })
            .collect(),
        Reply::Done | Reply::Rules { .. } | Reply::Partly { .. } | Reply::Credentials(_) => {
            Vec::new()
        }
    };
    request.respond(|x| {
        if let Some(first) = instances.first() {
            write_reservation(first.reservation, &instances, &view, x);
        }
    })
}

/// The answer to `StartInstances`, `StopInstances` and `TerminateInstances`.
pub(super) fn changed(before: &World, after: &World, _: &Reply, request: &Request<'_>) -> String {
    let mut ids: Vec<InstanceId> =
        request.params.list("InstanceId").filter_map(|text| text.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    request.respond(|x| {
        x.items("instancesSet", ids, |x, id| {
            let state = |world: &World| {
                world.instance(id).map_or(InstanceState::Terminated, |instance| instance.state)
            };
            x.el("instanceId", id);
            x.nest("currentState", |x| write_state(state(after), x));
            x.nest("previousState", |x| write_state(state(before), x));
        });
    })
}

/// The answer to `MonitorInstances` and `UnmonitorInstances`.
pub(super) fn monitored(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let keys = match reply {
        Reply::Resources(keys) => keys.as_slice(),
        Reply::Done | Reply::Rules { .. } | Reply::Partly { .. } | Reply::Credentials(_) => &[],
    };
    let instances = keys.iter().filter_map(|key| match key {
        Key::Instance(id) => after.instance(*id),
        _ => None,
    });
    request.respond(|x| {
        x.items("instancesSet", instances, |x, instance| {
            x.el("instanceId", instance.id);
            let state = if instance.options.monitoring { "pending" } else { "disabling" };
            x.nest("monitoring", |x| x.el("state", state));
        });
    })
}

/// `GetConsoleOutput`.
pub(super) fn console(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.bool("Latest")?;
    let id: InstanceId = id(request.params, "InstanceId")?;
    let view = View::new(world, request);
    Instance::get(&view, id).ok_or_else(|| not_found::<Instance>(id))?;
    let output = (request.console)(id)?.unwrap_or_default();
    Ok(request.respond(|x| {
        x.el("instanceId", id);
        x.el("timestamp", request.now);
        x.el("output", STANDARD.encode(output));
    }))
}
