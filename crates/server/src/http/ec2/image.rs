//! Images. They are the same in every region, and public.

use aws::paging::{Paging, page};
use aws::params::Params;
use aws::xml::Xml;
use model::{IMAGES, Image, World};

use super::catalog::filtered;
use super::describe::{Values, many, one};
use super::input::malformed_image;
use super::request::{Ec2Error, Request};

/// The account that an image seems to belong to: its own, or the platform's.
struct Owners {
    platform: Option<String>,
    caller: String,
    emulates: bool,
}

impl Owners {
    fn new(world: &World, request: &Request<'_>) -> Self {
        let settings = world.settings();
        Self {
            platform: settings.map(|settings| settings.platform_account.to_string()),
            caller: request.scope.account.to_string(),
            emulates: settings.is_some_and(|settings| settings.emulator),
        }
    }

    fn of<'a>(&'a self, image: &Image) -> Option<&'a str> {
        image.owner.or(self.platform.as_deref())
    }

    /// Whether an image is of one of the owners that a request names.
    fn includes(&self, image: &Image, owners: &[&str]) -> bool {
        let own = self.of(image);
        owners.is_empty()
            || owners.iter().any(|owner| match *owner {
                "amazon" => true,
                "self" => own == Some(self.caller.as_str()),
                account => own == Some(account),
            })
    }
}

/// The names of all filters of `DescribeImages`, but those of tags.
const FILTERS: [&str; 57] = [
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.encrypted",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "boot-mode",
    "creation-date",
    "deprecation-time",
    "description",
    "ena-support",
    "free-tier-eligible",
    "hypervisor",
    "image-allowed",
    "image-id",
    "image-type",
    "image-watermark.source-image-creation-time",
    "image-watermark.source-image-id",
    "image-watermark.source-image-region",
    "image-watermark.watermark-creation-time",
    "image-watermark.watermark-key",
    "instance-type-specification.supported-instance-type",
    "instance-type-specification.unsupported-instance-type",
    "is-public",
    "kernel-id",
    "manifest-location",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "platform-details",
    "product-code",
    "product-code.type",
    "public-ssm-parameter-name",
    "ramdisk-id",
    "root-device-name",
    "root-device-type",
    "scan-result.critical-fix-available-since",
    "scan-result.finding-scan-date",
    "scan-result.high-fix-available-since",
    "scan-result.highest-finding-severity-label",
    "scan-result.informational-fix-available-since",
    "scan-result.low-fix-available-since",
    "scan-result.medium-fix-available-since",
    "source-image-id",
    "source-image-region",
    "source-instance-id",
    "sriov-net-support",
    "state",
    "state-reason-code",
    "state-reason-message",
    "tpm-support",
    "usage-operation",
    "virtualization-type",
    "imds-support",
    "location",
];

fn values(name: &str, image: &Image, owners: &Owners) -> Option<Values<'static>> {
    Some(match name {
        "architecture" => one(image.architecture.name()),
        "block-device-mapping.delete-on-termination" => one(true),
        "block-device-mapping.device-name" | "root-device-name" => one(image.root_device),
        "block-device-mapping.encrypted" => one(false),
        "block-device-mapping.snapshot-id" => one(image.snapshot()),
        "block-device-mapping.volume-size" => one(image.volume_size),
        "block-device-mapping.volume-type" => one(image.volume_type),
        "boot-mode" => many(Some(image.boot_mode).filter(|mode| !mode.is_empty())),
        "creation-date" => one(&image.created),
        "description" => one(&image.description),
        "ena-support" | "image-allowed" | "is-public" => one(true),
        "free-tier-eligible" => one(image.owner.is_some()),
        "hypervisor" => one("xen"),
        "image-id" => one(&image.id),
        "image-type" => one("machine"),
        "imds-support" => many(image.requires_tokens.then_some("v2.0")),
        "manifest-location" | "location" => one(location(image)),
        "name" => one(&image.name),
        "owner-alias" => one("amazon"),
        "owner-id" => many(owners.of(image)),
        "platform-details" => one("Linux/UNIX"),
        "root-device-type" => one("ebs"),
        "sriov-net-support" => one("simple"),
        "state" => one("available"),
        "usage-operation" => one("RunInstances"),
        "virtualization-type" => one("hvm"),
        _ => return None,
    })
}

fn location(image: &Image) -> String {
    format!("amazon/{}", image.name)
}

/// `DescribeImages`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let paging = Paging::parse(params, "DescribeImages", 1..=1000, Some("ImageId"))?;
    for name in ["IncludeDeprecated", "IncludeDisabled"] {
        params.bool(name)?;
    }
    let owners = Owners::new(world, request);
    let mut images = named(params, "ImageId", owners.emulates)?;
    let asked: Vec<&str> = params.list("Owner").collect();
    let users: Vec<&str> = params.list("ExecutableBy").collect();
    // All of them are public, so nobody was named as one who may run them.
    let public = users.is_empty() || users.contains(&"all");
    images.retain(|image| public && owners.includes(image, &asked));
    let fields = |name: &str, image: &Image| values(name, image, &owners);
    let mut images = filtered(params, &FILTERS, fields, images)?;
    images.sort_by(|a, b| a.id.cmp(&b.id));
    let (images, next) = page(images, |image| image.id.clone(), &paging);
    Ok(request.respond(|x| {
        x.items("imagesSet", &images, |x, image| write(image, owners.of(image), x));
        x.opt("nextToken", next);
    }))
}

/// The images that a list parameter names by id or by name, or all of them without such a list.
fn named(params: &Params, parameter: &str, emulates: bool) -> Result<Vec<Image>, Ec2Error> {
    let names: Vec<&str> = params.list(parameter).collect();
    if names.is_empty() {
        return Ok(IMAGES.clone());
    }
    let mut found: Vec<Image> = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match find(name, emulates) {
            Some(image) if !found.contains(&image) => found.push(image),
            Some(_) => {}
            None if Image::is_id(name) => unknown.push(name),
            None => return Err(malformed_image(name)),
        }
    }
    match unknown.as_slice() {
        [] => Ok(found),
        [one] => Err(absent(&format!("The image id '[{one}]' does not exist"))),
        several => Err(absent(&format!("The image ids '[{}]' do not exist", several.join(", ")))),
    }
}

fn find(text: &str, emulates: bool) -> Option<Image> {
    let emulated = || Image::emulated(text).filter(|_| emulates);
    Image::find(text).cloned().or_else(emulated)
}

fn absent(message: &str) -> Ec2Error {
    Ec2Error::new("InvalidAMIID.NotFound", message)
}

fn write(image: &Image, owner: Option<&str>, x: &mut Xml) {
    x.el("imageId", &image.id);
    x.el("imageLocation", location(image));
    x.el("imageState", "available");
    x.opt("imageOwnerId", owner);
    x.el("creationDate", &image.created);
    x.el("isPublic", true);
    x.el("architecture", image.architecture.name());
    x.el("imageType", "machine");
    x.el("platformDetails", "Linux/UNIX");
    x.el("usageOperation", "RunInstances");
    x.el("sriovNetSupport", "simple");
    x.el("name", &image.name);
    x.el("description", &image.description);
    x.el("rootDeviceType", "ebs");
    x.el("rootDeviceName", image.root_device);
    write_devices(image, x);
    x.el("virtualizationType", "hvm");
    x.el("hypervisor", "xen");
    x.el("imageOwnerAlias", "amazon");
    x.el("enaSupport", true);
    x.opt("bootMode", Some(image.boot_mode).filter(|mode| !mode.is_empty()));
    x.opt("imdsSupport", image.requires_tokens.then_some("v2.0"));
    x.el("deregistrationProtection", "disabled");
    x.el("imageAllowed", true);
    x.el("freeTierEligible", image.owner.is_some());
}

fn write_devices(image: &Image, x: &mut Xml) {
    x.items("blockDeviceMapping", [image], |x, image| {
        x.el("deviceName", image.root_device);
        x.nest("ebs", |x| {
            x.el("snapshotId", image.snapshot());
            x.el("volumeSize", image.volume_size);
            x.el("deleteOnTermination", true);
            x.el("volumeType", image.volume_type);
            if image.volume_type == "gp3" {
                x.el("iops", 3000);
                x.el("throughput", 125);
            }
            x.el("encrypted", false);
        });
    });
}

/// `DescribeImageAttribute`. Nobody here owns an image, so what an owner alone is told is refused.
pub(super) fn attribute(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let id = params.required("ImageId")?;
    let owners = Owners::new(world, request);
    let image = match find(id, owners.emulates) {
        Some(image) => image,
        None if Image::is_id(id) => {
            return Err(absent(&format!("The image id '[{id}]' does not exist")));
        }
        None => return Err(malformed_image(id)),
    };
    let attribute = params.required("Attribute")?;
    let body: fn(&Image, &mut Xml) = match attribute {
        "blockDeviceMapping" => write_devices,
        "bootMode" => |image, x| x.nest("bootMode", |x| x.el("value", image.boot_mode)),
        "description" => |image, x| x.nest("description", |x| x.el("value", &image.description)),
        "launchPermission" => {
            |_, x| x.items("launchPermission", ["all"], |x, all| x.el("group", all))
        }
        "productCodes" => |_, x| x.items("productCodes", [(); 0], |_, ()| {}),
        "sriovNetSupport" => |_, x| x.nest("sriovNetSupport", |x| x.el("value", "simple")),
        "kernel"
        | "ramdisk"
        | "tpmSupport"
        | "uefiData"
        | "lastLaunchedTime"
        | "imdsSupport"
        | "deregistrationProtection" => |_, _| {},
        other => {
            return Err(params.invalid("Attribute", other, "There is no such attribute.").into());
        }
    };
    Ok(request.respond(|x| {
        x.el("imageId", &image.id);
        body(&image, x);
    }))
}
