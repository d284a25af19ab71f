//! Rules of key pairs.

use std::sync::Arc;

use super::lookup::absent;
use super::{Decision, Outcome, refuse};
use crate::command::{NewKeyPair, Reply};
use crate::resource::*;
use crate::{Alias, Code, Key, KeyPairId, Kind, PrefixedId, Quota, Refused, Scope};

/// The longest name, as in EC2.
const MAX_NAME: usize = 255;

impl Decision<'_> {
    pub(super) fn create_key_pair(&mut self, scope: Scope, new: &NewKeyPair) -> Outcome {
        check_name(&new.name)?;
        super::tag::check_tags(&new.tags)?;
        if self.key_pair_named(scope, &new.name).is_some() {
            return refuse(
                Code::KeyPairDuplicate,
                format_args!("The keypair '{}' already exists.", new.name),
            );
        }
        let count = || self.world.naming(Key::Account(scope.account), Kind::KeyPair).count();
        self.world.check_quota(scope.account, Quota::KeyPairs, count)?;
        let id = KeyPairId::fresh(self.ids);
        self.put(KeyPair {
            id,
            account: scope.account,
            region: scope.region,
            name: new.name.as_str().into(),
            kind: new.kind,
            fingerprint: new.fingerprint.clone(),
            public_key: new.public_key.clone(),
            created: self.now,
            tags: new.tags.clone(),
        });
        Ok(Key::KeyPair(id).into())
    }

    /// Deletes a key pair. One that is not there is as good as deleted, as EC2 has it.
    pub(super) fn delete_key_pair(
        &mut self,
        scope: Scope,
        id: Option<KeyPairId>,
        name: Option<&str>,
    ) -> Outcome {
        let by_id = id.and_then(|id| self.own_key_pair(scope, id).ok());
        let by_name = name.and_then(|name| self.key_pair_named(scope, name)).cloned();
        let Some(found) = by_id.or(by_name) else { return Ok(Reply::Done) };
        self.delete(Key::KeyPair(found.id));
        Ok(Key::KeyPair(found.id).into())
    }

    pub(super) fn own_key_pair(
        &self,
        scope: Scope,
        id: KeyPairId,
    ) -> Result<Arc<KeyPair>, Refused> {
        let mine = |pair: &KeyPair| pair.account == scope.account && pair.region == scope.region;
        let found = self.world.key_pair(id).filter(|pair| mine(pair));
        found.cloned().ok_or_else(|| absent(Code::KeyPairNotFound, "key pair ID", id))
    }

    fn key_pair_named(&self, scope: Scope, name: &str) -> Option<&Arc<KeyPair>> {
        match self.world.find(&Alias::KeyPair(scope, name.into()))? {
            Key::KeyPair(id) => self.world.key_pair(id),
            _ => None,
        }
    }

    /// Refuses the name of a key pair that is not there.
    pub(super) fn check_key_name(&self, scope: Scope, name: Option<&str>) -> Result<(), Refused> {
        match name {
            Some(name) if self.key_pair_named(scope, name).is_none() => {
                Err(absent(Code::KeyPairNotFound, "key pair", name))
            }
            _ => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() || name.len() > MAX_NAME || !name.is_ascii() {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "Invalid value for parameter KeyName: it has 1 to {MAX_NAME} ASCII characters"
            ),
        );
    }
    Ok(())
}
