//! What follows from an instance: its interfaces and its subnet, why it has stopped, how it boots.

use model::{Eni, Exit, Image, Instance, InstanceState, Key, Subnet, World};

/// How its image boots, where EC2 says it.
pub(super) fn boot_mode(instance: &Instance) -> Option<&'static str> {
    let image = Image::find(&instance.image)?;
    Some(image.boot_mode).filter(|mode| !mode.is_empty())
}

/// How it was booted.
pub(super) fn current_boot_mode(instance: &Instance) -> &'static str {
    match boot_mode(instance) {
        Some("uefi" | "uefi-preferred") => "uefi",
        _ => "legacy-bios",
    }
}

/// Whether the instance still belongs to a VPC. A terminated one does not.
pub(super) fn placed(instance: &Instance) -> bool {
    instance.state != InstanceState::Terminated
}

pub(super) fn eni<'w>(instance: &Instance, world: &'w World) -> Option<&'w Eni> {
    world.eni(instance.eni).map(|eni| &**eni).filter(|_| placed(instance))
}

/// The interfaces of an instance, in the order of their device indexes.
pub(super) fn enis<'w>(instance: &Instance, world: &'w World) -> Vec<&'w Eni> {
    let mut all: Vec<&Eni> = world.enis_in(Key::Instance(instance.id)).map(|eni| &**eni).collect();
    all.sort_by_key(|eni| eni.attachment.as_ref().map(|attachment| attachment.device_index));
    all
}

pub(super) fn subnet<'w>(instance: &Instance, world: &'w World) -> Option<&'w Subnet> {
    world.subnet(instance.subnet).map(|subnet| &**subnet)
}

/// The code and the message that say why the instance has stopped or ended, or is about to.
pub(super) fn reason(instance: &Instance) -> Option<(&'static str, String)> {
    if instance.state.wants_to_run() {
        return None;
    }
    let by_itself = |how: String| {
        let code = "Client.InstanceInitiatedShutdown";
        (code, format!("{code}: Instance initiated shutdown: {how}"))
    };
    Some(match &instance.exit {
        None => (
            "Client.UserInitiatedShutdown",
            "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
        ),
        Some(Exit::Code(code)) => by_itself(format!("it ended with status {code}")),
        Some(Exit::Signal(signal)) => by_itself(format!("signal {signal} ended it")),
        Some(Exit::OutOfMemory) => by_itself("it ran out of memory".to_owned()),
        Some(Exit::Failed(why)) => ("Server.InternalError", format!("Server.InternalError: {why}")),
    })
}

/// Who had the instance stopped or ended, and when.
pub(super) fn transition(instance: &Instance) -> String {
    if instance.state.wants_to_run() {
        return String::new();
    }
    let at = instance.since.to_seconds_string().replace('T', " ").replace('Z', " GMT");
    match &instance.exit {
        None => format!("User initiated ({at})"),
        Some(Exit::Failed(_)) => format!("Server.InternalError ({at})"),
        Some(_) => format!("Instance initiated ({at})"),
    }
}
