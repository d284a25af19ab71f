//! Rules of what an emulator takes back: everything, what one account has, or all that came after a
//! snapshot.

use std::collections::BTreeSet;

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::Settings;
use crate::{AccountId, Change, Code, Key, PcxId, Record, Refused, Timestamp, World};

impl Decision<'_> {
    /// Removes everything but the settings and who acts.
    pub(super) fn reset(&mut self) -> Outcome {
        self.emulator_only("reset")?;
        let keys: Vec<_> = self.world.records().map(Record::key).collect();
        // Users keep their tokens, but for those that are bound to what is gone.
        let bound: Vec<_> = self.world.tokens().filter_map(|token| token.bound).collect();
        bound.into_iter().for_each(|bound| self.end_tokens_bound_to(bound));
        for key in keys.into_iter().filter(|key| !key.kind().survives_reset()) {
            self.delete(key);
        }
        Ok(Reply::Done)
    }

    /// Removes what belongs to an account, and the peerings of its VPCs. What others have stays:
    /// their routes to such a peering lead nowhere, as after any other end of it.
    pub(super) fn reset_account(&mut self, account: AccountId) -> Outcome {
        self.emulator_only("reset")?;
        if account == self.settings()?.platform_account {
            return refuse(
                Code::OperationNotPermitted,
                "That account is the platform's: it owns the networks of spaces, which go with \
                 their spaces.",
            );
        }
        let peerings: Vec<PcxId> =
            self.world.peerings_of(Key::Account(account)).map(|peering| peering.id).collect();
        for peering in peerings {
            self.remove_platform_routes(peering);
            self.delete(Key::Peering(peering));
        }
        let owned = |record: &&Record| self.world.owner(record) == Some(account);
        let keys: Vec<_> = self.world.records().filter(owned).map(Record::key).collect();
        for key in keys.into_iter().filter(|key| !key.kind().survives_reset()) {
            self.delete(key);
        }
        Ok(Reply::Done)
    }

    /// Brings back what a snapshot holds, and nothing else but what makes this installation the one
    /// that it is. What is the same already is left alone, so that whatever runs goes on.
    ///
    /// `saved` is when the snapshot was made. If the clock is behind that, it is moved there, since
    /// the times in the snapshot have passed.
    pub(super) fn load_snapshot(&mut self, records: &[Record], saved: Timestamp) -> Outcome {
        self.emulator_only("loaded with a snapshot")?;
        let ours = self.settings()?;
        let mut loaded = sound(records)?;
        let Some(theirs) = loaded.settings().cloned() else {
            return refuse(Code::InvalidParameterValue, "The snapshot has no settings.");
        };
        if !theirs.emulator {
            return refuse(Code::InvalidParameterValue, "The snapshot is not an emulator's.");
        }
        loaded.apply(&Change::Put(
            Settings {
                platform_account: theirs.platform_account,
                quotas: theirs.quotas.clone(),
                ..Settings::clone(&ours)
            }
            .into(),
        ));
        let gone = self.world.records().map(Record::key).filter(|key| loaded.get(*key).is_none());
        let gone = gone.map(Change::Delete);
        let new = loaded.records().filter(|record| self.world.get(record.key()) != Some(*record));
        let new = new.cloned().map(Change::Put);
        let changes: Vec<Change> = gone.chain(new).collect();
        for change in &changes {
            self.world.apply(change);
        }
        self.changes.extend(changes);
        let ahead = saved.millis().saturating_sub(self.now.millis());
        match u64::try_from(ahead) {
            Ok(milliseconds) if milliseconds > 0 => {
                self.advance_clock(milliseconds.div_ceil(1000))?;
            }
            _ => {}
        }
        Ok(Reply::Done)
    }

    fn emulator_only(&self, done: &str) -> Result<(), Refused> {
        self.operator_only()?;
        if self.settings()?.emulator {
            return Ok(());
        }
        refuse(Code::OperationNotPermitted, format_args!("Only an emulator can be {done}."))
    }
}

/// The world of these records, if they are of one: each key, name and address is there once, and
/// what lies in something names what is there.
fn sound(records: &[Record]) -> Result<World, Refused> {
    let mut world = World::default();
    let mut seen = BTreeSet::new();
    let (mut aliases, mut parts) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        let key = record.key();
        let mut once = seen.insert(key) && is_whole(record);
        record.aliases(&mut |alias| once &= aliases.insert(alias));
        record.parts(&mut |part| once &= parts.insert(part));
        if !once {
            return Err(unsound(key));
        }
        world.apply(&Change::Put(record.clone()));
    }
    for record in records {
        let mut there = true;
        record
            .mentions(&mut |named| there &= is_loose(record, named) || world.get(named).is_some());
        if let Record::Eni(eni) = record {
            let holds = |address| world.eni_at(eni.vpc, address).is_some_and(|it| it.id == eni.id);
            there &= eni.addresses.iter().all(|address| holds(*address));
        }
        if !there {
            return Err(unsound(record.key()));
        }
    }
    Ok(world)
}

/// Whether a record has what every one of its kind is made with.
fn is_whole(record: &Record) -> bool {
    match record {
        Record::Vpc(vpc) => !vpc.cidrs.is_empty(),
        Record::Eni(eni) => !eni.addresses.is_empty(),
        _ => true,
    }
}

/// Whether what a record names may be gone: a peering outlives its VPCs for a while, and much
/// outlives the route, the rule or the release by which it was named. What everything lies in is
/// there as long as anything is in it.
fn is_loose(record: &Record, named: Key) -> bool {
    match named {
        Key::Account(_)
        | Key::Team(_)
        | Key::Space(_)
        | Key::App(_)
        | Key::Vpc(_)
        | Key::Subnet(_) => matches!(record, Record::Peering(_)),
        _ => true,
    }
}

fn unsound(key: Key) -> Refused {
    Refused::new(
        Code::InvalidParameterValue,
        format!(
            "The snapshot is not one that this server wrote: its {} {key} does not go together \
             with the rest.",
            key.kind().name()
        ),
    )
}
