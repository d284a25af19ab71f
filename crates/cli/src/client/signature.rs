//! Requests that an account signs, as it signs those to the EC2 API.

use anyhow::Context;
use aws::sigv4::{self, Credentials, SignedRequest};

use crate::settings::variable;

/// The service in the scope of a signature.
const SERVICE: &str = "ec2";

/// An account's access key, and the region to sign for.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    credentials: Credentials,
    region: String,
}

impl Keys {
    /// The key that the environment has, if it has one.
    pub(super) fn read() -> Option<Self> {
        let text = |name| Some(variable(name)?.to_string_lossy().into_owned());
        Some(Self {
            credentials: Credentials {
                access_key: text("AWS_ACCESS_KEY_ID")?,
                secret: text("AWS_SECRET_ACCESS_KEY")?,
                session_token: text("AWS_SESSION_TOKEN"),
            },
            region: text("AWS_DEFAULT_REGION")
                .or_else(|| text("AWS_REGION"))
                .unwrap_or_else(|| model::Region::DEFAULT.to_string()),
        })
    }

    /// The key that the operator's `env` gave out.
    pub(super) fn of(environment: api::Environment) -> Self {
        Self {
            credentials: Credentials {
                access_key: environment.access_key_id,
                secret: environment.secret_access_key,
                session_token: None,
            },
            region: environment.region.to_string(),
        }
    }

    /// The credentials, and the region to sign for.
    pub(super) fn into_parts(self) -> (Credentials, String) {
        (self.credentials, self.region)
    }

    /// The headers that sign a request.
    pub(super) fn sign(
        &self,
        method: &str,
        host: &str,
        path_and_query: &str,
        body: &[u8],
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let request = SignedRequest {
            method,
            path,
            query,
            headers: &[("host", host.as_bytes())],
            body_sha256: sigv4::sha256(body),
        };
        let now = jiff::Timestamp::now().as_millisecond();
        sigv4::sign(&request, &self.credentials, &self.region, SERVICE, now)
            .context("the request cannot be signed with the key of the environment")
    }
}
