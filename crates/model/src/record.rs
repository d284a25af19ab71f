//! Records: a resource of any kind as one type.

use std::sync::Arc;

use crate::kinds::with_kinds;
use crate::resource::*;
use crate::{Alias, BadRow, Errand, Key, Kind, Part, Timestamp};

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident $id:ident = $kind:literal;)*) => {
        /// A resource of any kind. Copies share it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Record {
            $($(#[$doc])* $name(Arc<$name>),)*
        }

        $(impl From<$name> for Record {
            fn from(resource: $name) -> Self {
                Self::$name(Arc::new(resource))
            }
        })*

        impl Record {
            /// The resource as JSON.
            pub fn body(&self) -> String {
                match self { $(Self::$name(r) => serde_json::to_string(&**r),)* }
                    .expect("resources hold only what JSON can hold")
            }

            /// Reads what the store holds.
            ///
            /// # Errors
            ///
            /// There is no such kind, or the body is not that of a resource of that kind.
            pub fn read(kind: &str, id: &str, body: &str) -> Result<Self, BadRow> {
                match kind {
                    $($kind => serde_json::from_str(body)
                        .map(|resource| Self::$name(Arc::new(resource)))
                        .map_err(|error| BadRow::new(kind, id, error)),)*
                    _ => Err(BadRow::unknown_kind(kind, id)),
                }
            }

            /// The key of the resource.
            pub fn key(&self) -> Key {
                match self { $(Self::$name(r) => r.key(),)* }
            }

            /// The owner of the resource.
            pub(crate) fn owner(&self) -> Owner {
                match self { $(Self::$name(r) => r.owner(),)* }
            }

            /// Calls back with every resource that this one names: what the world indexes, and what
            /// makes a resource one that is in use.
            pub(crate) fn mentions(&self, each: &mut dyn FnMut(Key)) {
                match self { $(Self::$name(r) => r.mentions(each),)* }
            }

            /// Calls back with every other name of it.
            pub(crate) fn aliases(&self, each: &mut dyn FnMut(Alias)) {
                match self { $(Self::$name(r) => r.aliases(each),)* }
            }

            /// Calls back with every part of it that has an id of its own.
            pub(crate) fn parts(&self, each: &mut dyn FnMut(Part)) {
                match self { $(Self::$name(r) => r.parts(each),)* }
            }

            /// What is to be done with it because time passes, and when.
            pub(crate) fn due(&self) -> Option<(Errand, Timestamp)> {
                match self { $(Self::$name(r) => r.due(),)* }
            }

            /// The token of the request that made it, where it had one.
            pub(crate) fn client_token(&self) -> Option<&ClientToken> {
                match self { $(Self::$name(r) => r.client_token(),)* }
            }
        }

        impl Kind {
            /// The fields that are to be read by nobody but those who may ask for them: a store is
            /// to keep them sealed.
            pub const fn secrets(self) -> &'static [&'static str] {
                match self { $(Self::$name => <$name as Resource>::SECRETS,)* }
            }

            /// Whether resources of the kind stay where an emulator is reset.
            pub(crate) const fn survives_reset(self) -> bool {
                match self { $(Self::$name => <$name as Resource>::SURVIVES_RESET,)* }
            }
        }
    };
}

with_kinds! { records }

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// The world is a map of these.
    #[test]
    fn records_are_small() {
        assert_eq!(size_of::<(Key, Record)>(), 40);
    }
}
