//! What the demo prints, and the count of what it checked.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::output::Out;

/// How many lines of a command's output are shown.
const SHOWN: usize = 40;

/// What the demo prints, with the number of checks that held and failed.
pub(crate) struct Transcript<'a> {
    sink: Sink<'a>,
    started: Instant,
    checks: u32,
    failed: u32,
}

enum Sink<'a> {
    Out(&'a mut Out),
    Lines(Vec<String>),
}

/// What was recorded to be printed later.
pub(crate) struct Recorded {
    lines: Vec<String>,
    checks: u32,
    failed: u32,
}

impl<'a> Transcript<'a> {
    /// A transcript that is printed at once.
    pub(crate) fn new(out: &'a mut Out) -> Self {
        Self { sink: Sink::Out(out), started: Instant::now(), checks: 0, failed: 0 }
    }

    /// A transcript that is recorded, as it is made while another one is printed.
    pub(crate) fn recording() -> Self {
        Self { sink: Sink::Lines(Vec::new()), started: Instant::now(), checks: 0, failed: 0 }
    }

    /// What was recorded.
    pub(crate) fn recorded(self) -> Recorded {
        let lines = match self.sink {
            Sink::Out(_) => Vec::new(),
            Sink::Lines(lines) => lines,
        };
        Recorded { lines, checks: self.checks, failed: self.failed }
    }

    /// Prints what another transcript has recorded, and adds its checks.
    pub(crate) fn append(&mut self, recorded: Recorded) -> anyhow::Result<()> {
        self.checks += recorded.checks;
        self.failed += recorded.failed;
        recorded.lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Prints a line. It is an error if the reader has gone away.
    pub(crate) fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        match &mut self.sink {
            Sink::Out(out) => out.attempt(text).context("the output cannot be written"),
            Sink::Lines(lines) => {
                lines.push(text.to_string());
                Ok(())
            }
        }
    }

    /// Prints the title of a part.
    pub(crate) fn part(&mut self, title: &str) -> anyhow::Result<()> {
        self.line(format_args!("\n── {title}"))
    }

    /// Shows a command as a person types it.
    pub(crate) fn command(&mut self, words: &[&str]) -> anyhow::Result<()> {
        self.line(format_args!("\n$ {}", typed(words)))
    }

    /// Shows what a command printed.
    pub(crate) fn output(&mut self, text: &str) -> anyhow::Result<()> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let shown = if lines.len() > SHOWN { SHOWN - 1 } else { lines.len() };
        for line in &lines[..shown] {
            self.line(format_args!("    {line}").to_string().trim_end())?;
        }
        if shown < lines.len() {
            self.line(format_args!("    … {} more lines", lines.len() - shown))?;
        }
        Ok(())
    }

    /// Counts a check and shows it.
    pub(crate) fn check(&mut self, holds: bool, what: impl Display) -> anyhow::Result<()> {
        let mark = self.count(holds);
        self.line(format_args!("  check   {what}  {mark}"))
    }

    /// Counts a check, and returns its mark.
    pub(crate) fn count(&mut self, holds: bool) -> char {
        self.checks += 1;
        if holds {
            return '✓';
        }
        self.failed += 1;
        '✗'
    }

    /// Whether every check held.
    pub(crate) fn sound(&self) -> bool {
        self.failed == 0
    }

    /// The time since the transcript was begun.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The numbers of checks and failures, and the time, in words.
    pub(crate) fn summary(&self) -> String {
        summary(self.checks, self.failed, self.elapsed())
    }
}

fn summary(checks: u32, failed: u32, took: Duration) -> String {
    let noun = if checks == 1 { "check" } else { "checks" };
    format!("{checks} {noun}, {failed} failed, {:.1} s", took.as_secs_f64())
}

/// Words as they are typed into a shell.
pub(crate) fn typed(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if word.contains('\n') {
        return format!(
            "$'{}'",
            word.replace('\\', r"\\").replace('\'', r"\'").replace('\n', r"\n")
        );
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn commands_are_shown_as_typed_and_outputs_indented() {
        let sink = Shared::default();
        let mut out = Out::to(sink.clone());
        let mut transcript = Transcript::new(&mut out);
        transcript
            .command(&["aws", "ec2", "x", "--query", "A[0].B", "--user-data", "#!/bin/sh\nit's"])
            .unwrap();
        transcript.output("one  \n\ntwo").unwrap();
        transcript.check(true, "it holds").unwrap();
        transcript.check(false, "it does not").unwrap();
        assert!(!transcript.sound());
        assert!(transcript.summary().starts_with("2 checks, 1 failed, "));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "\n$ aws ec2 x --query 'A[0].B' --user-data $'#!/bin/sh\\nit\\'s'\n    one\n\n    two\n  \
             check   it holds  ✓\n  check   it does not  ✗\n"
        );
    }

    #[test]
    fn what_is_kept_is_told_and_counted_later() {
        let sink = Shared::default();
        let mut out = Out::to(sink.clone());
        let mut transcript = Transcript::new(&mut out);
        let mut aside = Transcript::recording();
        aside.check(false, "aside").unwrap();
        transcript.line("first").unwrap();
        transcript.append(aside.recorded()).unwrap();
        assert!(!transcript.sound());
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "first\n  check   aside  ✗\n");
    }

    #[test]
    fn long_outputs_are_cut() {
        let sink = Shared::default();
        let mut out = Out::to(sink.clone());
        let long: String = (0..100).map(|n| format!("{n}\n")).collect();
        Transcript::new(&mut out).output(&long).unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), SHOWN);
        assert!(text.ends_with("… 61 more lines\n"), "{text}");
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut out = Out::to(Gone);
        assert!(Transcript::new(&mut out).line("x").is_err());
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(31, 0, Duration::from_millis(24_140)), "31 checks, 0 failed, 24.1 s");
        assert_eq!(summary(1, 1, Duration::from_secs(2)), "1 check, 1 failed, 2.0 s");
    }
}
