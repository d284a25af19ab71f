//! `causeway env`: the variables that point the real clients at a server.
//!
//! A client that does not accept the address of a server asks Heroku instead, and sends it our token. So
//! neither an address that it would not accept nor a token for it is printed.

mod certificates;
mod proxy;
mod shell;
mod starting;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use hyper::Method;

use crate::arguments::env::EnvArgs;
use crate::client::{As, DATA_HOSTS, host_of};
use crate::output::Out;
use crate::settings::variable;

/// Where the heroku command points a git remote.
const GIT_HOST: &str = "HEROKU_GIT_HOST";
/// The name of a host that never exists (RFC 6761). If somebody pushes to it, git's own error names what
/// to do instead, and nothing is sent to anybody.
const NO_GIT: &str = "no-git-here.use-causeway-deploy.invalid";

/// The variables that a shell is to set and unset.
#[derive(Debug, Default)]
struct Plan {
    set: Vec<(&'static str, String)>,
    unset: Vec<&'static str>,
    /// Printed last, so that a shell which reads all of it as one line reads the rest.
    comments: Vec<String>,
}

/// Variables that would point the aws command elsewhere, or that belong to another access key.
const AWS_IN_THE_WAY: [&str; 7] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_IAM",
];

/// All variables that `env` may set, but for those to which it only adds.
const OURS: [&str; 17] = [
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "HEROKU_HOST",
    "HEROKU_API_URL",
    "HEROKU_API_KEY",
    "HEROKU_PARTICLEBOARD_URL",
    GIT_HOST,
    "HEROKU_BUILDPACK_REGISTRY_URL",
    DATA_HOSTS[0],
    DATA_HOSTS[1],
    DATA_HOSTS[2],
    "DISABLE_TELEMETRY",
    "CAUSEWAY_URL",
    "CAUSEWAY_DATA",
];
/// The file with certificates that clients on Node.js trust besides their own.
const CERTIFICATES: &str = "NODE_EXTRA_CA_CERTS";

/// Prints the variables, or what takes them away again.
///
/// # Errors
///
/// Where there is no server, or it does not take us for its operator.
pub(super) fn run(args: &EnvArgs, out: &mut Out) -> anyhow::Result<()> {
    let plan = if args.unset { Plan::unset() } else { Plan::set(args)? };
    if args.common.json {
        let set = plan.set.into_iter().map(|(name, value)| (name, Some(value)));
        let unset = plan.unset.into_iter().map(|name| (name, None));
        // Tests and scripts take every value for a text.
        let unset = unset.filter(|_| args.unset);
        out.json(&set.chain(unset).collect::<BTreeMap<_, Option<String>>>());
        return Ok(());
    }
    for (name, value) in &plan.set {
        out.line(args.shell.set(name, value));
    }
    for name in &plan.unset {
        out.line(args.shell.unset(name));
    }
    for comment in &plan.comments {
        out.line(format_args!("# {comment}"));
    }
    Ok(())
}

impl Plan {
    /// What points a shell's clients at the server.
    fn set(args: &EnvArgs) -> anyhow::Result<Self> {
        let connection = &args.common.connection;
        starting::await_server(connection);
        let client = connection.client(As::Operator)?;
        let request =
            api::EnvironmentRequest { account: args.account.clone(), user: args.user.clone() };
        let found: api::Environment = client.write(&Method::POST, "/_causeway/env", &request)?;
        let url = reachable(client.url());
        let region = found.region.to_string();
        let mut plan = Self::default();
        plan.set.extend([
            ("AWS_ENDPOINT_URL", url.clone()),
            ("AWS_ACCESS_KEY_ID", found.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", found.secret_access_key),
            // The SDKs read the first, and the aws command the other as well.
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            ("CAUSEWAY_URL", url.clone()),
        ]);
        let data = connection.data_dir();
        if let Ok(data) = std::fs::canonicalize(&data)
            && store::DataDir::is_installation(&data)
        {
            plan.set.push(("CAUSEWAY_DATA", data.display().to_string()));
        }
        plan.unset.extend(AWS_IN_THE_WAY.into_iter().filter(|name| variable(name).is_some()));
        plan.heroku(&url, &found.token);
        plan.change(proxy::add(&host_of(&url), &text));
        if let Some(file) = found.certificates.filter(|file| file.exists()) {
            let given = variable(CERTIFICATES).map(PathBuf::from);
            let file = certificates::trusted(&file, given.as_deref())
                .context("the certificates that `heroku run` is to trust cannot be put together")?;
            plan.set.push((CERTIFICATES, file.display().to_string()));
        }
        Ok(plan)
    }

    /// What takes everything away again.
    fn unset() -> Self {
        let mut plan = Self { unset: OURS.to_vec(), ..Self::default() };
        plan.change(proxy::remove(&text));
        let trusted = variable(CERTIFICATES).map(PathBuf::from);
        match trusted.and_then(|file| certificates::before(&file)) {
            Some(before) => plan.set.push((CERTIFICATES, before.display().to_string())),
            None => plan.unset.push(CERTIFICATES),
        }
        plan
    }

    fn change(&mut self, changes: Vec<proxy::Change>) {
        for (name, value) in changes {
            match value {
                Some(value) => self.set.push((name, value)),
                None => self.unset.push(name),
            }
        }
    }

    /// Points the heroku command at a server, if it takes the address.
    fn heroku(&mut self, url: &str, token: &str) {
        if !heroku_takes(url) {
            let port = url.rsplit_once(':').map_or("4880", |(_, port)| port);
            self.comments.extend([
                format!("The heroku command is not pointed at {url}: it takes no address but"),
                "http://127.0.0.1:PORT and http://localhost:PORT, and asks Heroku instead, with the"
                    .to_owned(),
                "token. From another machine, forward a port and name that:".to_owned(),
                format!("  ssh -N -L {port}:{} SERVER", url.trim_start_matches("http://")),
                format!("  eval \"$(causeway env --url http://127.0.0.1:{port} --data DIR)\""),
                "On this one: causeway serve --listen 127.0.0.1:4880".to_owned(),
            ]);
            return;
        }
        self.set.extend([
            ("HEROKU_HOST", url.to_owned()),
            ("HEROKU_API_KEY", token.to_owned()),
            // Terraform's provider and libraries ask this, or else Heroku.
            ("HEROKU_API_URL", url.to_owned()),
            ("HEROKU_PARTICLEBOARD_URL", url.to_owned()),
            (GIT_HOST, NO_GIT.to_owned()),
            // The command asks Heroku whether there is a buildpack of a name, before it asks us.
            ("HEROKU_BUILDPACK_REGISTRY_URL", url.trim_end_matches('/').to_owned()),
            ("DISABLE_TELEMETRY", "true".to_owned()),
        ]);
        self.set.extend(DATA_HOSTS.map(|name| (name, host_of(url))));
    }
}

/// A variable of the environment as text.
fn text(name: &str) -> Option<String> {
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

/// Where clients of this machine find a server: one that listens on every address has this machine's
/// own, too.
fn reachable(url: &str) -> String {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return url.to_owned() };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let any = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    match (any, uri.port_u16()) {
        (true, Some(port)) => format!("http://127.0.0.1:{port}"),
        (true, None) => "http://127.0.0.1".to_owned(),
        (false, _) => url.to_owned(),
    }
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
            plan.heroku(url, "HRKU-secret");
            assert!(plan.set.is_empty(), "{url}: no token without an address for it");
            assert!(plan.comments.concat().contains("127.0.0.1:PORT"), "{url}");
        }
    }

    #[test]
    fn a_server_on_every_address_is_found_on_this_machine_s_own() {
        for (url, near) in [
            ("http://0.0.0.0:4880", "http://127.0.0.1:4880"),
            ("http://[::]:4880", "http://127.0.0.1:4880"),
            ("http://127.0.0.2:4880", "http://127.0.0.2:4880"),
            ("http://[::1]:4880", "http://[::1]:4880"),
        ] {
            assert_eq!(reachable(url), near);
        }
    }

    #[test]
    fn all_that_is_set_is_taken_away() {
        let mut plan = Plan::default();
        plan.heroku("http://127.0.0.1:1", "t");
        let away = Plan::unset().unset;
        assert!(plan.set.iter().all(|(name, _)| away.contains(name)));
    }
}
