//! What a server refuses, as an error.

use hyper::StatusCode;

/// A request that the server refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The reason as programs know it, such as `not_found`, if the answer has one.
    pub(crate) id: Option<String>,
    message: String,
}

impl Refusal {
    /// Reads the body of an answer that refuses, in the form that the Platform API and the
    /// operator's API share. Of any other body only the status is told.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(api::Problem { id, message }) => Self { status, id: Some(id), message },
            Err(_) => Self { status, id: None, message: format!("the server answered {status}") },
        }
    }
}

impl From<api::BackupFailure> for Refusal {
    fn from(failure: api::BackupFailure) -> Self {
        let api::BackupFailure { status, id, message } = failure;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, id: Some(id), message }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let body = br#"{"id": "not_found", "message": "There is no space 'x'."}"#;
        let refusal = Refusal::read(StatusCode::NOT_FOUND, body);
        assert_eq!(refusal.to_string(), "There is no space 'x'.");
        assert_eq!(refusal.id.as_deref(), Some("not_found"));
    }

    #[test]
    fn of_what_is_no_refusal_of_ours_the_status_is_told() {
        for body in [&b"<html>Bad Gateway</html>"[..], b"", b"[]", br#"{"message": 7}"#] {
            let refusal = Refusal::read(StatusCode::BAD_GATEWAY, body);
            assert_eq!(refusal.to_string(), "the server answered 502 Bad Gateway");
            assert_eq!(refusal.id, None);
        }
    }
}
