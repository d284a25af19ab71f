//! What `env` changes in a shell.

use super::proxy;
use crate::client::{DATA_HOSTS, authority_of, host_of};
use crate::settings::variable;

/// Where the heroku command points a git remote.
pub(super) const GIT_HOST: &str = "HEROKU_GIT_HOST";
/// The name of a host that never exists (RFC 6761). If somebody pushes to it, git's own error names what
/// to do instead, and nothing is sent to anybody.
const NO_GIT: &str = "no-git-here.use-causeway-deploy.invalid";

/// The variables that a shell is to set and unset.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) set: Vec<(&'static str, String)>,
    pub(super) unset: Vec<&'static str>,
    /// Printed last, so that a shell which reads all of it as one line reads the rest.
    pub(super) comments: Vec<String>,
}

/// Variables that would point the aws command elsewhere, or that belong to another access key.
pub(super) const AWS_IN_THE_WAY: [&str; 7] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_IAM",
];

/// The file with certificates that clients on Node.js trust besides their own.
pub(super) const CERTIFICATES: &str = "NODE_EXTRA_CA_CERTS";

impl Plan {
    /// Sets or unsets variables.
    pub(super) fn change(&mut self, changes: Vec<proxy::Change>) {
        for (name, value) in changes {
            match value {
                Some(value) => self.set.push((name, value)),
                None => self.unset.push(name),
            }
        }
    }

    /// Points the heroku command at a server, if it takes the address. Without a token it asks as whoever
    /// has logged in there.
    pub(super) fn heroku(&mut self, url: &str, token: Option<&str>) {
        if !heroku_takes(url) {
            let port = url.rsplit_once(':').map_or("4880", |(_, port)| port);
            self.comments.extend([
                format!("The heroku command is not pointed at {url}: it takes no address but"),
                "http://127.0.0.1:PORT and http://localhost:PORT, and asks Heroku instead, with the"
                    .to_owned(),
                "token. From another machine, use `causeway tunnel`, or forward a port and name that:"
                    .to_owned(),
                format!("  ssh -N -L {port}:{} SERVER", authority_of(url)),
                format!("  eval \"$(causeway env --url http://127.0.0.1:{port} --data DIR)\""),
                "On this one: causeway serve --listen 127.0.0.1:4880".to_owned(),
            ]);
            return;
        }
        self.set.extend([
            ("HEROKU_HOST", url.to_owned()),
            // Terraform's provider and libraries ask this, or else Heroku.
            ("HEROKU_API_URL", url.to_owned()),
            ("HEROKU_PARTICLEBOARD_URL", url.to_owned()),
            // `heroku login` asks this for the page where somebody allows it.
            ("HEROKU_LOGIN_HOST", url.trim_end_matches('/').to_owned()),
            (GIT_HOST, NO_GIT.to_owned()),
            // The command asks Heroku whether there is a buildpack of a name, before it asks us.
            ("HEROKU_BUILDPACK_REGISTRY_URL", url.trim_end_matches('/').to_owned()),
            ("DISABLE_TELEMETRY", "true".to_owned()),
        ]);
        self.set.extend(token.map(|token| ("HEROKU_API_KEY", token.to_owned())));
        self.set.extend(DATA_HOSTS.map(|name| (name, host_of(url))));
    }
}

/// A variable of the environment as text.
pub(super) fn text(name: &str) -> Option<String> {
    variable(name).map(|value| value.to_string_lossy().into_owned())
}

/// Whether the heroku command takes an address for its `HEROKU_HOST`, and sends the token there
/// (heroku.md §2.1). It looks for `localhost` and `127.0.0.1` anywhere in the text, but sends the token
/// only where the host is one of the two; for any other text it asks Heroku.
fn heroku_takes(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let near = uri.host().is_some_and(|host| host == "127.0.0.1" || host == "localhost");
    let bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    uri.scheme_str() == Some("http") && near && bare && matches!(uri.path(), "" | "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real command does with each is tried in `e2e_env`.
    #[test]
    fn only_what_the_heroku_command_takes_is_printed() {
        for url in [
            "http://127.0.0.1:4880",
            "http://localhost:4880",
            "http://localhost",
            "http://127.0.0.1:80/",
        ] {
            assert!(heroku_takes(url), "{url}");
        }
        for url in [
            "http://0.0.0.0:4880",
            "http://127.0.0.2:4880",
            "http://127.0.0.10:4880",
            "http://[::1]:4880",
            "http://10.0.0.5:4880",
            "http://localhost.example.com:4880",
            "http://notlocalhost:4880",
            "http://localhost@example.com:4880",
            "http://127.0.0.1@example.com:4880",
            "https://localhost:4880",
            "http://localhost:4880/path",
            "localhost:4880",
            "",
        ] {
            assert!(!heroku_takes(url), "{url}");
            let mut plan = Plan::default();
            plan.heroku(url, Some("HRKU-secret"));
            assert!(plan.set.is_empty(), "{url}: no token without an address for it");
            assert!(plan.comments.concat().contains("127.0.0.1:PORT"), "{url}");
        }
    }
}
