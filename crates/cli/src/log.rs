//! The log of `causeway serve`, on standard error: as text or as JSON, and as journald wants it.
//!
//! Whoever logs does not wait for whoever reads: lines are written by a thread of their own (`lines`).

mod lines;

use std::io::IsTerminal;
use std::os::fd::AsFd;

use server::LogFormat;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use self::lines::End;
use self::lines::Lines;
use crate::settings::variable;

/// Has the log written until what it gives is dropped, which writes what waits.
pub(crate) fn start(format: LogFormat) -> std::io::Result<End> {
    let filter = EnvFilter::try_from_env("CAUSEWAY_LOG").unwrap_or_else(|_| "info".into());
    let look = Look::here(format);
    let (lines, end) = Lines::start(std::io::stderr(), look == Look::Journal)?;
    subscriber(filter, look, lines).init();
    Ok(end)
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// For people, with colours on a terminal only, so that a file holds plain text.
    Text { colours: bool },
    /// For journald, which knows the time by itself, and the level by a number in front.
    Journal,
    /// One object a line.
    Json,
}

impl Look {
    /// As it is to be where this process writes to.
    fn here(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text if is_journal() => Self::Journal,
            LogFormat::Text => Self::Text {
                colours: std::io::stderr().is_terminal() && variable("NO_COLOR").is_none(),
            },
        }
    }
}

/// Whether standard error leads to journald: it says which file that is (systemd.exec(5)).
fn is_journal() -> bool {
    let Some(named) = variable("JOURNAL_STREAM") else { return false };
    let is = nix::sys::stat::fstat(std::io::stderr().as_fd())
        .map(|file| format!("{}:{}", file.st_dev, file.st_ino));
    is.is_ok_and(|is| named.to_str() == Some(&*is))
}

fn subscriber<W>(filter: EnvFilter, look: Look, to: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(look == Look::Text { colours: true })
        .with_writer(to)
        // What cannot be written, as on a full disk, would be told to standard error, and whoever
        // logged it would panic where that cannot be written to either.
        .log_internal_errors(false);
    let log: Box<dyn Subscriber + Send + Sync> = match look {
        Look::Text { .. } => Box::new(log.finish()),
        Look::Journal => Box::new(log.without_time().finish()),
        Look::Json => Box::new(
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).finish(),
        ),
    };
    log
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(look: Look, log: impl FnOnce()) -> String {
        let sink = Shared::default();
        let (lines, end) = Lines::start(sink.clone(), look == Look::Journal).unwrap();
        {
            let _guard = subscriber(EnvFilter::new("info"), look, lines).set_default();
            log();
        }
        drop(end);
        let written = sink.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_log_that_cannot_be_written_is_in_nobodys_way() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "log::tests::logs_to_a_full_disk", "--ignored", "--nocapture"])
            .stderr(full)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(said.unwrap().success());
    }

    #[test]
    #[ignore = "is run by another test, with a full disk as standard error"]
    fn logs_to_a_full_disk() {
        let (lines, _end) = Lines::start(std::io::stderr(), false).unwrap();
        let look = Look::Text { colours: false };
        let _guard = subscriber(EnvFilter::new("info"), look, lines).set_default();
        tracing::info!("it runs");
        tracing::error!("it fails");
    }

    #[test]
    fn a_log_that_no_terminal_shows_is_text() {
        for colours in [true, false] {
            let text = written(Look::Text { colours }, || tracing::info!(pid = 7, "it runs"));
            assert!(text.contains("INFO") && text.contains("it runs"), "{text:?}");
            assert_eq!(text.contains('\u{1b}'), colours, "{text:?}");
        }
    }

    #[test]
    fn journald_is_told_the_level_and_not_the_time() {
        let text = written(Look::Journal, || {
            tracing::info!("one");
            tracing::warn!("two");
            tracing::error!("three");
        });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, (level, word)) in lines.iter().zip([(6, "one"), (4, "two"), (3, "three")]) {
            assert!(line.starts_with(&format!("<{level}>")), "{line}");
            assert!(line.ends_with(word) && !line.contains("20"), "{line}");
        }
    }

    #[test]
    fn each_line_of_json_is_an_object_whatever_it_says() {
        let text = written(Look::Json, || {
            let (action, why) = ("Ec2.CreateVpc", "a \"quoted\"\nline");
            tracing::info!(target: "causeway::change", action, why, "refused");
        });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "causeway::change");
        assert_eq!(line["message"], "refused");
        assert_eq!(line["action"], "Ec2.CreateVpc");
        assert_eq!(line["why"], "a \"quoted\"\nline");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn nobody_writes_a_line_of_their_own() {
        for look in [Look::Text { colours: false }, Look::Journal] {
            let text = written(look, || {
                let (actor, why) = ("account:1", "no\n<0>forged\u{1b}[31m");
                tracing::info!(target: "causeway::change", actor, why, "refused");
            });
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
    }
}
