//! Snapshots of an emulator: everything that the ledger holds, as text that another emulator reads.
//!
//! The first line says what it is. Each of the others is a record: its kind, its id, and the document
//! in JSON, with single spaces between them. There is no secret that seals them, because the emulator
//! that reads a snapshot is not the one that wrote it.

use model::{Record, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of the form.
const VERSION: u32 = 1;

/// What an emulator holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// When it was made, by the clock of its emulator.
    pub(crate) saved: Timestamp,
    /// Every record.
    pub(crate) records: Vec<Record>,
    /// The accounts and regions that have been used: there, a default VPC that is missing was deleted.
    pub(crate) used: Vec<Scope>,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The version of the form. Under this name, so that everybody sees what the file is.
    causeway_snapshot: u32,
    made_by: String,
    saved: Timestamp,
    records: usize,
    used: Vec<Scope>,
    /// The SHA-256 of all that follows the first line.
    sha256: String,
}

/// The reason why a text is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSnapshot {
    /// The first line is another one.
    #[error("it is not a snapshot: its first line does not say so")]
    Other,
    /// It is of a newer form.
    #[error(
        "it is in the form {0}, which a newer version of Causeway writes; this one reads up to {VERSION}"
    )]
    Newer(u32),
    /// It is cut short, or was changed.
    #[error("it is damaged: what it holds is not what was written")]
    Damaged,
    /// A record is none.
    #[error("its line {line} holds no record")]
    Record {
        /// The number of the line.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Snapshot {
    /// The text of it.
    ///
    /// # Errors
    ///
    /// Those of `serde_json`, which has none for what this holds.
    pub(crate) fn write(&self) -> serde_json::Result<String> {
        let mut body = String::new();
        for record in &self.records {
            let key = record.key();
            for part in [key.kind().name(), " ", &key.to_string(), " ", &record.body(), "\n"] {
                body.push_str(part);
            }
        }
        let head = Head {
            causeway_snapshot: VERSION,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            saved: self.saved,
            records: self.records.len(),
            used: self.used.clone(),
            sha256: hex::encode(Sha256::digest(&body)),
        };
        Ok(format!("{}\n{body}", serde_json::to_string(&head)?))
    }

    /// Reads such a text.
    ///
    /// # Errors
    ///
    /// [`BadSnapshot`].
    pub(crate) fn read(text: &[u8]) -> Result<Self, BadSnapshot> {
        #[derive(Deserialize)]
        struct Form {
            causeway_snapshot: u32,
        }
        let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let (first, body) = text.split_at(end);
        let form: Form = serde_json::from_slice(first).map_err(|_| BadSnapshot::Other)?;
        if form.causeway_snapshot > VERSION {
            return Err(BadSnapshot::Newer(form.causeway_snapshot));
        }
        let head: Head = serde_json::from_slice(first).map_err(|_| BadSnapshot::Other)?;
        let body = body.strip_prefix(b"\n").ok_or(BadSnapshot::Damaged)?;
        if hex::encode(Sha256::digest(body)) != head.sha256 {
            return Err(BadSnapshot::Damaged);
        }
        let body = std::str::from_utf8(body).map_err(|_| BadSnapshot::Damaged)?;
        let records = (2..).zip(body.lines()).map(|(line, text)| {
            let mut parts = text.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or_default();
            Record::read(part(), part(), part())
                .map_err(|error| BadSnapshot::Record { line, source: error.into() })
        });
        let records = records.collect::<Result<Vec<_>, _>>()?;
        if records.len() != head.records {
            return Err(BadSnapshot::Damaged);
        }
        Ok(Self { saved: head.saved, records, used: head.used })
    }
}

#[cfg(test)]
mod tests {
    use model::{
        AccountId, Caller, IdentityCommand, Region, Sequence, Settings, SystemCommand, World,
    };

    use super::*;

    fn snapshot() -> Snapshot {
        let settings = Settings {
            platform_account: AccountId::EMULATED,
            region: Region::DEFAULT,
            emulator: true,
            instance: "a name\nof two lines".to_owned(),
            created: Timestamp::from_millis(5),
            clock_offset: 0,
            outbound: None,
            fabric: None,
            quotas: Default::default(),
        };
        let scope = Scope { account: AccountId::EMULATED, region: Region::DEFAULT };
        let saved = Timestamp::from_millis(7);
        Snapshot { saved, records: vec![settings.into()], used: vec![scope] }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = snapshot().write().unwrap();
        assert!(text.starts_with("{\"causeway_snapshot\":1,"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(Snapshot::read(text.as_bytes()).unwrap(), snapshot());
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        let text = snapshot().write().unwrap();
        let refused = |text: &str, word: &str| {
            let error = Snapshot::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{error} without {word}");
        };
        for other in ["", "\n", "aws ec2 describe-vpcs\n", "{}", "{\"causeway_snapshot\":1}\n"] {
            refused(other, "not a snapshot");
        }
        refused(&text.replace("\"causeway_snapshot\":1", "\"causeway_snapshot\":2"), "the form 2");
        refused(&text[..text.len() - 3], "damaged");
        refused(text.lines().next().unwrap(), "damaged");
        refused(&text.replace("of two lines", "of one line"), "damaged");
        refused(&text.replace("\"records\":1", "\"records\":2"), "damaged");
        let (head, body) = text.split_once('\n').unwrap();
        let digest = |body: &str| hex::encode(Sha256::digest(body));
        let wrong = body.replace("settings settings", "setting settings");
        let signed = head.replace(&digest(body), &digest(&wrong));
        refused(&format!("{signed}\n{wrong}"), "its line 2 holds no record");
    }

    #[test]
    fn fuzz_snapshot() {
        let set_up = {
            let (region, instance) = (Region::DEFAULT, "t1".to_owned());
            let command = IdentityCommand::SetUp { region, emulator: true, instance };
            let now = Timestamp::from_millis(0);
            let mut ids = Sequence::default();
            World::default().decide(Caller::Operator, &command.into(), now, &mut ids).unwrap().world
        };
        ::fuzz::target("snapshot", move |input| {
            let Ok(body) = str::from_utf8(input) else { return };
            // The first line is right, so that the others are looked at.
            let head = Head {
                causeway_snapshot: VERSION,
                made_by: String::new(),
                saved: Timestamp::from_millis(9),
                records: body.lines().count(),
                used: Vec::new(),
                sha256: hex::encode(Sha256::digest(body)),
            };
            let text = format!("{}\n{body}", serde_json::to_string(&head).unwrap());
            let Ok(read) = Snapshot::read(text.as_bytes()) else { return };
            assert_eq!(Snapshot::read(read.write().unwrap().as_bytes()).unwrap(), read);
            let Snapshot { records, saved, .. } = read;
            let load = SystemCommand::LoadSnapshot { records: records.clone(), saved };
            let decided = set_up.decide(Caller::Operator, &load.into(), saved, &mut Sequence(1));
            if let Ok(decided) = decided {
                assert_eq!(decided.world.len(), records.len());
            }
        });
    }
}
