//! Why there is no new certificate.

/// Whatever it was: it is told to the operator, and everything is tried again.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// An error with what caused it.
pub(super) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said: Vec<String> = Vec::new();
    for cause in causes.map(ToString::to_string) {
        // Some say the cause themselves.
        if !said.last().is_some_and(|last| last.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}
