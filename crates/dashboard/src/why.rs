//! Why packets pass between two ends, or not, and what to do about it.

use askama::Template;

use crate::answer::{Answer, Extent, answer};
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, in_english, strong, text};
use crate::moment;
use crate::paths;
use crate::question::{Protocol, Question, Unanswered};
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::texts::VpcTexts;
use crate::vpc::{Did, Notice, notice_at};

/// What came of a form of the page.
#[derive(Debug, Clone, Copy)]
pub enum Came<'a> {
    /// There was none.
    Nothing,
    /// A remedy was carried out.
    Done,
    /// The same, or it was taken back: a change that can be undone.
    Did(&'a Did),
    /// It was not.
    Refused(&'a Refusal),
    /// Only a part was, and could not be taken back; why.
    Partly(&'a Refusal),
    /// It is another's to do.
    NotYours,
    /// A packet was to be sent.
    Probed(&'a Probed),
}

/// What became of a packet that was really sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// The other end took it.
    Answered,
    /// The other end refused it.
    Refused,
    /// Nothing came back.
    Silent,
    /// It could not get there; in the words of the network.
    Unreachable(String),
    /// Nothing that could send it has the address.
    NobodyThere,
    /// The server carries no packets.
    NoPackets,
    /// The limit of packets that are sent at the same time is reached.
    TooMany,
    /// It could not be sent; why.
    Failed(String),
}

#[derive(Template)]
#[template(path = "why.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    question: &'a Question,
    swapped: String,
    protocols: Vec<(&'static str, bool)>,
    port: String,
    on_map: String,
    refused: Option<Markup>,
    done: bool,
    notice: Option<Notice>,
    unanswered: Option<&'static str>,
    answer: Option<Answer>,
    probe: Probe,
}

/// The part of the page by which a packet is sent.
struct Probe {
    note: Markup,
    may_send: bool,
    outcome: Option<Outcome>,
}

/// What became of it, in words.
struct Outcome {
    words: Markup,
    compared: Option<&'static str>,
    at: Markup,
}

/// The page, with the answer for whoever may ask.
pub fn why(of: &Context<'_>, question: &Question, came: Came<'_>) -> askama::Result<String> {
    let t = &of.texts().why;
    let flow = question.flow(of);
    let answer = flow.as_ref().ok().map(|flow| answer(of, question, flow, Extent::Whole));
    let unanswered = match flow {
        Ok(_) | Err(Unanswered::NotAsked) => None,
        Err(Unanswered::From) => Some(t.unknown_from),
        Err(Unanswered::To) => Some(t.unknown_to),
        Err(Unanswered::Flow) => Some(t.unknown_flow),
        Err(Unanswered::Port) => Some(t.port_missing),
    };
    let passes = answer.as_ref().is_some_and(|answer| answer.passes);
    Page {
        shell: Shell::new(of, t.why_title.into()),
        v: of.texts().vpc_pages,
        question,
        swapped: question.swapped().path(),
        protocols: Protocol::ALL
            .into_iter()
            .map(|protocol| (protocol.name(), protocol == question.protocol))
            .collect(),
        port: question.port.map(|port| port.to_string()).unwrap_or_default(),
        on_map: on_map(question),
        refused: match came {
            Came::Refused(refusal) => Some(refusal.sentence(of)),
            Came::Partly(why) => {
                Some(fill(of.texts().vpc_pages.partly, &[("why", why.sentence(of))]))
            }
            Came::NotYours => Some(t.not_yours.into()),
            Came::Nothing | Came::Done | Came::Did(_) | Came::Probed(_) => None,
        },
        done: matches!(came, Came::Done),
        notice: match came {
            Came::Did(did) => notice_at(of, did, question.path()),
            _ => None,
        },
        unanswered,
        answer,
        probe: Probe {
            note: match question.protocol {
                Protocol::Tcp => fill(t.probe_note, &[("from", strong(&question.from))]),
                Protocol::Udp | Protocol::Icmp => t.probe_tcp_only.into(),
            },
            may_send: question.protocol == Protocol::Tcp,
            outcome: match came {
                Came::Probed(probed) => Some(outcome(of, probed, passes)),
                Came::Nothing
                | Came::Done
                | Came::Did(_)
                | Came::Refused(_)
                | Came::Partly(_)
                | Came::NotYours => None,
            },
        },
    }
    .render()
}

/// The map with the two ends selected.
fn on_map(question: &Question) -> String {
    match question.path().split_once('?') {
        Some((_, query)) if !question.from.is_empty() => format!("{}?{query}", paths::MAP),
        _ => paths::MAP.to_owned(),
    }
}

fn outcome(of: &Context<'_>, probed: &Probed, passes: bool) -> Outcome {
    let t = &of.texts().why;
    let with = |sentence, why: &str| fill(sentence, &[("why", in_english(of.texts(), why))]);
    let (sign, words, passed) = match probed {
        Probed::Answered => (Sign::Ok, t.probe_answered.into(), Some(true)),
        Probed::Refused => (Sign::Ok, t.probe_refused.into(), Some(true)),
        Probed::Silent => (Sign::Bad, t.probe_silent.into(), Some(false)),
        Probed::Unreachable(why) => (Sign::Bad, with(t.probe_unreachable, why), Some(false)),
        Probed::NobodyThere => (Sign::None, t.probe_nobody.into(), None),
        Probed::NoPackets => (Sign::None, t.probe_no_packets.into(), None),
        Probed::TooMany => (Sign::Warn, t.probe_too_many.into(), None),
        Probed::Failed(why) => (Sign::Warn, with(t.probe_failed, why), None),
    };
    let compared = |passed| if passed == passes { t.agrees } else { t.differs };
    Outcome {
        words: sign.why(&words),
        compared: passed.map(compared),
        at: fill(t.probed_at, &[("time", text(moment::clock(of.now)))]),
    }
}
