//! The walk, and its means: to type a command, to try a packet.

use anyhow::{Context, bail};
use serde_json::Value;

use super::ask::Ask;
use super::child::Finished;
use super::packet::{Packet, explained};
use super::story::{Story, typed};
use super::tools::{Tools, own_words};

/// The walk.
pub struct Walk<'a, 'o> {
    /// Who tells it.
    pub story: &'a mut Story<'o>,
    /// What it asks without showing it.
    pub ask: Ask<'a>,
    tools: &'a Tools,
}

impl<'a, 'o> Walk<'a, 'o> {
    /// Sets out.
    pub fn new(story: &'a mut Story<'o>, ask: Ask<'a>, tools: &'a Tools) -> Self {
        Self { story, ask, tools }
    }

    /// Walks all the way.
    ///
    /// # Errors
    ///
    /// The first step that cannot be taken.
    pub fn all(mut self) -> anyhow::Result<()> {
        let (space, land) = self.beside(|walk| walk.space(), |walk| walk.land())?;
        let place = self.places(space, land)?;
        let pcx = self.request(&place)?;
        self.accept(&place, &pcx)?;
        self.open_the_way(&place, &pcx)?;
        self.acls(&place)?;
        self.block_by_block(&place, &pcx)?;
        self.tear_down(&place, &pcx)?;
        self.leave(&place)
    }

    /// Does two things at once that do not need each other, and tells the second after the first:
    /// the commands start slowly.
    ///
    /// # Errors
    ///
    /// What either meets.
    pub fn beside<A, B: Send>(
        &mut self,
        first: impl FnOnce(&mut Self) -> anyhow::Result<A>,
        second: impl FnOnce(&mut Walk<'_, '_>) -> anyhow::Result<B> + Send,
    ) -> anyhow::Result<(A, B)> {
        let (ask, tools) = (self.ask, self.tools);
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                let mut story = Story::aside();
                let done = second(&mut Walk { story: &mut story, ask, tools });
                (done, story.kept())
            });
            let first = first(self);
            let (second, kept) = match other.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            self.story.tell(kept)?;
            Ok((first?, second?))
        })
    }

    /// The region that the clients are in.
    pub fn region(&self) -> String {
        self.tools.ec2.region().to_owned()
    }

    /// Whether packets can be tried.
    pub fn moves_packets(&self) -> bool {
        self.ask.server.moves_none().is_none()
    }

    /// Types a `heroku` command; gives all that it printed.
    ///
    /// # Errors
    ///
    /// Where it fails.
    pub fn heroku(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let done = self.type_heroku(words)?;
        if !done.ok {
            bail!("`heroku {}` failed", typed(words));
        }
        Ok(format!("{}{}", done.stderr, done.stdout))
    }

    /// Types a `heroku` command that has to be refused.
    ///
    /// # Errors
    ///
    /// Where it cannot be run.
    pub fn heroku_refused(&mut self, words: &[&str], what: &str) -> anyhow::Result<()> {
        let done = self.type_heroku(words)?;
        self.story.check(!done.ok, what)
    }

    fn type_heroku(&mut self, words: &[&str]) -> anyhow::Result<Finished> {
        let done = if self.tools.real_heroku() {
            self.story.command(&[&["heroku"], words].concat())?;
            self.tools.heroku(words, self.ask.stop)?
        } else {
            let words = own_words(words);
            self.story.command(&[&["causeway"], words.as_slice()].concat())?;
            self.ask.server.run_own(&words, self.ask.stop)?
        };
        // That one says what it does beside, and what came of it after.
        self.story.output(&done.stderr)?;
        self.story.output(&done.stdout)?;
        if done.ok {
            self.ask.server.note_heroku(words);
        }
        Ok(done)
    }

    /// Types an `aws` command; gives what it answered, as JSON where it is that.
    ///
    /// # Errors
    ///
    /// Where it fails.
    pub fn aws(&mut self, words: &[&str]) -> anyhow::Result<Value> {
        let mut answers = self.aws_together(&[words.to_vec()])?;
        Ok(answers.pop().unwrap_or(Value::Null))
    }

    /// Types an `aws` command that answers with one word.
    ///
    /// # Errors
    ///
    /// Where it fails, or answers with something else.
    pub fn aws_word(&mut self, words: &[&str], query: &str) -> anyhow::Result<String> {
        let words = [words, &["--query", query, "--output", "text"]].concat();
        let answer = self.aws(&words)?;
        let word = answer.as_str().filter(|word| !word.is_empty() && *word != "None");
        word.map(ToOwned::to_owned)
            .with_context(|| format!("`aws {}` gives no {query}", typed(&words)))
    }

    /// Types `aws` commands of which none needs another's answer.
    ///
    /// # Errors
    ///
    /// The first that fails.
    pub fn aws_together(&mut self, commands: &[Vec<&str>]) -> anyhow::Result<Vec<Value>> {
        let (tools, stop) = (self.tools, self.ask.stop);
        let all = together(commands, |words| tools.aws(words, stop));
        let mut answers = Vec::new();
        for (words, done) in commands.iter().zip(all) {
            let done = done?;
            if done.ok {
                self.ask.server.note_aws(words, &done.stdout);
            }
            self.story.command(&[&["aws"], words.as_slice()].concat())?;
            self.story.output(&done.stdout)?;
            self.story.output(&done.stderr)?;
            if !done.ok {
                bail!("`aws {}` failed", typed(words));
            }
            let text = done.stdout.trim();
            answers.push(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
        }
        Ok(answers)
    }

    /// Asks the EC2 API without showing it.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub fn ec2(&self, words: &[&str]) -> anyhow::Result<Value> {
        self.tools.ec2.call(words)
    }

    /// Asks `why` about packets, then tries them: both must be as expected.
    ///
    /// # Errors
    ///
    /// Where one cannot be asked about or tried.
    pub fn packets(&mut self, packets: &[Packet]) -> anyhow::Result<()> {
        let ask = self.ask;
        self.story.line("")?;
        let verdicts = together(packets, |packet| ask.why(packet));
        for (packet, verdict) in packets.iter().zip(verdicts) {
            let said = explained(&verdict?, packet.expected);
            let mark = self.story.count(said.agrees);
            self.story.line(format_args!("  why     {packet}  {}  {mark}", said.text))?;
            if let Some(remedy) = said.remedy {
                self.story.line(format_args!("            to let it pass: {remedy}"))?;
            }
        }
        if !self.moves_packets() {
            return Ok(());
        }
        let seen = together(packets, |packet| ask.try_packet(packet));
        for (packet, seen) in packets.iter().zip(seen) {
            let seen = seen?;
            let mark = self.story.count(seen.is(packet.expected));
            let text = seen.told(packet.expected);
            self.story.line(format_args!("  packet  {packet}  {text}  {mark}"))?;
        }
        Ok(())
    }
}

/// Does something with each, all at once.
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
