//! The box of the map on its page: the bar above, both pictures, and the legend below.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::VpcId;

use super::asked::{Asked, STATES};
use super::links;
use super::narrow::narrow;
use super::scene::{Kind, Map, Node, Peering, Sign};
use super::select::{Shown, What};
use super::svg::Pen;
use super::wide::wide;
use super::words::Words;
use crate::language::Language;
use crate::markup::escaped;

/// The most peerings that the lists beside the map name.
const MOST_LISTED: usize = 20;

impl Map {
    /// The box with the map: search, pictures and legend, as HTML.
    pub fn html(&self, asked: &Asked, language: Language) -> String {
        let words = Words::of(language);
        let shown = Shown::of(self, asked);
        let mut out = String::from("<div class=\"box\">");
        self.bar(&mut out, &shown, asked, words);
        if shown.items.is_empty() {
            let text = match self.nodes.is_empty() {
                true => words.t.nothing.to_owned(),
                false => words.nothing_found(&asked.query),
            };
            let _ = write!(out, "<p class=\"empty\">{}</p></div>", escaped(&text));
            return out;
        }
        out.push_str("<div class=\"pane\" tabindex=\"0\" role=\"region\" aria-label=\"");
        out.push_str(&escaped(words.t.map));
        out.push_str("\">");
        let nodes = self.by_id();
        let pen = Pen { map: self, shown: &shown, asked, words, nodes: &nodes, narrow: false };
        out.push_str(&pen.draw(&wide(self, &shown)));
        out.push_str(&Pen { narrow: true, ..pen }.draw(&narrow(self, &shown)));
        out.push_str("</div>");
        legend(&mut out, &shown, words);
        out.push_str("</div>");
        out
    }

    /// How much is on the map, in words: for the head of its page.
    pub fn summary(&self, language: Language) -> String {
        Words::of(language).summary(self)
    }

    fn by_id(&self) -> BTreeMap<VpcId, &Node> {
        self.nodes.iter().map(|node| (node.id, node)).collect()
    }

    /// Lists of what does not work and of what waits, as HTML; empty where nothing does.
    pub fn attention(&self, language: Language) -> String {
        let words = Words::of(language);
        let mut out = String::new();
        let is_bad = |sign| sign == Sign::Bad;
        let is_waiting = |sign| matches!(sign, Sign::Waiting | Sign::Warning);
        self.list(&mut out, (words.t.broken, Sign::Bad), is_bad, words);
        self.list(&mut out, (words.t.waits, Sign::Waiting), is_waiting, words);
        out
    }

    fn list(
        &self,
        out: &mut String,
        (head, sign): (&str, Sign),
        is: impl Fn(Sign) -> bool,
        words: Words,
    ) {
        let mut list: Vec<&Peering> = self.peerings.iter().filter(|p| is(p.sign())).collect();
        if list.is_empty() {
            return;
        }
        let nodes = self.by_id();
        let name = |vpc| nodes.get(&vpc).map(|node| &*node.name).unwrap_or_default();
        list.sort_by_key(|p| (std::cmp::Reverse(p.sign()), name(p.requester), p.id));
        let _ = write!(
            out,
            "<div class=\"leg\">{}{} <span class=\"push w4 soft\">{}</span></div><ul class=\"todo\">",
            icon(sign),
            escaped(head),
            list.len()
        );
        for peering in list.iter().take(MOST_LISTED) {
            let between = words.between(name(peering.requester), name(peering.accepter));
            let _ = write!(
                out,
                "<li class=\"c2\">{}<div>{}<br><span class=\"sm soft\">{}</span></div></li>",
                icon(peering.sign()),
                linked(links::of_peering(peering, &nodes), &between),
                escaped(&words.state(peering))
            );
        }
        if let Some(more) = list.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
            let state = Asked { state: Some(sign), ..Asked::default() };
            let href = escaped(&links::map(&state));
            let more = escaped(&words.more(more));
            let _ = write!(out, "<li class=\"c2\"><span></span><a href=\"{href}\">{more}</a></li>");
        }
        out.push_str("</ul>");
    }

    fn bar(&self, out: &mut String, shown: &Shown<'_>, asked: &Asked, words: Words) {
        let find = escaped(words.t.find);
        let action = escaped(&links::map(&Asked::default()));
        let _ = write!(
            out,
            "<form class=\"bar\" role=\"search\" action=\"{action}\" aria-label=\"{find}\">\
             <div class=\"find\"><label class=\"vh\" for=\"map-q\">{find}</label>\
             <svg class=\"i\" aria-hidden=\"true\"><use href=\"#find\"/></svg>\
             <input id=\"map-q\" name=\"q\" type=\"search\" placeholder=\"{find}\" value=\"{}\"></div>\
             <label class=\"vh\" for=\"map-state\">{}</label><select id=\"map-state\" name=\"state\">\
             <option value=\"\">{}</option>",
            escaped(&asked.query),
            escaped(words.t.state_label),
            escaped(words.t.all_states)
        );
        for (sign, name) in STATES {
            let chosen = if asked.state == Some(sign) { " selected" } else { "" };
            let words = escaped(words.state_choice(sign));
            let _ = write!(out, "<option value=\"{name}\"{chosen}>{words}</option>");
        }
        out.push_str("</select>");
        for (name, value) in asked.of_map().fields(&["q", "state"]) {
            let value = escaped(&value);
            let _ = write!(out, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        }
        let _ = write!(out, "<button class=\"b\">{}</button>", escaped(words.t.show));
        if asked.state.is_some() || !asked.query.is_empty() {
            let href = escaped(&links::map(&asked.cleared()));
            let _ = write!(out, "<a class=\"b q\" href=\"{href}\">{}</a>", escaped(words.t.clear));
        }
        let status = match (shown.found, [&self.chosen.from, &self.chosen.to]) {
            (Some(found), _) => words.found(found, self.nodes.len()),
            (None, ends) if ends.iter().any(|end| end.is_some()) => {
                words.chosen(ends.iter().filter(|end| end.is_some()).count())
            }
            (None, _) if shown.grouped => {
                let groups = shown.items.iter().filter(|item| !item.left && item.group.is_none());
                let vpcs = self.nodes.iter().filter(|node| node.kind == Kind::Vpc).count();
                words.total(vpcs, groups.count())
            }
            (None, _) => String::new(),
        };
        let _ = write!(
            out,
            "<span class=\"soft\" role=\"status\">{}</span><span class=\"push acts\">\
             <a class=\"b s\" href=\"{}\" aria-current=\"page\">{}</a>\
             <a class=\"b s q\" href=\"{}\">{}</a></span></form>",
            escaped(&status),
            escaped(&links::map(asked)),
            escaped(words.t.map),
            escaped(&links::matrix(asked)),
            escaped(words.t.matrix)
        );
    }
}

/// Words that lead somewhere, if there is anywhere to lead to.
fn linked(href: Option<String>, words: &str) -> String {
    let words = escaped(words);
    match href {
        Some(href) => format!("<a href=\"{}\">{words}</a>", escaped(&href)),
        None => words,
    }
}

/// A shape of the page's sprite in its colour.
pub(super) fn icon(sign: Sign) -> String {
    format!(
        "<svg class=\"i {}\" aria-hidden=\"true\"><use href=\"#{}\"/></svg>",
        sign.colour(),
        sign.shape()
    )
}

/// Says what the shapes and lines of a picture are: those that it has.
fn legend(out: &mut String, shown: &Shown<'_>, words: Words) {
    out.push_str("<div class=\"legend\">");
    let mut signs = [Sign::Ok, Sign::Bad, Sign::Waiting, Sign::Warning, Sign::Moving, Sign::Ended]
        .map(|sign| (sign, false));
    let mut hollow = false;
    let mut see = |seen: Sign| {
        signs.iter_mut().filter(|(sign, _)| *sign == seen).for_each(|entry| entry.1 = true);
    };
    for bundle in &shown.bundles {
        bundle.peerings.iter().for_each(|peering| see(peering.sign()));
    }
    for item in &shown.items {
        if let What::Group { cells, .. } = &item.what {
            cells.iter().flatten().for_each(|sign| see(*sign));
            hollow |= cells.contains(&None);
        }
    }
    for (sign, _) in signs.into_iter().filter(|(_, seen)| *seen) {
        let line = match sign {
            Sign::Ok | Sign::Bad => "ok",
            Sign::Waiting | Sign::Warning | Sign::Moving => "wait",
            Sign::Ended => "idle",
        };
        let _ = write!(
            out,
            "<span class=\"st\"><svg class=\"ln map\" viewBox=\"0 0 24 8\" aria-hidden=\"true\">\
             <path class=\"e {line}\" d=\"M0 4H24\"/></svg>{}{}</span>",
            icon(sign),
            escaped(&words.sign(sign))
        );
    }
    if hollow {
        let _ = write!(
            out,
            "<span class=\"st\"><svg class=\"i map\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">\
             <circle class=\"rings\" cx=\"8\" cy=\"8\" r=\"2.5\"/></svg>{}</span>",
            escaped(words.t.not_peered)
        );
    }
    if shown.has_groups() {
        let _ = write!(out, "<span>{}</span>", escaped(words.t.thickness));
    }
    out.push_str("</div>");
}
