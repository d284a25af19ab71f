//! What commands print. Everything for a person or a program goes through here.

use std::fmt;
use std::io::{self, Write};

/// Standard output; a reader that went away ends the program quietly, as it does others.
pub struct Out {
    sink: Box<dyn Write>,
}

impl Out {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { sink: Box::new(io::BufWriter::new(io::stdout())) }
    }

    /// Somewhere else.
    #[cfg(test)]
    pub fn to(sink: impl Write + 'static) -> Self {
        Self { sink: Box::new(sink) }
    }

    /// Prints a line.
    pub fn line(&mut self, text: impl fmt::Display) {
        self.check(|sink| writeln!(sink, "{text}"));
    }

    /// Prints without an end of line.
    pub fn text(&mut self, text: impl fmt::Display) {
        self.check(|sink| write!(sink, "{text}"));
    }

    /// Prints JSON for programs.
    pub fn json(&mut self, value: &serde_json::Value) {
        self.line(format_args!("{value:#}"));
    }

    /// Prints a line at once; for who has something to clean up where the reader went away.
    ///
    /// # Errors
    ///
    /// What keeps it from being printed.
    pub fn attempt(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.sink, "{line}")?;
        self.sink.flush()
    }

    /// Prints a table as the `heroku` command does: a row of names, a rule, rows.
    pub fn table(&mut self, names: &[&str], rows: &[Vec<String>]) {
        let width = |n: usize| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
            cells.chain([names[n].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..names.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        };
        self.line(line(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
        self.line(line(&widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>()));
        for row in rows {
            self.line(line(row));
        }
    }

    /// Hands on what was printed so far.
    pub fn flush(&mut self) {
        self.check(Write::flush);
    }

    fn check(&mut self, print: impl FnOnce(&mut Box<dyn Write>) -> io::Result<()>) {
        if let Err(error) = print(&mut self.sink) {
            // 141 is what a shell shows of a program that SIGPIPE ended.
            std::process::exit(if error.kind() == io::ErrorKind::BrokenPipe { 141 } else { 1 });
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.flush();
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
}
