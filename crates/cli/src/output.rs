//! What commands print. Everything for a person or a program goes through here.

use std::fmt;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

/// How the names in the first row of a table look.
const NAMES: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const UNDER_WAY: Style = AnsiColor::Yellow.on_default();

/// Standard output. If the reader has gone away, the program ends quietly, as others do.
pub(crate) struct Out {
    sink: Box<dyn Write>,
    /// Whether colours are printed. They are on a terminal, unless the environment says otherwise.
    colours: bool,
}

impl Out {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        let colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self { sink: Box::new(io::BufWriter::new(io::stdout())), colours }
    }

    /// Prints to something else than standard output.
    #[cfg(test)]
    pub(crate) fn to(sink: impl Write + 'static) -> Self {
        Self { sink: Box::new(sink), colours: false }
    }

    /// Prints a line. Ticks and crosses have their colours on a terminal.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        if !self.colours {
            return self.check(|sink| writeln!(sink, "{text}"));
        }
        let text = text.to_string();
        let text = text.replace('✓', &painted("✓", GOOD)).replace('✗', &painted("✗", BAD));
        self.check(|sink| writeln!(sink, "{text}"));
    }

    /// Prints text as it is, without an end of line.
    pub(crate) fn text(&mut self, text: impl fmt::Display) {
        self.check(|sink| write!(sink, "{text}"));
    }

    /// Prints JSON for programs: the members of an object in the order of their names.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => self.text(format_args!("{value:#}\n")),
            Err(error) => self.check(|_| Err(error.into())),
        }
    }

    /// Prints JSON on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => self.text(format_args!("{value}\n")),
            Err(error) => self.check(|_| Err(error.into())),
        }
    }

    /// Prints a line at once. If the reader has gone away this is an error, and not the end of the
    /// program, for callers who have something to clean up.
    pub(crate) fn attempt(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.sink, "{line}")?;
        self.sink.flush()
    }

    /// Prints a table as the `heroku` command does: a row of names, a rule, rows.
    pub(crate) fn table(&mut self, names: &[&str], rows: &[Vec<String>]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let widths = widths(std::iter::once(&names).chain(rows));
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let plain = |_: &str| None;
        let style: fn(&str) -> Option<Style> = if self.colours { style_of } else { plain };
        let heading = if self.colours { |_: &str| Some(NAMES) } else { plain };
        self.line(row(&names, &widths, heading));
        self.line(row(&rule, &widths, plain));
        for cells in rows {
            self.line(row(cells, &widths, style));
        }
    }

    /// Writes out what is still in the buffer.
    pub(crate) fn flush(&mut self) {
        self.check(Write::flush);
    }

    fn check(&mut self, print: impl FnOnce(&mut Box<dyn Write>) -> io::Result<()>) {
        if let Err(error) = print(&mut self.sink) {
            // 141 is what a shell shows of a program that SIGPIPE ended; 74 is EX_IOERR, as 1 would
            // be an answer of `why`.
            std::process::exit(if error.kind() == io::ErrorKind::BrokenPipe { 141 } else { 74 });
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Rows as lines whose columns stand one below the other.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let widths = widths(rows);
    rows.iter().map(|cells| row(cells, &widths, |_| None)).collect()
}

/// The width of each column of a table, in columns of a terminal.
fn widths<'a>(rows: impl IntoIterator<Item = &'a Vec<String>>) -> Vec<usize> {
    rows.into_iter().fold(Vec::new(), |mut widths, row| {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
        widths
    })
}

fn row(cells: &[String], widths: &[usize], style: impl Fn(&str) -> Option<Style>) -> String {
    let last = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
    let padded = cells.iter().zip(widths).take(last).enumerate().map(|(n, (cell, width))| {
        let space = if n + 1 == last { 0 } else { width.saturating_sub(cell.width()) };
        let shown = style(cell).map_or_else(|| cell.clone(), |style| painted(cell, style));
        format!("{shown}{}", " ".repeat(space))
    });
    padded.collect::<Vec<_>>().join("  ")
}

fn painted(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

/// The colour of a cell that holds a state.
fn style_of(cell: &str) -> Option<Style> {
    match cell {
        "active" | "allocated" | "available" | "created" | "running" | "succeeded" | "up" => {
            Some(GOOD)
        }
        "blackhole" | "crashed" | "deleted" | "down" | "expired" | "failed" | "rejected" => {
            Some(BAD)
        }
        "allocating" | "creating" | "deleting" | "initiating-request" | "pending"
        | "pending-acceptance" | "provisioning" | "shutting-down" | "starting" | "stopping" => {
            Some(UNDER_WAY)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_table_has_a_rule_under_its_names() {
        let sink = Shared::default();
        let mut out = Out::to(sink.clone());
        out.table(&["PCX ID", "Type"], &[vec!["******".into(), "heroku-managed".into()]]);
        drop(out);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "PCX ID  Type\n──────  ──────────────\n******  heroku-managed\n");
    }

    #[test]
    fn columns_stand_one_below_the_other_whatever_is_in_them() {
        let rows = [["日本", "a", ""], ["x", "", "b"], ["y", "", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), ["日本  a", "x        b", "y"]);
        assert!(columns(&[]).is_empty());
    }

    #[test]
    fn colours_take_no_width() {
        let sink = Shared::default();
        let mut out = Out { sink: Box::new(sink.clone()), colours: true };
        let cells = |state: &str| vec![state.to_owned(), "x".to_owned()];
        out.table(&["State", "Name"], &[cells("active"), cells("provisioning")]);
        out.line("✓ good");
        drop(out);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\u{1b}[32mactive\u{1b}[0m        x\n"), "{text:?}");
        assert!(text.contains("\u{1b}[33mprovisioning\u{1b}[0m  x\n"), "{text:?}");
        assert!(text.ends_with("\u{1b}[32m✓\u{1b}[0m good\n"), "{text:?}");
    }
}
