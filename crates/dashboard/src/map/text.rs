//! Text in a picture: how wide it is, and how it is shortened.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use crate::markup::is_replaced;

/// Pixels that a character of the monospaced face has at its size on the map, 11 px.
const MONO: f32 = 6.7;
/// Pixels of the face of plain text, 12 px.
const SANS: f32 = 12.0;

/// A face of the map's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Plain text.
    Sans,
    /// Names, semi-bold.
    Bold,
    /// Blocks, addresses and ids.
    Mono,
}

/// How wide a text is at most, in pixels. Which fonts a reader has is unknown, so this is generous.
pub(super) fn width(text: &str, face: Face) -> f32 {
    text.chars().map(|c| width_of(c, face)).sum()
}

fn width_of(c: char, face: Face) -> f32 {
    let columns = if is_replaced(c) { 1 } else { c.width().unwrap_or(1) };
    if face == Face::Mono {
        return match columns {
            2.. => 2.0 * MONO,
            columns => MONO * columns as f32,
        };
    }
    let ems = match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '\u{a0}' => 0.34,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | '/' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.98,
        'A'..='Z' => 0.72,
        _ => match columns {
            0 => 0.0,
            1 => 0.63,
            _ => 1.04,
        },
    };
    SANS * ems * if face == Face::Bold { 1.07 } else { 1.0 }
}

/// Cuts a text to at most the given width. An ellipsis stands for what was cut off.
pub(super) fn shorten(text: &str, face: Face, room: f32) -> String {
    if width(text, face) <= room {
        return text.to_owned();
    }
    let room = room - width_of('…', face);
    let mut used = 0.0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += width_of(*c, face);
            used <= room
        })
        .collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// An id of a row: its first six and last four characters.
pub(super) fn short_id(id: &str) -> String {
    match id.len() > 12 && id.is_ascii() {
        true => format!("{}…{}", &id[..6], &id[id.len() - 4..]),
        false => id.to_owned(),
    }
}

/// Writes a coordinate with at most one decimal.
pub(super) fn number(out: &mut String, value: f32) {
    let tenths = (value * 10.0).round() as i64;
    let (whole, rest) = (tenths / 10, (tenths % 10).abs());
    if tenths < 0 && whole == 0 {
        out.push('-');
    }
    let _ = write!(out, "{whole}");
    if rest != 0 {
        let _ = write!(out, ".{rest}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn coordinates_are_short() {
        let text = |value| {
            let mut out = String::new();
            number(&mut out, value);
            out
        };
        assert_eq!(
            [0.0, 12.0, 12.25, -0.3, -4.96, 1234.5].map(text),
            ["0", "12", "12.3", "-0.3", "-5", "1234.5"]
        );
    }

    #[test]
    fn ids_keep_their_ends() {
        assert_eq!(short_id("i-0e4c7a92d15b8f306"), "i-0e4c…f306");
        assert_eq!(short_id("shop/web.1"), "shop/web.1");
    }

    proptest! {
        #[test]
        fn what_is_shortened_has_room(text in "\\PC{0,80}", room in 30f32..300.0) {
            for face in [Face::Sans, Face::Bold, Face::Mono] {
                let short = shorten(&text, face, room);
                prop_assert!(width(&short, face) <= room + 0.01, "{short}");
            }
        }
    }
}
