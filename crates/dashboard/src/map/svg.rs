//! A layout as SVG: classes and no style, links and no script.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::VpcId;

use super::asked::Asked;
use super::frame::{Boxed, CELL, INSET, Layout, Line, ROW, Rect, TITLE, Way, is_chosen};
use super::links;
use super::rows::Row;
use super::scene::{Kind, Map, Node, Sign, SubnetRole};
use super::select::{Bundle, Item, Shown, What};
use super::text::{Face, number, short_id, shorten, width};
use super::trace::{Dot, point};
use super::words::Words;
use crate::markup::{escape, escaped};

/// Between the edge of a box and its text.
const PAD: f32 = 12.0;

/// What a picture is drawn with.
#[derive(Clone, Copy)]
pub(super) struct Pen<'a> {
    pub map: &'a Map,
    pub shown: &'a Shown<'a>,
    pub asked: &'a Asked,
    pub words: Words,
    /// The map's nodes by their VPCs.
    pub nodes: &'a BTreeMap<VpcId, &'a Node>,
    /// Whether it is the picture for phones.
    pub narrow: bool,
}

impl Pen<'_> {
    /// Draws a layout.
    pub(super) fn draw(&self, layout: &Layout<'_>) -> String {
        let mut out = String::with_capacity(1 << 16);
        let (narrow, many) = (self.narrow, self.shown.has_many_lines());
        out.push_str("<svg class=\"map ");
        out.push_str(if narrow { "narrow-only" } else { "wide-only" });
        out.push_str(if many { " many\" viewBox=\"0 0 " } else { "\" viewBox=\"0 0 " });
        number(&mut out, layout.width);
        out.push(' ');
        number(&mut out, layout.height);
        let name = escaped(&self.words.map_of(&self.words.summary(self.map)));
        let _ = write!(out, "\" width=\"100%\" role=\"group\" aria-label=\"{name}\">");
        for band in &layout.bands {
            if let Some(border) = band.border {
                rect(&mut out, border, 8, "reg");
            }
            text(&mut out, band.label, "s h", false, band.region.name());
        }
        self.lines(&mut out, layout, many);
        let mut marks: BTreeMap<usize, Vec<&Line>> = BTreeMap::new();
        for line in layout.lines.iter().filter(|line| line.mark.is_some()) {
            marks.entry(self.shown.bundles[line.bundle].ends[1]).or_default().push(line);
        }
        for (n, (item, boxed)) in self.shown.items.iter().zip(&layout.boxes).enumerate() {
            out.push_str("<g>");
            match &item.what {
                What::Node { node, open, hit, peerings } => {
                    self.node(&mut out, boxed, node, *open, *hit, *peerings);
                    self.rows(&mut out, n, boxed);
                }
                What::Group { .. } => self.group(&mut out, boxed, item),
            }
            for line in marks.get(&n).into_iter().flatten() {
                self.mark(&mut out, line);
            }
            out.push_str("</g>");
        }
        if let Some(way) = &layout.way {
            self.way(&mut out, way);
        }
        out.push_str("</svg>");
        out
    }

    fn lines(&self, out: &mut String, layout: &Layout<'_>, many: bool) {
        for (x, from, to) in &layout.trunks {
            out.push_str("<path class=\"trunk\" d=\"");
            point(out, 'M', (*x, *from));
            out.push('V');
            number(out, *to);
            out.push_str("\"/>");
        }
        let mut together: BTreeMap<String, String> = BTreeMap::new();
        for line in &layout.lines {
            let bundle = &self.shown.bundles[line.bundle];
            let class = self.class(bundle, many);
            if self.shown.grouped {
                line.trace.write(together.entry(class).or_default());
                continue;
            }
            let _ = write!(out, "<path class=\"{class}\" d=\"");
            line.trace.write(out);
            let _ = write!(out, "\"><title>{}</title></path>", escaped(&self.name_of(bundle)));
        }
        for (class, data) in together {
            let _ = write!(out, "<path class=\"{class}\" d=\"{data}\"/>");
        }
    }

    fn class(&self, bundle: &Bundle<'_>, many: bool) -> String {
        let opened = |end: &usize| match self.shown.items[*end].what {
            What::Node { open, hit, .. } => open || hit,
            What::Group { .. } => false,
        };
        let hot = many && bundle.ends.iter().any(opened);
        let thick = match bundle.peerings.len() {
            0 | 1 => "",
            2..=4 => " w2",
            _ => " w3",
        };
        format!("e {}{thick}{}", bundle.line(), if hot { " hot" } else { "" })
    }

    /// A bundle in words: its ends, and its state.
    fn name_of(&self, bundle: &Bundle<'_>) -> String {
        let [from, to] = bundle.ends.map(|end| self.name(end));
        let between = self.words.between(&from, &to);
        match *bundle.peerings {
            [peering] => format!("{between}: {}", self.words.state(peering)),
            _ => {
                let mut counts: BTreeMap<Sign, usize> = BTreeMap::new();
                for peering in &bundle.peerings {
                    *counts.entry(peering.sign()).or_default() += 1;
                }
                let counts = counts.iter().rev();
                let counts: Vec<_> = counts.map(|(s, n)| self.words.so_many(*n, *s)).collect();
                format!("{between}: {}", counts.join(", "))
            }
        }
    }

    fn name(&self, item: usize) -> String {
        match &self.shown.items[item].what {
            What::Node { node, .. } => node.name.clone(),
            What::Group { id, name, .. } => {
                name.map_or_else(|| id.1.to_string(), ToOwned::to_owned)
            }
        }
    }

    fn fragment(&self, id: impl std::fmt::Display) -> String {
        format!("{}-{id}", if self.narrow { "s" } else { "m" })
    }

    fn node(
        &self,
        out: &mut String,
        boxed: &Boxed<'_>,
        node: &Node,
        open: bool,
        hit: bool,
        peerings: usize,
    ) {
        let Rect { x, y, w, .. } = boxed.rect;
        let kind = self.words.kind(node.kind);
        let name = shorten(&node.name, Face::Bold, w - 2.0 * PAD);
        let block = node.blocks.first().map_or_else(|| "–".to_owned(), ToString::to_string);
        let note = match (self.narrow, node.own, node.kind, peerings) {
            (true, ..) => kind.to_owned(),
            (false, false, ..) => node.account.to_string(),
            (false, true, Kind::Space, n) => self.words.peerings(n),
            (false, true, Kind::Vpc, 0) => self.words.t.not_peered.to_owned(),
            (false, true, Kind::Vpc, _) => String::new(),
        };
        let note = shorten(&note, Face::Sans, w - 3.0 * PAD - width(&block, Face::Mono));
        // Its name has what is seen, as it is seen.
        let kind = Some(kind).filter(|_| !self.narrow);
        let whole = Some(&*node.name).filter(|whole| *whole != name);
        let label = joined([kind, Some(&name), Some(&block), Some(&note), whole]);
        let anchor = self.fragment(node.id);
        let href = escaped(&links::map(&self.asked.toggling(node.id)));
        let _ = write!(
            out,
            "<a id=\"{anchor}\" href=\"{href}#{anchor}\" aria-label=\"{}\" \
             aria-expanded=\"{open}\">",
            escaped(&label)
        );
        if name != node.name {
            let _ = write!(out, "<title>{}</title>", escaped(&node.name));
        }
        rect(out, boxed.rect, 6, if hit { "node hit" } else { "node" });
        text(out, (x + PAD, y + 18.0), "h", false, &name);
        text(out, (x + PAD, y + 35.0), "mm s", false, &block);
        if !note.is_empty() {
            text(out, (x + w - PAD, y + 35.0), "s", true, &note);
        }
        out.push_str("</a>");
    }

    fn rows(&self, out: &mut String, item: usize, boxed: &Boxed<'_>) {
        for (row, top) in &boxed.rows {
            let Rect { x, w, .. } = boxed.rect;
            let base = top + 16.0;
            let (left, right) = ((x + PAD, base), (x + w - PAD, base));
            let room = w - 2.0 * PAD;
            let pair = |out: &mut String, value: &str, what: &str| {
                text(out, left, "mm s", false, value);
                let room = room - width(value, Face::Mono) - 8.0;
                text(out, right, "s", true, &shorten(what, Face::Sans, room));
            };
            match row {
                Row::Subnet(subnet) => {
                    let role = match &subnet.role {
                        SubnetRole::Dynos => self.words.t.dynos,
                        SubnetRole::Named(name) => name,
                    };
                    pair(out, &subnet.cidr.to_string(), role);
                }
                Row::Block(block) => pair(out, &block.to_string(), self.words.t.further_block),
                Row::Data(block) => pair(out, &block.to_string(), self.words.t.data),
                Row::More(count) => {
                    let words = shorten(&self.words.more(*count), Face::Sans, room - 20.0);
                    text(out, (x + 32.0, base), "s", false, &words);
                }
                Row::End(end) => {
                    let chosen = is_chosen(self.shown, item, row, &self.map.chosen);
                    let address = end.address.to_string();
                    self.end(out, (boxed.rect, *top), &end.name, &address, Some(end.sign), chosen);
                }
                Row::Address(address) => {
                    let address = address.to_string();
                    self.end(out, (boxed.rect, *top), &address, "", None, true);
                }
                Row::Peering(peering) => {
                    let id = peering.id.to_string();
                    let (short, whole) = (short_id(&id), self.words.state(peering));
                    let room = w - 56.0 - width(&short, Face::Mono);
                    let state = shorten(&whole, Face::Sans, room);
                    let href = links::of_peering(peering, self.nodes);
                    let end = open(out, href, &format!("{short} {state}, {id}: {whole}"));
                    self.row_box(out, boxed.rect, *top, "sub");
                    sign(out, (x + 20.0, top + ROW / 2.0), peering.sign(), 12.0);
                    text(out, (x + 32.0, base), "mm", false, &short);
                    text(out, (x + w - 16.0, base), "s", true, &state);
                    out.push_str(end);
                }
                Row::Page => {
                    let What::Node { node, .. } = self.shown.items[item].what else { continue };
                    let words = self.words.t.open_page;
                    let end = open(out, links::node(node), &format!("{words}: {}", node.name));
                    rect(
                        out,
                        Rect { x: x + INSET, y: top + 1.0, w: w - 16.0, h: 22.0 },
                        3,
                        "rowlink",
                    );
                    text(out, left, "link", false, &shorten(words, Face::Sans, room));
                    out.push_str(end);
                }
            }
        }
    }

    fn end(
        &self,
        out: &mut String,
        (within, top): (Rect, f32),
        name: &str,
        address: &str,
        state: Option<Sign>,
        chosen: bool,
    ) {
        let Rect { x, w, .. } = within;
        let href = escaped(&links::map(&self.asked.choosing(name)));
        let current = if chosen { " aria-current=\"true\"" } else { "" };
        let is_id = name.starts_with("i-") || name.starts_with("eni-") || address.is_empty();
        let face = if is_id { Face::Mono } else { Face::Sans };
        let room = w - 32.0 - 16.0 - 8.0 - width(address, Face::Mono);
        let shown = if is_id { short_id(name) } else { name.to_owned() };
        let shown = shorten(&shown, face, room);
        let whole = Some(name).filter(|whole| *whole != shown);
        let label = escaped(&joined([Some(&shown), Some(address), whole]));
        let _ = write!(out, "<a href=\"{href}\" aria-label=\"{label}\"{current}>");
        self.row_box(out, within, top, if chosen { "selbg" } else { "sub" });
        if let Some(state) = state {
            sign(out, (x + 20.0, top + ROW / 2.0), state, 12.0);
        }
        let class = if is_id { "mm" } else { "" };
        text(out, (x + 32.0, top + 16.0), class, false, &shown);
        if !address.is_empty() {
            text(out, (x + w - 16.0, top + 16.0), "mm s", true, address);
        }
        out.push_str("</a>");
    }

    fn row_box(&self, out: &mut String, within: Rect, top: f32, class: &str) {
        let w = within.w - 2.0 * INSET;
        rect(out, Rect { x: within.x + INSET, y: top + 1.0, w, h: ROW - 2.0 }, 3, class);
    }

    fn group(&self, out: &mut String, boxed: &Boxed<'_>, item: &Item<'_>) {
        let What::Group { id, name, count, states, cells, open } = &item.what else { return };
        let Rect { x, y, w, .. } = boxed.rect;
        let account = id.1.to_string();
        let shown_name = name.unwrap_or(&account);
        let words = self.words;
        let bad = states.iter().rev().filter(|(sign, _)| **sign != Sign::Ok);
        let mut notes: Vec<String> = vec![words.vpcs(*count)];
        notes.extend(bad.map(|(sign, count)| words.so_many(*count, *sign)));
        let note = notes.join(", ");
        let room = w - 3.0 * PAD;
        let name = shorten(shown_name, Face::Bold, room * 0.6);
        let left = room - width(&name, Face::Bold);
        // As many states as there is room for, the worst ones first; the name has all of them.
        let mut short = (1..=notes.len()).rev().map(|n| notes[..n].join(", "));
        let short = short.find(|short| width(short, Face::Sans) <= left);
        let short = short.unwrap_or_else(|| shorten(&notes[0], Face::Sans, left));
        // Its name has what is seen, as it is seen, and all the rest.
        let whole = format!("{shown_name}, {}, {}, {note}", words.account(id.1), id.0);
        let label = escaped(&format!("{name} {short}, {whole}"));
        let anchor = self.fragment(format_args!("{}-{account}", id.0));
        let href = escaped(&links::map(&self.asked.toggling_group(*id)));
        let _ = write!(
            out,
            "<a id=\"{anchor}\" href=\"{href}#{anchor}\" aria-label=\"{label}\" aria-expanded=\"{open}\">"
        );
        rect(out, boxed.rect, 6, if boxed.rect.h > boxed.head { "node grp" } else { "node" });
        text(out, (x + PAD, y + 18.0), "h", false, &name);
        text(out, (x + w - PAD, y + 18.0), "s", true, &short);
        let across = (((w - 2.0 * PAD) / CELL) as usize).max(1);
        let at = |n: usize| {
            let (column, line) = (n % across, n / across);
            (x + 20.0 + column as f32 * CELL, y + TITLE + 8.0 + line as f32 * CELL)
        };
        // One path for all that look the same: five hundred cells are a few hundred bytes.
        let (mut squares, mut dots, mut rings) = (String::new(), String::new(), String::new());
        for (n, cell) in cells.iter().enumerate() {
            let (cx, cy) = at(n);
            point(&mut squares, 'M', (cx - 8.0, cy - 8.0));
            squares.push_str("h16v16h-16z");
            match cell {
                Some(Sign::Ok) => {
                    point(&mut dots, 'M', (cx, cy));
                    dots.push_str("h0");
                }
                None => {
                    point(&mut rings, 'M', (cx - 2.5, cy));
                    rings.push_str("a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0");
                }
                Some(_) => {}
            }
        }
        for (class, data) in [("cells", squares), ("dots", dots), ("rings", rings)] {
            if !data.is_empty() {
                let _ = write!(out, "<path class=\"{class}\" d=\"{data}\"/>");
            }
        }
        for (n, cell) in cells.iter().enumerate() {
            if let Some(state) = cell.filter(|state| *state != Sign::Ok) {
                sign(out, at(n), state, 14.0);
            }
        }
        out.push_str("</a>");
    }

    fn mark(&self, out: &mut String, line: &Line) {
        let (Some(at), bundle) = (line.mark, &self.shown.bundles[line.bundle]) else { return };
        let state = bundle.sign();
        if self.shown.grouped && state == Sign::Ok {
            let count = bundle.peerings.len().to_string();
            let _ = write!(out, "<text x=\"");
            number(out, at.0);
            out.push_str("\" y=\"");
            number(out, at.1 + 4.0);
            let _ = write!(out, "\" class=\"ct\" text-anchor=\"middle\">{count}</text>");
            return;
        }
        let worst = bundle.peerings.iter().max_by_key(|peering| peering.sign());
        let href = worst.and_then(|peering| links::of_peering(peering, self.nodes));
        let label = self.name_of(bundle);
        let end = open(out, href, &label);
        let _ = write!(out, "<title>{}</title>", escaped(&label));
        disc(out, at);
        sign(out, at, state, 14.0);
        out.push_str(end);
    }

    fn way(&self, out: &mut String, way: &Way) {
        let verdict = self.map.chosen.verdict;
        let passes = verdict.map(|passage| passage == super::scene::Passage::Passes);
        let ends = self.words.between(
            self.asked.from.as_deref().unwrap_or_default(),
            self.asked.to.as_deref().unwrap_or_default(),
        );
        let label = escaped(&format!("{ends}: {}", self.words.way(passes)));
        let _ = write!(out, "<g role=\"img\" aria-label=\"{label}\">");
        if !way.rest.is_empty() {
            let _ = write!(out, "<path class=\"path rest\" d=\"{}\"/>", way.rest);
        }
        if !way.gone.is_empty() {
            let _ = write!(out, "<path class=\"path {}\" d=\"{}\"/>", way.colour, way.gone);
        }
        for (at, state) in &way.marks {
            disc(out, *at);
            sign(out, *at, *state, 16.0);
        }
        out.push_str("</g>");
    }
}

/// Several pieces as one text.
fn joined<const N: usize>(pieces: [Option<&str>; N]) -> String {
    let pieces = pieces.into_iter().flatten().filter(|piece| !piece.is_empty());
    pieces.collect::<Vec<_>>().join(" ")
}

/// Begins what leads somewhere, or what has a name if there is nowhere to lead to; and how it ends.
fn open(out: &mut String, href: Option<String>, label: &str) -> &'static str {
    let label = escaped(label);
    match href {
        Some(href) => {
            let _ = write!(out, "<a href=\"{}\" aria-label=\"{label}\">", escaped(&href));
            "</a>"
        }
        None => {
            let _ = write!(out, "<g role=\"img\" aria-label=\"{label}\">");
            "</g>"
        }
    }
}

fn rect(out: &mut String, at: Rect, round: u8, class: &str) {
    out.push_str("<rect x=\"");
    number(out, at.x);
    out.push_str("\" y=\"");
    number(out, at.y);
    out.push_str("\" width=\"");
    number(out, at.w);
    out.push_str("\" height=\"");
    number(out, at.h);
    let _ = write!(out, "\" rx=\"{round}\" class=\"{class}\"/>");
}

fn text(out: &mut String, at: Dot, class: &str, ends: bool, words: &str) {
    out.push_str("<text x=\"");
    number(out, at.0);
    out.push_str("\" y=\"");
    number(out, at.1);
    out.push('"');
    if !class.is_empty() {
        let _ = write!(out, " class=\"{class}\"");
    }
    out.push_str(if ends { " text-anchor=\"end\">" } else { ">" });
    escape(out, words);
    // What follows is another word to whoever has it read out.
    out.push_str("</text> ");
}

fn disc(out: &mut String, at: Dot) {
    out.push_str("<circle cx=\"");
    number(out, at.0);
    out.push_str("\" cy=\"");
    number(out, at.1);
    out.push_str("\" r=\"10\" class=\"dot\"/>");
}

fn sign(out: &mut String, at: Dot, sign: Sign, size: f32) {
    let _ = write!(out, "<use href=\"#{}\" x=\"", sign.shape());
    number(out, at.0 - size / 2.0);
    out.push_str("\" y=\"");
    number(out, at.1 - size / 2.0);
    let _ = write!(out, "\" width=\"{size}\" height=\"{size}\" class=\"{}\"/>", sign.colour());
}
