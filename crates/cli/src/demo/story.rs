//! What the demo tells, and the count of what it checked.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::output::Out;

/// Lines of one command's output that are shown.
const SHOWN: usize = 40;

/// The teller.
pub struct Story<'a> {
    sink: Sink<'a>,
    started: Instant,
    checks: u32,
    failed: u32,
}

enum Sink<'a> {
    Out(&'a mut Out),
    Kept(Vec<String>),
}

/// What was told where nobody listened yet.
pub struct Kept {
    lines: Vec<String>,
    checks: u32,
    failed: u32,
}

impl<'a> Story<'a> {
    /// Begins.
    pub fn new(out: &'a mut Out) -> Self {
        Self { sink: Sink::Out(out), started: Instant::now(), checks: 0, failed: 0 }
    }

    /// Begins one that is told later, since it happens while another is told.
    pub fn aside() -> Self {
        Self { sink: Sink::Kept(Vec::new()), started: Instant::now(), checks: 0, failed: 0 }
    }

    /// What it told.
    pub fn kept(self) -> Kept {
        let lines = match self.sink {
            Sink::Out(_) => Vec::new(),
            Sink::Kept(lines) => lines,
        };
        Kept { lines, checks: self.checks, failed: self.failed }
    }

    /// Tells what another kept.
    ///
    /// # Errors
    ///
    /// As [`Self::line`].
    pub fn tell(&mut self, kept: Kept) -> anyhow::Result<()> {
        self.checks += kept.checks;
        self.failed += kept.failed;
        kept.lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Tells a line.
    ///
    /// # Errors
    ///
    /// A reader that went away.
    pub fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        match &mut self.sink {
            Sink::Out(out) => out.attempt(text).context("the output cannot be written"),
            Sink::Kept(lines) => {
                lines.push(text.to_string());
                Ok(())
            }
        }
    }

    /// Begins a part.
    ///
    /// # Errors
    ///
    /// As [`Self::line`].
    pub fn part(&mut self, title: &str) -> anyhow::Result<()> {
        self.line(format_args!("\n── {title}"))
    }

    /// Shows a command as a person types it.
    ///
    /// # Errors
    ///
    /// As [`Self::line`].
    pub fn command(&mut self, words: &[&str]) -> anyhow::Result<()> {
        self.line(format_args!("\n$ {}", typed(words)))
    }

    /// Shows what a command printed.
    ///
    /// # Errors
    ///
    /// As [`Self::line`].
    pub fn output(&mut self, text: &str) -> anyhow::Result<()> {
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
    ///
    /// # Errors
    ///
    /// As [`Self::line`].
    pub fn check(&mut self, holds: bool, what: impl Display) -> anyhow::Result<()> {
        let mark = self.count(holds);
        self.line(format_args!("  check   {what}  {mark}"))
    }

    /// Counts a check; gives its mark.
    pub fn count(&mut self, holds: bool) -> char {
        self.checks += 1;
        if holds {
            return '✓';
        }
        self.failed += 1;
        '✗'
    }

    /// Whether every check held.
    pub fn sound(&self) -> bool {
        self.failed == 0
    }

    /// How long it took so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The last line.
    pub fn summary(&self) -> String {
        summary(self.checks, self.failed, self.elapsed())
    }
}

fn summary(checks: u32, failed: u32, took: Duration) -> String {
    let noun = if checks == 1 { "check" } else { "checks" };
    format!("{checks} {noun}, {failed} failed, {:.1} s", took.as_secs_f64())
}

/// Words as they are typed into a shell.
pub fn typed(words: &[&str]) -> String {
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
        let mut story = Story::new(&mut out);
        story
            .command(&["aws", "ec2", "x", "--query", "A[0].B", "--user-data", "#!/bin/sh\nit's"])
            .unwrap();
        story.output("one  \n\ntwo").unwrap();
        story.check(true, "it holds").unwrap();
        story.check(false, "it does not").unwrap();
        assert!(!story.sound());
        assert!(story.summary().starts_with("2 checks, 1 failed, "));
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
        let mut story = Story::new(&mut out);
        let mut aside = Story::aside();
        aside.check(false, "aside").unwrap();
        story.line("first").unwrap();
        story.tell(aside.kept()).unwrap();
        assert!(!story.sound());
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "first\n  check   aside  ✗\n");
    }

    #[test]
    fn long_outputs_are_cut() {
        let sink = Shared::default();
        let mut out = Out::to(sink.clone());
        let long: String = (0..100).map(|n| format!("{n}\n")).collect();
        Story::new(&mut out).output(&long).unwrap();
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
        assert!(Story::new(&mut out).line("x").is_err());
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(31, 0, Duration::from_millis(24_140)), "31 checks, 0 failed, 24.1 s");
        assert_eq!(summary(1, 1, Duration::from_secs(2)), "1 check, 1 failed, 2.0 s");
    }
}
