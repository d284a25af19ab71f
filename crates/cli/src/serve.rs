//! `causeway serve`: starts the server and stops it on a signal.

mod init;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use os::service_manager::{ServiceManager, State};
use server::cleanup::warden::Ephemeral;
use server::{FirstStart, Server};
use sha2::Digest;
use tokio_util::sync::CancellationToken;

use crate::log;
use crate::output::Out;
use crate::settings::{ServeArgs, variable};

/// Serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
///
/// Settings that are wrong, and whatever keeps the server from starting.
pub(crate) fn run(args: ServeArgs, out: &mut Out) -> anyhow::Result<()> {
    // Before there are other threads, and children that would have what is ours.
    let mut service_manager = ServiceManager::of_this_process();
    let init = args.init_files(&variable)?;
    // Before there is anything that would be left behind.
    init::check(&init)?;
    let mut config = args.config(&variable)?;
    let made = match config.ephemeral {
        Ephemeral::WorkloadsAndData => Some(
            tempfile::Builder::new()
                .prefix("causeway-")
                .tempdir()
                .context("no directory can be made for the data: name one with --data")?,
        ),
        Ephemeral::Nothing | Ephemeral::Workloads => None,
    };
    if let Some(made) = &made {
        made.path().clone_into(&mut config.data);
    }
    // To the end of this function, where what waits is written.
    let _log = log::start(config.watch.log).context("the thread of the log cannot be started")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads of the server cannot be started")?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        // Before anything is announced: whoever sees the address may already send a signal.
        let mut terminate = signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = signal(tokio::signal::unix::SignalKind::interrupt())?;
        // A terminal that is closed ends what was started in it.
        let mut hang_up = signal(tokio::signal::unix::SignalKind::hangup())?;
        let data = config.data.clone();
        let server = Server::start(config, &mut service_manager).await?;
        let service_manager = Arc::new(service_manager);
        let (stopped, to_be_told) = (stop.clone(), Arc::clone(&service_manager));
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
            tell(&to_be_told, State::Stopping);
            stopped.cancel();
        });
        let (first, greeted) = (server.first.clone(), server.greeted());
        let (address, certificate) = (server.address(), server.certificate());
        let secured = server.is_secured();
        let (metrics, agents) = (server.metrics_address(), server.agents_address());
        let mut announce = || {
            if let Some(first) = &first {
                greet(first, &data, out);
            }
            if let Some(address) = metrics {
                out.line(format_args!("Metrics on http://{address}/metrics"));
            }
            if let Some(address) = agents {
                out.line(format_args!("Agents connect at https://{address}"));
            }
            listening(address, secured, certificate.as_deref(), out);
            greeted();
            tell(&service_manager, State::Ready);
        };
        if init.is_empty() {
            announce();
            return Ok(server.run(stop).await?);
        }
        let readiness = server.initializing();
        let served = server.run(stop.clone());
        let initialized = async {
            let server = init::Whereabouts { address, data: &data };
            init::run(&init, &server, &stop).await?;
            if !stop.is_cancelled() {
                readiness.ready();
                announce();
            }
            anyhow::Ok(())
        };
        // Whoever it fails for is not to find a server that lacks what it was to begin with.
        let initialized = async {
            let ended = initialized.await;
            if ended.is_err() {
                stop.cancel();
            }
            ended
        };
        let (served, initialized) = tokio::join!(served, initialized);
        initialized?;
        served?;
        Ok(())
    });
    // Nothing that is left to do there could be told to anybody, or be kept.
    runtime.shutdown_background();
    ended
}

/// Says where the server listens.
fn listening(address: SocketAddr, secured: bool, certificate: Option<&[u8]>, out: &mut Out) {
    match certificate {
        None if secured => {
            out.line(format_args!("Listening on https://{address}"));
            out.line(format_args!(
                "Its certificate is asked for; `causeway status` says how that goes"
            ));
        }
        None => out.line(format_args!("Listening on http://{address}")),
        Some(certificate) => {
            out.line(format_args!("Listening on https://{address}"));
            let fingerprint = hex::encode(sha2::Sha256::digest(certificate));
            out.line(format_args!("Its certificate has the fingerprint sha256:{fingerprint}"));
        }
    }
    out.flush();
}

/// Tells the service manager, if one has started this and wants to know.
pub(crate) fn tell(service_manager: &ServiceManager, state: State) {
    if let Err(error) = service_manager.tell(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Hears a signal.
pub(crate) fn signal(
    kind: tokio::signal::unix::SignalKind,
) -> anyhow::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(kind).context("signals cannot be received")
}

fn greet(first: &FirstStart, data: &std::path::Path, out: &mut Out) {
    let data = data.display();
    out.line(format_args!("This is a new installation in {data}. It has"));
    out.line(format_args!("  the platform's account  {}", first.platform));
    let account = first.account;
    out.line(if first.emulator {
        format!("  any account             {account} where a key names none; any key will do")
    } else {
        format!("  a customer's account    {account} (customer), with an access key")
    });
    out.line(format_args!("  a team                  {}", api::FIRST_TEAM));
    out.line(format_args!("  its admin               {}, with a token", api::FIRST_USER));
    out.line(format_args!("To point the heroku and aws commands of a shell at it:"));
    out.line(format_args!("  eval \"$(causeway env --data {data})\""));
    out.line(format_args!("Then try: heroku spaces:create my-space --team {}", api::FIRST_TEAM));
}
