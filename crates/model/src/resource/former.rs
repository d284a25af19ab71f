//! Who was destroyed, by the names that they had: the audit tells who did what for as long as it is kept.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AccountId, Key, TeamId, Timestamp, UserId};

macro_rules! former {
    ($($(#[$doc:meta])* $name:ident $id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// The id that it had.
            pub id: $id,
            /// The name that it had last.
            pub name: String,
            /// When it was destroyed.
            pub destroyed: Timestamp,
        }

        impl Resource for $name {
            const SURVIVES_RESET: bool = true;

            fn key(&self) -> Key {
                Key::$name(self.id)
            }

            fn owner(&self) -> Owner {
                Owner::None
            }

            fn mentions(&self, _: &mut dyn FnMut(Key)) {}
        }
    )*};
}

former! {
    /// A user who was destroyed. The name is the e-mail address.
    FormerUser UserId;
    /// A team that was destroyed.
    FormerTeam TeamId;
    /// An account that was destroyed.
    FormerAccount AccountId;
}
