//! The plan of the processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{names, shell};
use crate::edge::RESOLVER;
use crate::intent::{Disk, NamesIntent, WorkloadIntent};
use crate::resource::{Addon, AddonState, Boot, Dyno, Eni, Instance, Release, Slug, Stdio};
use crate::{EniId, VpcId, WorkloadId, World};

/// Says how a process must run; `None` where it must not be there at all, or waits for a host.
pub(super) fn plan_workload(world: &World, id: WorkloadId) -> Option<WorkloadIntent> {
    if world.waits_for_host(id) {
        return None;
    }
    match id {
        WorkloadId::Dyno(id) => plan_dyno(world, world.dyno(id)?),
        WorkloadId::Instance(id) => plan_instance(world, world.instance(id)?),
        WorkloadId::Service(id) => plan_service(world, world.addon(id)?),
        WorkloadId::Router(_) => None,
    }
    .map(|(_, intent)| intent)
}

pub(super) fn plan_dyno(world: &World, dyno: &Dyno) -> Option<(WorkloadId, WorkloadIntent)> {
    let id = WorkloadId::Dyno(dyno.id);
    let eni = interface(world, id, dyno.eni);
    // What has ended gave its interface back, and stays for its output.
    if eni.is_none() && !dyno.state.ended() {
        return None;
    }
    let release = world.release(dyno.release).map(|release| &**release);
    let slug = release.and_then(|release| world.slug(release.slug?)).map(|slug| &**slug);
    let mut environment = release.map(|release| release.config.clone()).unwrap_or_default();
    environment.extend(dyno.environment.clone());
    environment.extend(own_variables(world, dyno, eni));
    environment.extend(release.into_iter().flat_map(|release| metadata(release, slug)));
    let command = match slug {
        Some(slug) if dyno.is_one_off() => shell::one_off(&dyno.command, &slug.process_types),
        Some(_) | None => dyno.command.as_str().into(),
    };
    let intent = WorkloadIntent {
        interface: dyno.eni,
        vpc: world.space(dyno.space)?.vpc,
        addresses: eni.map(|eni| eni.addresses.clone()).unwrap_or_default(),
        hostname: dyno.id.to_string(),
        names: NamesIntent::default(),
        command: shell::dyno_command(&command),
        user_data: None,
        environment,
        slug: release.and_then(|release| release.slug),
        blob: slug.and_then(|slug| slug.blob.clone()),
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: Some(dyno.size.memory()),
        cpu_weight: Some(dyno.size.cpu_weight()),
        stdio: dyno.stdio,
        attempt: 0,
        once: dyno.is_release_command(),
        fenced: world.is_fenced(id),
        run: dyno.state.wants_to_run(),
    };
    Some((id, intent))
}

/// What every dyno is told of itself (`heroku.md` §4), whatever its app's config vars say.
fn own_variables(world: &World, dyno: &Dyno, eni: Option<&Arc<Eni>>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("DYNO", dyno.name.clone()),
        ("PORT", dyno.port().to_string()),
        ("HOME", "/app".to_owned()),
    ]);
    if let Some(eni) = eni {
        variables.insert("HEROKU_PRIVATE_IP", eni.primary().to_string());
    }
    variables.insert("HEROKU_DYNO_ID", dyno.id.to_string());
    if let Some(app) = world.app(dyno.app) {
        variables.insert("HEROKU_APP_ID", app.id.to_string());
        variables.insert("HEROKU_APP_NAME", app.name.clone());
        variables.insert("HEROKU_DNS_APP_NAME", names::app(app));
        if let Some(number) = dyno.number {
            let process = names::process(app, &dyno.process_type);
            variables.insert("HEROKU_DNS_DYNO_NAME", names::dyno(number, &process));
            variables.insert("HEROKU_DNS_FORMATION_NAME", process);
        }
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a dyno is told of its release, in the forms of Heroku's dyno metadata.
fn metadata(release: &Release, slug: Option<&Slug>) -> [(String, String); 4] {
    let commit = slug.and_then(|slug| slug.commit.clone()).unwrap_or_default();
    [
        ("HEROKU_RELEASE_CREATED_AT", release.created.to_seconds_string()),
        ("HEROKU_RELEASE_VERSION", format!("v{}", release.version)),
        ("HEROKU_SLUG_COMMIT", commit),
        ("HEROKU_SLUG_DESCRIPTION", release.description.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

pub(super) fn plan_service(world: &World, addon: &Addon) -> Option<(WorkloadId, WorkloadIntent)> {
    let id = WorkloadId::Service(addon.id);
    let eni = interface(world, id, addon.eni)?;
    let mut environment = addon.plan.environment.clone();
    environment.insert("PORT".to_owned(), addon.plan.port.to_string());
    environment.insert("PASSWORD".to_owned(), addon.password.clone());
    environment.insert("ADDRESS".to_owned(), eni.primary().to_string());
    let intent = WorkloadIntent {
        interface: eni.id,
        vpc: eni.vpc,
        addresses: eni.addresses.clone(),
        hostname: addon.name.clone(),
        names: NamesIntent::default(),
        command: ["/bin/sh", "-c", &addon.plan.command].map(str::to_owned).to_vec(),
        user_data: None,
        environment,
        slug: None,
        blob: None,
        disk: Some(Disk { addon: addon.id, at: addon.plan.data.clone(), bytes: addon.plan.disk }),
        image: addon.plan.image.clone(),
        mounts: addon.plan.mounts.clone(),
        memory_limit: addon.plan.memory,
        cpu_weight: None,
        stdio: Stdio::Log,
        attempt: addon.attempt,
        once: false,
        fenced: false,
        run: addon.state != AddonState::Crashed,
    };
    Some((id, intent))
}

pub(super) fn plan_instance(
    world: &World,
    instance: &Instance,
) -> Option<(WorkloadId, WorkloadIntent)> {
    let id = WorkloadId::Instance(instance.id);
    let eni = interface(world, id, instance.eni)?;
    // What is to end is to go: that nothing is left of it makes it `terminated`. What is to stop is
    // kept.
    if instance.state.ends() {
        return None;
    }
    let [a, b, c, d] = eni.primary().octets();
    let intent = WorkloadIntent {
        interface: eni.id,
        vpc: eni.vpc,
        addresses: eni.addresses.clone(),
        hostname: format!("ip-{a}-{b}-{c}-{d}"),
        names: names_of(world, eni.vpc),
        command: Vec::new(),
        user_data: instance.user_data.as_deref().and_then(decode_base64),
        environment: BTreeMap::new(),
        slug: None,
        blob: None,
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: None,
        cpu_weight: None,
        stdio: Stdio::Log,
        attempt: instance.starts,
        once: false,
        fenced: false,
        run: instance.state.wants_to_run() && instance.boot != Boot::Ending,
    };
    Some((id, intent))
}

/// What the DHCP options of a VPC say to its instances; nothing where it has none.
fn names_of(world: &World, vpc: VpcId) -> NamesIntent {
    let options = world.vpc(vpc).and_then(|vpc| world.dhcp_options(vpc.dhcp_options?));
    let Some(options) = options else {
        return NamesIntent { search: Vec::new(), servers: Vec::new() };
    };
    NamesIntent {
        search: options.search().map(str::to_owned).collect(),
        servers: options.servers(RESOLVER).collect(),
    }
}

/// A process's interface, if it is in the VPC's intent too.
fn interface(world: &World, workload: WorkloadId, id: EniId) -> Option<&Arc<Eni>> {
    let eni = world.eni(id)?;
    world.vpc(eni.vpc)?;
    eni.attachment.as_ref().filter(|attachment| attachment.workload == workload)?;
    Some(eni)
}

/// Base64 as clients write it: missing padding and what is left of the last bits do not matter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a script as a client encoded it, whatever lines it is broken into. Nothing comes of text
/// that is not base64.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_clients_write_it() {
        let text = |text: &str| String::from_utf8(decode_base64(text).unwrap()).unwrap();
        // The vectors of RFC 4648 §10.
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(text(encoded), plain);
            assert_eq!(text(encoded.trim_end_matches('=')), plain);
        }
        assert_eq!(text("IyEvYmlu\nL3NoCg==\n"), "#!/bin/sh\n");
        assert_eq!(decode_base64("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for bad in ["#!/bin/sh", "Z", "Zg==Zg==", "Zm9v====", "=Zm8", "Zé=="] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }
}
