//! What a host may be called, and what may be said of it.

use super::{Decision, refuse};
use crate::command::{HostFacts, NewHost};
use crate::{Code, HostId, Refused};

/// The most characters of a host's name, of a zone and of a label's name.
const MAX_NAME: usize = 63;
/// The most characters of a label's value.
const MAX_VALUE: usize = 255;
/// The most labels of a host.
const MAX_LABELS: usize = 50;
/// The least memory of a host: what the smallest dyno takes.
const LEAST_MEMORY: u64 = 1 << 30;

impl Decision<'_> {
    pub(super) fn check_new_host(&self, new: &NewHost) -> Result<(), Refused> {
        check_word("host's name", &new.name)?;
        if self.world.host_named(&new.name).is_some() {
            return refuse(
                Code::Conflict,
                format_args!(
                    "There is a host named {} already. Choose another name, or remove that one first.",
                    new.name
                ),
            );
        }
        self.check_host_facts(&new.facts, None)
    }

    /// Checks what is said of a host, which may be one that is there.
    pub(super) fn check_host_facts(
        &self,
        facts: &HostFacts,
        own: Option<HostId>,
    ) -> Result<(), Refused> {
        let HostFacts { address, zone, labels, capacity, version } = facts;
        check_word("zone", zone)?;
        if address.is_unspecified() || address.is_multicast() {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("{address} is not the address of one machine."),
            );
        }
        let mut others = self.world.hosts().filter(|host| Some(host.id) != own);
        if let Some(other) = others.find(|host| host.address == *address) {
            return refuse(
                Code::Conflict,
                format_args!("The host {} has the address {address} already.", other.name),
            );
        }
        if labels.len() > MAX_LABELS {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("A host has at most {MAX_LABELS} labels, not {}.", labels.len()),
            );
        }
        for (name, value) in labels {
            check_word("label's name", name)?;
            if value.chars().count() > MAX_VALUE || value.chars().any(char::is_control) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!(
                        "The value of the label {name} has more than {MAX_VALUE} characters, or one \
                         that cannot be shown."
                    ),
                );
            }
        }
        if version.chars().count() > MAX_VALUE || version.chars().any(char::is_control) {
            return refuse(
                Code::InvalidParameterValue,
                "The release of a host's agent cannot be read.",
            );
        }
        if capacity.memory < LEAST_MEMORY || capacity.cpus == 0 {
            return refuse(
                Code::InvalidParameterValue,
                "A host gives away 1 GiB of memory at least, and one processor.",
            );
        }
        Ok(())
    }
}

/// Whether text is a word such as `rack-2` or `node1.example.com`.
fn check_word(what: &str, text: &str) -> Result<(), Refused> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain = |c: char| edge(c) || matches!(c, '-' | '.' | '_');
    let well_formed = (1..=MAX_NAME).contains(&text.len())
        && text.chars().all(plain)
        && text.starts_with(edge)
        && text.ends_with(edge);
    if well_formed {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        format_args!(
            "A {what} has 1 to {MAX_NAME} lowercase letters, digits, dots, hyphens and underscores, and \
             begins and ends with a letter or digit."
        ),
    )
}
