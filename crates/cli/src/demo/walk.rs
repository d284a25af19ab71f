//! The walkthrough, and what each of its steps is made of: commands and packets.

use anyhow::{Context, bail};
use serde_json::Value;

use super::child::Finished;
use super::observer::Observer;
use super::own::Own;
use super::packet::{Packet, explained};
use super::tools::{Tools, own_words};
use super::transcript::{Transcript, typed};

/// The walkthrough.
pub(crate) struct Walk<'a, 'o> {
    /// What is printed of it.
    pub(crate) transcript: &'a mut Transcript<'o>,
    /// What looks at the server without showing it.
    pub(crate) observer: Observer<'a>,
    tools: &'a Tools,
}

impl<'a, 'o> Walk<'a, 'o> {
    /// Makes a walkthrough that has not begun.
    pub(crate) fn new(
        transcript: &'a mut Transcript<'o>,
        observer: Observer<'a>,
        tools: &'a Tools,
    ) -> Self {
        Self { transcript, observer, tools }
    }

    /// Does two things at once that do not need each other, as the commands start slowly. The second is
    /// shown after the first.
    pub(crate) fn beside<A, B: Send>(
        &mut self,
        first: impl FnOnce(&mut Self) -> anyhow::Result<A>,
        second: impl FnOnce(&mut Walk<'_, '_>) -> anyhow::Result<B> + Send,
    ) -> anyhow::Result<(A, B)> {
        let (observer, tools) = (self.observer, self.tools);
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                let mut transcript = Transcript::recording();
                let done = second(&mut Walk { transcript: &mut transcript, observer, tools });
                (done, transcript.recorded())
            });
            let first = first(self);
            let (second, recorded) = match other.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            self.transcript.append(recorded)?;
            Ok((first?, second?))
        })
    }

    /// The region that the clients are in.
    pub(crate) fn region(&self) -> String {
        self.tools.ec2.region().to_owned()
    }

    /// Whether packets can be tried.
    pub(crate) fn moves_packets(&self) -> bool {
        self.observer.server.why_no_packets().is_none()
    }

    /// Runs and shows a `heroku` command that has to succeed; returns all that it printed.
    pub(crate) fn heroku(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let done = self.type_heroku(words)?;
        if !done.ok {
            bail!("`heroku {}` failed", typed(words));
        }
        Ok(format!("{}{}", done.stderr, done.stdout))
    }

    /// Runs and shows a `heroku` command that has to be refused.
    pub(crate) fn heroku_refused(&mut self, words: &[&str], what: &str) -> anyhow::Result<()> {
        let done = self.type_heroku(words)?;
        self.transcript.check(!done.ok, what)
    }

    /// Runs and shows a command of our own that has to succeed; returns what it printed.
    pub(crate) fn causeway(&mut self, words: &[&str]) -> anyhow::Result<String> {
        self.transcript.command(&[&["causeway"], words].concat())?;
        let done = self.observer.server.run_own(words, self.observer.stop)?;
        self.transcript.output(&done.stderr)?;
        self.transcript.output(&done.stdout)?;
        if !done.ok {
            bail!("`causeway {}` failed", typed(words));
        }
        Ok(done.stdout)
    }

    fn type_heroku(&mut self, words: &[&str]) -> anyhow::Result<Finished> {
        let done = if self.tools.real_heroku() {
            self.transcript.command(&[&["heroku"], words].concat())?;
            self.tools.heroku(words, self.observer.stop)?
        } else {
            let words = own_words(words);
            self.transcript.command(&[&["causeway"], words.as_slice()].concat())?;
            self.observer.server.run_own(&words, self.observer.stop)?
        };
        // The heroku command prints what it does to standard error, and the result to standard output.
        self.transcript.output(&done.stderr)?;
        self.transcript.output(&done.stdout)?;
        if done.ok {
            self.observer.server.note_heroku(words);
        }
        Ok(done)
    }

    /// Runs and shows an `aws` command that has to succeed; returns the answer, as JSON if it is JSON.
    pub(crate) fn aws(&mut self, words: &[&str]) -> anyhow::Result<Value> {
        let mut answers = self.aws_together(&[words.to_vec()])?;
        Ok(answers.pop().unwrap_or(Value::Null))
    }

    /// Runs and shows an `aws` command that has to answer with one word.
    pub(crate) fn aws_word(&mut self, words: &[&str], query: &str) -> anyhow::Result<String> {
        let words = [words, &["--query", query, "--output", "text"]].concat();
        let answer = self.aws(&words)?;
        let word = answer.as_str().filter(|word| !word.is_empty() && *word != "None");
        word.map(ToOwned::to_owned)
            .with_context(|| format!("`aws {}` gives no {query}", typed(&words)))
    }

    /// Runs `aws` commands at once of which none needs another's answer, and shows them in order. All
    /// of them have to succeed.
    pub(crate) fn aws_together(&mut self, commands: &[Vec<&str>]) -> anyhow::Result<Vec<Value>> {
        let (tools, stop) = (self.tools, self.observer.stop);
        let all = together(commands, |words| tools.aws(words, stop));
        let mut answers = Vec::new();
        for (words, done) in commands.iter().zip(all) {
            let done = done?;
            if done.ok {
                self.observer.server.note_aws(words, &done.stdout);
            }
            self.transcript.command(&[&["aws"], words.as_slice()].concat())?;
            self.transcript.output(&done.stdout)?;
            self.transcript.output(&done.stderr)?;
            if !done.ok {
                bail!("`aws {}` failed", typed(words));
            }
            let text = done.stdout.trim();
            answers.push(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
        }
        Ok(answers)
    }

    /// Asks the EC2 API without showing it.
    pub(crate) fn ec2(&self, words: &[&str]) -> anyhow::Result<Value> {
        self.tools.ec2.call(words)
    }

    /// Asks `why` about packets, then sends them: both must be as expected.
    pub(crate) fn packets(&mut self, packets: &[Packet]) -> anyhow::Result<()> {
        let observer = self.observer;
        self.transcript.line("")?;
        let verdicts = together(packets, |packet| observer.why(packet));
        for (packet, verdict) in packets.iter().zip(verdicts) {
            let said = explained(&verdict?, packet.expected);
            let mark = self.transcript.count(said.agrees);
            self.transcript.line(format_args!("  why     {packet}  {}  {mark}", said.text))?;
            if let Some(remedy) = said.remedy {
                self.transcript.line(format_args!("            to let it pass: {remedy}"))?;
            }
        }
        if !self.moves_packets() {
            return Ok(());
        }
        let seen = together(packets, |packet| observer.try_packet(packet));
        for (packet, seen) in packets.iter().zip(seen) {
            let seen = seen?;
            let mark = self.transcript.count(seen.is(packet.expected));
            let text = seen.in_words(packet.expected);
            self.transcript.line(format_args!("  packet  {packet}  {text}  {mark}"))?;
        }
        Ok(())
    }
}

/// Does something with each item, all at once.
fn together<T: Sync, R: Send>(
    items: &[T],
    each: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> Vec<anyhow::Result<R>> {
    if let [one] = items {
        return vec![each(one)];
    }
    std::thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || each(item))).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}
