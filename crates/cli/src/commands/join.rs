//! How hosts join.

use hyper::Method;

use super::print::say;
use crate::arguments::join::JoinCommand;
use crate::client::As;
use crate::output::Out;
use crate::usage::usage;

const HOST: &str = "/_causeway/host";

/// Does what a command by which hosts join says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: JoinCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        JoinCommand::HostInit { agents, common } => {
            let client = common.connection.client(As::Operator)?;
            let request = api::InitHosts { agents };
            let ready: api::HostsReady =
                client.write(&Method::POST, &format!("{HOST}/init"), &request)?;
            let text = format!(
                "Agents connect at {}\nThe installation's authority has the fingerprint {}\n\
                 `causeway host:token` makes a token by which a host joins",
                ready.agents, ready.fingerprint
            );
            say(&common, out, &ready, &text);
        }
        JoinCommand::HostToken { lifetime, common } => {
            let client = common.connection.client(As::Operator)?;
            let lifetime =
                model::parse_duration(&lifetime).map_err(|error| usage(error.to_string()))?;
            let request = api::CreateJoinToken { lifetime_seconds: Some(lifetime.as_secs()) };
            let made: api::JoinTokenCreated =
                client.write(&Method::POST, &format!("{HOST}/token"), &request)?;
            let join: String =
                made.servers.iter().map(|server| format!(" --join {server}")).collect();
            let text = format!(
                "{}\nIt is good once, until {}. On the host that is to join:\n  causeway agent{} --token {}",
                made.token, made.expires, join, made.token
            );
            say(&common, out, &made, &text);
        }
    }
    Ok(())
}
