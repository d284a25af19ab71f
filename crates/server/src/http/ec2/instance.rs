//! How instances are shown.

use aws::xml::Xml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::names::private_name;
use model::{
    Eni, Exit, Instance, InstanceId, InstanceState, Key, Reply, ReservationId, Subnet, Tags,
    Timestamp, World,
};

use super::describe::{
    Described, Filter, Stored, View, many, not_found, nothing, one, select, write_tags,
};
use super::eni::{public_dns, write_addresses, write_association, write_attachment, write_groups};
use super::input::{self, id};
use super::request::{Ec2Error, Request};

impl Described for Instance {
    type Id = InstanceId;
    const SET: &'static str = "instancesSet";
    const PARAM: &'static str = "InstanceId";
    const MALFORMED: &'static str = <InstanceId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidInstanceID.NotFound", "instance ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("architecture", |_, _| one("x86_64")),
        ("availability-zone", |view, i| many(subnet(i, view.world).map(|s| s.zone))),
        ("client-token", |_, i| many(i.client_token.as_ref().map(|t| &t.token))),
        ("dns-name", |view, i| {
            many(public(i, view).and_then(|(eni, address)| public_dns(view, eni, address)))
        }),
        ("hypervisor", |_, _| one("xen")),
        ("image-id", |_, i| one(&i.image)),
        ("instance-id", |_, i| one(i.id)),
        ("instance-lifecycle", nothing),
        ("instance-state-code", |_, i| one(i.state.code())),
        ("instance-state-name", |_, i| one(i.state.name())),
        ("instance-type", |_, i| one(&i.instance_type)),
        ("instance.group-id", |view, i| {
            many(eni(i, view.world).into_iter().flat_map(|e| &e.groups))
        }),
        ("instance.group-name", |view, i| {
            let groups = eni(i, view.world).into_iter().flat_map(|e| &e.groups);
            many(groups.filter_map(|id| view.world.group(*id)).map(|group| &group.name))
        }),
        ("ip-address", |view, i| many(public(i, view).map(|(_, address)| address))),
        ("key-name", |_, i| many(&i.key_name)),
        ("launch-index", |_, i| one(i.launch_index)),
        ("launch-time", |_, i| one(i.launched)),
        ("monitoring-state", |_, _| one("disabled")),
        ("network-interface.addresses.private-ip-address", |view, i| {
            many(eni(i, view.world).into_iter().flat_map(|e| &e.addresses))
        }),
        ("network-interface.group-id", |view, i| {
            many(eni(i, view.world).into_iter().flat_map(|e| &e.groups))
        }),
        ("network-interface.network-interface-id", |view, i| {
            many(eni(i, view.world).map(|e| e.id))
        }),
        ("network-interface.subnet-id", |view, i| many(eni(i, view.world).map(|e| e.subnet))),
        ("network-interface.vpc-id", |view, i| many(eni(i, view.world).map(|e| e.vpc))),
        ("owner-id", |_, i| one(i.account)),
        ("platform", nothing),
        ("private-dns-name", |view, i| {
            many(placed(i).then(|| private_name(i.address, view.scope.region)))
        }),
        ("private-ip-address", |_, i| many(placed(i).then_some(i.address))),
        ("requester-id", nothing),
        ("reservation-id", |_, i| one(i.reservation)),
        ("root-device-type", |_, _| one("ebs")),
        ("source-dest-check", |view, i| many(eni(i, view.world).map(|e| e.source_dest_check))),
        ("spot-instance-request-id", nothing),
        ("state-reason-code", |_, i| many(reason(i).map(|(code, _)| code))),
        ("subnet-id", |_, i| many(placed(i).then_some(i.subnet))),
        ("tenancy", |_, _| one("default")),
        ("virtualization-type", |_, _| one("hvm")),
        ("vpc-id", |_, i| many(placed(i).then_some(i.vpc))),
    ];

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
        x.el("instanceId", self.id);
        x.el("imageId", &self.image);
        x.nest("instanceState", |x| write_state(self.state, x));
        x.el("privateDnsName", if placed(self) { name(self, view) } else { String::new() });
        let public = public(self, view);
        let dns = public.and_then(|(eni, address)| public_dns(view, eni, address));
        x.el("dnsName", dns.unwrap_or_default());
        let reason = reason(self);
        x.el("reason", reason.as_ref().map_or("", |(_, message)| message.as_str()));
        x.opt("keyName", self.key_name.as_deref());
        x.el("amiLaunchIndex", self.launch_index);
        x.items("productCodes", [(); 0], |_, ()| {});
        x.el("instanceType", &self.instance_type);
        x.el("launchTime", self.launched);
        x.nest("placement", |x| {
            x.opt("availabilityZone", subnet(self, view.world).map(|subnet| subnet.zone));
            x.el("groupName", "");
            x.el("tenancy", "default");
        });
        x.nest("monitoring", |x| x.el("state", "disabled"));
        if placed(self) {
            x.el("subnetId", self.subnet);
            x.el("vpcId", self.vpc);
            x.el("privateIpAddress", self.address);
            x.opt("ipAddress", public.map(|(_, address)| address));
        }
        write_interfaces(eni(self, view.world), view, x);
        if let Some((code, message)) = reason {
            x.nest("stateReason", |x| {
                x.el("code", code);
                x.el("message", message);
            });
        }
        x.el("architecture", "x86_64");
        x.el("rootDeviceType", "ebs");
        x.el("rootDeviceName", "/dev/xvda");
        x.items("blockDeviceMapping", [(); 0], |_, ()| {});
        x.el("virtualizationType", "hvm");
        x.el("hypervisor", "xen");
        x.el("clientToken", self.client_token.as_ref().map_or("", |t| t.token.as_str()));
        x.el("ebsOptimized", false);
        x.el("enaSupport", true);
        write_tags(x, Some(&self.tags));
    }
}

fn name(instance: &Instance, view: &View<'_>) -> String {
    private_name(instance.address, view.scope.region)
}

fn write_interfaces(eni: Option<&Eni>, view: &View<'_>, x: &mut Xml) {
    let groups = eni.map_or(&[][..], |eni| &eni.groups);
    x.opt("sourceDestCheck", eni.map(|eni| eni.source_dest_check));
    write_groups(groups, view.world, x);
    x.items("networkInterfaceSet", eni, |x, eni| {
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
        write_groups(&eni.groups, view.world, x);
        if let Some(attachment) = &eni.attachment {
            x.nest("attachment", |x| write_attachment(attachment, x));
        }
        if let Some(public) = view.world.public_of(eni, eni.primary()) {
            write_association(view, eni, &public, false, x);
        }
        write_addresses(eni, view, false, x);
    });
}

fn write_state(state: InstanceState, x: &mut Xml) {
    x.el("code", state.code());
    x.el("name", state.name());
}

/// Whether the instance still belongs to a VPC. A terminated one does not.
fn placed(instance: &Instance) -> bool {
    instance.state != InstanceState::Terminated
}

fn eni<'w>(instance: &Instance, world: &'w World) -> Option<&'w Eni> {
    world.eni(instance.eni).map(|eni| &**eni).filter(|_| placed(instance))
}

/// The interface of an instance, and the public address of its primary address.
fn public<'w>(instance: &Instance, view: &View<'w>) -> Option<(&'w Eni, std::net::Ipv4Addr)> {
    let eni = eni(instance, view.world)?;
    Some((eni, view.world.public_of(eni, eni.primary())?.address))
}

fn subnet<'w>(instance: &Instance, world: &'w World) -> Option<&'w Subnet> {
    world.subnet(instance.subnet).map(|subnet| &**subnet)
}

/// The code and the message that say why the instance ended or is about to.
fn reason(instance: &Instance) -> Option<(&'static str, String)> {
    if instance.state.wants_to_run() {
        return None;
    }
    Some(match &instance.exit {
        None => (
            "Client.UserInitiatedShutdown",
            "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
        ),
        Some(Exit::Code(code)) => (
            "Client.InstanceInitiatedShutdown",
            format!("Client.InstanceInitiatedShutdown: it ended with status {code}"),
        ),
        Some(Exit::Signal(signal)) => (
            "Client.InstanceInitiatedShutdown",
            format!("Client.InstanceInitiatedShutdown: signal {signal} ended it"),
        ),
        Some(Exit::OutOfMemory) => (
            "Client.InstanceInitiatedShutdown",
            "Client.InstanceInitiatedShutdown: it ran out of memory".to_owned(),
        ),
        Some(Exit::Failed(why)) => ("Server.InternalError", format!("Server.InternalError: {why}")),
    })
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

/// Whether `DescribeInstances` would show a new instance that does not run yet. Clients that wait
/// for it ask again after 15 s, so a slightly later answer serves them better.
pub(crate) fn starts(world: &World, request: &Request<'_>) -> bool {
    let new = |instance: &Instance| {
        instance.state == InstanceState::Pending
            && request.now.millis().saturating_sub(instance.launched.millis()) < NEW
    };
    // Usually there is no such instance, and the request need not be parsed twice.
    let mut mine = world.instances_of(Key::Account(request.scope.account));
    request.params.get("Action") == Some("DescribeInstances")
        && mine.any(|instance| new(instance))
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
        Reply::Done | Reply::Rules { .. } => Vec::new(),
    };
    request.respond(|x| {
        if let Some(first) = instances.first() {
            write_reservation(first.reservation, &instances, &view, x);
        }
    })
}

/// The answer to `TerminateInstances`.
pub(super) fn terminated(
    before: &World,
    after: &World,
    _: &Reply,
    request: &Request<'_>,
) -> String {
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

/// `GetConsoleOutput`.
pub(super) fn console(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.bool("Latest")?;
    let id: InstanceId = id(request.params, "InstanceId")?;
    let view = View::new(world, request);
    Instance::get(&view, id).ok_or_else(|| not_found::<Instance>(id))?;
    let output = (request.console)(id).unwrap_or_default();
    Ok(request.respond(|x| {
        x.el("instanceId", id);
        x.el("timestamp", request.now);
        x.el("output", STANDARD.encode(output));
    }))
}
