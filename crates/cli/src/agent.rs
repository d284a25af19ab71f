//! `causeway agent`: runs the control loops of this host for a server on another one, and stops on a
//! signal.

use anyhow::Context;
use os::service_manager::{ServiceManager, State};
use serde_json::json;
use server::HostAgent;
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

use crate::log;
use crate::output::Out;
use crate::serve::{signal, tell};
use crate::settings::{AgentArgs, variable};

/// Does what a server says until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
///
/// Settings that are wrong, a server that refuses, and whatever keeps the control loops from starting.
pub(crate) fn run(args: AgentArgs, out: &mut Out) -> anyhow::Result<()> {
    // Before there are other threads, and children that would have what is ours.
    let service_manager = ServiceManager::of_this_process();
    let as_json = args.json;
    let (config, log_format) = args.config(&variable)?;
    // To the end of this function, where what waits is written.
    let _log = log::start(log_format).context("the thread of the log cannot be started")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the threads of the agent cannot be started")?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        // Before anything is announced: whoever sees it may already send a signal.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let agent = HostAgent::start(config).await?;
        let identity = agent.identity();
        let (host, servers) = (&identity.host, &identity.servers);
        if as_json {
            out.json(&json!({ "host": host, "name": identity.about.name, "servers": servers }));
        } else {
            let servers = servers.join(", ");
            out.line(format_args!(
                "This is {host} ({}), which follows {servers}",
                identity.about.name
            ));
        }
        out.flush();
        tell(&service_manager, State::Ready);
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
            tell(&service_manager, State::Stopping);
            stopped.cancel();
        });
        Ok(agent.run(stop).await?)
    });
    runtime.shutdown_background();
    ended
}
