//! What the rules say of packets, in the language of whoever reads it.

use model::{Phrase, PhrasePart, Verdict};

use crate::language::Language;
use crate::markup::{Markup, fill_text, fill_with_commands, mono};

/// A sentence as text.
pub(crate) fn in_text(language: Language, phrase: &Phrase) -> String {
    let parts: Vec<(&str, String)> = phrase
        .parts()
        .iter()
        .map(|(place, part)| match part {
            PhrasePart::Code(code) => (*place, code.clone()),
            PhrasePart::Phrase(phrase) => (*place, in_text(language, phrase)),
        })
        .collect();
    let parts: Vec<(&str, &str)> = parts.iter().map(|(place, part)| (*place, &**part)).collect();
    set(language, fill_text(language.wording(phrase.wording()), &parts))
}

/// A sentence as its language sets it. The Japanese has a space between its own letters and others, and
/// none where words of its own take the place of others.
fn set(language: Language, sentence: String) -> String {
    let is_japanese = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
    if language != Language::Japanese {
        return sentence;
    }
    let mut set = String::with_capacity(sentence.len());
    let mut rest = sentence.chars().peekable();
    while let Some(c) = rest.next() {
        let is_gap = c == ' ' && set.ends_with(is_japanese);
        if !is_gap || !rest.peek().is_some_and(|next| is_japanese(*next)) {
            set.push(c);
        }
    }
    set
}

/// A sentence on a page: ids, blocks, addresses and commands stand out.
pub(crate) fn in_markup(language: Language, phrase: &Phrase) -> Markup {
    let part = |part: &PhrasePart| match part {
        PhrasePart::Code(code) => mono(code),
        PhrasePart::Phrase(phrase) => in_markup(language, phrase),
    };
    let parts: Vec<(&str, Markup)> =
        phrase.parts().iter().map(|(place, filling)| (*place, part(filling))).collect();
    let filled = fill_with_commands(language.wording(phrase.wording()), &parts);
    Markup::made(set(language, filled.to_string()))
}

/// What is said of a step of a packet's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopWords {
    /// What decides.
    pub location: String,
    /// Why it decides so.
    pub because: String,
    /// What to do so that the packet passes.
    pub remedy: Option<String>,
}

/// What is said of each step of a verdict, in its order.
pub fn verdict_words(language: Language, verdict: &Verdict) -> Vec<HopWords> {
    let text = |phrase: &Phrase| in_text(language, phrase);
    let words = |hop: &model::Hop| HopWords {
        location: text(&hop.where_),
        because: text(&hop.because),
        remedy: hop.remedy.as_ref().map(text),
    };
    verdict.hops.iter().map(words).collect()
}

/// What `causeway why` prints around a verdict.
#[derive(Debug, Clone, Copy)]
pub struct CommandWords {
    language: Language,
}

impl CommandWords {
    /// In a language.
    pub const fn of(language: Language) -> Self {
        Self { language }
    }

    /// Whether the flow passes; where it does so from some source ports only, from which of which.
    pub fn outcome(self, allowed: bool, partly: Option<(&str, &str)>) -> String {
        let t = &self.language.texts().why;
        match partly {
            _ if allowed => t.line_passes.to_owned(),
            Some((ports, asked)) => fill_text(t.line_partly, &[("ports", ports), ("asked", asked)]),
            None => t.line_stops.to_owned(),
        }
    }

    /// Before what is met only once the obstacles before it are removed.
    pub const fn before_presumed(self) -> &'static str {
        self.language.texts().why.line_presumed
    }

    /// Before the steps of the answer.
    pub const fn before_answer(self) -> &'static str {
        self.language.texts().why.line_answer
    }

    /// What to do.
    pub fn remedy(self, remedy: &str) -> String {
        fill_text(self.language.texts().why.line_remedy, &[("remedy", remedy)])
    }
}
