//! Why there is no new certificate.

use instant_acme::Error as AcmeError;

/// Whatever it was: it is told to the operator, and everything is tried again.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Whether an ACME server had its part in a failure, so that it counts among what the server allows. One
/// that was not reached had none.
pub(super) fn is_refusal(error: &Error) -> bool {
    match error.downcast_ref::<AcmeError>() {
        Some(AcmeError::Api(_) | AcmeError::Timeout(_)) => true,
        Some(_) => false,
        None => !error.is::<std::io::Error>(),
    }
}

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
