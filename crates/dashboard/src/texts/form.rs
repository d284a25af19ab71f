//! The form of every part of the catalogue.

/// A part of the catalogue: texts by their names, and further parts.
macro_rules! form {
    ($(#[$doc:meta])* $form:ident { $($name:ident)* } $({ $($part:ident: $parts:ty),* $(,)? })?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $form {
            $(pub(crate) $name: &'static str,)*
            $($(pub(crate) $part: $parts,)*)?
        }

        #[cfg(test)]
        impl $form {
            /// The texts with their names.
            pub(crate) fn all(&self) -> Vec<(&'static str, &'static str)> {
                let own = vec![$((stringify!($name), self.$name),)*];
                let parts: Vec<Vec<_>> = vec![$($(self.$part.all(),)*)?];
                own.into_iter().chain(parts.into_iter().flatten()).collect()
            }
        }
    };
}
pub(crate) use form;
