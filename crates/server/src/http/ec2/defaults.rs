//! What an account has set for its region: the defaults, as nothing of it can be set.

use aws::params::Params;
use aws::xml::Xml;
use model::{CpuCredits, INSTANCE_TYPES, Instance, InstanceId, World};

use super::describe::{Stored, View, not_found};
use super::input::id;
use super::request::{Ec2Error, Request};

/// Writes the answer of an action that says how an account is set.
type Write = fn(&mut Xml);

/// The actions that say how an account is set.
const DEFAULTS: [(&str, Write); 7] = [
    ("GetAllowedImagesSettings", |x| {
        x.el("state", "disabled");
        x.items("imageCriterionSet", [(); 0], |_, ()| {});
        x.el("managedBy", "account");
    }),
    ("GetEbsDefaultKmsKeyId", |x| x.el("kmsKeyId", "alias/aws/ebs")),
    ("GetEbsEncryptionByDefault", |x| {
        x.el("ebsEncryptionByDefault", false);
        x.el("sseType", "none");
    }),
    ("GetImageBlockPublicAccessState", |x| {
        x.el("imageBlockPublicAccessState", "unblocked");
        x.el("managedBy", "account");
    }),
    ("GetInstanceMetadataDefaults", |x| {
        x.nest("accountLevel", |x| x.el("managedBy", "account"));
    }),
    ("GetSerialConsoleAccessStatus", |x| {
        x.el("serialConsoleAccessEnabled", false);
        x.el("managedBy", "account");
    }),
    ("GetSnapshotBlockPublicAccessState", |x| {
        x.el("state", "unblocked");
        x.el("managedBy", "account");
    }),
];

/// Says how an account is set.
pub(super) fn read(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let action = request.params.get("Action").unwrap_or_default();
    let found = DEFAULTS.iter().find(|(name, _)| *name == action);
    Ok(request.respond(|x| {
        if let Some((_, write)) = found {
            write(x);
        }
    }))
}

/// `GetDefaultCreditSpecification`.
pub(super) fn credits(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params: &Params = request.params;
    let name = params.required("InstanceFamily")?;
    let family = INSTANCE_TYPES.iter().map(|known| known.family).find(|known| known.name == name);
    let family = family.filter(|family| family.burstable).ok_or_else(|| {
        params.invalid("InstanceFamily", name, "It is no family of burstable instances.")
    })?;
    let usual = if family.unlimited { CpuCredits::Unlimited } else { CpuCredits::Standard };
    Ok(request.respond(|x| {
        x.nest("instanceFamilyCreditSpecification", |x| {
            x.el("instanceFamily", family.name);
            x.el("cpuCredits", usual.name());
        });
    }))
}

/// `GetPasswordData`. Instances run Linux, which has none.
pub(super) fn password(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let wanted: InstanceId = id(request.params, "InstanceId")?;
    let view = View::new(world, request);
    let instance = Instance::get(&view, wanted).ok_or_else(|| not_found::<Instance>(wanted))?;
    Ok(request.respond(|x| {
        x.el("instanceId", wanted);
        x.el("timestamp", instance.launched);
        x.el("passwordData", "");
    }))
}
