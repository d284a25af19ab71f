//! Pieces of HTML that are safe to put into a page as they are.

use std::fmt::{self, Display, Write};

use askama::filters::HtmlSafe;

use crate::texts::Texts;

/// HTML: whatever came from outside is escaped in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl HtmlSafe for Markup {}

impl Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sign of a state: its shape says it, its colour comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Active, passes.
    Ok,
    /// Waits for somebody.
    Wait,
    /// In motion.
    Move,
    /// Needs care soon.
    Warn,
    /// Stopped, failed.
    Bad,
    /// Ended, not reached.
    None,
    /// The platform's.
    Lock,
}

impl Sign {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wait => "wait",
            Self::Move => "move",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::None => "none",
            Self::Lock => "lock",
        }
    }

    /// The class that colours it.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wait | Self::Move | Self::Warn => "wait",
            Self::Bad => "bad",
            Self::None => "idle",
            Self::Lock => "soft",
        }
    }

    /// The sign alone, in its colour.
    pub(crate) fn icon(self) -> Markup {
        Markup(format!(
            r##"<svg class="i {}" aria-hidden="true"><use href="#{}"/></svg>"##,
            self.class(),
            self.symbol()
        ))
    }

    /// The sign with its word.
    pub(crate) fn with(self, word: impl Into<Markup>) -> Markup {
        Markup(format!(
            r##"<span class="st {}"><svg class="i" aria-hidden="true"><use href="#{}"/></svg>{}</span>"##,
            self.class(),
            self.symbol(),
            word.into()
        ))
    }

    /// A line below something that says why.
    pub(crate) fn why(self, text: &Markup) -> Markup {
        Markup(format!(
            r##"<span class="sub why {}"><svg class="i" aria-hidden="true"><use href="#{}"/></svg><span>{text}</span></span>"##,
            self.class(),
            self.symbol(),
        ))
    }
}

/// An icon that is no state.
pub(crate) fn icon(symbol: &'static str) -> Markup {
    Markup(format!(r##"<svg class="i soft" aria-hidden="true"><use href="#{symbol}"/></svg>"##))
}

impl From<&str> for Markup {
    /// Text, which is escaped.
    fn from(text: &str) -> Self {
        Self(escaped(text))
    }
}

impl Markup {
    /// HTML that was made elsewhere in this crate, with everything from outside escaped.
    pub(crate) fn made(html: String) -> Self {
        Self(html)
    }
}

/// Writes a text so that it is one, in an element as in an attribute. What no page should hold, as
/// control characters and those that turn the direction of what follows, is replaced.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_replaced(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Whether a character is one that no page should hold.
pub(crate) fn is_replaced(c: char) -> bool {
    turns(c) || matches!(c, '\u{200e}' | '\u{200f}') || c.is_control() && c != '\n' && c != '\t'
}

/// Whether a character turns the direction of what follows, so that a name reads as another one.
const fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole page without characters that turn the direction of its text, wherever they came from.
pub fn without_turns(page: String) -> String {
    match page.contains(turns) {
        true => page.replace(turns, "\u{fffd}"),
        false => page,
    }
}

/// The same as a string.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

impl From<String> for Markup {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// An icon in the colour of a state.
pub(crate) fn signed(symbol: &'static str, sign: Sign) -> Markup {
    let class = sign.class();
    Markup(format!(r##"<svg class="i {class}" aria-hidden="true"><use href="#{symbol}"/></svg>"##))
}

/// The same with a capital letter, where it begins with a letter that has one.
pub(crate) fn capital(piece: Markup) -> Markup {
    let mut chars = piece.0.chars();
    match chars.next() {
        Some(first) if first.is_ascii_lowercase() => {
            Markup(format!("{}{}", first.to_ascii_uppercase(), chars.as_str()))
        }
        _ => piece,
    }
}

/// The same on one line, as an id that a hyphen would divide.
pub(crate) fn whole(piece: Markup) -> Markup {
    Markup(format!(r#"<span class="nw">{piece}</span>"#))
}

/// Text from something that can be shown.
pub(crate) fn text(shown: impl Display) -> Markup {
    shown.to_string().into()
}

/// An id, a block, an address or a command.
pub(crate) fn mono(shown: impl Display) -> Markup {
    Markup(format!(r#"<span class="m">{}</span>"#, text(shown)))
}

/// A name that stands out.
pub(crate) fn strong(shown: impl Display) -> Markup {
    Markup(format!("<b>{}</b>", text(shown)))
}

/// An id or a block that stands out.
pub(crate) fn strong_mono(shown: impl Display) -> Markup {
    Markup(format!(r#"<b class="m">{}</b>"#, text(shown)))
}

/// What leads to a page.
pub(crate) fn link(path: &str, shown: &Markup) -> Markup {
    Markup(format!(r#"<a href="{}">{shown}</a>"#, Markup::from(path)))
}

/// Words of a rule, which are in English whatever the page's language is.
pub(crate) fn in_english(t: &Texts, words: &str) -> Markup {
    match t.lang {
        "en" => words.into(),
        _ => Markup(format!(r#"<span lang="en">{}</span>"#, Markup::from(words))),
    }
}

/// Several pieces, with commas between them.
pub(crate) fn listed(pieces: impl IntoIterator<Item = Markup>) -> Markup {
    let mut list = String::new();
    for (n, piece) in pieces.into_iter().enumerate() {
        let _ = write!(list, "{}{piece}", if n == 0 { "" } else { ", " });
    }
    Markup(list)
}

/// A `time` element. `sign` is shown before it.
pub(crate) fn time(datetime: &str, title: &str, shown: &str, sign: Option<Sign>) -> Markup {
    let (class, before) = match sign {
        Some(sign) => (
            format!("st {}", sign.class()),
            format!(
                r##"<svg class="i" aria-hidden="true"><use href="#{}"/></svg>"##,
                sign.symbol()
            ),
        ),
        None => ("nw".to_owned(), String::new()),
    };
    Markup(format!(
        r#"<time datetime="{}" title="{}" class="{class}">{before}{}</time>"#,
        Markup::from(datetime),
        Markup::from(title),
        Markup::from(shown)
    ))
}

/// Fills the places of a text. A place that nothing is given for stays empty.
pub(crate) fn fill(text: &str, pieces: &[(&str, Markup)]) -> Markup {
    let pieces = pieces.iter().map(|(place, piece)| (*place, &*piece.0));
    Markup(filled(text, pieces, escape))
}

/// The same for a text that has commands between backticks, which are shown as such.
pub(crate) fn fill_with_commands(text: &str, pieces: &[(&str, Markup)]) -> Markup {
    let mut filled = String::new();
    for (n, part) in text.split('`').enumerate() {
        let part = fill(part, pieces);
        let _ = match n % 2 {
            0 => write!(filled, "{part}"),
            _ => write!(filled, "<code>{part}</code>"),
        };
    }
    Markup(filled)
}

/// The same as plain text, which is yet to be escaped.
pub(crate) fn fill_text(text: &str, pieces: &[(&str, &str)]) -> String {
    filled(text, pieces.iter().copied(), |out, text| out.push_str(text))
}

fn filled<'p>(
    text: &str,
    pieces: impl Iterator<Item = (&'p str, &'p str)> + Clone,
    write: impl Fn(&mut String, &str),
) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        write(&mut filled, before);
        let Some((name, after)) = from.split_once('}') else {
            rest = from;
            break;
        };
        let piece = pieces.clone().find(|(place, _)| *place == name);
        debug_assert!(piece.is_some(), "nothing fills {{{name}}} of '{text}'");
        if let Some((_, piece)) = piece {
            filled.push_str(piece);
        }
        rest = after;
    }
    write(&mut filled, rest);
    filled
}

/// A button that copies a value, for browsers with a script.
pub(crate) fn copy_button(t: &Texts, what: &str, value: &str) -> Markup {
    let label = fill(t.copy, &[("what", what.into())]);
    Markup(format!(
        r##"<button type="button" class="c" hidden data-copy="{}" aria-label="{label}" title="{label}"><svg class="i" aria-hidden="true"><use href="#copy"/></svg></button>"##,
        Markup::from(value)
    ))
}

/// A button that copies everything of a list.
pub(crate) fn copy_all_button(t: &Texts, value: &str) -> Markup {
    Markup(format!(
        r##"<button type="button" class="b s q" hidden data-copy="{}"><svg class="i" aria-hidden="true"><use href="#copy"/></svg>{}</button>"##,
        Markup::from(value),
        Markup::from(t.copy_all)
    ))
}

/// A command that breaks only between its arguments, with a button that copies the exact line.
pub(crate) fn command(t: &Texts, arguments: &[&str]) -> Markup {
    let mut shown = String::new();
    for (n, argument) in arguments.iter().enumerate() {
        let space = if n == 0 { "" } else { " " };
        // A long list breaks between its items, and an option before an id rather than within it.
        let shown_part = |part: &str| escaped(part).replace(',', ",<wbr>");
        let _ = match argument.split_once(' ').filter(|_| argument.starts_with("--")) {
            Some((option, value)) if value.contains('-') && !value.contains(' ') => {
                let (option, value) = (shown_part(option), shown_part(value));
                write!(shown, "{space}<span>{option} <span>{value}</span></span>")
            }
            _ => write!(shown, "{space}<span>{}</span>", shown_part(argument)),
        };
    }
    let label = Markup::from(t.copy_command);
    let line = Markup::from(arguments.join(" "));
    Markup(format!(
        r##"<div class="cmd"><pre>{shown}</pre><button type="button" class="c" hidden data-copy="{line}" aria-label="{label}" title="{label}"><svg class="i" aria-hidden="true"><use href="#copy"/></svg></button></div>"##,
    ))
}

/// A whole command line. It breaks before its options, which stay together with their values, and a word
/// in quotation marks is one.
pub(crate) fn command_words(t: &Texts, line: &str) -> Markup {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for part in line.split(' ') {
        match words.last_mut() {
            Some(last) if quoted => *last = format!("{last} {part}"),
            Some(last) if last.starts_with("--") && !part.starts_with("--") => {
                *last = format!("{last} {part}");
            }
            _ => words.push(part.to_owned()),
        }
        quoted ^= part.matches('\'').count() % 2 == 1;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    command(t, &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_before_its_options() {
        let t = crate::Language::English.texts();
        let line = "aws ec2 x --ids a b --rules 'a b' 'c --d' --e";
        let shown = command_words(t, line).to_string();
        for word in ["aws", "ec2", "x", "--ids a b", "--rules &#39;a b&#39; &#39;c --d&#39;", "--e"]
        {
            assert!(shown.contains(&format!("<span>{word}</span>")), "{word} is not in {shown}");
        }
        assert!(shown.contains(&format!("data-copy=\"{}\"", Markup::from(line))), "{shown}");
    }

    #[test]
    fn an_option_breaks_before_an_id_and_not_within_it() {
        let t = crate::Language::English.texts();
        let shown = command(t, &["aws", "--group-id sg-1", "--ids a b", "--yes"]).to_string();
        for part in ["<span>--group-id <span>sg-1</span></span>", "<span>--ids a b</span>"] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(shown.contains("<span>--yes</span>"), "{shown}");
        assert!(shown.contains(r#"data-copy="aws --group-id sg-1 --ids a b --yes""#), "{shown}");
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let hostile = r#"<script>alert("1")</script>'&"#;
        let shown = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;";
        assert_eq!(Markup::from(hostile).to_string(), shown);
        let t = crate::Language::English.texts();
        for piece in [
            text(hostile),
            mono(hostile),
            strong(hostile),
            strong_mono(hostile),
            copy_button(t, hostile, hostile),
            command(t, &[hostile, hostile]),
            time(hostile, hostile, hostile, None),
            fill("{a}", &[("a", hostile.into())]),
        ] {
            let piece = piece.to_string();
            assert!(!piece.contains("<script"), "{piece}");
            assert!(piece.contains(shown), "{piece}");
        }
    }

    proptest::proptest! {
        #[test]
        fn escaped_text_has_no_markup(text in proptest::prelude::any::<String>()) {
            let safe = escaped(&text);
            proptest::prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            proptest::prop_assert!(!safe.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn what_no_page_should_hold_is_replaced() {
        let shown = Markup::from("a\u{202e}b\u{7}c").to_string();
        assert_eq!(shown, "a\u{fffd}b\u{fffd}c");
        assert_eq!(Markup::from("a\tb").to_string(), "a\tb");
        let page = "<b>\u{202e}live\u{202c}</b> \u{5d0}\u{200f}".to_owned();
        assert_eq!(without_turns(page), "<b>\u{fffd}live\u{fffd}</b> \u{5d0}\u{200f}");
        assert_eq!(without_turns("<b>".to_owned()), "<b>");
    }

    #[test]
    fn a_sentence_begins_with_a_capital_unless_it_begins_with_a_name() {
        assert_eq!(capital("send it".into()).to_string(), "Send it");
        assert_eq!(capital("送る".into()).to_string(), "送る");
        let named = mono("vpc-1").to_string();
        assert_eq!(capital(mono("vpc-1")).to_string(), named);
        assert_eq!(capital(Markup::default()), Markup::default());
    }

    #[test]
    fn places_are_filled_and_the_rest_is_text() {
        let filled = fill("a < {b}, {c}", &[("b", mono("x")), ("c", "y>".into())]);
        assert_eq!(filled.to_string(), r#"a &lt; <span class="m">x</span>, y&gt;"#);
        assert_eq!(fill("open {place", &[]).to_string(), "open place");
    }
}
