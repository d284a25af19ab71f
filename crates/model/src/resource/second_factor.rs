//! The second factor of users: codes that follow from a secret and the time, and recovery codes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a user proves to have besides the password. The codes are made and checked by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The secret that codes follow from, sealed.
    pub sealed_secret: String,
    /// The number of the time step whose code was used last. No code of it or of an earlier one is
    /// taken again.
    pub last_step: u64,
    /// SHA-256 of the recovery codes that were not used yet, in hexadecimal.
    pub recovery: BTreeSet<String>,
    /// When it was enabled.
    pub since: Timestamp,
}

impl SecondFactor {
    /// What is left of it once a proof was used; `None` if that was used before, or is none.
    pub fn used(&self, proof: &FactorProof) -> Option<Self> {
        let mut left = self.clone();
        match proof {
            FactorProof::Code { step } if *step > self.last_step => left.last_step = *step,
            FactorProof::Recovery { hash } if left.recovery.remove(hash) => {}
            FactorProof::Code { .. } | FactorProof::Recovery { .. } => return None,
        }
        Some(left)
    }
}

/// A proof that the server has found right, which holds once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorProof {
    /// The code of a time step.
    Code {
        /// The number of the step.
        step: u64,
    },
    /// A recovery code.
    Recovery {
        /// Its SHA-256, in hexadecimal.
        hash: String,
    },
}
