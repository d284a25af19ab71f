//! The plan of the processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names;
use crate::intent::{Disk, WorkloadIntent};
use crate::resource::{Addon, AddonState, Dyno, Eni, Instance};
use crate::{EniId, WorkloadId, World};

/// Says how a process must run; `None` where it must not be there at all.
pub(super) fn plan_workload(world: &World, id: WorkloadId) -> Option<WorkloadIntent> {
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
    let release = world.release(dyno.release);
    let mut environment = release.map(|release| release.config.clone()).unwrap_or_default();
    environment.extend(dyno.environment.clone());
    environment.extend(own_variables(world, dyno, eni));
    let intent = WorkloadIntent {
        interface: dyno.eni,
        vpc: world.space(dyno.space)?.vpc,
        addresses: eni.map(|eni| eni.addresses.clone()).unwrap_or_default(),
        hostname: dyno.id.to_string(),
        command: ["/bin/sh", "-c", &dyno.command].map(str::to_owned).to_vec(),
        user_data: None,
        environment,
        slug: release.and_then(|release| release.slug),
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: Some(dyno.size.memory()),
        cpu_weight: Some(dyno.size.cpu_weight()),
        attempt: 0,
        run: dyno.state.wants_to_run(),
    };
    Some((id, intent))
}

/// What every dyno is told of itself (`heroku.md` §4).
fn own_variables(world: &World, dyno: &Dyno, eni: Option<&Arc<Eni>>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("DYNO", dyno.name.clone()),
        ("PORT", dyno.port().to_string()),
        ("HOME", "/app".to_owned()),
    ]);
    if let Some(eni) = eni {
        variables.insert("HEROKU_PRIVATE_IP", eni.primary().to_string());
    }
    if let Some(app) = world.app(dyno.app) {
        variables.insert("HEROKU_DNS_APP_NAME", names::app(app));
        if let Some(number) = dyno.number {
            let process = names::process(app, &dyno.process_type);
            variables.insert("HEROKU_DNS_DYNO_NAME", names::dyno(number, &process));
            variables.insert("HEROKU_DNS_FORMATION_NAME", process);
        }
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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
        command: ["/bin/sh", "-c", &addon.plan.command].map(str::to_owned).to_vec(),
        user_data: None,
        environment,
        slug: None,
        disk: Some(Disk { addon: addon.id, at: addon.plan.data.clone() }),
        image: addon.plan.image.clone(),
        mounts: addon.plan.mounts.clone(),
        memory_limit: addon.plan.memory,
        cpu_weight: None,
        attempt: addon.attempt,
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
    // What is to end is to go: that nothing is left of it makes it `terminated`.
    if !instance.state.wants_to_run() {
        return None;
    }
    let [a, b, c, d] = eni.primary().octets();
    let intent = WorkloadIntent {
        interface: eni.id,
        vpc: eni.vpc,
        addresses: eni.addresses.clone(),
        hostname: format!("ip-{a}-{b}-{c}-{d}"),
        command: Vec::new(),
        user_data: instance.user_data.as_deref().and_then(decode_base64),
        environment: BTreeMap::new(),
        slug: None,
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: None,
        cpu_weight: None,
        attempt: 0,
        run: true,
    };
    Some((id, intent))
}

/// A process's interface, if it is in the VPC's intent too.
fn interface(world: &World, workload: WorkloadId, id: EniId) -> Option<&Arc<Eni>> {
    let eni = world.eni(id)?;
    world.vpc(eni.vpc)?;
    eni.attachment.as_ref().filter(|attachment| attachment.workload == workload)?;
    Some(eni)
}

/// Decodes base64 as clients write it: lines and missing padding do not matter. Nothing comes of
/// text that is not base64.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let end = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let (digits, padding) = text.split_at(end);
    if padding.len() > 2 || padding.iter().any(|byte| *byte != b'=') || digits.len() % 4 == 1 {
        return None;
    }
    let (mut bits, mut held, mut bytes) = (0u32, 0u32, Vec::with_capacity(digits.len() * 3 / 4));
    for byte in digits {
        bits = bits << 6 | u32::from(digit(*byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
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
