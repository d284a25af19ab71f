//! Volumes: each instance has a root volume, which follows from the instance. There are no others.

use std::sync::Arc;

use aws::xml::Xml;
use model::{Image, Instance, Key, RootVolume, Tags, Timestamp, VolumeId, World};

use super::describe::{
    Described, Filter, Query, Stored, View, find_all, ids, listed, many, nothing, one, write_tags,
};
use super::input::{self, id};
use super::request::{Ec2Error, Request};

/// The root volume of an instance.
struct Volume {
    id: VolumeId,
    instance: Arc<Instance>,
}

impl Volume {
    /// The root volume of an instance that has one still.
    fn of(instance: &Arc<Instance>) -> Option<Self> {
        let id = RootVolume::id_of(instance.id);
        instance.has_volume().then(|| Self { id, instance: Arc::clone(instance) })
    }

    fn size(&self) -> u32 {
        let volume = &self.instance.options.volume;
        volume.size.unwrap_or_else(|| image(&self.instance).map_or(8, |image| image.volume_size))
    }

    fn kind(&self) -> &str {
        let volume = &self.instance.options.volume;
        let of_image = || image(&self.instance).map_or("gp3", |image| image.volume_type);
        volume.kind.as_deref().unwrap_or_else(of_image)
    }

    fn iops(&self) -> Option<u32> {
        let least = match self.kind() {
            "gp3" => Some(3000),
            "gp2" => Some(self.size().saturating_mul(3).clamp(100, 16_000)),
            "io1" | "io2" => Some(100),
            _ => None,
        };
        self.instance.options.volume.iops.or(least)
    }

    fn throughput(&self) -> Option<u32> {
        let least = (self.kind() == "gp3").then_some(125);
        self.instance.options.volume.throughput.or(least)
    }

    fn snapshot(&self) -> Option<String> {
        image(&self.instance).map(|image| image.snapshot())
    }
}

fn image(instance: &Instance) -> Option<&'static Image> {
    Image::find(&instance.image)
}

impl Described for Volume {
    type Id = VolumeId;
    const SET: &'static str = "volumeSet";
    const PARAM: &'static str = "VolumeId";
    const MALFORMED: &'static str = <VolumeId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidVolume.NotFound", "volume");
    const FILTERS: &'static [Filter<Self>] = &[
        ("attachment.attach-time", |_, volume| one(volume.instance.launched)),
        ("attachment.delete-on-termination", |_, volume| {
            one(!volume.instance.options.volume.stays)
        }),
        ("attachment.device", |_, volume| one(volume.instance.root_device())),
        ("attachment.instance-id", |_, volume| one(volume.instance.id)),
        ("attachment.status", |_, _| one("attached")),
        ("availability-zone", |view, volume| {
            many(view.world.subnet(volume.instance.subnet).map(|subnet| subnet.zone))
        }),
        ("availability-zone-id", |view, volume| {
            many(view.world.subnet(volume.instance.subnet).map(|subnet| subnet.zone.zone_id()))
        }),
        ("create-time", |_, volume| one(volume.instance.launched)),
        ("encrypted", |_, volume| one(volume.instance.options.volume.encrypted)),
        ("fast-restored", |_, _| one(false)),
        ("multi-attach-enabled", |_, _| one(false)),
        ("operator.managed", |_, _| one(false)),
        ("operator.principal", nothing),
        ("size", |_, volume| one(volume.size())),
        ("snapshot-id", |_, volume| many(volume.snapshot())),
        ("status", |_, _| one("in-use")),
        ("volume-id", |_, volume| one(volume.id)),
        ("volume-type", |_, volume| one(volume.kind())),
    ];

    fn id(&self) -> VolumeId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.instance.launched
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.instance.options.volume.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        let volume = &self.instance.options.volume;
        x.el("volumeId", self.id);
        x.el("size", self.size());
        x.el("snapshotId", self.snapshot().unwrap_or_default());
        if let Some(subnet) = view.world.subnet(self.instance.subnet) {
            x.el("availabilityZone", subnet.zone);
            x.el("availabilityZoneId", subnet.zone.zone_id());
        }
        x.el("status", "in-use");
        x.el("createTime", self.instance.launched);
        x.items("attachmentSet", [self], |x, volume| volume.write_attachment(x));
        x.el("volumeType", self.kind());
        x.opt("iops", self.iops());
        x.opt("throughput", self.throughput());
        x.el("encrypted", volume.encrypted);
        x.el("multiAttachEnabled", false);
        write_tags(x, Some(&volume.tags));
    }
}

impl Volume {
    fn write_attachment(&self, x: &mut Xml) {
        x.el("volumeId", self.id);
        x.el("instanceId", self.instance.id);
        x.el("device", self.instance.root_device());
        x.el("status", "attached");
        x.el("attachTime", self.instance.launched);
        x.el("deleteOnTermination", !self.instance.options.volume.stays);
    }
}

/// Writes the devices of an instance: its root volume alone.
pub(super) fn write_devices(instance: &Instance, x: &mut Xml) {
    let volume = instance.has_volume().then(|| RootVolume::id_of(instance.id));
    x.items("blockDeviceMapping", volume, |x, volume| {
        x.el("deviceName", instance.root_device());
        x.nest("ebs", |x| {
            x.el("volumeId", volume);
            x.el("status", "attached");
            x.el("attachTime", instance.launched);
            x.el("deleteOnTermination", !instance.options.volume.stays);
        });
    });
}

/// A volume that the caller sees.
fn get(view: &View<'_>, id: VolumeId) -> Option<Volume> {
    Instance::get(view, id.instance())?;
    Volume::of(view.world.instance(id.instance())?)
}

/// Every volume that the caller sees.
fn all(view: &View<'_>) -> Vec<Volume> {
    let mine = view.world.instances_of(Key::Account(view.scope.account));
    mine.filter(|instance| Instance::get(view, instance.id).is_some())
        .filter_map(Volume::of)
        .collect()
}

/// `DescribeVolumes`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.bool("IncludeManagedResources")?;
    let view = View::new(world, request);
    let query = Query::parse::<Volume>(request)?;
    let named = ids::<Volume>(request.params)?;
    let volumes = match named.is_empty() {
        true => all(&view),
        false => find_all::<Volume, _>(&named, |id| get(&view, id))?,
    };
    let view = View::new(world, request);
    let (page, next) = query.among(&view, volumes.iter().collect())?;
    Ok(listed(&view, request, &page, next.as_deref()))
}

/// `DescribeVolumeStatus`. Every volume is well.
pub(super) fn status(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.bool("IncludeManagedResources")?;
    let view = View::new(world, request);
    let query = Query::parse_with::<Volume>(request, &STATUS_FILTERS)?;
    let named = ids::<Volume>(request.params)?;
    let volumes = match named.is_empty() {
        true => all(&view),
        false => find_all::<Volume, _>(&named, |id| get(&view, id))?,
    };
    let (page, next) =
        query.among_with(&view, volumes.iter().collect(), |volume, name| match name {
            "attachment-status.instance-id" => one(volume.instance.id),
            "volume-status.status" => one("ok"),
            "volume-status.details-name" => many(["io-enabled", "io-performance"]),
            "volume-status.details-status" => many(["passed", "not-applicable"]),
            _ => Vec::new(),
        })?;
    Ok(request.respond(|x| {
        x.items("volumeStatusSet", &page, |x, volume| {
            x.el("volumeId", volume.id);
            if let Some(subnet) = view.world.subnet(volume.instance.subnet) {
                x.el("availabilityZone", subnet.zone);
            }
            x.nest("volumeStatus", |x| {
                x.el("status", "ok");
                let details = [("io-enabled", "passed"), ("io-performance", "not-applicable")];
                x.items("details", details, |x, (name, status)| {
                    x.el("name", name);
                    x.el("status", status);
                });
            });
            x.items("eventsSet", [(); 0], |_, ()| {});
            x.items("actionsSet", [(); 0], |_, ()| {});
        });
        x.opt("nextToken", next);
    }))
}

/// The filters of `DescribeVolumeStatus` that are about the status.
const STATUS_FILTERS: [&str; 13] = [
    "action.code",
    "action.description",
    "action.event-id",
    "attachment-status.instance-id",
    "attachment-status.io-performance",
    "event.description",
    "event.event-id",
    "event.event-type",
    "event.not-after",
    "event.not-before",
    "volume-status.details-name",
    "volume-status.details-status",
    "volume-status.status",
];

/// `DescribeVolumeAttribute`.
pub(super) fn attribute(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let view = View::new(world, request);
    let wanted: VolumeId = id(params, "VolumeId")?;
    get(&view, wanted).ok_or_else(|| super::describe::not_found::<Volume>(wanted))?;
    let attribute = params.required("Attribute")?;
    if !["autoEnableIO", "productCodes"].contains(&attribute) {
        return Err(params.invalid("Attribute", attribute, "There is no such attribute.").into());
    }
    Ok(request.respond(|x| {
        x.el("volumeId", wanted);
        match attribute {
            "autoEnableIO" => x.nest("autoEnableIO", |x| x.el("value", false)),
            _ => x.items("productCodes", [(); 0], |_, ()| {}),
        }
    }))
}
