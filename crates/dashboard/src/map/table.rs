//! The matrix as an HTML table.

use std::fmt::Write;

use model::Endpoint;

use super::asked::Asked;
use super::links;
use super::matrix::{Cell, Head, Matrix, Part};
use super::pane::icon;
use super::scene::Sign;
use super::words::Words;
use crate::language::Language;
use crate::markup::escaped;
use crate::paths;
use crate::question::{Protocol, Question};

impl Matrix {
    /// The box with the matrix: what is asked, the table, and what it is of, as HTML.
    pub fn html(&self, asked: &Asked, language: Language) -> String {
        let words = Words::of(language);
        let mut out = String::from("<div class=\"box\">");
        self.bar(&mut out, asked, words);
        let traffic = match asked.protocol {
            Protocol::Icmp => asked.protocol.name().to_owned(),
            Protocol::Tcp | Protocol::Udp => {
                format!("{}\u{a0}{}", asked.protocol.name(), self.port)
            }
        };
        if self.rows.heads.is_empty() || self.columns.heads.is_empty() {
            let _ = write!(out, "<p class=\"empty\">{}</p></div>", escaped(words.t.nothing));
            return out;
        }
        let label = escaped(&words.who_reaches_whom(&traffic));
        let _ = write!(
            out,
            "<div class=\"ox rel\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table \
             class=\"matrix\"><thead><tr><th scope=\"col\">{}</th>",
            escaped(words.t.from)
        );
        for head in &self.columns.heads {
            out.push_str("<th scope=\"col\">");
            write_head(&mut out, head);
            out.push_str("</th>");
        }
        out.push_str("</tr></thead><tbody>");
        for (row, cells) in self.rows.heads.iter().zip(&self.cells) {
            out.push_str("<tr><th scope=\"row\">");
            write_head(&mut out, row);
            out.push_str("</th>");
            for (column, cell) in self.columns.heads.iter().zip(cells) {
                write_cell(&mut out, (row, column), *cell, asked, self.port, words);
            }
            out.push_str("</tr>");
        }
        let note = escaped(words.t.judged_by_rules);
        let _ = write!(out, "</tbody></table></div><div class=\"legend\"><span>{note}</span>");
        let rows = |part| Asked { part: (part, asked.part.1), ..asked.clone() };
        let columns = |part| Asked { part: (asked.part.0, part), ..asked.clone() };
        pager(&mut out, &self.rows, words.t.rows, asked.part.0, words, rows);
        pager(&mut out, &self.columns, words.t.columns, asked.part.1, words, columns);
        out.push_str("</div></div>");
        out
    }

    fn bar(&self, out: &mut String, asked: &Asked, words: Words) {
        let plain = Asked { part: (0, 0), ..Asked::default() };
        let _ = write!(
            out,
            "<form class=\"bar\" role=\"search\" action=\"{}\" aria-label=\"{}\"><div class=\"row\">\
             <div class=\"f\"><label for=\"mx-p\">{}</label><select id=\"mx-p\" name=\"protocol\">",
            escaped(&links::matrix(&plain)),
            escaped(words.t.matrix),
            escaped(words.t.protocol)
        );
        for protocol in Protocol::ALL {
            let chosen = if protocol == asked.protocol { " selected" } else { "" };
            let name = protocol.name();
            let _ = write!(out, "<option value=\"{name}\"{chosen}>{name}</option>");
        }
        let _ = write!(
            out,
            "</select></div><div class=\"f m0 w96\"><label for=\"mx-n\">{}</label><input id=\"mx-n\" \
             name=\"port\" class=\"mono\" inputmode=\"numeric\" pattern=\"[1-9][0-9]{{0,4}}\" \
             title=\"{}\" value=\"{}\"></div>",
            escaped(words.t.port),
            escaped(words.t.port_range),
            self.port
        );
        let boxes = [
            ("peered", asked.peered, words.t.only_peered),
            ("reversed", asked.reversed, words.t.reversed),
        ];
        for (name, on, label) in boxes {
            let on = if on { " checked" } else { "" };
            let _ = write!(
                out,
                "<label class=\"o py15\"><input type=\"checkbox\" name=\"{name}\" value=\"1\"{on}>{}</label>",
                escaped(label)
            );
        }
        let _ = write!(
            out,
            "<button class=\"b\">{}</button></div><span class=\"push acts\"><a class=\"b s q\" \
             href=\"{}\">{}</a><a class=\"b s\" href=\"{}\" aria-current=\"page\">{}</a></span></form>",
            escaped(words.t.show),
            escaped(&links::map(asked)),
            escaped(words.t.map),
            escaped(&links::matrix(asked)),
            escaped(words.t.matrix)
        );
    }
}

fn write_head(out: &mut String, head: &Head) {
    let name = escaped(&head.name);
    let _ = match links::node(&head.node) {
        Some(href) => write!(out, "<a href=\"{}\">{name}</a>", escaped(&href)),
        None => write!(out, "<span class=\"m\">{name}</span>"),
    };
    if let Some(within) = &head.within {
        let _ = write!(out, "<span class=\"sub\">{}</span>", escaped(within));
    }
}

fn write_cell(
    out: &mut String,
    (from, to): (&Head, &Head),
    cell: Cell,
    asked: &Asked,
    port: u16,
    words: Words,
) {
    let quiet = |out: &mut String, state: &str| {
        let state = escaped(state);
        let _ = write!(
            out,
            "<td><span class=\"soft\" title=\"{state}\">·<span class=\"vh\"> {state}</span></span></td>"
        );
    };
    let shown = |out: &mut String, sign: Sign, state: &str, href: Option<String>| {
        let asks = href.as_ref().is_some_and(|href| href.starts_with(paths::WHY));
        let label = match href {
            Some(_) if asks => words.ask_why(&from.name, &to.name, state),
            Some(_) | None => words.cell(&from.name, &to.name, state),
        };
        let (colour, icon, label) = (sign.colour(), icon(sign), escaped(&label));
        let state = escaped(state);
        let _ = match href {
            Some(href) => write!(
                out,
                "<td><a class=\"st {colour}\" href=\"{}\" aria-label=\"{label}\">{icon}{state}</a></td>",
                escaped(&href)
            ),
            None => write!(
                out,
                "<td><span class=\"st {colour}\" title=\"{label}\">{icon}{state}</span></td>"
            ),
        };
    };
    match cell {
        Cell::Itself => quiet(out, words.t.itself),
        Cell::NoPeering => quiet(out, words.t.no_peering),
        Cell::Peering(peering) => {
            let state = match peering.sign() {
                Sign::Ended => return quiet(out, peering.status.code()),
                Sign::Waiting => words.t.state_waiting,
                Sign::Warning => words.t.state_warning,
                Sign::Ok | Sign::Moving | Sign::Bad => peering.status.code(),
            };
            shown(out, peering.sign(), state, links::peering(peering.id, &[&from.node, &to.node]));
        }
        Cell::Nobody => shown(out, Sign::Ended, words.t.nobody, None),
        Cell::OwnSide(true) => shown(out, Sign::Ok, words.t.own_side, None),
        Cell::OwnSide(false) => shown(out, Sign::Bad, words.t.state_bad, None),
        Cell::Active => shown(out, Sign::Ok, model::PeeringStatus::Active.code(), None),
        Cell::Flows { all, seen, stopped, example } => {
            let (sign, state) = match stopped {
                0 => (Sign::Ok, words.t.passes.to_owned()),
                n if n == seen => (Sign::Bad, words.t.state_bad.to_owned()),
                n => (Sign::Bad, words.part_stopped(n, seen)),
            };
            let end = |end: Endpoint| format!("{}/{}", end.vpc, end.address);
            let (from, to) = (end(example.0), end(example.1));
            let port = (asked.protocol != Protocol::Icmp).then_some(port);
            shown(
                out,
                sign,
                &state,
                Some(Question { from, to, protocol: asked.protocol, port }.path()),
            );
            if seen < all {
                out.truncate(out.len() - "</td>".len());
                let seen = escaped(&words.looked_at(seen, all));
                let _ = write!(out, "<span class=\"sub\">{seen}</span></td>");
            }
        }
    }
}

/// Where there is more than a page: which part it is, with links to what is before and after.
fn pager(
    out: &mut String,
    part: &Part,
    name: &str,
    at: u16,
    words: Words,
    other: impl Fn(u16) -> Asked,
) {
    let shown = part.first + part.networks();
    if part.first == 0 && shown >= part.of {
        return;
    }
    let which = escaped(&format!("{name}: {}", words.part(part.first + 1, shown, part.of)));
    let _ = write!(out, "<span>{which}");
    let mut link = |at: Option<u16>, words: &str| {
        if let Some(at) = at {
            let href = escaped(&links::matrix(&other(at)));
            let label = escaped(&format!("{name}: {words}"));
            let words = escaped(words);
            let _ = write!(out, " <a href=\"{href}\" aria-label=\"{label}\">{words}</a>");
        }
    };
    link(at.checked_sub(1).filter(|_| part.first > 0), words.t.before);
    link(at.checked_add(1).filter(|_| shown < part.of), words.t.after);
    out.push_str("</span>");
}

impl Part {
    /// How many networks the lines are of.
    fn networks(&self) -> usize {
        let mut ids: Vec<_> = self.heads.iter().map(|head| head.node.id).collect();
        ids.dedup();
        ids.len()
    }
}
