//! `causeway serve`.

use anyhow::Context;
use server::{FirstStart, Server};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::output::Out;
use crate::settings::ServeArgs;

/// Serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
///
/// Settings that do not fit, and what keeps a server from starting.
pub fn run(args: ServeArgs, out: &mut Out) -> anyhow::Result<()> {
    let config = args.config(&crate::settings::variable)?;
    let filter = EnvFilter::try_from_env("CAUSEWAY_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads of the server cannot be started")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        // Before anything is announced: whoever sees the address may already send a signal.
        let mut terminate = signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = signal(tokio::signal::unix::SignalKind::interrupt())?;
        // A terminal that is closed ends what was started in it.
        let mut hang_up = signal(tokio::signal::unix::SignalKind::hangup())?;
        let data = config.data.clone();
        let server = Server::start(config).await?;
        if let Some(first) = &server.first {
            greet(first, &data, out);
        }
        out.line(format_args!("Listening on http://{}", server.address()));
        out.flush();
        server.greeted();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
            stopped.cancel();
        });
        server.run(stop).await?;
        Ok(())
    })
}

fn signal(kind: tokio::signal::unix::SignalKind) -> anyhow::Result<tokio::signal::unix::Signal> {
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
    out.line(format_args!("  a team                  {}", server::FIRST_TEAM));
    out.line(format_args!("  its admin               {}, with a token", server::FIRST_USER));
    out.line(format_args!("To point the heroku and aws commands of a shell at it:"));
    out.line(format_args!("  eval \"$(causeway env --data {data})\""));
    out.line(format_args!("Then try: heroku spaces:create my-space --team {}", server::FIRST_TEAM));
}
