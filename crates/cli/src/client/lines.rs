//! Answers that are read line by line, while they come.

use anyhow::bail;

/// The greatest length of a line in bytes, so that a line without an end does not fill the memory. Lines
/// of logs have some ten thousand bytes; the report of a backup is a single line with an entry for each
/// slug and each data service.
const MOST_BYTES: usize = 16 << 20;

/// Cuts a body into lines. Text after the end of the last line is not a line.
#[derive(Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    /// The offset at which the next line begins.
    begin: usize,
    /// The offset up to which the end of that line was looked for.
    looked: usize,
}

impl Lines {
    /// Takes the next part of the body.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.text.drain(..self.begin);
        self.looked -= self.begin;
        self.begin = 0;
        self.text.extend_from_slice(part);
    }

    /// The next line without its end, if all of it has come.
    ///
    /// # Errors
    ///
    /// The line is too long.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let rest = &self.text[self.looked..];
        let end = rest.iter().position(|byte| *byte == b'\n').map(|at| self.looked + at);
        if end.unwrap_or(self.text.len()) - self.begin > MOST_BYTES {
            bail!("the server sent a line of more than {} MiB", MOST_BYTES >> 20);
        }
        let Some(end) = end else {
            self.looked = self.text.len();
            return Ok(None);
        };
        let line = &self.text[self.begin..end];
        self.begin = end + 1;
        self.looked = self.begin;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a body that comes in parts.
    fn cut(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for part in parts {
            lines.add(part);
            while let Some(line) = lines.next().unwrap() {
                all.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let body = b"one\n\ntwo \xc3\xa9\r\nthree\nno end";
        let expected = ["one", "", "two é\r", "three"];
        assert_eq!(cut(&[body]), expected);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(cut(&bytes), expected);
        for at in 0..body.len() {
            let (one, other) = body.split_at(at);
            assert_eq!(cut(&[one, b"", other]), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_line_has_a_bound_whether_it_ends_or_not() {
        let longest = vec![b'x'; MOST_BYTES];
        let mut lines = Lines::default();
        lines.add(b"before\n");
        assert_eq!(lines.next().unwrap(), Some(&b"before"[..]));
        lines.add(&longest);
        assert_eq!(lines.next().unwrap(), None);
        lines.add(b"\n");
        assert_eq!(lines.next().unwrap(), Some(&*longest));
        for over in ["x", "x\n"] {
            let mut lines = Lines::default();
            lines.add(&longest);
            lines.add(over.as_bytes());
            let error = lines.next().unwrap_err();
            assert!(error.to_string().contains("16 MiB"), "{error:#}");
        }
    }
}
