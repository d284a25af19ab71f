//! Errors as one line of text.

use std::error::Error;

/// An error and all of its sources in one line, as reports and logs show them: `step: reason`.
pub fn error_chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |source: &&dyn Error| (*source).source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{step}")]
    struct Step {
        step: &'static str,
        #[source]
        source: Box<dyn Error>,
    }

    #[test]
    fn every_source_is_named_once_and_in_order() {
        let kernel = io::Error::from_raw_os_error(13);
        let inner = Step { step: "write the file", source: kernel.into() };
        let outer = Step { step: "start the workload", source: inner.into() };
        assert_eq!(
            error_chain(&outer),
            "start the workload: write the file: Permission denied (os error 13)"
        );
        assert_eq!(error_chain(&io::Error::other("alone")), "alone");
    }
}
